"""Bronze, silver and gold back from a backup: table by table, so that what is back already is not brought back again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from services.backup.contents import Content, Contents
from services.errors import BackupError, WarehouseError
from services.settings import WarehouseSettings
from services.warehouse.backup import (
    DATABASES,
    SCHEMA_FILE,
    Definition,
    Say,
    content,
    definitions,
    file_format,
    readable,
    run_native,
    wait_for_native,
)
from services.warehouse.client import Warehouse

# Rows that a fresh platform writes by itself, and that are no reason not to restore into it.
OWN_TABLES = ("bronze.schema_migrations", "bronze.step_outcomes")
READING = {"max_threads": 2, "max_insert_threads": 1}
# Whoever makes a dictionary gives it a user that reads its source.
SOURCE = re.compile(r"SOURCE\(CLICKHOUSE\((?:\s*(?:USER|PASSWORD)\s+'(?:[^'\\]|\\.|'')*')*", re.IGNORECASE)


def filled_tables(warehouse: Warehouse) -> list[str]:
    """Tables that hold somebody's rows: into such a warehouse nothing is restored."""
    rows = warehouse.query(
        "select concat(database, '.', name) as table from system.tables "
        "where database in {databases:Array(String)} and total_rows > 0 order by database, name",
        {"databases": list(DATABASES)},
    )
    return [row["table"] for row in rows if row["table"] not in OWN_TABLES]


def restore_warehouse(
    warehouse: Warehouse, folder: Path, wanted: Contents, archive: tuple[str, str] | None, say: Say, check: Callable[[], None]
) -> None:
    """Make the warehouse what the backup is, from its files or, with `archive` (disk, name), by the server's own RESTORE.

    Whatever else is in bronze, silver and gold goes. Killed and called again, it goes on with the table that it was at.
    """
    schema = json.loads((folder / SCHEMA_FILE).read_text(encoding="utf-8"))
    saved = [Definition(**one) for one in schema["definitions"]]
    if archive:
        wait_for_native(warehouse, check)
    for database in (*DATABASES, "gold_next"):
        warehouse.command(f"create database if not exists {database}")
    back = _clear(warehouse, saved, wanted)
    for statement in schema["functions"]:
        warehouse.command(re.sub(r"^CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", statement))
    missing = [table for table in saved if table.has_rows and table.full_name not in back]
    if archive and missing:
        say("RESTORE from the server's disk")
        disk, name = archive
        tables = ", ".join(f"table {table.quoted}" for table in missing)
        run_native(warehouse, f"restore {tables} from Disk('{disk}', '{name}')", check)
    for table in [] if archive else missing:
        check()
        say(table.full_name)
        _bring_back(warehouse, table, folder)
    _make([table for table in saved if not table.has_rows], warehouse)


def contents(warehouse: Warehouse, names: Mapping[str, Content]) -> Contents:
    """What these tables hold now."""
    found = {table.full_name: table for table in definitions(warehouse) if table.has_rows}
    return {name: content(warehouse, found[name].quoted) for name in names if name in found}


def _clear(warehouse: Warehouse, saved: list[Definition], wanted: Contents) -> set[str]:
    """Drop everything but the tables that are back already; returns their names."""
    there = definitions(warehouse, (*DATABASES, "gold_next"))
    statements = {table.full_name: table.statement for table in saved}
    for one in sorted(there, key=lambda table: table.has_rows):  # what is made from tables first
        if not one.has_rows:
            kind = {"View": "view", "Dictionary": "dictionary"}.get(one.engine, "table")
            warehouse.command(f"drop {kind} if exists {one.quoted} sync")
    back = set()
    for one in there:
        if not one.has_rows:
            continue
        if statements.get(one.full_name) == one.statement and content(warehouse, one.quoted) == wanted.get(one.full_name):
            back.add(one.full_name)
        else:
            warehouse.command(f"drop table if exists {one.quoted} sync")
    return back


def _bring_back(warehouse: Warehouse, table: Definition, folder: Path) -> None:
    files = sorted(folder.glob(f"{table.full_name}.*"))
    if len(files) != 1:
        raise BackupError(f"The backup has no rows of {table.full_name}: take another one.")
    warehouse.command(table.statement)
    with readable(files[0]) as path:
        warehouse.insert_file(table.quoted, path, file_format(files[0]), READING)


def _make(outstanding: list[Definition], warehouse: Warehouse) -> None:
    """Make views and dictionaries, each as soon as what it is made from is there."""
    while outstanding:
        failed: list[tuple[Definition, WarehouseError]] = []
        for one in outstanding:
            try:
                warehouse.command(with_credentials(one.statement, warehouse.settings, is_embedded=warehouse.is_embedded))
            except WarehouseError as error:
                if error.retryable and error.code == 0:
                    raise
                failed.append((one, error))
        if len(failed) == len(outstanding):
            names = ", ".join(one.full_name for one, _ in failed)
            raise BackupError(f"These could not be made again: {names}. {failed[0][1]}") from failed[0][1]
        outstanding = [one for one, _ in failed]


def with_credentials(statement: str, settings: WarehouseSettings, *, is_embedded: bool) -> str:
    """The statement of a dictionary with the user that dbt has here in place of the one it had where the backup was taken."""
    if is_embedded:
        return SOURCE.sub("SOURCE(CLICKHOUSE(USER 'default'", statement)
    user, secret = (settings.dbt_username, settings.dbt_password) if settings.dbt_username else (settings.username, settings.password)
    words = f"USER {_literal(user)} PASSWORD {_literal(secret.get_secret_value())}"
    return SOURCE.sub(lambda _: f"SOURCE(CLICKHOUSE({words}", statement)


def _literal(value: Any) -> str:
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
