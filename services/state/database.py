"""One SQLAlchemy engine with short transactions, on SQLite in a file or on Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError, StatementError

from services.errors import StateError
from services.metrics import METRICS
from services.state.engines import open_engine, parsed
from services.state.schema import prepare


class Database:
    """The state database: read with `reading()`, change with `writing()`; all errors are StateError, of a wrong URL ConfigurationError.

    Postgres reads committed rows only, so that a transaction is never refused for what others wrote; and whoever changes many rows of a
    table locks them in the order of their keys first (`WorkQueue`, `forget`), so that no two can wait for each other.
    """

    def __init__(self, url: str | URL) -> None:
        self.url = parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        # Not the URL itself, in which a password may stand in more than one place.
        self._name = str(self.url.database) if self.is_sqlite else f"{self.url.database} at {self.url.host}:{self.url.port or 5432}"
        with METRICS.call("state", "open"), _errors(f"open the state database {self._name}"):
            self.engine = open_engine(self.url)
            try:
                with self._transaction() as connection:
                    prepare(connection)
            except BaseException:
                self.engine.dispose()
                raise

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for SELECT."""
        with METRICS.call("state", "read"), _errors("read the state database"), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, or rolled back on an error."""
        with METRICS.call("state", "write"), _errors("write the state database"), self._transaction() as connection:
            yield connection

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that knows ON CONFLICT, which both dialects spell alike but SQLAlchemy keeps apart."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def vacuum(self) -> None:
        """Give the space of deleted rows free, and tell the planner how many there are now; others go on meanwhile or wait for seconds."""
        with METRICS.call("state", "write"), _errors("vacuum the state database"), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("commit")  # what every connection begins with, and no VACUUM may stand in
                connection.exec_driver_sql("vacuum")
                return
            vacuuming = connection.execution_options(isolation_level="AUTOCOMMIT")
            vacuuming.exec_driver_sql("set statement_timeout = 0")
            vacuuming.exec_driver_sql("vacuum (analyze)")
            # With its limits gone the connection is not for others.
            vacuuming.invalidate()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            connection = connection.execution_options(is_writing=True)
            with connection.begin():
                yield connection


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    """Turn SQLAlchemy's errors into ours, without the statement: its parameters may be secrets."""
    try:
        yield
    except StatementError as cause:
        retryable = isinstance(cause, OperationalError | InterfaceError)
        raise StateError(f"Could not {doing}: {cause.orig}", retryable=retryable) from cause
    except (SQLAlchemyError, OSError) as cause:
        raise StateError(f"Could not {doing}: {cause}", retryable=True) from cause
