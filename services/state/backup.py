"""The state database into one file and back: SQLite by its online backup, Postgres by pg_dump."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, delete, func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from services.backup.contents import Contents, tally
from services.errors import BackupError, ConfigurationError, StateError, vendor_errors
from services.state.database import Database
from services.state.schema import prepare
from services.state.tables import locks, metadata

SQLITE, POSTGRES = "state.sqlite", "state.dump"
# Who holds a lock belongs to this moment, and so does the note that a restore is under way.
LEFT_OUT = (locks.name,)
# What a platform writes by itself before anybody has handed anything in.
OWN_TABLES = (locks.name, "sessions", "spending", "geocode_cache", "upload_sessions")
RESTORING = "restore"
FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)
Columns = Mapping[str, Sequence[str]]


def save_state(database: Database, folder: Path) -> Contents:
    """Write all tables as they are at one moment; returns what the file holds. Others read and write meanwhile."""
    if database.is_sqlite:
        path = folder / SQLITE
        with database.reading() as connection, closing(sqlite3.connect(path)) as copy:
            connection.connection.driver_connection.backup(copy)  # type: ignore[union-attr]
            copy.execute("pragma journal_mode = delete")
        return check_sqlite(path)
    from services.state.postgres_dump import dump  # psycopg is installed with the stack only

    with _long_transaction(database) as connection:
        snapshot = str(connection.execute(text("select pg_export_snapshot()")).scalar_one())
        dump(_libpq(database), folder / POSTGRES, ["--snapshot", snapshot, *(f"--exclude-table={name}" for name in LEFT_OUT)])
        return contents(connection)


def check_sqlite(path: Path) -> Contents:
    """What a saved SQLite holds; BackupError when it is damaged."""
    broken = vendor_errors(BackupError, f"{path} is damaged", SQLAlchemyError, sqlite3.DatabaseError)
    with _opened(path) as engine, broken, engine.connect() as connection:
        found = connection.exec_driver_sql("pragma integrity_check").scalar_one()
        if found != "ok":
            raise BackupError(f"{path} is damaged: {found}")
        return contents(connection)


def restore_state(database: Database, folder: Path, wanted: Contents) -> None:
    """Make the state what the backup holds, whole or not at all: a saved SQLite comes into SQLite or Postgres, a dump into Postgres.

    BackupError when it then differs. Locks stay as they are.
    """
    if (folder / SQLITE).exists():
        _restore_rows(database, folder / SQLITE, wanted)
        return
    if database.is_sqlite:
        raise BackupError(
            "This backup holds the state of a Postgres database, which comes back into Postgres only: set CARTULARY_STATE__URL to an "
            "empty database, then restore again."
        )
    from services.state.postgres_dump import PUBLIC_SCHEMA, restore

    restore(_libpq(database), folder / POSTGRES, ["--clean", "--if-exists", "--no-privileges"], left_out=PUBLIC_SCHEMA)
    with _long_transaction(database) as connection:
        _confirm(wanted, contents(connection))
    with database.writing() as connection:
        prepare(connection)  # of an older version columns are missing


def _restore_rows(database: Database, path: Path, wanted: Contents) -> None:
    with _opened(path) as engine, engine.connect() as saved, database.writing() as connection:
        columns = _columns(saved)
        for table in metadata.sorted_tables:
            if table.name in LEFT_OUT:
                continue
            connection.execute(delete(table))
            chosen = [table.c[name] for name in columns.get(table.name, ())]
            if chosen:
                rows = saved.execution_options(yield_per=1000).execute(select(*chosen))
                for batch in rows.mappings().partitions():
                    connection.execute(table.insert(), [dict(row) for row in batch])
        if not database.is_sqlite:
            _go_on_counting(connection)
        _confirm(wanted, contents(connection, columns))


def _go_on_counting(connection: Connection) -> None:
    """Postgres numbers new rows by a counter of its own, which does not see the rows that came with their numbers."""
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        last = connection.execute(select(func.coalesce(func.max(column), 0))).scalar_one()
        sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar_one()
        if sequence:
            connection.execute(select(func.setval(sequence, max(1, int(last)), bool(last))))


def contents(connection: Connection, columns: Columns | None = None) -> Contents:
    """What every table holds, alike in SQLite and Postgres; of these columns only, where they are given."""
    found = columns or _columns(connection)
    result: Contents = {}
    for name, chosen in found.items():
        table = metadata.tables[name]
        rows = connection.execution_options(yield_per=1000).execute(select(*(table.c[column] for column in sorted(chosen))))
        result[name] = tally(_row(dict(row)) for row in rows.mappings())
    return result


def filled_tables(database: Database) -> list[str]:
    """Tables that hold somebody's rows: into such a state nothing is restored."""
    with database.reading() as connection:
        return [
            f"state.{table.name}"
            for table in metadata.sorted_tables
            if table.name not in OWN_TABLES and connection.execute(select(func.count()).select_from(table)).scalar_one()
        ]


def unfinished_restore(database: Database) -> str:
    """Which backup is being restored here, or was when the process was killed; empty when none is."""
    with database.reading() as connection:
        return str(connection.execute(select(locks.c.owner).where(locks.c.name == RESTORING)).scalar() or "")


def confirm_restored(database: Database) -> None:
    """ConfigurationError while a restore is under way or was broken off: nobody may work on half of a platform."""
    if backup := unfinished_restore(database):
        raise ConfigurationError(
            f"The backup {backup.partition(' ')[0]} is being restored here, or was when the process ended: run the same "
            "`cartulary restore` to its end first."
        )


def note_restore(database: Database, backup: str) -> None:
    """Remember that a restore of this backup is under way: until it is forgotten, nobody opens the platform."""
    forget_restore(database)
    with database.writing() as connection:
        connection.execute(locks.insert().values(name=RESTORING, token="", owner=backup[:200], lease_until=FOR_EVER))


def forget_restore(database: Database) -> None:
    """The restore is finished."""
    with database.writing() as connection:
        connection.execute(delete(locks).where(locks.c.name == RESTORING))


def other_clients(database: Database) -> list[str]:
    """Who else is connected to a Postgres state; SQLite has no list of them."""
    if database.is_sqlite:
        return []
    others = (
        "select distinct coalesce(nullif(application_name, ''), 'a program without a name') from pg_stat_activity "
        "where datname = current_database() and usename = current_user and backend_type = 'client backend' "
        "and application_name <> current_setting('application_name')"
    )
    with database.reading() as connection:
        return sorted(connection.execute(text(others)).scalars())


def _columns(connection: Connection) -> dict[str, list[str]]:
    """Tables and columns that the database has and this version knows."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    return {
        table.name: [column["name"] for column in inspector.get_columns(table.name) if column["name"] in table.c]
        for table in metadata.sorted_tables
        if table.name in there and table.name not in LEFT_OUT
    }


def _row(row: Mapping[str, Any]) -> bytes:
    return json.dumps([[name, row[name]] for name in sorted(row)], sort_keys=True, default=_plain, ensure_ascii=False).encode()


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _confirm(wanted: Contents, found: Contents) -> None:
    differing = sorted(name for name in wanted if found.get(name) != wanted[name])
    if differing:
        raise BackupError(f"The state came back other than the backup holds it: {', '.join(differing)}. Restore again.", retryable=True)


@contextmanager
def _opened(path: Path) -> Iterator[Engine]:
    """A saved SQLite, never written to."""
    connect: Callable[[], sqlite3.Connection] = lambda: sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)  # noqa: E731
    engine = create_engine("sqlite://", creator=connect)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _long_transaction(database: Database) -> Iterator[Connection]:
    """One view of a Postgres, for as long as it takes to copy it."""
    with (
        vendor_errors(StateError, "The state database could not be read", SQLAlchemyError, OSError, retryable=True),
        database.engine.connect() as connection,
    ):
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            connection.execute(text("set local statement_timeout = 0"))
            connection.execute(text("set local idle_in_transaction_session_timeout = 0"))
            yield connection


def _libpq(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)
