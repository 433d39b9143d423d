"""One SQLAlchemy engine with short transactions, on SQLite in a file or on Postgres."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, SQLAlchemyError, StatementError

from services.errors import ConfigurationError, StateError
from services.state.tables import metadata

BUSY_SECONDS = 30


class Database:
    """The state database: read with `reading()`, change with `writing()`; all errors are StateError, of a wrong URL ConfigurationError."""

    def __init__(self, url: str | URL) -> None:
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        with _errors(f"open the state database {self.url.render_as_string(hide_password=True)}"):
            self.engine = self._create_engine()
            with self.writing() as connection:
                metadata.create_all(connection)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for SELECT."""
        with _errors("read the state database"), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, or rolled back on an error."""
        with _errors("write the state database"), self.engine.connect() as connection:
            connection = connection.execution_options(is_writing=True)
            with connection.begin():
                yield connection

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that knows ON CONFLICT, which both dialects spell alike but SQLAlchemy keeps apart."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def _create_engine(self) -> Engine:
        if not self.is_sqlite:
            try:
                return create_engine(self.url, pool_pre_ping=True)
            except (ArgumentError, ModuleNotFoundError) as cause:
                missing = f"There is no driver for {self.url.drivername} here"
                raise ConfigurationError(f"{missing}: install it, or correct CARTULARY_STATE__URL. {cause}") from cause
        Path(self.url.database or "").parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(self.url, connect_args={"timeout": BUSY_SECONDS}, pool_size=16, max_overflow=48)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine


def _parsed(url: str | URL) -> URL:
    """Our error does not repeat the URL, which may hold a password."""
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as cause:
        raise ConfigurationError(
            "CARTULARY_STATE__URL is no database URL: write it like postgresql+psycopg://user:password@host:5432/name, or leave it "
            "empty for SQLite in the data directory."
        ) from cause


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:
    """Readers beside one writer (WAL); what was committed survives a power cut (FULL)."""
    connection.isolation_level = None  # we say BEGIN ourselves, below
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock first: a reader that becomes a writer is refused at once, without any waiting."""
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql("begin immediate" if is_writing else "begin")


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    """Turn SQLAlchemy's errors into ours, without the statement: its parameters may be secrets."""
    try:
        yield
    except StatementError as cause:
        raise StateError(f"Could not {doing}: {cause.orig}", retryable=isinstance(cause, OperationalError | InterfaceError)) from cause
    except (SQLAlchemyError, OSError) as cause:
        raise StateError(f"Could not {doing}: {cause}", retryable=True) from cause
