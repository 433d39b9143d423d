"""Writes bronze again from the object store: every manifest whose row is missing, and all work that has no result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice
from typing import TypeVar

from pydantic import ValidationError

from services.errors import ContractError, NotFoundError, ObjectStoreError
from services.intake.load_requests import LOADS, LoadRequest, first_request, without_result
from services.intake.receipts import RegisterResult
from services.intake.registration import BATCH, QUERIES, REGISTER, Registrar
from services.intake.rows import FollowUp, load_payload, registration_of
from services.object_store.base import MANIFEST_SUFFIX, Manifest, ObjectStore
from services.state.state import State
from services.warehouse.client import Warehouse

logger = logging.getLogger(__name__)

PREFIXES = ("uploads/", "refused/", "submissions/", "corrections/")
Stored = TypeVar("Stored")


class Rebuilder:
    """Compares the store with bronze; safe to run at any time and any number of times."""

    def __init__(
        self, objects: ObjectStore, state: State, warehouse: Warehouse, registrar: Registrar, default_modes: Mapping[str, str]
    ) -> None:
        self._objects, self._state, self._warehouse, self._registrar = objects, state, warehouse, registrar
        self._default_modes = default_modes

    def rebuild(self, now: datetime) -> RegisterResult:
        """Register what bronze lacks, then queue all work without a result; says what was registered and what is damaged."""
        damaged: list[str] = []
        requests: list[LoadRequest] = []
        walk = self._manifests(damaged)
        while batch := list(islice(walk, BATCH)):
            self._queue_missing(batch, damaged, now)
            requests += [first_request(manifest) for _, manifest in batch if manifest.purpose == "dataset" and manifest.object_key]
        result = self._registrar.register_outstanding(now)
        self._queue_work_without_result(now)
        self._queue_loads([*requests, *self._later_requests(requests, damaged)], now)
        return replace(result, damaged=tuple(damaged))

    def _manifests(self, damaged: list[str]) -> Iterator[tuple[str, Manifest]]:
        for prefix in PREFIXES:
            for name in self._objects.list(prefix):
                if name.endswith(MANIFEST_SUFFIX):
                    key = name.removesuffix(MANIFEST_SUFFIX)
                    manifest = _unless_damaged(key, damaged, partial(self._objects.manifest, key))
                    if manifest is not None:
                        yield key, manifest

    def _queue_missing(self, manifests: list[tuple[str, Manifest]], damaged: list[str], now: datetime) -> None:
        found = {key: _unless_damaged(key, damaged, partial(registration_of, manifest, self._objects)) for key, manifest in manifests}
        rows = {key: registration.rows for key, registration in found.items() if registration is not None}
        missing = {(row.table, row.identity) for row in self._registrar.missing(chain.from_iterable(rows.values()))}
        payload = {
            key: manifest.model_dump(mode="json")
            for key, manifest in manifests
            if any((row.table, row.identity) in missing for row in rows.get(key, ()))
        }
        self._state.work.add(REGISTER, payload, payload=payload, now=now, again=True)

    def _queue_work_without_result(self, now: datetime) -> None:
        found = self._warehouse.query((QUERIES / "missing_work.sql").read_text(encoding="utf-8"))
        self._registrar.add_work([FollowUp(row["kind"], row["key"]) for row in found], now, again=True)

    def _later_requests(self, known: Sequence[LoadRequest], damaged: list[str]) -> Iterator[LoadRequest]:
        """Requests to load a file again whose manifest is there."""
        uploads = {request.upload_id for request in known}
        for key in self._objects.list(LOADS):
            request = _unless_damaged(key, damaged, partial(self._load_request, key))
            if request is not None and request.upload_id in uploads:
                yield request

    def _load_request(self, key: str) -> LoadRequest:
        return LoadRequest.model_validate_json(self._objects.read(key))

    def _queue_loads(self, requests: Sequence[LoadRequest], now: datetime) -> None:
        loaded = self._warehouse.query((QUERIES / "loaded_files.sql").read_text(encoding="utf-8"))
        for number, request in enumerate(without_result(requests, loaded, self._default_modes)):
            payload = {request.upload_id: load_payload(request.dataset, request.mode, request.asked_at)}
            # One by one, each a moment later: a file that goes into two datasets waits at two places in the queue.
            moment = now + timedelta(microseconds=number)
            self._state.work.add("load", payload, payload=payload, now=moment, again=True, in_turn=True)


def _unless_damaged(key: str, damaged: list[str], read: Callable[[], Stored]) -> Stored | None:
    """What is read, or None and a note: one damaged object must not keep all others from coming back."""
    try:
        return read()
    except (ContractError, NotFoundError, ValidationError) as error:
        logger.error("%s cannot be restored: %s", key, error)
    except ObjectStoreError as error:
        if error.retryable:
            raise
        logger.error("%s cannot be restored: %s", key, error)
    damaged.append(key)
    return None


def upload_key(sha256: str) -> str:
    """Where the bytes of an upload lie: the same bytes, the same place."""
    return f"uploads/{sha256[:2]}/{sha256}"
