"""The unmodified dbt-clickhouse adapter builds the whole project over HTTP, and gold is what chDB in one process makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from warehouse_support import ServingProcess, environment

from services.errors import WarehouseError
from services.warehouse.client import Warehouse

FOLDER = Path(__file__).parent
WORKER = FOLDER / "build_worker.py"


def build(data_dir: Path) -> subprocess.Popen[str]:
    paths = environment(PYTHONPATH=f"{FOLDER}:{FOLDER.parent.parent}")
    return subprocess.Popen([sys.executable, str(WORKER), str(data_dir)], env=paths, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_gold_is_the_same_over_http(tmp_path: Path) -> None:
    serving = ServingProcess(tmp_path / "serving")
    try:
        workers = [build(tmp_path / "serving"), build(tmp_path / "alone")]
        answers = [worker.communicate(timeout=250)[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0]
        over_http, alone = (json.loads(answer.partition("\n")[2]) for answer in answers)
        assert over_http == alone
        assert len(over_http["fct_requests"]) == 20
        with Warehouse.open(serving.settings) as attached:
            assert attached.is_attached
            published = attached.query("select generation, model_count from gold.builds where state = 'published' order by generation")
            assert [row["generation"] for row in published] == [1, 2]
            # A dictionary that dbt made over HTTP outlives the token of that time.
            points = "select count() from silver.int_address_points__located where has(area_codes, 'R')"
            before = attached.scalar(points)
            serving.stop()
            serving.start()
            assert attached.scalar(points) == before
            with pytest.raises(WarehouseError, match="UNKNOWN_TABLE"):
                attached.scalar("select count() from gold.no_such_table")
    finally:
        serving.stop()
