"""The database's tables as the code declares them, also where an older version made them."""

from __future__ import annotations

from sqlalchemy import Column, Connection, inspect, text
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import TypeEngine

from services.errors import ConfigurationError
from services.state.tables import metadata

# Any number that nobody else locks: processes start at once, and Postgres lets two of them make the same table, one of them in vain.
LOCK = 7_203_650_114


def prepare(connection: Connection) -> None:
    """Make what is missing: tables, and in the tables that are there columns and indexes.

    tables.py is the only schema. A later version may add columns that are empty or have a default (`server_default`), so that older
    processes go on writing beside newer ones; whatever else changes becomes a new table. Numbered files, as the warehouse has them, would
    say the same once more in two dialects. Raises ConfigurationError for a column that cannot be added so.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    known = {table: {column["name"] for column in inspector.get_columns(table)} for table in there & set(metadata.tables)}
    metadata.create_all(connection)
    for name, columns in known.items():
        for column in metadata.tables[name].columns:
            if column.name not in columns:
                _add(connection, column)
        for index in metadata.tables[name].indexes:
            index.create(connection, checkfirst=True)


def _add(connection: Connection, column: Column[TypeEngine[object]]) -> None:
    if not column.nullable and column.server_default is None:
        raise ConfigurationError(
            f"The state database was made by another version of Cartulary: {column.table.name}.{column.name} is missing and has no "
            "default. Start the version that made it, or restore the backup that belongs to this one."
        )
    definition = CreateColumn(column).compile(dialect=connection.dialect)
    connection.exec_driver_sql(f"alter table {column.table.name} add column {definition}")
