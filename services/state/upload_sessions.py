"""Links to upload one large file without a key: used once, for an hour; the database keeps the hash of the link's token alone."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, or_, select, update

from services.errors import ConflictError, GoneError, NotFoundError
from services.state.database import Database
from services.state.tables import upload_sessions

LIFETIME = timedelta(hours=1)
# Whoever transfers says so several times within this; a killed process's link is free again after it.
LEASE = timedelta(seconds=60)
NEW_LINK = "ask for a new one with POST /v1/upload-sessions."


@dataclass(frozen=True)
class Announced:
    """The file that a link is for, as the one who asked for the link described it."""

    file_name: str
    purpose: str
    dataset: str
    mode: str
    door: str
    max_bytes: int


@dataclass(frozen=True)
class NewLink:
    """A link at the only moment when its token is known."""

    session_id: str
    token: str
    expires_at: datetime


@dataclass(frozen=True)
class Transfer:
    """One attempt to send the file of a link; nobody else may while it lasts."""

    session_id: str
    attempt: str
    file: Announced


class UploadSessions:
    """Links by the hash of their token."""

    def __init__(
        self,
        database: Database,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
        new_secret: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._database = database
        self._new_id, self._new_secret = new_id, new_secret

    def create(self, file: Announced, now: datetime) -> NewLink:
        """A link for this file, valid for an hour; a transfer that began in time may last longer."""
        made = NewLink(self._new_id(), self._new_secret(), now + LIFETIME)
        row = {
            "token_hash": _hash(made.token),
            "session_id": made.session_id,
            "file_name": file.file_name,
            "purpose": file.purpose,
            "dataset": file.dataset,
            "mode": file.mode,
            "door": file.door,
            "max_bytes": file.max_bytes,
            "created_at": now,
            "expires_at": made.expires_at,
        }
        with self._database.writing() as connection:
            connection.execute(upload_sessions.insert().values(row))
        return made

    def begin(self, token: str, now: datetime) -> Transfer:
        """Take the link for one transfer: `confirm` it within a minute, again and again, then `finish` or `release` it.

        Raises NotFoundError for a token that is not known, GoneError for a link that was used or is too old, ConflictError while
        another transfer goes on.
        """
        attempt = self._new_id()
        table = upload_sessions.c
        is_open = and_(table.token_hash == _hash(token), table.used_at.is_(None), table.expires_at >= now)
        is_free = or_(table.lease_until.is_(None), table.lease_until < now)
        statement = update(upload_sessions).where(is_open, is_free).values(attempt=attempt, lease_until=now + LEASE)
        with self._database.writing() as connection:
            taken = connection.execute(statement.returning(*upload_sessions.c)).one_or_none()
        if taken is None:
            raise self._why_not(token, now)
        file = Announced(taken.file_name, taken.purpose, taken.dataset, taken.mode, taken.door, taken.max_bytes)
        return Transfer(taken.session_id, attempt, file)

    def confirm(self, transfer: Transfer, now: datetime) -> bool:
        """Say that the transfer goes on; False when it was silent for so long that another one began."""
        return self._change(transfer, lease_until=now + LEASE)

    def finish(self, transfer: Transfer, now: datetime) -> bool:
        """The file is there: the link is used up."""
        return self._change(transfer, lease_until=None, used_at=now)

    def release(self, transfer: Transfer) -> bool:
        """The transfer broke: the link may be used again."""
        return self._change(transfer, lease_until=None)

    def forget_expired(self, now: datetime) -> int:
        """Delete links that are too old and over which nothing comes in; returns how many."""
        is_over = and_(
            upload_sessions.c.expires_at < now, or_(upload_sessions.c.lease_until.is_(None), upload_sessions.c.lease_until < now)
        )
        # What another one takes or deletes at this moment is left to it: nobody waits.
        old = select(upload_sessions.c.token_hash).where(is_over).with_for_update(skip_locked=True)
        statement = delete(upload_sessions).where(upload_sessions.c.token_hash.in_(old)).returning(upload_sessions.c.token_hash)
        with self._database.writing() as connection:
            return len(connection.execute(statement).all())

    def _change(self, transfer: Transfer, **values: Any) -> bool:
        is_mine = and_(
            upload_sessions.c.session_id == transfer.session_id,
            upload_sessions.c.attempt == transfer.attempt,
            upload_sessions.c.used_at.is_(None),
        )
        statement = update(upload_sessions).where(is_mine).values(**values).returning(upload_sessions.c.session_id)
        with self._database.writing() as connection:
            return connection.execute(statement).one_or_none() is not None

    def _why_not(self, token: str, now: datetime) -> ConflictError | GoneError | NotFoundError:
        with self._database.reading() as connection:
            found = connection.execute(select(upload_sessions).where(upload_sessions.c.token_hash == _hash(token))).one_or_none()
        if found is None:
            return NotFoundError(f"This upload link is not known, or was over long ago: {NEW_LINK}")
        if found.used_at is not None:
            return GoneError(f"This upload link was used already: {NEW_LINK}")
        if found.expires_at < now:
            return GoneError(f"This upload link is too old: {NEW_LINK}")
        return ConflictError("Another transfer uses this upload link just now: wait for it, or ask for a link of your own.")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
