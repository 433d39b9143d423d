"""The contract of a warehouse, in this process and over HTTP: one client per caller; vendors' errors become ours."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from clickhouse_connect.driver.binding import DT64Param

from services.errors import ConfigurationError, WarehouseError
from services.metrics import METRICS
from services.warehouse.client import Warehouse
from services.warehouse.migrate import DDL_DIR, migrate


@pytest.fixture(params=["in this process", "over HTTP"])
def warehouse(request: pytest.FixtureRequest, warehouse: Warehouse, http_warehouse: Warehouse) -> Warehouse:
    """Every test here twice."""
    return warehouse if request.param == "in this process" else http_warehouse


def test_short_queries_do_not_wait_behind_a_long_one(warehouse: Warehouse) -> None:
    """Measured against the long query in the same run: nothing here depends on the machine."""
    finished: list[str] = []

    def long() -> None:
        warehouse.scalar(
            "select sum(sleepEachRow(0.5)) from numbers(4) settings max_block_size = 1, function_sleep_max_microseconds_per_block = 0"
        )
        finished.append("long")

    thread = threading.Thread(target=long)
    thread.start()
    time.sleep(0.2)
    assert warehouse.scalar("select 1") == 1
    finished.append("short")
    thread.join()
    assert finished == ["short", "long"]


def test_many_threads_leave_no_more_clients_than_ran_at_once(warehouse: Warehouse) -> None:
    # The tests before left some, too.
    before = len(warehouse._idle)
    for _ in range(5):
        threads = [threading.Thread(target=warehouse.scalar, args=("select 1",)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(warehouse._idle) <= max(before, 8)


def test_values_come_back_as_they_went_in(clean_warehouse: Warehouse) -> None:
    moment = datetime(2026, 7, 1, 23, 30, 15, 123000, tzinfo=UTC)
    row = {"letter_id": "ü'\\ \n;", "pages": [("a", 1), ("b", 2)], "file_name": "x", "door": "cli", "received_at": moment}
    assert clean_warehouse.insert("bronze.letters", [row]) == 1
    found = clean_warehouse.query("select * from bronze.letters where letter_id = {id:String}", {"id": row["letter_id"]})[0]
    assert found["received_at"] == moment
    assert found["received_at"].tzinfo is not None
    assert [tuple(page.values()) for page in found["pages"]] == row["pages"]


def test_errors_are_ours(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="refused a query") as caught:
        warehouse.query("select missing_column from system.one")
    assert not caught.value.retryable
    with pytest.raises(WarehouseError) as caught:
        warehouse.scalar("select count() from numbers(100000000) group by number settings max_memory_usage = 1000000")
    assert caught.value.retryable


def test_migrations_are_applied_once(warehouse: Warehouse) -> None:
    assert migrate(warehouse) == []
    names = [row["name"] for row in warehouse.query("select name from bronze.schema_migrations order by name")]
    assert names == sorted(path.stem for path in DDL_DIR.glob("[0-9]*.sql"))


def test_every_migration_may_be_run_twice(warehouse: Warehouse) -> None:
    """A run that was killed between a file and its record does the file again."""
    warehouse.command("truncate table bronze.schema_migrations")
    assert len(migrate(warehouse)) == len(list(DDL_DIR.glob("[0-9]*.sql")))


def test_data_of_a_newer_version_is_refused(warehouse: Warehouse) -> None:
    warehouse.insert("bronze.schema_migrations", [{"name": "9999_from_the_future"}])
    try:
        with pytest.raises(ConfigurationError, match="newer version"):
            migrate(warehouse)
    finally:
        warehouse.command("alter table bronze.schema_migrations delete where name = '9999_from_the_future' settings mutations_sync = 2")


PARAMETERS = [
    ("String", "it's \t \n \\ ü"),
    ("String", ""),
    ("Nullable(String)", None),
    ("UInt64", 2**64 - 1),
    ("Float64", -0.1),
    ("Bool", True),
    ("Date", date(2026, 2, 28)),
    ("DateTime64(3, 'UTC')", datetime(2026, 7, 1, 23, 30, 15, 123000, tzinfo=UTC)),
    ("Array(String)", ["it's", "tab\tnew\nline", "back\\slash", "", "ü"]),
    ("Array(UInt64)", []),
    ("Array(UInt64)", list(range(5000))),
    ("Array(Nullable(String))", ["x", None]),
    ("Tuple(String, Int8)", ("it's", -1)),
]


@pytest.mark.parametrize(("kind", "value"), PARAMETERS)
def test_parameters_of_every_type_arrive_as_they_are(warehouse: Warehouse, kind: str, value: object) -> None:
    given = DT64Param(value) if isinstance(value, datetime) else value
    assert warehouse.query(f"select {{value:{kind}}} as value", {"value": given}) == [{"value": value}]


def test_rows_in_every_way(clean_warehouse: Warehouse) -> None:
    assert clean_warehouse.query("select 1 as one where 0") == []
    assert clean_warehouse.scalar("select 1 where 0") is None
    assert clean_warehouse.query_arrow("select number from numbers(3)").column(0).to_pylist() == [0, 1, 2]
    assert clean_warehouse.query_format("select 1 as one", fmt="CSVWithNames") == b'"one"\n1\n'
    names = pa.table({"name": pa.array(["a", "b"])})
    assert clean_warehouse.insert_arrow("bronze.schema_migrations", names) == 2
    clean_warehouse.command("alter table bronze.schema_migrations delete where name in ('a', 'b') settings mutations_sync = 2")


def test_settings_count_for_one_call(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="READONLY"):
        warehouse.query_format("create table bronze.never (a Int8) engine = Memory", fmt="CSV", settings={"readonly": 1})
    with pytest.raises(WarehouseError, match="UNKNOWN_SETTING"):
        warehouse.command("select 1", settings={"no_such_setting": 1})
    assert warehouse.query("select getSetting('max_block_size') as size", settings={"max_block_size": 7}) == [{"size": 7}]
    assert warehouse.query("select getSetting('max_block_size') as size") != [{"size": 7}]


def test_calls_are_counted(warehouse: Warehouse) -> None:
    def counted() -> float:
        labels = {"capability": "warehouse", "call": "query", "outcome": "done"}
        return METRICS.registry.get_sample_value("cartulary_capability_calls_total", labels) or 0

    before = counted()
    warehouse.scalar("select 1")
    assert counted() == before + 1
