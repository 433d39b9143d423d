"""The warehouse into files and back: every type exactly, in this process, beside another one and over HTTP into a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from warehouse_support import ServingProcess

from services.backup.contents import Content
from services.errors import BackupError
from services.settings import Settings, WarehouseSettings
from services.warehouse import backup
from services.warehouse.backup import (
    SNAPSHOT,
    content,
    drop_snapshot,
    run_native,
    save_native,
    save_parquet,
    save_schema,
    take_snapshot,
)
from services.warehouse.backup_restore import contents, filled_tables, restore_warehouse, with_credentials
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate

TYPES = """
create table silver.every_type (
    id UInt64, low LowCardinality(String), low_null LowCardinality(Nullable(String)), maybe Nullable(Float64), flag Bool,
    at3 DateTime64(3, 'UTC') default now64(3, 'UTC'), at6 DateTime64(6, 'UTC'), at DateTime('UTC'), day Date, day32 Nullable(Date32),
    counts Map(LowCardinality(String), UInt64), pages Array(Tuple(upload_id String, page UInt32)), texts Array(Nullable(String)),
    shape Array(Array(Array(Tuple(Float64, Float64)))), polygon MultiPolygon, pair Tuple(Nullable(String), Float32), code FixedString(3),
    small Int16, kind Enum8('a' = 1, 'b' = 2), exact Decimal(18, 4), big UInt128, uuid UUID, address IPv4, json String,
    index at_index at3 type minmax granularity 1
) engine = MergeTree partition by id % 3 order by id settings index_granularity = 512
"""
ROWS = """
insert into silver.every_type select
    number, if(number % 3 = 0, '', concat('x', toString(number % 7), unhex('00ff'))), if(number % 4 = 0, null, 'z'),
    if(number % 5 = 0, null, number / 3), number % 2, toDateTime64('2026-03-01 12:00:00.123', 3, 'UTC') + number,
    toDateTime64('1931-03-01 12:00:00.123456', 6, 'UTC') + number, toDateTime('2026-03-29 01:30:00', 'UTC') + number, toDate('2026-03-01'),
    if(number % 2 = 0, null, toDate32('1921-05-04') + number), map('k', number, 'ü', 1), [('a\\n"', number), ('', 2)], ['q', null],
    [[[(1.5, number / 7), (nan, inf), (-0., -inf)]], []], [[[(1., 2.), (3., 4.), (1., 2.)]]], (null, 1.1), 'abc', -5, 'b', number / 3,
    340282366920938463463374607431768211455, toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0'), '192.0.2.1', '{"a": [1, {"b": "\\\\""}]}'
from numbers(3000)
"""
MORE = (
    "create view silver.a_view as select low, count() as row_count from silver.every_type group by low",
    "create view silver.of_a_view as select sum(row_count) as row_count, normalizeStreet('Marktstrasse') as street from silver.a_view",
    "create dictionary silver.named (id UInt64, low String) primary key id "
    "source(clickhouse(user 'default' query 'select id, low from silver.every_type')) layout(hashed()) lifetime(0)",
    "create table silver.empty (a String) engine = MergeTree order by a",
    "create table bronze.incoming_abc (a String) engine = Memory",
)
WANTED = {"silver.every_type": 3000, "silver.empty": 0, "bronze.schema_migrations": 10}


def nothing(*_: object) -> None:
    """Nobody is told."""


def fill(warehouse: Warehouse) -> None:
    for statement in (TYPES, ROWS, *MORE):
        warehouse.command(statement)


def save(warehouse: Warehouse, folder: Path) -> dict[str, Content]:
    folder.mkdir()
    found = take_snapshot(warehouse)
    # Whatever is written from here on is not in the backup.
    warehouse.command("insert into silver.every_type (id) values (9999)")
    save_schema(warehouse, found, folder)
    saved = save_parquet(warehouse, found, folder, nothing, nothing)
    drop_snapshot(warehouse)
    return saved


def assert_is_back(warehouse: Warehouse, saved: dict[str, Content]) -> None:
    assert {name: saved[name].rows for name in WANTED} == WANTED
    assert contents(warehouse, saved) == saved
    assert warehouse.query("select row_count, street from silver.of_a_view") == [{"row_count": 3000, "street": "marktstr"}]
    assert warehouse.scalar("select dictGet('silver.named', 'low', toUInt64(1))") == warehouse.scalar(
        "select low from silver.every_type where id = 1"
    )
    assert "bronze.incoming_abc" not in saved
    index = "select count() from system.data_skipping_indices where table = 'every_type'"
    assert warehouse.scalar(index) == 1, "an index of the table comes back with it"


@pytest.fixture
def filled(clean_warehouse: Warehouse) -> Iterator[Warehouse]:
    fill(clean_warehouse)
    yield clean_warehouse
    for kind, name in (("dictionary", "named"), ("view", "of_a_view"), ("view", "a_view"), ("table", "every_type"), ("table", "empty")):
        clean_warehouse.command(f"drop {kind} if exists silver.{name} sync")
    clean_warehouse.command("drop table if exists bronze.incoming_abc")


def test_every_type_comes_back_exactly(filled: Warehouse, tmp_path: Path) -> None:
    # Signs that ClickHouse takes for patterns, as a folder of backups may have them.
    saved = save(filled, tmp_path / "all [1]{a}")
    assert filled.scalar("select count() from silver.every_type") == 3001
    filled.command("create table silver.of_nobody (a String) engine = MergeTree order by a")
    restore_warehouse(filled, tmp_path / "all [1]{a}", saved, None, nothing, nothing)
    assert_is_back(filled, saved)
    assert filled.query("select name from system.tables where name = 'of_nobody'") == []


def test_what_is_back_already_is_not_brought_back_again(filled: Warehouse, tmp_path: Path) -> None:
    saved = save(filled, tmp_path / "all")
    told: list[str] = []
    restore_warehouse(filled, tmp_path / "all", saved, None, told.append, nothing)
    assert "silver.every_type" in told
    filled.command("insert into silver.empty values ('half a table')")
    told.clear()
    restore_warehouse(filled, tmp_path / "all", saved, None, told.append, nothing)
    assert told == ["silver.empty"]
    assert_is_back(filled, saved)


def test_a_value_that_parquet_cannot_say_goes_into_another_format(filled: Warehouse, tmp_path: Path) -> None:
    # A date far beyond the range of its type, which ClickHouse itself keeps and gives back.
    filled.command("insert into silver.every_type (id, day32) select 10000, toDate32('2026-01-01') + 300000")
    saved = save(filled, tmp_path / "all")
    assert (tmp_path / "all" / "silver.every_type.native").exists()
    assert not (tmp_path / "all" / "silver.every_type.parquet").exists()
    restore_warehouse(filled, tmp_path / "all", saved, None, nothing, nothing)
    assert contents(filled, saved) == saved


def test_a_file_that_does_not_hold_its_table_is_no_backup(filled: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "content", lambda *_: Content(1, next(numbers)))
    numbers = (str(number) for number in range(1000))
    with pytest.raises(BackupError, match="does not hold the rows"):
        save(filled, tmp_path / "all")


def test_the_hash_knows_no_order_and_sees_every_change(filled: Warehouse) -> None:
    before = content(filled, "silver.every_type")
    assert content(filled, "(select * from silver.every_type order by id desc)") == before
    assert (
        content(filled, "(select * from silver.every_type where id != 5 union all select * from silver.every_type where id = 6)") != before
    )
    assert content(filled, "(select * replace (if(id = 7, -0., maybe) as maybe) from silver.every_type)") != before


def test_a_killed_backup_leaves_no_snapshot_for_long(filled: Warehouse) -> None:
    take_snapshot(filled)
    found = take_snapshot(filled)
    assert filled.scalar(f"select count() from {SNAPSHOT}.silver__every_type") == 3000
    assert "bronze.incoming_abc" not in {table.full_name for table in found}
    drop_snapshot(filled)


def test_only_rows_of_somebody_make_a_warehouse_full(filled: Warehouse) -> None:
    assert filled_tables(filled) == ["silver.every_type"]
    filled.command("truncate table silver.every_type")
    assert filled_tables(filled) == []


@pytest.mark.parametrize("way", ["attached", "server"])
def test_over_http_too(way: str, filled: Warehouse, tmp_path: Path) -> None:
    """From another process's chDB, and from this one's into what is to us a ClickHouse server."""
    serving = ServingProcess(tmp_path / "data")
    try:
        owner = serving.owner
        reach = WarehouseSettings(host=owner.host, port=owner.port, username=owner.user, password=SecretStr(owner.token))
        settings = serving.settings if way == "attached" else Settings(_env_file=None, data_dir=tmp_path / "other", warehouse=reach)
        with Warehouse.open(settings) as other:
            assert other.is_attached == (way == "attached") and not other.is_embedded
            migrate(other)
            if way == "attached":
                fill(other)
                saved = save(other, tmp_path / "all")
                restore_warehouse(filled, tmp_path / "all", saved, None, nothing, nothing)
                assert_is_back(filled, saved)
                return
            saved = save(filled, tmp_path / "all")
            restore_warehouse(other, tmp_path / "all", saved, None, nothing, nothing)
            assert contents(other, saved) == saved
            # And out of the server again, where it cannot look into our files itself.
            assert save(other, tmp_path / "again") == saved
    finally:
        serving.stop()


def test_a_dictionary_gets_the_user_of_where_it_is_restored() -> None:
    made = (
        "CREATE DICTIONARY silver.d (`a` String) PRIMARY KEY a "
        "SOURCE(CLICKHOUSE(USER 'dbt' PASSWORD '[HIDDEN]' QUERY `select 1`)) LIFETIME(0)"
    )
    server = WarehouseSettings(host="h", dbt_username="dbt", dbt_password=SecretStr(r"it's \1"))
    assert r"SOURCE(CLICKHOUSE(USER 'dbt' PASSWORD 'it\'s \\1' QUERY `select 1`))" in with_credentials(made, server, is_embedded=False)
    assert "SOURCE(CLICKHOUSE(USER 'default' QUERY `select 1`))" in with_credentials(made, server, is_embedded=True)
    table = "CREATE VIEW silver.v AS SELECT 1"
    assert with_credentials(table, server, is_embedded=False) == table


class Server:
    """Answers as a ClickHouse server that has a disk for backups; what such a server does with it is not seen here."""

    def __init__(self, *statuses: str) -> None:
        self.asked: list[str] = []
        self._statuses = iter(statuses)

    def query(self, sql: str, parameters: object = None) -> list[dict[str, object]]:
        self.asked.append(sql)
        if "system.backups" in sql:
            return [{"status": next(self._statuses)}]
        if "row_count" in sql:
            return [{"row_count": 1, "digest": "d"}]
        return [{"id": "i", "status": "CREATING_BACKUP"}]


def test_the_server_is_asked_for_a_backup_and_waited_for(filled: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "POLL_SECONDS", 0)
    tables = [table for table in backup.definitions(filled) if table.name in ("every_type", "a_view", "empty")]
    server = Server("CREATING_BACKUP", "BACKUP_CREATED")
    saved = save_native(server, tables, "backups", "x.zip", nothing, nothing)  # type: ignore[arg-type]
    assert server.asked[0] == (
        "backup table backup_snapshot.`silver__empty` as `silver`.`empty`, "
        "table backup_snapshot.`silver__every_type` as `silver`.`every_type` to Disk('backups', 'x.zip') async"
    )
    assert set(saved) == {"silver.every_type", "silver.empty"}
    with pytest.raises(Exception, match="ended as BACKUP_FAILED"):
        run_native(Server("BACKUP_FAILED"), "backup table x to Disk('b', 'c')", nothing)  # type: ignore[arg-type]
