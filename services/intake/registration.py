"""Writes the bronze rows of what was accepted, exactly once, whoever is killed while doing so."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from services.errors import ContractError, NotFoundError, ObjectStoreError, WarehouseError
from services.intake.receipts import RegisterResult
from services.intake.rows import BronzeRow, FollowUp, Registration, by_table, registration_of
from services.object_store.base import Manifest, ObjectStore
from services.state.locks import this_process
from services.state.state import State
from services.state.work import WorkItem
from services.warehouse.client import Warehouse

logger = logging.getLogger(__name__)

REGISTER = "register"
BATCH = 500
# Longer than any insert may take (warehouse.timeout_seconds is 300), so that a dead holder's insert is over when its items are free.
LEASE_SECONDS = 600
QUERIES = Path(__file__).with_name("queries")


@dataclass(frozen=True)
class Batch:
    """Number of items taken from the queue, and of those registered; the others cannot be and say why in the queue."""

    claimed: int
    registered: int


class Registrar:
    """Registers accepted objects: the work item is the claim, the row's own id in bronze says whether it is there already."""

    def __init__(
        self,
        objects: ObjectStore,
        state: State,
        warehouse: Warehouse,
        new_owner: Callable[[], str] = lambda: f"{this_process()} {uuid.uuid4().hex}",
    ) -> None:
        self._objects, self._state, self._warehouse = objects, state, warehouse
        self._new_owner = new_owner

    def register(self, now: datetime, keys: Sequence[str] | None = None) -> Batch:
        """Register up to 500 outstanding objects (of these keys).

        Raises WarehouseError or ObjectStoreError when one of the two is down: everything then stays outstanding.
        """
        owner = self._new_owner()
        items = self._state.work.claim(REGISTER, limit=BATCH, owner=owner, lease_seconds=LEASE_SECONDS, now=now, keys=keys)
        try:
            return Batch(len(items), self._register(items, owner, now) if items else 0)
        except (WarehouseError, ObjectStoreError) as error:
            self._state.work.release(REGISTER, [item.key for item in items], owner=owner, error=str(error))
            raise

    def register_outstanding(self, now: datetime) -> RegisterResult:
        """Register everything that is outstanding, in batches; the same errors as `register`."""
        started = time.monotonic()
        registered = 0
        while True:
            # Leases of later batches begin later, however long this takes.
            batch = self.register(now + timedelta(seconds=time.monotonic() - started))
            registered += batch.registered
            if not batch.claimed:
                return RegisterResult(registered, self._state.work.outstanding(REGISTER))

    def missing(self, rows: Iterable[BronzeRow]) -> list[BronzeRow]:
        """Those rows that bronze does not have."""
        lacking: list[BronzeRow] = []
        for table, found in by_table(rows):
            ids = [row.values["upload_id"] if table == "uploads" else identity for identity, row in found.items()]
            sql = (QUERIES / f"known_{table}.sql").read_text(encoding="utf-8")
            known = {row["id"] for row in self._warehouse.query(sql, {"ids": ids})}
            lacking.extend(row for identity, row in found.items() if identity not in known)
        return lacking

    def _register(self, items: Sequence[WorkItem], owner: str, now: datetime) -> int:
        prepared = self._prepared(items, owner, now)
        # Whoever was stopped for longer than the lease finds here that his items are somebody else's by now.
        held = self._state.work.renew(REGISTER, list(prepared), owner=owner, lease_seconds=LEASE_SECONDS, now=now)
        registrations = {key: registration for key, registration in prepared.items() if key in held}
        rows = self.missing(row for registration in registrations.values() for row in registration.rows)
        for table, new in by_table(rows):
            self._warehouse.insert(f"bronze.{table}", [row.values for row in new.values()])
        self.add_work((follow_up for registration in registrations.values() for follow_up in registration.follow_ups), now)
        self._state.work.done(REGISTER, registrations, owner=owner)
        return len(registrations)

    def add_work(self, follow_ups: Iterable[FollowUp], now: datetime, *, again: bool = False) -> None:
        """Queue what comes next, in the order given; of several with one key the last counts."""
        by_kind: dict[str, dict[str, Mapping[str, object]]] = {}
        for follow_up in follow_ups:
            by_kind.setdefault(follow_up.kind, {})[follow_up.key] = follow_up.payload
        for kind, payload in by_kind.items():
            self._state.work.add(kind, payload, payload=payload, now=now, again=again)

    def _prepared(self, items: Sequence[WorkItem], owner: str, now: datetime) -> dict[str, Registration]:
        prepared: dict[str, Registration] = {}
        for item in items:
            try:
                manifest = Manifest.model_validate(item.payload)
                prepared[item.key] = registration_of(manifest, self._objects)
            except (ValidationError, ContractError, NotFoundError) as error:
                logger.error("%s cannot be registered: %s", item.key, error)
                self._state.work.fail(REGISTER, item.key, str(error), False, now, owner=owner)
                continue
            # Whoever accepted it may have been killed just before the manifest, which the queue knows too.
            if not self._objects.has_manifest(item.key):
                self._objects.put_manifest(item.key, manifest)
        return prepared
