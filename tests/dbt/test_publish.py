"""A red build leaves gold as it was and says why; a build that died in the middle of publishing is finished."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dbt.adapters.clickhouse.httpclient import ChHttpClient
from dbt_support import Bronze, gold_content

import flows.steps.transform as transform_module
from flows.steps import gold
from flows.steps.record import StepResult
from flows.steps.transform import failed_lately, needs_build, repair_gold, transform
from services.errors import PublishError, StateError
from services.state.locks import Lease
from services.warehouse.client import Warehouse

WORKER = Path(__file__).with_name("build_worker.py")


def test_red_build_leaves_gold_untouched_and_says_why(platform: Any, bronze: Bronze, now: datetime) -> None:
    bronze.town()
    bronze.located_letter()
    transform(platform, now=now)
    before = gold_content(platform.warehouse)

    letter = bronze.letter()
    bronze.read(letter, outcome="guessed")
    with pytest.raises(PublishError, match=r"fct_extractions.*Got 1 result") as error:
        transform(platform, now=now)
    assert "gold is as it was" in str(error.value)
    assert gold_content(platform.warehouse) == before
    newest = platform.warehouse.query("select generation, state, message from gold.builds order by generation desc limit 1")[0]
    assert newest["state"] == "failed" and "fct_extractions" in newest["message"]
    assert needs_build(platform)


def test_a_build_that_failed_twice_waits_for_an_hour_or_a_change(platform: Any, bronze: Bronze, now: datetime) -> None:
    warehouse = platform.warehouse
    bronze.town()
    inputs, fingerprint = transform_module._inputs(warehouse), transform_module._fingerprint(warehouse)

    def fail(generation: int, at: datetime) -> None:
        build = gold.Build(generation, "failed", fingerprint, at, inputs, {}, at)
        gold.write_journal(warehouse, build, changed_after=at)

    fail(1, now)
    assert not failed_lately(platform, now), "it may have been an outage"
    fail(2, now)
    assert needs_build(platform) and failed_lately(platform, now + timedelta(minutes=59))
    assert not failed_lately(platform, now + timedelta(hours=1))
    bronze.letter()
    assert not failed_lately(platform, now)


def test_a_build_stops_when_its_lock_is_lost(platform: Any, bronze: Bronze, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    bronze.town()
    clear, asked = gold.clear_next, []

    def lose(warehouse: Warehouse) -> None:
        clear(warehouse)
        monkeypatch.setattr(Lease, "is_lost", property(lambda lease: True))

    def command(client: ChHttpClient, sql: str, **options: Any) -> Any:
        asked.append(sql)
        return client._client.command(sql)

    monkeypatch.setattr(gold, "clear_next", lose)
    monkeypatch.setattr(ChHttpClient, "command", command)
    with pytest.raises(StateError, match="lock 'build' was lost") as error:
        transform(platform, now=now)
    assert error.value.retryable
    assert not [sql for sql in asked if "create" in sql.lower()], "nothing was built any more"
    assert gold.journal(platform.warehouse)[0].state == "started"
    assert platform.warehouse.query("select * from gold.builds") == []


@pytest.mark.parametrize("statements", [0, 1, 10, 60])
def test_a_build_ends_when_its_process_is_to_stop(platform: Any, bronze: Bronze, now: datetime, statements: int) -> None:
    """As killed before any statement, but without a failure; dbt does not wait for what was not done, and the next build does all."""
    bronze.town()
    warehouse, asked = platform.warehouse, itertools.count()
    assert transform(platform, now=now, is_stopping=lambda: next(asked) >= statements) == StepResult("transform")
    assert gold.journal(warehouse)[0].state == "started"
    assert warehouse.query("select * from gold.builds") == []
    assert needs_build(platform)
    transform(platform, now=now)
    assert int(warehouse.scalar("select count() from gold.dim_facilities")) == 12


def test_what_somebody_else_built_meanwhile_is_not_published(platform: Any, bronze: Bronze, now: datetime) -> None:
    warehouse = platform.warehouse
    for table in ("gold.fct_a", "gold.fct_b", "gold_next.fct_a", "gold_next.fct_b"):
        warehouse.command(f"create table {table} (made_by String) engine = MergeTree order by made_by")
    build = gold.Build(1, "started", "f", now, {}, {}, now)
    built = gold.table_uuids(warehouse, "gold_next")
    # Another process clears gold_next and is building there.
    warehouse.command("drop table gold_next.fct_b sync")
    warehouse.command("create table gold_next.fct_b (made_by String) engine = MergeTree order by made_by as select 'another'")
    with pytest.raises(PublishError, match=r"only in part.*fct_b") as error:
        gold.publish_tables(warehouse, build, built, {})
    assert error.value.retryable
    assert warehouse.query("select * from gold.fct_b") == []
    torn = gold.journal(warehouse)
    assert torn[0].state == "failed" and warehouse.query("select * from gold.builds") == []
    before = gold.Build(0, "published", "f", now, {}, {}, now)
    assert transform_module._why_all(warehouse, SimpleNamespace(gold=()), torn, before, "f", {}) == "a build was published only in part"  # type: ignore[arg-type]
    warehouse.command("drop table gold.fct_a, gold.fct_b, gold_next.fct_a, gold_next.fct_b sync")


def test_what_a_red_build_saw_is_not_forgotten(platform: Any, bronze: Bronze, now: datetime) -> None:
    bronze.town()
    transform(platform, now=now)
    letter = bronze.located_letter()
    bad = bronze.letter()
    bronze.read(bad, outcome="guessed")
    with pytest.raises(PublishError):
        transform(platform, now=now)
    bronze.read(bad)
    platform.warehouse.command("alter table bronze.extractions delete where outcome = 'guessed'", settings={"mutations_sync": 1})
    transform(platform, now=now)
    assert letter in {row["request_id"] for row in platform.warehouse.query("select request_id from gold.fct_requests")}


def test_half_exchanged_gold_is_finished(platform: Any, bronze: Bronze, now: datetime) -> None:
    bronze.town()
    bronze.located_letter()
    transform(platform, now=now)
    expected = gold_content(platform.warehouse)
    warehouse = platform.warehouse
    names = sorted(expected)
    # As if the process had died after the first of the exchanges: the journal says publishing, one table is there already.
    gold.clone_gold(warehouse, names)
    for name in names:
        warehouse.command(f"truncate table gold.{name}")
    published = gold.journal(warehouse)[0]
    uuids = gold.table_uuids(warehouse, "gold_next")
    row = {"is_full_refresh": 1, "model_count": 40, "test_count": 60, "message": "gold lacks dim_areas"}
    tables = {name: uuids[name] for name in names}
    dead = replace(published, generation=published.generation + 1, state="publishing", tables=tables, public_row=row)
    gold.write_journal(warehouse, dead, changed_after=now)
    gold.exchange(warehouse, {names[0]: uuids[names[0]]})
    assert gold_content(warehouse) != expected
    assert needs_build(platform)

    assert repair_gold(platform, now)
    assert gold_content(warehouse) == expected
    assert not repair_gold(platform, now)
    builds = warehouse.query("select state, is_full_refresh, model_count, test_count, message from gold.builds order by generation")
    assert [build["state"] for build in builds] == ["published", "published"]
    assert builds[1] == {**row, "state": "published", "message": "gold lacks dim_areas; finished after the process had died"}


@pytest.mark.slow
def test_killed_at_any_moment_and_run_again(tmp_path: Path) -> None:
    """kill -9 before, during and after the build of a child process; the build after it gives what an undisturbed one gives."""
    for fraction in (0.0, 0.3, 0.9):
        _kill_at(tmp_path / "killed", fraction)
    killed = _run(tmp_path / "killed")
    undisturbed = _run(tmp_path / "undisturbed")
    assert killed == undisturbed
    assert "fct_requests" in killed


def _kill_at(directory: Path, fraction: float) -> None:
    done, nodes = directory / "dbt" / "run", 150
    shutil.rmtree(done, ignore_errors=True)
    child = subprocess.Popen([sys.executable, str(WORKER), str(directory)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline().startswith("building")
    # dbt writes down what it asks, a file for each model and test.
    while child.poll() is None and len(list(done.rglob("*.sql"))) < fraction * nodes:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(timeout=60)
    child.stdout.close()


def _run(directory: Path) -> str:
    done = subprocess.run([sys.executable, str(WORKER), str(directory)], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("building\n", 1)[1]
