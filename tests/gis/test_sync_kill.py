"""kill -9 of the process that syncs, in the middle of its transaction: readers keep what they saw, and the next sync does it all."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from api_support import fill_gold
from mirror_support import build, mirror_settings, rows, run_sync, value
from warehouse_support import ServingProcess, environment

from gis.tables import PUBLIC, RESTRICTED
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate

# As the step does it, in a process of its own; the settings come from the environment.
PROGRAM = """
from datetime import UTC, datetime
from gis.mirror import open_mirror
from gis.sync import sync
from services.settings import Settings
from services.warehouse.client import Warehouse

settings = Settings(_env_file=None)
with Warehouse.open(settings) as warehouse, open_mirror(settings.postgis) as connection:
    sync(connection, warehouse, settings.postgis, now=datetime.now(UTC))
"""
WAIT_SECONDS = 60
SYNCS = "select count(*) from pg_stat_activity where application_name like 'cartulary%' and datname = current_database()"


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[ServingProcess]:
    process = ServingProcess(tmp_path / "data")
    yield process
    process.stop()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def whole_mirror(url: str) -> dict[str, list[dict[str, Any]]]:
    tables = [*map(str, PUBLIC.tables.values()), *map(str, RESTRICTED.tables.values()), "map_mirror.state", "map_mirror.problems"]
    return {table: rows(url, f"select * from {table} order by 1, 2") for table in tables}


def test_a_killed_process_leaves_the_mirror_as_it_was(serving: ServingProcess, postgis_database: str) -> None:
    settings = mirror_settings(postgis_database)
    more = {
        "CARTULARY_DATA_DIR": str(serving.settings.data_dir),
        "CARTULARY_POSTGIS__URL": postgis_database,
        "CARTULARY_POSTGIS__PUBLIC_ROLE": settings.public_role,
        "CARTULARY_POSTGIS__RESTRICTED_ROLE": settings.restricted_role,
    }
    with Warehouse.open(serving.settings) as warehouse:
        migrate(warehouse)
        fill_gold(warehouse)
        run_sync(warehouse, settings)
        before = whole_mirror(postgis_database)
        build(warehouse, "dim_areas", "select * replace (7 as population) from gold.dim_areas")
        build(warehouse, "fct_requests", "select * replace (7 as evidence_score) from gold.fct_requests limit 60")
        with psycopg.connect(postgis_database) as other:
            # The last layer's merge waits for this lock, when the others are merged and nothing is committed.
            other.execute("lock table restricted_map.requests in share mode")
            process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment(**more), cwd=Path(__file__).parents[2])
            try:
                wait_for(lambda: process.poll() is not None or value(postgis_database, f"{SYNCS} and wait_event_type = 'Lock'"))
                assert process.poll() is None
            finally:
                process.kill()
                process.wait(timeout=WAIT_SECONDS)
            assert whole_mirror(postgis_database) == before
        # The server's side ends by itself when it finds nobody to answer.
        wait_for(lambda: not value(postgis_database, SYNCS))
        assert whole_mirror(postgis_database) == before
        result = run_sync(warehouse, settings)
    assert (result.changes["areas"].updated, result.changes["requests"].updated, result.changes["requests"].deleted) == (37, 60, 1)
    assert value(postgis_database, "select count(*) from restricted_map.requests where evidence_score = 7") == 60
    with psycopg.connect(postgis_database, autocommit=True) as connection:
        for role in (settings.public_role, settings.restricted_role):
            connection.execute(f"drop owned by {role}; drop role {role}")  # type: ignore[call-overload]
