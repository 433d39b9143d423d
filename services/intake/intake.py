"""The one door for letters, data files, forms and decisions: what it gives a receipt for is never lost."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from services.contracts import DatasetContract
from services.errors import ConflictError, ContractError, IntakeError, NotFoundError, ObjectStoreError, WarehouseError
from services.intake.corrections import CorrectionIn
from services.intake.inspection import Inspected, inspect_dataset, inspect_letter
from services.intake.load_requests import LoadRequest, load_request_key
from services.intake.rebuild import Rebuilder, upload_key
from services.intake.receipts import Receipt, RegisterResult, letter_id, plain_file_name, submission_id
from services.intake.reception import Received, received
from services.intake.registration import REGISTER, Registrar
from services.intake.rows import StoredCorrection, StoredSubmission, letter_pages, load_payload
from services.intake.sniff import HEAD_BYTES, sniff
from services.intake.submissions import SubmissionIn
from services.object_store.base import Manifest, ObjectStore
from services.object_store.spool import Spool
from services.settings import Settings
from services.state.state import State
from services.warehouse.client import Warehouse

logger = logging.getLogger(__name__)

MODES = ("replace", "append", "upsert")
JSON = "application/json"


class Intake:
    """Takes things in; works while the warehouse is down, and says so (retryable ObjectStoreError) when the store is."""

    def __init__(
        self,
        *,
        settings: Settings,
        objects: ObjectStore,
        state: State,
        warehouse: Warehouse,
        contracts: Mapping[str, DatasetContract] | Collection[str],
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._limits = settings.intake
        self._objects, self._state = objects, state
        self._datasets = contracts
        self._new_id = new_id
        self._spool = Spool(settings.data_dir / "incoming")
        self._registrar = Registrar(objects, state, warehouse)
        modes = {name: contract.mode for name, contract in contracts.items()} if isinstance(contracts, Mapping) else {}
        self._rebuilder = Rebuilder(objects, state, warehouse, self._registrar, modes)

    def receive_file(
        self,
        chunks: Iterable[bytes],
        file_name: str,
        *,
        purpose: Literal["auto", "letter", "dataset"] = "auto",
        dataset: str | None = None,
        mode: str | None = None,
        door: str,
        now: datetime,
    ) -> Receipt:
        """Take in a letter or a data file; with `auto` its first bytes tell which."""
        if purpose == "auto":
            head, chunks = _peek(chunks)
            # Nothing but white space is text, too; without a dataset's name it is refused as what it is, an empty file.
            is_dataset = sniff(head).purpose == "dataset" and (dataset or head.strip() or len(head) == HEAD_BYTES)
            purpose = "dataset" if is_dataset else "letter"
        if purpose == "letter":
            return self.receive_letter(chunks, file_name, door, now)
        return self.receive_dataset(chunks, file_name, dataset or "", mode, door, now)

    def receive_letter(self, chunks: Iterable[bytes], file_name: str, door: str, now: datetime) -> Receipt:
        """Take in one file as one letter with all its pages; the same bytes are the same letter.

        A file that cannot be used gives a receipt with the state `refused` and the reason, and leaves a trace.
        """

        def inspect(path: Path) -> Inspected:
            return inspect_letter(path, self._limits)

        return self._receive(chunks, file_name, "letter", "", None, door, now, self._limits.max_letter_bytes, inspect)

    def receive_dataset(self, chunks: Iterable[bytes], file_name: str, dataset: str, mode: str | None, door: str, now: datetime) -> Receipt:
        """Take in a data file and queue its load; the same bytes again are loaded again.

        Raises NotFoundError for an unknown dataset, ContractError for an unknown mode.
        """
        self.check_dataset(dataset, mode)
        return self._receive(
            chunks, file_name, "dataset", dataset, mode, door, now, self._limits.max_file_bytes, lambda path: inspect_dataset(path)
        )

    def check_dataset(self, dataset: str, mode: str | None) -> None:
        """Raise NotFoundError for an unknown dataset, ContractError for an unknown mode."""
        if dataset not in self._datasets:
            asked = f"There is no dataset {dataset!r}" if dataset else "A data file needs the name of its dataset"
            raise NotFoundError(f"{asked}: choose from {', '.join(sorted(self._datasets))}.")
        if mode is not None and mode not in MODES:
            raise ContractError(f"There is no mode {mode!r}: choose from {', '.join(MODES)}.")

    def receive_submission(
        self, submission: SubmissionIn, channel: str | None, now: datetime, *, idempotency_key: str | None = None, door: str = "api"
    ) -> Receipt:
        """Keep a request of the web form or the phone; with the same idempotency key it is the same submission.

        Put the caller's identity before his key, so that two callers cannot meet. ConflictError when the same key came with
        another request.
        """
        if channel is not None:
            submission = SubmissionIn.model_validate({**submission.model_dump(include=set(SubmissionIn.model_fields)), "channel": channel})
        identifier = submission_id(idempotency_key) if idempotency_key else self._new_id()
        stored = StoredSubmission(submission_id=identifier, submission=submission)
        manifest, is_kept, is_new = self._keep_form("submission", identifier, stored, door, now)
        if not is_kept:
            raise ConflictError("This Idempotency-Key came before with another request: send a new key with each new request.")
        return Receipt("submission", identifier, "", is_new, "stored", "", "", manifest.received_at)

    def receive_correction(self, correction: CorrectionIn, reviewer: str, now: datetime, *, door: str = "api") -> Receipt:
        """Keep a person's decision about a letter or submission; whether that exists is the caller's to know."""
        identifier = self._new_id()
        stored = StoredCorrection(correction_id=identifier, reviewer=" ".join(reviewer.split())[:200], correction=correction)
        manifest, _, is_new = self._keep_form("correction", identifier, stored, door, now)
        return Receipt("correction", identifier, "", is_new, "stored", "", "", manifest.received_at)

    def register_outstanding(self, now: datetime) -> RegisterResult:
        """Write the bronze rows of what was accepted while the warehouse was down or by a process that was killed.

        Raises WarehouseError or ObjectStoreError when one of the two is (still) down; nothing is lost then.
        """
        return self._registrar.register_outstanding(now)

    def rebuild_bronze(self, now: datetime) -> RegisterResult:
        """Write all bronze rows again that the store knows and bronze lacks, and queue all work that has no result."""
        return self._rebuilder.rebuild(now)

    def _receive(
        self,
        chunks: Iterable[bytes],
        file_name: str,
        purpose: Literal["letter", "dataset"],
        dataset: str,
        mode: str | None,
        door: str,
        now: datetime,
        max_bytes: int,
        inspect: Callable[[Path], Inspected],
    ) -> Receipt:
        with received(self._spool, chunks, max_bytes) as file:
            manifest = Manifest(
                kind="upload",
                object_key=upload_key(file.sha256),
                sha256=file.sha256,
                byte_count=file.byte_count,
                media_type="application/octet-stream",
                file_name=plain_file_name(file_name),
                purpose=purpose,
                dataset=dataset,
                door=door,
                received_at=now,
                details={"mode": mode},
            )
            try:
                if file.is_too_large:
                    raise IntakeError(f"The file is larger than {max_bytes:,} bytes, the limit for a {purpose}: split it.")
                known = self._known(manifest)
                found = Inspected(known.media_type, known.details["page_count"]) if known else inspect(file.path)
            except IntakeError as refusal:
                return self._refuse(manifest, str(refusal), now)
            manifest = manifest.model_copy(
                update={"media_type": found.media_type, "details": {"mode": mode, "page_count": found.page_count}}
            )
            return self._accept(file, manifest, now)

    def _known(self, manifest: Manifest) -> Manifest | None:
        """The manifest of the same bytes, if they were let in for the same purpose before: they need no second look."""
        if not self._objects.has_manifest(manifest.object_key):
            return None
        known = self._objects.manifest(manifest.object_key)
        return known if known.purpose == manifest.purpose else None

    def _accept(self, file: Received, manifest: Manifest, now: datetime) -> Receipt:
        key = manifest.object_key

        def store() -> None:
            self._objects.put_file(key, file.path, manifest.media_type)

        kept, is_new = self._keep(key, manifest, store, now)
        if manifest.purpose == "dataset" and not is_new:
            self._load_again(kept, manifest, now)
        identifier = kept.sha256 if kept.purpose == "dataset" else letter_id(letter_pages(kept))
        kind: Literal["letter", "dataset"] = "dataset" if kept.purpose == "dataset" else "letter"
        return Receipt(kind, identifier, kept.sha256, is_new, "stored", "", manifest.file_name, kept.received_at)

    def _refuse(self, manifest: Manifest, reason: str, now: datetime) -> Receipt:
        """Keep the trace of a refused file: a manifest without an object, and a row in bronze.uploads."""
        key = f"refused/{manifest.sha256[:2]}/{manifest.sha256}-{manifest.purpose}"
        trace = manifest.model_copy(update={"object_key": "", "details": {"refusal_reason": reason}})
        kept, is_new = self._keep(key, trace, lambda: None, now)
        kind: Literal["letter", "dataset"] = "dataset" if manifest.purpose == "dataset" else "letter"
        return Receipt(kind, manifest.sha256, manifest.sha256, is_new, "refused", reason, manifest.file_name, kept.received_at)

    def _keep_form(
        self, kind: Literal["submission", "correction"], identifier: str, stored: BaseModel, door: str, now: datetime
    ) -> tuple[Manifest, bool, bool]:
        """Manifest, whether this content is the one that is kept under the id, and whether it is new."""
        content = stored.model_dump_json(indent=1).encode()
        digest = hashlib.sha256(content).hexdigest()
        # Another form with the same id must not overwrite the one that was accepted.
        object_key = f"{kind}s/{identifier}-{digest[:16]}.json"
        manifest = Manifest(
            kind=kind, object_key=object_key, sha256=digest, byte_count=len(content), media_type=JSON, door=door, received_at=now
        )
        kept, is_new = self._keep(f"{kind}s/{identifier}.json", manifest, lambda: self._objects.put(object_key, [content], JSON), now)
        is_kept = kept.object_key == object_key
        if not is_kept:
            self._objects.delete(object_key)
        return kept, is_kept, is_new

    def _keep(self, key: str, manifest: Manifest, store: Callable[[], object], now: datetime) -> tuple[Manifest, bool]:
        """Object, claim, manifest, row, in this order: killed anywhere between, the next one who comes goes on from there.

        Of several senders at once the state database takes one; all of them write that one's manifest.
        """
        is_known = self._objects.has_manifest(key)
        if is_known:
            known = self._objects.manifest(key)
            if known.object_key == manifest.object_key and known.object_key and not self._objects.exists(known.object_key):
                store()  # lost since, but here it is again
            manifest = known
        else:
            store()
        is_first = self._state.work.add(REGISTER, [key], payload={key: manifest.model_dump(mode="json")}, now=now) == 1
        if not is_known:
            manifest = self._agreed(key, manifest, now, is_first=is_first)
            self._objects.put_manifest(key, manifest)
        self._try_to_register(key, now)
        return manifest, is_first and not is_known

    def _agreed(self, key: str, manifest: Manifest, now: datetime, *, is_first: bool) -> Manifest:
        item = self._state.work.get(REGISTER, key)
        if is_first or item is None:
            return manifest
        if item.state in ("done", "failed") and not self._objects.has_manifest(key):
            # It was here before and was erased since: it is received anew.
            self._state.work.add(REGISTER, [key], payload={key: manifest.model_dump(mode="json")}, now=now, again=True)
            return manifest
        return Manifest.model_validate(item.payload)

    def _try_to_register(self, key: str, now: datetime) -> None:
        try:
            self._registrar.register(now, keys=[key])
        except (WarehouseError, ObjectStoreError) as error:
            logger.warning("%s is accepted and waits to be registered: %s", key, error)

    def _load_again(self, first: Manifest, manifest: Manifest, now: datetime) -> None:
        mode = manifest.details["mode"]
        request = LoadRequest(upload_id=manifest.sha256, dataset=manifest.dataset, mode=mode, asked_at=now)
        self._objects.put(load_request_key(request), [request.model_dump_json().encode()], JSON)
        registered = self._state.work.get(REGISTER, manifest.object_key)
        if first.purpose == "dataset" and (registered is None or registered.state in ("pending", "claimed")):
            # The first load is queued when the file is registered, which would come too late now that there is another one.
            payload = {manifest.sha256: load_payload(first.dataset, first.details.get("mode"), first.received_at)}
            self._state.work.add("load", payload, payload=payload, now=now)
        payload = {manifest.sha256: load_payload(manifest.dataset, mode, now)}
        self._state.work.add("load", payload, payload=payload, now=now, again=True, in_turn=True)


def _peek(chunks: Iterable[bytes]) -> tuple[bytes, Iterable[bytes]]:
    """The first bytes, and all chunks again."""
    rest = iter(chunks)
    first: list[bytes] = []
    for chunk in rest:
        first.append(chunk)
        if sum(map(len, first)) >= HEAD_BYTES:
            break
    return b"".join(first)[:HEAD_BYTES], chain(first, rest)
