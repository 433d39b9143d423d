"""The API tells what gold lacks: nothing after a build, what came since, and builds that failed since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dbt_support import START, bare_services

from api.overview import Overview
from services.metrics import Metrics
from services.settings import Settings
from services.warehouse.client import Warehouse

DEBT = ("cartulary_gold_unseen_timestamp_seconds", "cartulary_gold_failed_builds")


def told(warehouse: Warehouse, services: Any) -> list[float | None]:
    metrics = Metrics()
    Overview(services, metrics, lambda: START).now()
    return [metrics.registry.get_sample_value(name) for name in DEBT]


@pytest.fixture
def services(gold: Warehouse, tmp_path: Path) -> Any:
    opened = bare_services(gold, Settings(_env_file=None, data_dir=tmp_path))
    yield opened
    opened.state.close()


def test_gold_owes_what_came_after_its_build(gold: Warehouse, services: Any) -> None:
    assert told(gold, services) == [0, 0]

    before = datetime.now(UTC) - timedelta(seconds=5)
    upload = {"upload_id": "d" * 64, "purpose": "letter", "file_name": "late.jpg", "state": "refused", "door": "api", "received_at": START}
    gold.insert("bronze.uploads", [upload])
    failed = {"generation": 2, "state": "failed", "message": "a test", "started_at": START, "finished_at": datetime.now(UTC)}
    later = datetime.now(UTC) + timedelta(days=1)
    gold.insert("gold.builds", [failed, {**failed, "generation": 3, "finished_at": later}])
    unseen, failures = told(gold, services)
    assert unseen is not None and before.timestamp() <= unseen <= datetime.now(UTC).timestamp()
    assert failures == 2
