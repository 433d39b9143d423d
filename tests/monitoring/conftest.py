"""A warehouse with gold that dbt built from letters, files, submissions and corrections."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "dbt"))

from dbt_support import START, Bronze, bare_services
from warehouse_support import ServingProcess

from flows.steps.transform import transform
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate

VISION = {"extractor": "vision", "model": "pixtral-12b", "street_score": 0.91}


def fill(warehouse: Warehouse) -> None:
    """Everything that a dashboard shows happens here once: also what fails, is refused, or is decided by a person."""
    bronze = Bronze(warehouse)
    bronze.town()
    bronze.load("facilities", [], state="failed", mode="append")
    _files(warehouse)
    for _ in range(24):
        bronze.located_letter()
    for precision in ("street", "postcode", "city"):
        letter = bronze.letter()
        bronze.place("letter", letter, bronze.read(letter), precision=precision, uncertainty_m=350.0, address_id="")
    unfound = bronze.letter()
    bronze.place("letter", unfound, bronze.read(unfound), precision="none")
    away = bronze.letter()
    bronze.place("letter", away, bronze.read(away), is_provisional=1)
    bronze.read(bronze.letter(), outcome="unreadable", street="", housenumber="", postcode="", city="", street_score=0.1)
    bronze.read(bronze.letter(), outcome="failed", street="", housenumber="", postcode="", city="")
    _by_model(bronze)
    for number in range(12):
        submission = bronze.submission(has_position=number % 2 == 0)
        bronze.place("submission", submission)
    for action in ("place", "reject"):
        bronze.correct("letter", bronze.located_letter(), action)


def _files(warehouse: Warehouse) -> None:
    """The uploads that the loads came of, one that was refused, and a load that took its time and rejected rows."""
    now = START + timedelta(minutes=1)
    loads = warehouse.query("select upload_id, dataset from bronze.loads")
    stored = [
        {
            "upload_id": row["upload_id"],
            "purpose": "dataset",
            "dataset": row["dataset"],
            "file_name": f"{row['dataset']}.csv",
            "state": "stored",
            "door": "portal",
            "received_at": now,
        }
        for row in loads
    ]
    refused = {"upload_id": "f" * 64, "purpose": "letter", "file_name": "virus.exe", "state": "refused", "door": "api", "received_at": now}
    late = {**stored[0], "upload_id": "e" * 64, "dataset": "facilities", "file_name": "more.csv"}
    warehouse.insert("bronze.uploads", [*stored, late])
    warehouse.insert("bronze.uploads", [refused])
    rejected = [
        {"load_id": "facilities-9-1", "dataset": "facilities", "row_number": number, "line_number": number + 1, "reason": "no position"}
        for number in (3, 4)
    ]
    warehouse.insert("bronze.rejected_rows", rejected)
    load = {
        "load_id": "facilities-9-1",
        "upload_id": "e" * 64,
        "dataset": "facilities",
        "mode": "append",
        "generation": 9,
        "state": "loaded",
    }
    then = START + timedelta(hours=20)
    times = {"asked_at": then, "started_at": then, "finished_at": then + timedelta(seconds=42)}
    warehouse.insert("bronze.loads", [{**load, **times, "generation": 9, "received_rows": 12, "landed_rows": 10, "rejected_rows": 2}])


def _by_model(bronze: Bronze) -> None:
    """Letters that the vision model read at a cost, and one that it could not."""
    for number in range(4):
        letter = bronze.letter()
        is_fallback = number == 3
        reading = {"is_fallback": 1, "problem": "timeout"} if is_fallback else VISION
        extraction = bronze.read(letter, **reading)
        bronze.place("letter", letter, extraction)
        attempt = {
            "attempt_id": f"attempt {number}",
            "extraction_id": extraction,
            "letter_id": letter,
            "requested_model": "pixtral-12b",
            "outcome": "timeout" if is_fallback else "ok",
            "input_tokens": 2400,
            "output_tokens": 120,
            "cost": 0.0004,
            "started_at": START,
        }
        bronze.warehouse.insert("bronze.extraction_attempts", [attempt])


@pytest.fixture(scope="session")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse in a process of its own, asked over HTTP as Grafana asks it, with a build published."""
    serving = ServingProcess(tmp_path_factory.mktemp("dashboards") / "serving")
    try:
        with Warehouse.open(serving.settings) as warehouse:
            migrate(warehouse)
            services = bare_services(warehouse, serving.settings)
            fill(warehouse)
            transform(services, now=START + timedelta(days=1))
            services.state.close()
            yield warehouse
    finally:
        serving.stop()
