"""Requests that were sent with an Idempotency-Key: the second one gets the first one's answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from services.errors import ConflictError
from services.state.database import Database
from services.state.tables import idempotency_keys

# Whoever got no answer asks again within minutes; a week is generous.
KEPT = timedelta(days=7)
FORGET_EVERY = timedelta(hours=1)


@dataclass(frozen=True)
class StoredAnswer:
    """The answer that the first request got: HTTP status and JSON body."""

    status: int
    body: str


class IdempotencyKeys:
    """Keys of requests; callers put the API key's id before the sender's key, so that senders cannot meet."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._forget_at: datetime | None = None

    def begin(self, key: str, request_hash: str, now: datetime) -> StoredAnswer | None:
        """Note a request; None means: carry it out (again, if the first one never got its answer).

        Raises ConflictError when the key came before with another request. Keys older than a week are forgotten on the way.
        """
        if self._forget_at is None or now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY
            self.forget(now - KEPT)
        insert = self._database.insert(idempotency_keys).values(key=key, request_hash=request_hash, created_at=now)
        # The update changes nothing: it has the row answer that is there, in one statement, so that nobody forgets it in between.
        noted = insert.on_conflict_do_update(index_elements=["key"], set_={"key": insert.excluded.key})
        with self._database.writing() as connection:
            row = connection.execute(noted.returning(*idempotency_keys.c)).one()
        if row.request_hash != request_hash:
            raise ConflictError("This Idempotency-Key came before with another request: send a new key with each new request.")
        return None if row.status is None else StoredAnswer(row.status, row.body)

    def finish(self, key: str, status: int, body: str) -> None:
        """Keep the answer for whoever sends the same request again."""
        with self._database.writing() as connection:
            connection.execute(update(idempotency_keys).where(idempotency_keys.c.key == key).values(status=status, body=body))

    def forget(self, before: datetime) -> int:
        """Delete keys that are older; returns how many."""
        # Whom another one forgets at this moment is forgotten: nobody waits.
        old = select(idempotency_keys.c.key).where(idempotency_keys.c.created_at < before).with_for_update(skip_locked=True)
        statement = delete(idempotency_keys).where(idempotency_keys.c.key.in_(old)).returning(idempotency_keys.c.key)
        with self._database.writing() as connection:
            return len(connection.execute(statement).all())
