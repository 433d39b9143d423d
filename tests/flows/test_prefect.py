"""The flows on a real Prefect server: woken by uploads, killed, taken up again; server, warehouse and flows in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3
from postgres_support import free_port
from prefect_support import AUTH, PrefectServer, kill, prefect_server, running, until
from pydantic import SecretStr
from test_run import AREAS, FACILITIES, STREETS, draw, register

from flows.clock import utc_now
from flows.serve import Server, serving
from flows.steps.transform import needs_build
from services.settings import ExtractionSettings, OrchestratorSettings, Settings
from services.wiring import Services, open_services

__all__ = ["prefect_server"]
COMMAND = ["-c", "from flows.cli import app; app()", "-v"]
LETTERS = 4


@dataclass
class Place:
    """A data directory, and how its processes find Prefect."""

    settings: Settings
    env: dict[str, str]
    log: Path


@pytest.fixture
def place(prefect_server: PrefectServer, tmp_path: Path) -> Place:
    orchestrator = OrchestratorSettings(
        prefect_api_url=prefect_server.url, prefect_auth=SecretStr(AUTH), metrics_port=free_port(), timeout_seconds=60
    )
    env = {
        "CARTULARY_DATA_DIR": str(tmp_path / "data"),
        "CARTULARY_ORCHESTRATOR__PREFECT_API_URL": orchestrator.prefect_api_url,
        "CARTULARY_ORCHESTRATOR__PREFECT_AUTH": AUTH,
        "CARTULARY_ORCHESTRATOR__TIMEOUT_SECONDS": "60",
        "CARTULARY_ORCHESTRATOR__METRICS_PORT": str(orchestrator.metrics_port),
        "CARTULARY_EXTRACTION__WORKERS": "1",
    }
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", orchestrator=orchestrator, extraction=ExtractionSettings(workers=1))
    log = tmp_path / "log"
    log.touch()
    return Place(settings, env, log)


@pytest.fixture
def services(place: Place) -> Iterator[Services]:
    """The services of this test process, beside a warehouse that is a process of its own; a small town waits to be loaded."""
    with running([*COMMAND, "warehouse", "--port", "0"], place.env, place.log):
        until(lambda: "HTTP interface" in place.log.read_text(), "the warehouse answers", place.log)
        with open_services(place.settings) as opened:
            assert opened.warehouse.is_attached
            for dataset, text in (("areas", AREAS), ("facilities", FACILITIES), ("address_points", register())):
                opened.intake.receive_dataset(iter([text.encode()]), f"{dataset}.csv", dataset, None, "cli", utc_now())
            yield opened


def upload(server: Server, key: str, number: int) -> None:
    """Hand a letter in as a sender does."""
    street = list(STREETS)[number % len(STREETS)]
    page = draw(street, str(number // len(STREETS) + 1))
    answer = urllib3.request(
        "POST",
        f"{server.url}/v1/uploads",
        fields={"files": (f"{number}.png", page, "image/png")},
        headers={"X-API-Key": key},
        retries=False,
        timeout=120,
    )
    assert answer.status == 202, answer.data
    assert answer.json()["items"][0]["state"] == "stored"


def woken(prefect_server: PrefectServer) -> set[str]:
    """Runs that a wake-up made and that work, worked or will work: one that was cancelled while it waited cost nothing."""
    runs = prefect_server.runs("SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "CRASHED", "FAILED")
    return {run["id"] for run in runs if "woken" in run["tags"]}


def count(services: Services, sql: str) -> int:
    return int(services.warehouse.scalar(sql))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_uploads_wake_one_batch_that_may_be_killed(prefect_server: PrefectServer, services: Services, place: Place) -> None:
    flows = [*COMMAND, "flows"]
    key = services.keys.create("sender", ["intake"], utc_now()).secret
    with serving(services, port=0) as server:
        with running(flows, place.env, place.log) as process:
            until(lambda: prefect_server.runs("RUNNING"), "the first run is under way", place.log)
            before = woken(prefect_server)
            for number in range(LETTERS):
                upload(server, key, number)
            for _ in range(200):
                server.orchestrator.wake()
                time.sleep(0.01)
            until(lambda: count(services, "select count() from bronze.extractions"), "a letter is read", place.log)
            assert len(woken(prefect_server) - before) <= 2, "one that takes what has come, one behind it"
            killed = prefect_server.runs("RUNNING")
            assert len(killed) == 1
            kill(process)
        # Comes while nobody works and wakes nobody: the next run takes it all the same.
        services.intake.receive_letter(iter([draw("Kirchgasse", "9")]), "late.png", "cli", utc_now())
        with running(flows, place.env, place.log):
            until(
                lambda: prefect_server.runs("COMPLETED") and not services.state.work.outstanding() and not needs_build(services),
                "everything is done",
                place.log,
            )
            until(lambda: not prefect_server.runs("RUNNING", "PENDING"), "no run is under way", place.log)
            metrics = urllib3.request(
                "GET", f"http://127.0.0.1:{place.settings.orchestrator.metrics_port}/metrics", timeout=120
            ).data.decode()
    expected = LETTERS + 1
    assert count(services, "select count() from bronze.letters") == expected
    for table, identity in (
        ("bronze.letters", "letter_id"),
        ("bronze.extractions", "letter_id"),
        ("bronze.geocodes", "tuple(subject_id, extraction_id, register_generation)"),
        ("gold.fct_requests", "request_id"),
    ):
        assert services.warehouse.query(f"select count() as rows, uniqExact({identity}) as things from {table}") == [
            {"rows": expected, "things": expected}
        ], table
    assert count(services, "select countIf(state = 'located') from gold.fct_requests") == expected
    assert [run["id"] for run in prefect_server.runs("CRASHED")] == [killed[0]["id"]]
    done = {run["id"]: run for run in prefect_server.runs("COMPLETED")}
    steps = services.warehouse.query("select distinct run_id, step from bronze.step_outcomes where state = 'done'")
    assert {row["run_id"] for row in steps} <= {killed[0]["id"], *done}
    assert {"load", "transform", "extract"} <= {row["step"] for row in steps}
    assert 'cartulary_steps_total{state="done",step="transform"}' in metrics
    artifacts = prefect_server.ask("/artifacts/filter", {"artifacts": {"key": {"any_": ["letters-summary"]}}})
    assert any("extract" in artifact["data"] and "in review: 0" in artifact["data"] for artifact in artifacts)
    assert prefect_server.ask("/artifacts/count", {"artifacts": {"key": {"any_": ["letters-progress"]}}}) > 0
    schedules = prefect_server.ask("/deployments/name/letters/cartulary")["schedules"]
    assert [(schedule["active"], schedule["schedule"]["interval"]) for schedule in schedules] == [(True, 300.0)]


def test_prefect_plans_the_runs_of_a_schedule(prefect_server: PrefectServer, place: Place) -> None:
    """Without SQLAlchemy below 2.1 Prefect 3.8.8's scheduler fails each time ("Can't evaluate bulk DML statement"), and plans nothing."""
    with running([*COMMAND, "flows"], place.env, place.log):
        until(
            lambda: any(run["auto_scheduled"] for run in prefect_server.runs("SCHEDULED", "PENDING", "RUNNING", "COMPLETED")),
            "the run in five minutes is planned",
            place.log,
            seconds=120,
        )


def test_what_is_wrong_with_prefect_is_said(place: Place) -> None:
    wrong = {**place.env, "CARTULARY_ORCHESTRATOR__PREFECT_AUTH": "admin:wrong", "COLUMNS": "400"}
    away = {**place.env, "CARTULARY_ORCHESTRATOR__PREFECT_API_URL": "http://127.0.0.1:1/api", "COLUMNS": "400"}
    other = place.log.with_name("away")
    with running([*COMMAND, "flows"], wrong, place.log) as first, running([*COMMAND, "flows"], away, other) as second:
        assert (first.wait(60), second.wait(60)) == (1, 1)
    said = place.log.read_text() + other.read_text()
    assert "PREFECT_AUTH must be the user:password" in said
    assert "Prefect did not answer at http://127.0.0.1:1/api" in said
    assert "Traceback" not in said
    assert "admin:wrong" not in said and AUTH not in said
