"""Which database the state lies in, and how SQLite is opened for it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from services.errors import ConfigurationError

BUSY_SECONDS = 30


def parsed(url: str | URL) -> URL:
    """The URL of a SQLite or Postgres database; ConfigurationError, without the URL and its password, for anything else."""
    try:
        made = make_url(url)
    except (ArgumentError, ValueError) as cause:
        raise _not_a_url("is no database URL") from cause
    backend = made.drivername.partition("+")[0]
    if backend in ("postgresql", "postgres"):
        return made.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise _not_a_url(f"names a database that is not known here, {backend}")
    return made


def open_engine(url: URL) -> Engine:
    """An engine for a URL of `parsed`; ConfigurationError when the driver is not installed."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    try:
        from services.state.postgres import postgres_engine  # psycopg is installed with the stack only
    except ModuleNotFoundError as cause:
        raise ConfigurationError(
            "CARTULARY_STATE__URL names Postgres but psycopg is not installed: pip install cartulary[stack], or leave the setting "
            "empty for SQLite in the data directory."
        ) from cause
    return postgres_engine(url, busy_seconds=BUSY_SECONDS)


def _not_a_url(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"CARTULARY_STATE__URL {what}: write it like postgresql://user:password@host:5432/name, or leave it empty for SQLite in the "
        "data directory."
    )


def _sqlite(url: URL) -> Engine:
    Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, pool_size=16, max_overflow=48)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:
    """Readers beside one writer (WAL); what was committed survives a power cut (FULL)."""
    connection.isolation_level = None  # we say BEGIN ourselves, below
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock first: a reader that becomes a writer is refused at once, without any waiting."""
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql("begin immediate" if is_writing else "begin")
