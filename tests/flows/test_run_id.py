"""One id through everything that a run does: its log, its rows, and what ClickHouse and Postgres are told."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console

from flows.steps import run as steps
from flows.warehouse_door import answering
from services.intake.intake import Intake
from services.logs import start_logging
from services.settings import LogSettings, Settings, StateSettings
from services.state.state import State
from services.tracing import current_run_id, run_scope
from services.warehouse.client import Warehouse
from services.wiring import Services

FACILITIES = b"facility_id,facility_name,facility_kind,longitude,latitude\nf1,Linden-Apotheke,pharmacy,9.5,47.1\nf2,Nowhere,pharmacy,,\n"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log of this test as JSON lines."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    text = io.StringIO()
    start_logging(LogSettings(format="json", level="info"), Console(file=text))
    yield text
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stack(services: Services, session_dir: Path, tmp_path: Path, postgres_database: str) -> Iterator[Services]:
    """The services with a warehouse behind HTTP and the state in Postgres."""
    settings = Settings(_env_file=None, data_dir=tmp_path, state=StateSettings(url=SecretStr(postgres_database)))
    with answering(services.warehouse), Warehouse.open(Settings(_env_file=None, data_dir=session_dir)) as attached:
        assert not attached.is_embedded
        state = State.open(settings)
        intake = Intake(settings=settings, objects=services.objects, state=state, warehouse=attached, contracts=services.contracts)
        yield replace(services, settings=settings, warehouse=attached, state=state, intake=intake)
        state.close()


def test_an_upload_and_its_run_are_found_by_their_ids(stack: Services, log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    def clock() -> datetime:
        return datetime.now(UTC)

    told: dict[str, object] = {}

    def look(step: str, count: int) -> None:
        with stack.state.database.reading() as connection:
            told["postgres"] = connection.exec_driver_sql(
                "select application_name from pg_stat_activity where pid = pg_backend_pid()"
            ).scalar()
        told["clickhouse"] = (stack.warehouse._settings() or {}).get("log_comment")  # chDB has no query log to look into
        told["run"] = current_run_id()

    # What a build asks is dbt's own; it takes half a minute.
    monkeypatch.setattr(steps, "needs_build", lambda services, for_placing=False: False)
    with run_scope("upload-4711"):
        stack.intake.receive_dataset(iter([FACILITIES]), "places.csv", "facilities", None, "api", clock())
    result = steps.load_datasets(stack, clock=clock, progress=look)
    assert result.counts["load"]["landed"] == 1
    assert told == {"run": result.run_id, "clickhouse": result.run_id, "postgres": f"cartulary {result.run_id}"}
    rows = stack.warehouse.query("select run_id, step, state from bronze.step_outcomes")
    assert {(row["run_id"], row["step"], row["state"]) for row in rows} == {(result.run_id, "load", "done")}
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["run_id"] for line in lines if line["logger"] == "flows.steps.record"] == [result.run_id]
    assert {line["run_id"] for line in lines if line["logger"].startswith(("flows.", "services."))} <= {result.run_id, "upload-4711"}
    assert current_run_id() == ""
