"""The tables of the state database, in the part of SQL that SQLite and Postgres share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, Dialect, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """Aware times in UTC on both sides, also where the database keeps no zone (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse times without a zone; store all others in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone: pass datetime.now(UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give times back in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

work = Table(
    "work",
    metadata,
    Column("kind", String(40), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("state", String(10), nullable=False),  # pending, claimed, done or failed
    Column("payload", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),  # that failed; a killed process is no failure of its work
    Column("error", Text, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("is_wanted_again", Integer, nullable=False),  # asked for meanwhile: work_rounds has the payloads
    Column("added_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("lease_until", UtcDateTime),
)
Index("work_by_state", work.c.state, work.c.kind, work.c.added_at, work.c.key)

work_rounds = Table(
    "work_rounds",
    metadata,
    Column("round_id", Integer, primary_key=True),  # rises: the order of the rounds
    Column("kind", String(40), nullable=False),
    Column("key", String(200), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
)
Index("work_rounds_by_item", work_rounds.c.kind, work_rounds.c.key, work_rounds.c.round_id)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", String(400), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("status", Integer),  # null until the answer is known
    Column("body", Text),
    Column("created_at", UtcDateTime, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("secret_hash", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("session_hash", String(64), unique=True),  # null until the token is redeemed
    Column("scopes", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),  # of the token, then of the session
)

upload_sessions = Table(
    "upload_sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("session_id", String(64), nullable=False, unique=True),
    Column("file_name", String(200), nullable=False),
    Column("purpose", String(10), nullable=False),  # auto, letter or dataset
    Column("dataset", String(200), nullable=False),
    Column("mode", String(50), nullable=False),
    Column("door", String(40), nullable=False),
    Column("max_bytes", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("attempt", String(64)),  # the newest transfer
    Column("lease_until", UtcDateTime),  # null while nobody transfers
    Column("used_at", UtcDateTime),
)

spending = Table(
    "spending",
    metadata,
    Column("month", String(7), primary_key=True),  # 2026-03
    Column("micros", BigInteger, nullable=False),  # paid, and set aside for what is being asked; millionths of the currency
)

locks = Table(
    "locks",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("token", String(64), nullable=False),  # of this holding alone
    Column("owner", String(200), nullable=False),  # for people
    Column("lease_until", UtcDateTime, nullable=False),
)

geocode_cache = Table(
    "geocode_cache",
    metadata,
    Column("key", String(64), primary_key=True),  # hash of the question
    Column("answer", Text, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)
Index("geocode_cache_by_expiry", geocode_cache.c.expires_at)

Row = dict[str, Any]
