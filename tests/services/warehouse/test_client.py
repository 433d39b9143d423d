"""The warehouse's client: one directory, one process; one client per caller; vendors' errors become ours."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.errors import ConfigurationError, WarehouseError
from services.settings import Settings
from services.warehouse.client import DirectoryLock, Warehouse
from services.warehouse.migrate import DDL_DIR, migrate

SECOND_PROCESS = """
import sys
from pathlib import Path
from services.errors import WarehouseError
from services.settings import Settings
from services.warehouse.client import Warehouse
try:
    Warehouse.open(Settings(_env_file=None, data_dir=Path(sys.argv[1])))
except WarehouseError as error:
    print(error)
"""


def test_a_second_process_gets_a_sentence(warehouse: Warehouse) -> None:
    assert warehouse.directory
    answer = subprocess.run(
        [sys.executable, "-c", SECOND_PROCESS, str(warehouse.directory.parent)], capture_output=True, text=True, check=True
    )
    assert "is in use by process" in answer.stdout
    assert "--data-dir" in answer.stdout


def test_a_lock_is_free_again_after_its_owner(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    with pytest.raises(WarehouseError, match="in use by process"):
        DirectoryLock(tmp_path)
    lock.release()
    DirectoryLock(tmp_path).release()


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
    for _ in range(5):
        threads = [threading.Thread(target=warehouse.scalar, args=("select 1",)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(warehouse._idle) <= 8


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


def test_a_closed_warehouse_says_so(tmp_path: Path) -> None:
    closed = Warehouse(Settings(_env_file=None).warehouse, tmp_path, None)
    closed.close()
    with pytest.raises(WarehouseError, match="closed"):
        closed.scalar("select 1")
