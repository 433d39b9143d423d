"""Writes bronze again from the object store: every manifest whose row is missing, and all work that has no result."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.intake.receipts import RegisterResult
from services.intake.registration import BATCH, QUERIES, REGISTER, Registrar
from services.intake.rows import FollowUp, registration_of
from services.object_store.base import MANIFEST_SUFFIX, Manifest, ObjectStore
from services.state.state import State
from services.warehouse.client import Warehouse

PREFIXES = ("uploads/", "refused/", "submissions/", "corrections/")
LOADS = "loads/"


class LoadRequest(BaseModel):
    """A dataset's file was handed in again: it is to be loaded again, after what came in between."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    upload_id: str
    dataset: str
    mode: str | None
    asked_at: AwareDatetime


def load_request_key(request: LoadRequest) -> str:
    """Where a load request is kept: one object for each moment."""
    return f"{LOADS}{request.upload_id}/{request.asked_at.strftime('%Y%m%dT%H%M%S%fZ')}.json"


class Rebuilder:
    """Compares the store with bronze; safe to run at any time and any number of times."""

    def __init__(self, objects: ObjectStore, state: State, warehouse: Warehouse, registrar: Registrar) -> None:
        self._objects, self._state, self._warehouse, self._registrar = objects, state, warehouse, registrar

    def rebuild(self, now: datetime) -> RegisterResult:
        """Register what bronze lacks, then queue all work without a result; returns what was registered."""
        walk = self._manifests()
        while batch := list(islice(walk, BATCH)):
            self._queue_missing(batch, now)
        result = self._registrar.register_outstanding(now)
        self._queue_work_without_result(now)
        return result

    def _manifests(self) -> Iterator[tuple[str, Manifest]]:
        for prefix in PREFIXES:
            for name in self._objects.list(prefix):
                if name.endswith(MANIFEST_SUFFIX):
                    key = name.removesuffix(MANIFEST_SUFFIX)
                    yield key, self._objects.manifest(key)

    def _queue_missing(self, manifests: list[tuple[str, Manifest]], now: datetime) -> None:
        rows = {key: registration_of(manifest, self._objects).rows for key, manifest in manifests}
        missing = {(row.table, row.identity) for row in self._registrar.missing(row for found in rows.values() for row in found)}
        payload = {
            key: manifest.model_dump(mode="json")
            for key, manifest in manifests
            if any((row.table, row.identity) in missing for row in rows[key])
        }
        self._state.work.add(REGISTER, payload, payload=payload, now=now, again=True)

    def _queue_work_without_result(self, now: datetime) -> None:
        found = self._warehouse.query((QUERIES / "missing_work.sql").read_text(encoding="utf-8"))
        loads = sorted(
            (self._last_load_request(row["key"]) for row in found if row["kind"] == "load"), key=lambda request: request.asked_at
        )
        # Replacements must come in the order in which they were asked for: the newest file is the whole truth.
        again = [FollowUp("load", request.upload_id, {"dataset": request.dataset, "mode": request.mode}) for request in loads]
        again += [FollowUp(row["kind"], row["key"]) for row in found if row["kind"] != "load"]
        self._registrar.add_work(again, now, again=True)

    def _last_load_request(self, upload_id: str) -> LoadRequest:
        manifest = self._objects.manifest(upload_key(upload_id))
        first = LoadRequest(upload_id=upload_id, dataset=manifest.dataset, mode=manifest.details.get("mode"), asked_at=manifest.received_at)
        later = (LoadRequest.model_validate_json(self._objects.read(key)) for key in self._objects.list(f"{LOADS}{upload_id}/"))
        return max((first, *later), key=lambda request: request.asked_at)


def upload_key(sha256: str) -> str:
    """Where the bytes of an upload lie: the same bytes, the same place."""
    return f"uploads/{sha256[:2]}/{sha256}"
