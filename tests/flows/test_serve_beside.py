"""While `cartulary serve` has the data, the other commands work beside it; nothing is done twice."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from warehouse_support import CARTULARY, ServingProcess, environment

from services.settings import DBT_PROJECT_DIR
from services.warehouse.client import Warehouse

SAMPLES = DBT_PROJECT_DIR / "models/silver/staging"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServingProcess]:
    process = ServingProcess(tmp_path / "data", ("serve", "--no-open", "--port", "0"))
    yield process
    # Not politely: it would finish the build that the loads have set off, which tests/dbt/test_over_http.py sees.
    process.signal(signal.SIGKILL)


def command(served: ServingProcess, *arguments: str) -> subprocess.Popen[str]:
    line = [*CARTULARY, "--data-dir", str(served.settings.data_dir), *arguments]
    return subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return out


def test_commands_beside_the_server(served: ServingProcess, tmp_path: Path) -> None:
    letter = Image.new("L", (1000, 600), 255)
    ImageDraw.Draw(letter).text((80, 100), "Where is the next pharmacy?", fill=0, font=ImageFont.load_default(40))
    letter.save(tmp_path / "letter.png")
    loading = [command(served, "load", dataset, str(SAMPLES / dataset / "sample.csv"), "--json") for dataset in ("areas", "facilities")]
    adding = command(served, "letters", "add", str(tmp_path / "letter.png"), "--json")
    loaded = [json.loads(answer(process))[0] for process in loading]
    assert [load["landed"] + load["rejected"] for load in loaded] == [load["received"] for load in loaded]
    assert json.loads(answer(adding))[0]["state"] == "stored"
    assert json.loads(answer(command(served, "keys", "create", "beside", "--json")))["name"] == "beside"
    loads = "select dataset, count() from bronze.loads where state = 'loaded' group by 1 order by 1"
    counts = answer(command(served, "sql", loads, "--format", "CSV"))
    assert counts == '"areas",1\n"facilities",1\n'
    with Warehouse.open(served.settings) as attached:
        assert attached.is_attached
        assert attached.scalar("select count() from bronze.letters") == 1
