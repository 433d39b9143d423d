"""Connections to Postgres as the state needs them: bounded in number and time, named after the run they work for."""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

from services.tracing import current_run_id

# Twenty connections a process: three processes fit under the 100 that Postgres allows by default, with room for people.
POOL_SIZE, POOL_OVERFLOW = 5, 15
APPLICATION = "cartulary"
# Postgres cuts longer names off.
NAME_LENGTH = 63


def postgres_engine(url: URL, *, busy_seconds: int) -> Engine:
    """An engine on which nothing waits for ever, neither for a server that went away without a word nor for a lock."""
    limits = {
        "timezone": "UTC",
        "lock_timeout": f"{busy_seconds}s",
        "statement_timeout": "60s",
        "idle_in_transaction_session_timeout": "120s",
    }
    defaults = {
        "connect_timeout": "5",
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        "tcp_user_timeout": "60000",
        "application_name": APPLICATION,
        "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
    }
    engine = create_engine(
        url.set(query={**defaults, **url.query}),  # what the URL says itself wins
        isolation_level="READ COMMITTED",
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=busy_seconds,
        # A connection is asked whether it still lives before it is used: 0.1 ms, and a restarted server costs no call.
        pool_pre_ping=True,
        # The one used last comes first: it mostly bears the name of the run already.
        pool_use_lifo=True,
    )
    event.listen(engine, "checkout", _name_after_run)
    return engine


def _name_after_run(connection: psycopg.Connection[Any], record: Any, proxy: object) -> None:
    """Let Postgres' own views and logs show for which run a connection works; a round trip only when that has changed."""
    run_id = current_run_id()
    if record.info.get("run_id", "") == run_id:
        return
    try:
        connection.autocommit = True
        connection.execute("select set_config('application_name', %s, false)", (f"{APPLICATION} {run_id}".strip()[:NAME_LENGTH],))
        connection.autocommit = False
    except psycopg.Error as cause:
        raise DisconnectionError("the connection was lost") from cause
    record.info["run_id"] = run_id
