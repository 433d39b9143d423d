"""What maintenance throws away and what it leaves, and which runs are swept away."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from services.errors import OrchestratorError
from services.settings import Settings, StateSettings
from services.state.locks import this_process
from services.state.state import State
from services.wiring import Services

pytest.importorskip("prefect", reason="no Prefect here: make setup")

import flows.batch as batch
import flows.deployments as deployments
from flows.batch import run_lock
from flows.maintenance import GRACE, sweep_dead_runs
from flows.run_metrics import forget_ended, runs_registry
from flows.steps.clean import clean_up
from services.orchestrator.environment import LEFT_SECONDS, METRICS_DIRECTORY, TEMPORARY_DIRECTORY, prepare_environment
from services.orchestrator.prefect_api import Run
from services.state.upload_sessions import Announced

COUNTING = """
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
registry = CollectorRegistry()
Counter("letters", "Letters", ["state"], registry=registry).labels("read").inc(2)
Histogram("seconds", "Seconds", buckets=(1,), registry=registry).observe(0.5)
Gauge("waiting", "Waiting", registry=registry).set(7)
"""


def clock() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def state(request: pytest.FixtureRequest, settings: Settings) -> Iterator[State]:
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_database")
        settings = settings.model_copy(update={"state": StateSettings(url=SecretStr(url))})
    opened = State.open(settings)
    yield opened
    opened.close()


class Prefect:
    """The runs that Prefect takes for alive, and which of them were ended; `after` is what it has at the second look."""

    def __init__(self, *runs: Run, after: tuple[Run, ...] | None = None) -> None:
        self._looks = [runs, runs if after is None else after]
        self.ended: list[tuple[str, str]] = []

    def deployment_ids(self) -> list[str]:
        return ["d1"]

    def runs(self, deployment_ids: list[str], states: tuple[str, ...]) -> list[Run]:
        return list(self._looks.pop(0))

    def end_run(self, run_id: str, state: str, message: str) -> None:
        self.ended.append((run_id, state))


def run(name: str, state: str = "RUNNING", age: timedelta = timedelta(seconds=10)) -> Run:
    return Run(name, "d1", state, clock() - age)


def sweep(prefect: Prefect, state: State) -> list[str]:
    api: Any = prefect
    return sweep_dead_runs(api, state.locks, clock=clock, confirm_seconds=0)


def test_a_vacuum_leaves_the_state_usable(state: State) -> None:
    state.idempotency.begin("key", "hash", clock())
    state.database.vacuum()
    assert state.idempotency.forget(clock() + timedelta(seconds=1)) == 1
    state.database.vacuum()


def test_a_run_that_lives_is_left_alone(state: State) -> None:
    with state.locks.hold(run_lock("r1"), owner=this_process(), lease_seconds=30, wait_seconds=0, clock=clock):
        assert sweep(Prefect(run("r1", age=GRACE * 100)), state) == []


def test_a_run_that_just_starts_is_left_alone(state: State) -> None:
    assert sweep(Prefect(run("r1", "PENDING"), run("r2")), state) == []


def test_a_run_whose_process_died_is_swept_at_once(state: State) -> None:
    state.locks._take(run_lock("r1"), "token", "process 1 on another machine", 1, clock() - timedelta(minutes=1))
    prefect = Prefect(run("r1"))
    assert sweep(prefect, state) == ["r1"]
    assert prefect.ended == [("r1", "CRASHED")]


def test_a_run_that_never_showed_itself_is_swept_after_a_while(state: State) -> None:
    prefect = Prefect(run("r1", "PENDING", age=GRACE * 2), run("r2", "PENDING"))
    assert sweep(prefect, state) == ["r1"]


def test_a_run_that_was_cut_off_for_a_while_is_left_alone(state: State) -> None:
    state.locks._take(run_lock("r1"), "token", "process 1 on another machine", 1, clock() - timedelta(minutes=1))
    looks = [[run("r1")], [run("r1")]]

    def runs(*_: object) -> list[Run]:
        if len(looks) == 1:  # the state database is back, and the process too, after the second look at the locks even
            holders = state.locks.abandoned

            def abandoned(now: datetime) -> set[str]:
                found = holders(now)
                assert state.locks._renew(run_lock("r1"), "token", 60, clock())
                return found

            patch.setattr(state.locks, "abandoned", abandoned)
        return looks.pop(0)

    prefect = Prefect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefect, "runs", runs)
        assert sweep(prefect, state) == []
    assert prefect.ended == []


def test_a_run_says_that_it_lives_before_anything_else_answers_and_ends_when_it_was_swept(
    settings: Settings, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings.model_copy(update={"state": StateSettings(url=SecretStr(state.database.url.render_as_string(False)))})
    ended = threading.Event()
    monkeypatch.setattr("services.state.locks.RENEWALS", 10 * batch.LEASE_SECONDS)
    monkeypatch.setattr(os, "kill", lambda process, signal: ended.set() if process == os.getpid() and signal else None)
    seen: list[str] = []

    @contextmanager
    def open_services(_: Settings) -> Iterator[None]:
        seen.extend(state.locks.holders(clock()))
        assert state.locks.bury(run_lock("r1"), clock() + timedelta(seconds=2 * batch.LEASE_SECONDS))
        assert ended.wait(60)
        raise OrchestratorError("enough", retryable=True)
        yield

    monkeypatch.setattr(batch, "read_settings", lambda: settings)
    monkeypatch.setattr(batch, "flow_run", SimpleNamespace(id="r1"))
    monkeypatch.setattr(batch, "open_services", open_services)
    monkeypatch.setattr(batch, "_start_logging", lambda _: None)
    assert "enough" in str(batch.run_batch("letters", lambda services, progress: pytest.fail("swept")).message)
    assert seen == [run_lock("r1")]


def test_a_run_that_ends_just_now_is_left_alone(state: State) -> None:
    assert sweep(Prefect(run("r1", age=GRACE * 2), after=()), state) == []


@pytest.mark.parametrize(
    ("ours", "waiting", "is_cancelled"),
    [
        ({"full_refresh": False}, {"full_refresh": True}, False),
        ({"full_refresh": True}, {"full_refresh": True}, True),
        ({"full_refresh": True}, {"full_refresh": False}, True),
        ({"full_refresh": False}, {}, True),
        ({}, {}, True),
    ],
)
def test_a_run_takes_over_only_what_asks_for_no_more(
    monkeypatch: pytest.MonkeyPatch, ours: dict[str, Any], waiting: dict[str, Any], is_cancelled: bool
) -> None:
    monkeypatch.setattr(batch, "flow_run", SimpleNamespace(parameters=ours))
    monkeypatch.setattr(batch, "deployment", SimpleNamespace(id="d1"))
    ended: list[str] = []
    api: Any = SimpleNamespace(
        runs=lambda ids, states, due_before: [Run(name, "d1", "SCHEDULED", clock(), waiting) for name in ("mine", "other")],
        end_run=lambda run_id, state, message: ended.append(run_id),
    )
    batch._take_over(api, "mine")
    assert ended == (["other"] if is_cancelled else [])


def test_a_fault_does_not_end_the_sweeper(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    swept, looks = threading.Event(), iter([ValueError("no JSON"), OrchestratorError("away", retryable=True)])

    def sweep_once(*arguments: object, **options: object) -> list[str]:
        if error := next(looks, None):
            raise error
        swept.set()
        return []

    monkeypatch.setattr(deployments, "sweep_dead_runs", sweep_once)
    monkeypatch.setattr(deployments, "wake_letters", lambda *arguments: True)
    monkeypatch.setattr(deployments, "SOON_SECONDS", 0.01)
    nothing: Any = SimpleNamespace(state=SimpleNamespace(locks=None))
    with deployments._sweeping(nothing, nothing):
        assert swept.wait(10)
    assert "no JSON" in caplog.text and "away" in caplog.text


def test_what_has_expired_is_thrown_away_and_nothing_else(services: Services) -> None:
    old, now, state = clock() - timedelta(days=30), clock(), services.state
    state.idempotency.begin("old", "hash", old)
    state.idempotency.begin("new", "hash", now)
    assert state.sessions.redeem(state.sessions.create_one_time_token(old), old)
    session = state.sessions.redeem(state.sessions.create_one_time_token(now), now)
    file = Announced("a.csv", "dataset", "facilities", "", "api", 1000)
    state.upload_sessions.create(file, old)
    link = state.upload_sessions.create(file, now)
    state.locks._take("build", "token", "dead", 1, old)
    services.warehouse.command("create table bronze.incoming_fresh (a String) engine = Memory")
    try:
        counts = clean_up(services, clock=clock).counts
        assert services.warehouse.scalar("exists table bronze.incoming_fresh") == 1
    finally:
        services.warehouse.command("drop table if exists bronze.incoming_fresh sync")
    assert counts["leases"] == 1
    assert session is not None
    assert state.sessions.session_scopes(session, now)
    assert counts["upload_sessions"] == 1
    assert state.upload_sessions.begin(link.token, now)
    assert state.idempotency.forget(now + timedelta(seconds=1)) == 1, "the new one was still there"


def test_tables_that_dead_loads_left_are_dropped(services: Services) -> None:
    services.warehouse.command("create table bronze.incoming_left (a String) engine = Memory")
    assert clean_up(services, clock=lambda: clock() + timedelta(hours=7)).counts["incoming_tables"] == 1
    assert services.warehouse.scalar("exists table bronze.incoming_left") == 0


def test_metrics_of_ended_runs_add_up_in_one_file(tmp_path: Path) -> None:
    registry = runs_registry(tmp_path)
    for expected in (2, 4):
        subprocess.run([sys.executable, "-c", COUNTING], env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}, check=True, timeout=60)
        assert registry.get_sample_value("letters_total", {"state": "read"}) == expected
        assert registry.get_sample_value("seconds_count") == expected / 2
        assert registry.get_sample_value("seconds_bucket", {"le": "1.0"}) == expected / 2
    assert registry.get_sample_value("waiting") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["counter_done.db", "histogram_done.db"]


def test_a_start_keeps_the_metrics_of_runs_that_live(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())
    directory = settings.data_dir / METRICS_DIRECTORY
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    ).stdout.strip()
    prepare_environment(settings)
    for name in (f"counter_{os.getpid()}.db", f"counter_{dead}.db", "counter_done.db"):
        (directory / name).touch()
    prepare_environment(settings)
    forget_ended(directory)
    assert [path.name for path in directory.iterdir()] == [f"counter_{os.getpid()}.db"]


def test_temporary_files_lie_beside_the_data_and_are_swept_when_old(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container /tmp is memory: a data file of gigabytes would fill it."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())
    folder = settings.data_dir / TEMPORARY_DIRECTORY
    for name, age in (("dead", LEFT_SECONDS + 60), ("alive", 60)):
        (folder / name).mkdir(parents=True)
        os.utime(folder / name, (time.time() - age,) * 2)
    prepare_environment(settings)
    assert [path.name for path in folder.iterdir()] == ["alive"]
    assert Path(tempfile.gettempdir()) == folder and os.environ["TMPDIR"] == str(folder)
