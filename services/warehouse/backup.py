"""Bronze, silver and gold as they were at one moment, into Parquet files or by the server's own BACKUP."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from services.backup.contents import Content, Contents
from services.errors import BackupError, WarehouseError
from services.warehouse.client import Warehouse

# What a build would make anew is saved too: readers have answers at once, and the next build goes on from here.
DATABASES = ("bronze", "silver", "gold")
SNAPSHOT = "backup_snapshot"
SCHEMA_FILE = "schema.json"
# Parts are written by one thread in small groups of rows: a table of any size takes some hundred megabytes.
WRITING = {
    "output_format_parquet_row_group_size": 65_536,
    "output_format_parquet_row_group_size_bytes": 64 << 20,
    "output_format_parquet_compression_method": "zstd",
    "output_format_parquet_string_as_string": 0,  # letters may hold bytes that are no UTF-8
    "max_threads": 1,
}
GLOB_SIGNS = frozenset("*?{}[]")
POLL_SECONDS = 0.5
Say = Callable[[str], None]
# Rows as bytes, hashed, added up: neither order nor parts matter.
CONTENT = "select count() as row_count, lower(hex(sum(reinterpretAsUInt128(sipHash128(formatRow('RowBinary', *)))))) as digest from "
DEFINITIONS = (
    "select database, name, engine, storage_policy != '' as has_rows, create_table_query as statement from system.tables "
    "where database in {databases:Array(String)} and not startsWith(name, 'incoming_') and not is_temporary order by database, name"
)
FUNCTIONS = "select create_query from system.functions where origin = 'SQLUserDefined' order by name"


@dataclass(frozen=True)
class Definition:
    """A table, view or dictionary and the statement that makes it."""

    database: str
    name: str
    engine: str
    has_rows: bool  # of its own, on the disk: views and dictionaries are made from others, and what is in memory goes with its process
    statement: str

    @property
    def full_name(self) -> str:
        """database.name"""
        return f"{self.database}.{self.name}"

    @property
    def quoted(self) -> str:
        """As statements spell it."""
        return f"`{self.database}`.`{self.name}`"

    @property
    def in_snapshot(self) -> str:
        """Its copy while a backup is taken."""
        return f"{SNAPSHOT}.`{self.database}__{self.name}`"

    @property
    def rows_in_snapshot(self) -> str:
        """The question for all rows of the copy."""
        return f"select * from {self.in_snapshot}"  # noqa: S608  names from system.tables


def definitions(warehouse: Warehouse, databases: Sequence[str] = DATABASES) -> list[Definition]:
    """Everything in these databases."""
    return [
        Definition(**{**row, "has_rows": bool(row["has_rows"])}) for row in warehouse.query(DEFINITIONS, {"databases": list(databases)})
    ]


def take_snapshot(warehouse: Warehouse) -> list[Definition]:
    """Copy all tables in this moment; the copies share their parts on the disk and cost no reading. The caller keeps builds away."""
    drop_snapshot(warehouse)
    warehouse.command(f"create database {SNAPSHOT}")
    found = definitions(warehouse)
    for table in found:
        if table.has_rows:
            warehouse.command(f"create table {table.in_snapshot} clone as {table.quoted}")
    return found


def drop_snapshot(warehouse: Warehouse) -> None:
    """Take the copies away, also those that a killed backup left."""
    warehouse.command(f"drop database if exists {SNAPSHOT} sync")


def content(warehouse: Warehouse, source: str, parameters: dict[str, object] | None = None) -> Content:
    """Count and hash of a table or table function."""
    [row] = warehouse.query(f"{CONTENT}{source}", parameters)
    return Content(int(row["row_count"]), str(row["digest"]))


def save_schema(warehouse: Warehouse, found: Sequence[Definition], folder: Path) -> None:
    """Write what makes tables, views, dictionaries and functions; passwords of dictionaries are hidden by ClickHouse itself."""
    functions = [row["create_query"] for row in warehouse.query(FUNCTIONS)]
    text = json.dumps({"functions": functions, "definitions": [asdict(one) for one in found]}, ensure_ascii=False, indent=1)
    (folder / SCHEMA_FILE).write_text(text, encoding="utf-8")


def save_parquet(warehouse: Warehouse, found: Sequence[Definition], folder: Path, say: Say, check: Callable[[], None]) -> Contents:
    """Write the snapshot of each table into a file and read it back; returns what each holds. `check` may raise to stop between two.

    BackupError when a file does not hold what its table does.
    """
    saved: Contents = {}
    for table in found:
        if not table.has_rows:
            continue
        check()
        say(table.full_name)
        path = folder / f"{table.full_name}.parquet"
        saved[table.full_name] = wanted = content(warehouse, table.in_snapshot)
        warehouse.write_file(table.rows_in_snapshot, path, "Parquet", WRITING)
        if not _holds(warehouse, table, path, wanted):
            # A value that Parquet cannot say, as a date out of its range.
            path.unlink()
            path = path.with_suffix(".native")
            warehouse.write_file(table.rows_in_snapshot, path, "Native")
            if not _holds(warehouse, table, path, wanted):
                raise BackupError(f"{path.name} does not hold the rows of {table.full_name}: check the disk, then take the backup again.")
    return saved


def _holds(warehouse: Warehouse, table: Definition, path: Path, wanted: Content) -> bool:
    """Whether the file has just these rows: asked of ClickHouse where it sees our files, else of the file's own count."""
    if not (warehouse.is_embedded or warehouse.is_attached):
        return path.suffix == ".native" or _row_count(path) == wanted.rows
    columns = warehouse.query(
        "select name, type from system.columns where database = {database:String} and table = {table:String} order by position",
        {"database": SNAPSHOT, "table": f"{table.database}__{table.name}"},
    )
    structure = ", ".join(f"`{column['name']}` {column['type']}" for column in columns)
    with readable(path) as plain:
        source = "file({path:String}, {format:String}, {structure:String})"
        parameters: dict[str, object] = {"path": str(plain), "format": file_format(path), "structure": structure}
        try:
            return content(warehouse, source, parameters) == wanted
        except WarehouseError as error:
            if error.retryable:
                raise
            return False


def _row_count(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError):  # pyarrow's errors are among them
        return -1


def file_format(path: Path) -> str:
    """ClickHouse's name for the format of a file."""
    return {".parquet": "Parquet", ".native": "Native"}[path.suffix]


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """The file under a name in which ClickHouse sees no pattern."""
    if not GLOB_SIGNS & set(str(path)):
        yield path.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="cartulary-") as folder:
        link = Path(folder) / f"rows{path.suffix}"
        link.symlink_to(path.resolve())
        yield link


def save_native(
    warehouse: Warehouse, found: Sequence[Definition], disk: str, archive: str, say: Say, check: Callable[[], None]
) -> Contents:
    """Have the server write the snapshot into one archive on its own disk; returns what each table holds."""
    tables = [table for table in found if table.has_rows]
    parts = ", ".join(f"table {table.in_snapshot} as {table.quoted}" for table in tables)
    say(f"BACKUP to the server's disk {disk}")
    run_native(warehouse, f"backup {parts} to Disk('{disk}', '{archive}')", check)
    return {table.full_name: content(warehouse, table.in_snapshot) for table in tables}


def wait_for_native(warehouse: Warehouse, check: Callable[[], None]) -> None:
    """Let a BACKUP or RESTORE end that goes on in the server although who asked for it was killed."""
    while warehouse.scalar("select count() from system.backups where status in ('CREATING_BACKUP', 'RESTORING')"):
        check()
        time.sleep(POLL_SECONDS)


def run_native(warehouse: Warehouse, statement: str, check: Callable[[], None]) -> None:
    """A BACKUP or RESTORE that goes on in the server while we ask how far it is; WarehouseError says why it failed."""
    [started] = warehouse.query(f"{statement} async")
    found: list[dict[str, Any]] = []
    while True:
        check()
        found = warehouse.query("select toString(status) as status from system.backups where id = {id:String}", {"id": started["id"]})
        status = found[0]["status"] if found else "lost, since the server was started again"
        if status in ("BACKUP_CREATED", "RESTORED"):
            return
        if status not in ("CREATING_BACKUP", "RESTORING"):
            why = "`select error from system.backups` on the server says why"
            raise WarehouseError(f"ClickHouse's own {statement.split()[0].upper()} ended as {status}: {why}.", retryable=True)
        time.sleep(POLL_SECONDS)
