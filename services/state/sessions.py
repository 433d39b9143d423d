"""Sessions of the portal: a one-time token becomes a cookie; the database keeps hashes of both alone."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from services.state.database import Database
from services.state.tables import sessions

TOKEN_LIFETIME = timedelta(minutes=15)
SESSION_LIFETIME = timedelta(days=7)
ALL_SCOPES = ("submit", "intake", "read", "review", "exact", "admin")


class Sessions:
    """Sessions by the hash of their id."""

    def __init__(self, database: Database, new_secret: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> None:
        self._database = database
        self._new_secret = new_secret

    def create_one_time_token(self, now: datetime) -> str:
        """A token that can be redeemed once, within 15 minutes."""
        token = self._new_secret()
        row = {"token_hash": _hash(token), "scopes": list(ALL_SCOPES), "created_at": now, "expires_at": now + TOKEN_LIFETIME}
        over = select(sessions.c.token_hash).where(sessions.c.expires_at < now).with_for_update(skip_locked=True)
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.token_hash.in_(over)))
            connection.execute(sessions.insert().values(row))
        return token

    def redeem(self, token: str, now: datetime) -> str | None:
        """Exchange a token for the id of a new session of seven days; None when it is unknown, used or too old."""
        session_id = self._new_secret()
        is_open = (sessions.c.token_hash == _hash(token)) & sessions.c.session_hash.is_(None) & (sessions.c.expires_at >= now)
        statement = update(sessions).where(is_open).values(session_hash=_hash(session_id), expires_at=now + SESSION_LIFETIME)
        with self._database.writing() as connection:
            redeemed = connection.execute(statement.returning(sessions.c.token_hash)).one_or_none()
        return None if redeemed is None else session_id

    def session_scopes(self, session_id: str, now: datetime) -> frozenset[str]:
        """What a session may do; nothing when it is unknown or over."""
        statement = select(sessions.c.scopes).where(sessions.c.session_hash == _hash(session_id), sessions.c.expires_at >= now)
        with self._database.reading() as connection:
            scopes = connection.execute(statement).scalar()
        return frozenset(scopes or ())

    def end(self, session_id: str) -> None:
        """Log out."""
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.session_hash == _hash(session_id)))

    def forget_expired(self, now: datetime) -> int:
        """Delete sessions and tokens that are over; returns how many."""
        with self._database.writing() as connection:
            return len(connection.execute(delete(sessions).where(sessions.c.expires_at < now).returning(sessions.c.token_hash)).all())


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
