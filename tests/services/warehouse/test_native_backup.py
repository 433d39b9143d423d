"""The server's own BACKUP and RESTORE, on the stack's image with the stack's users: only `make test-images` runs it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from services.settings import PROJECT_ROOT
from services.warehouse.backup import drop_snapshot, save_native, save_schema, take_snapshot
from services.warehouse.backup_restore import contents, filled_tables, restore_warehouse, with_credentials
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate

DISK, ARCHIVE = "backups", "2026-03-01T011000Z.zip"
FILLING = (
    "create table silver.places (id UInt64, kind LowCardinality(String), day Nullable(Date), counts Map(String, UInt64), "
    "index at_day day type minmax granularity 1) engine = MergeTree partition by id % 3 order by id",
    "insert into silver.places select number, if(number % 2 = 0, 'a', 'ü'), if(number % 3 = 0, null, toDate('2026-03-01')), "
    "map('k', number) from numbers(3000)",
    "create dictionary silver.kinds (id UInt64, kind String) primary key id "
    "source(clickhouse(query 'select id, kind from silver.places')) layout(hashed()) lifetime(0)",
    "create table gold.of_nothing (a String) engine = MergeTree order by a",
    "create view gold.by_kind as select kind, count() as row_count from silver.places group by kind",
)


def nothing(*_: object) -> None:
    """Nobody is told."""


def is_back(warehouse: Warehouse) -> bool:
    kinds = warehouse.query("select kind, row_count from gold.by_kind order by kind")
    return kinds == [{"kind": "a", "row_count": 1500}, {"kind": "ü", "row_count": 1500}] and (
        warehouse.scalar("select dictGet('silver.kinds', 'kind', toUInt64(1))") == "ü"
    )


def test_what_the_server_saved_comes_back_into_the_emptied_server(stack_server: Any, tmp_path: Path) -> None:
    page = (PROJECT_ROOT / "docs" / "backup.md").read_text(encoding="utf-8")
    [emptying] = re.findall(r"exec clickhouse sh -c '([^']+)'", page)
    with Warehouse.open(stack_server.settings) as warehouse:
        migrate(warehouse)
        for statement in FILLING:
            warehouse.command(with_credentials(statement, warehouse.settings, is_embedded=False))
        assert is_back(warehouse)
        found = take_snapshot(warehouse)
        # Whatever is written from here on is not in the backup.
        warehouse.command("insert into silver.places (id) values (9999)")
        save_schema(warehouse, found, tmp_path)
        saved = save_native(warehouse, found, DISK, ARCHIVE, nothing, nothing)
        drop_snapshot(warehouse)
        assert (stack_server.archives / ARCHIVE).stat().st_size > 0
        assert saved["silver.places"].rows == 3000 and saved["gold.of_nothing"].rows == 0

        code, said = stack_server.running.run("sh", "-c", emptying)
        assert code == 0, said
        assert filled_tables(warehouse) == []
        told: list[str] = []
        for _ in range(2):
            restore_warehouse(warehouse, tmp_path, saved, (DISK, ARCHIVE), told.append, nothing)
            assert contents(warehouse, saved) == saved and is_back(warehouse)
        assert told == ["RESTORE from the server's disk"], "the second time everything is back already"
        assert warehouse.scalar("select count() from system.data_skipping_indices where table = 'places'") == 1
