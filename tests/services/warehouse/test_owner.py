"""One directory, one owner; everybody else attaches to it, finds it again, or gets a sentence."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from warehouse_support import ServingProcess

from services.errors import WarehouseError
from services.settings import Settings
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate
from services.warehouse.owner import DirectoryLock, Owner, read_owner
from services.wiring import open_services

SHORT = 0.3
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ServingProcess]:
    """A serving process for one test, which may kill it."""
    process = ServingProcess(tmp_path / "data")
    yield process
    process.stop()


def test_a_lock_is_free_again_after_its_owner(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    with pytest.raises(WarehouseError, match=f"in use by process {os.getpid()}.*--data-dir"):
        DirectoryLock(tmp_path)
    lock.release()
    assert read_owner(tmp_path) is None
    DirectoryLock(tmp_path).release()


def test_an_owner_who_answers_nobody_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.warehouse.client.ATTACH_SECONDS", SHORT)
    lock = DirectoryLock(tmp_path / "warehouse")
    with pytest.raises(WarehouseError, match=f"in use by process {os.getpid()}:") as caught:
        Warehouse.open(Settings(_env_file=None, data_dir=tmp_path))
    assert caught.value.retryable
    lock.release()


def test_who_waits_gets_the_directory_as_soon_as_it_is_free(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path / "warehouse")
    threading.Timer(SHORT, lock.release).start()
    with Warehouse.open(Settings(_env_file=None, data_dir=tmp_path)) as opened:
        assert opened.is_embedded


def test_an_owner_file_of_a_dead_process_misleads_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.warehouse.client.ATTACH_SECONDS", SHORT)
    directory = tmp_path / "warehouse"
    lock = DirectoryLock(directory)
    lock.announce(Owner(1, "127.0.0.1", 9, "default", "old"))
    with pytest.raises(WarehouseError, match="in use by process 1:"):
        Warehouse.open(Settings(_env_file=None, data_dir=tmp_path))
    lock.owner_file.write_text("half a fi", encoding="utf-8")
    with pytest.raises(WarehouseError, match="in use by another process"):
        Warehouse.open(Settings(_env_file=None, data_dir=tmp_path))
    lock.release()
    (directory / ".owner").write_text("left behind", encoding="utf-8")
    with Warehouse.open(Settings(_env_file=None, data_dir=tmp_path)) as opened:
        assert opened.is_embedded


def test_the_token_is_for_one_user_and_in_no_text(serving: ServingProcess) -> None:
    assert stat.S_IMODE((serving.directory / ".owner").stat().st_mode) == 0o600
    assert serving.owner.token not in repr(serving.owner)
    with Warehouse.open(serving.settings) as attached:
        assert serving.owner.token not in repr(attached.settings)


def test_opening_services_beside_the_owner_changes_nothing(serving: ServingProcess) -> None:
    with open_services(serving.settings) as services:
        assert (services.warehouse.is_attached, services.warehouse.is_embedded) == (True, False)
        assert migrate(services.warehouse) == []
        services.state.work.add("extract", ["a"], now=NOW)
        services.state.work.claim("extract", limit=1, owner=f"process {os.getpid()} on {os.uname().nodename}", lease_seconds=60, now=NOW)
        with open_services(serving.settings):
            assert services.state.work.counts()["extract"] == {"claimed": 1}


def test_an_attached_process_finds_its_owner_again(own: ServingProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    # As long as a busy machine may take to start one.
    monkeypatch.setattr("services.warehouse.client.ATTACH_SECONDS", 60)
    with Warehouse.open(own.settings) as attached:
        attached.insert("bronze.uploads", [{"upload_id": "kept"}])
        first = own.owner
        own.signal(signal.SIGKILL)
        threading.Timer(SHORT, own.start).start()
        assert attached.scalar("select count() from bronze.uploads where upload_id = 'kept'") == 1
        assert own.owner.port != first.port
        assert attached.settings.port == own.owner.port


def test_without_an_owner_the_error_is_one_that_passes(own: ServingProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    with Warehouse.open(own.settings) as attached:
        assert attached.scalar("select 1") == 1
        own.stop()
        with (
            monkeypatch.context() as impatient,
            pytest.raises(WarehouseError, match="has ended: start `cartulary serve` again") as caught,
        ):
            impatient.setattr("services.warehouse.client.ATTACH_SECONDS", SHORT)
            attached.scalar("select 1")
        assert caught.value.retryable
        own.start()
        assert attached.scalar("select 1") == 1


def test_a_statement_under_way_when_the_owner_is_killed_is_not_sent_twice(own: ServingProcess) -> None:
    slow = (
        "create table bronze.slow engine = Memory as select sleepEachRow(0.5) as a from numbers(120) "
        "settings max_block_size = 1, function_sleep_max_microseconds_per_block = 0"
    )
    with Warehouse.open(own.settings) as attached, ThreadPoolExecutor(1) as pool:
        assert attached.scalar("select 1") == 1
        statement = pool.submit(attached.command, slow)
        while not attached.scalar("select count() from system.processes where startsWith(query, 'create table bronze.slow')"):
            assert not statement.done(), statement.exception()
            time.sleep(0.05)
        own.signal(signal.SIGKILL)
        # Sent once more it would have looked for an owner, and there is none.
        with pytest.raises(WarehouseError, match="did not answer a statement") as caught:
            statement.result()
        assert caught.value.retryable


def test_a_statement_may_take_longer_than_a_server_is_waited_for(serving: ServingProcess) -> None:
    """Given up, it would run on in the owner while it is sent once more."""
    impatient = serving.settings.warehouse.model_copy(update={"timeout_seconds": 1.0})
    with Warehouse.open(serving.settings.model_copy(update={"warehouse": impatient})) as attached:
        attached.command("create or replace table default.slow engine = Memory as select sleep(1.5) as a")
        assert attached.scalar("select count() from default.slow") == 1
        attached.command("drop table default.slow sync")


def test_a_closed_warehouse_says_so(tmp_path: Path) -> None:
    closed = Warehouse(Settings(_env_file=None).warehouse, tmp_path, None)
    closed.close()
    with pytest.raises(WarehouseError, match="closed"):
        closed.scalar("select 1")
