"""API keys as the database keeps them: the hash of the secret, never the secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from services.state.database import Database
from services.state.tables import api_keys


@dataclass(frozen=True)
class StoredKey:
    """One API key; `revoked_at` is None while it is valid."""

    key_id: str
    name: str
    scopes: frozenset[str]
    secret_hash: str
    created_at: datetime
    revoked_at: datetime | None


class ApiKeys:
    """The table of API keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, key_id: str, name: str, scopes: Sequence[str], secret_hash: str, now: datetime) -> None:
        """Keep a new key."""
        row = {"key_id": key_id, "name": name, "scopes": sorted(scopes), "secret_hash": secret_hash, "created_at": now}
        with self._database.writing() as connection:
            connection.execute(api_keys.insert().values(row))

    def get(self, key_id: str) -> StoredKey | None:
        """One key, or None."""
        with self._database.reading() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).one_or_none()
        return None if row is None else _stored(row)

    def all(self) -> tuple[StoredKey, ...]:
        """All keys, the oldest first, revoked ones too."""
        with self._database.reading() as connection:
            rows = connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)).all()
        return tuple(_stored(row) for row in rows)

    def revoke(self, key_id: str, now: datetime) -> bool:
        """Make a key invalid for ever; False when there is no such valid key."""
        statement = update(api_keys).where(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None)).values(revoked_at=now)
        with self._database.writing() as connection:
            return connection.execute(statement.returning(api_keys.c.key_id)).one_or_none() is not None


def _stored(row: Any) -> StoredKey:
    return StoredKey(row.key_id, row.name, frozenset(row.scopes), row.secret_hash, row.created_at, row.revoked_at)
