"""The page of figures shows what gold says, and says what is wrong when there is none."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from warehouse_support import ServingProcess

from services.settings import PROJECT_ROOT

from .conftest import EXTRAS, Gold, reach

pytestmark = pytest.mark.timeout(900)

PAGE = EXTRAS / "bi" / "app.py"
PROBE = Path(__file__).with_name("page_probe.py")
Look = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """How to reach a warehouse in which nothing was built."""
    serving = ServingProcess(tmp_path_factory.mktemp("empty") / "data")
    yield reach(serving)
    serving.stop()


@pytest.fixture
def look(extras_python: Path, tmp_path: Path) -> Look:
    """Opens the page with these variables, chooses, and returns what is to be seen."""

    def opened(environment: dict[str, str], **choices: Any) -> dict[str, Any]:
        answer = tmp_path / "seen.json"
        command = [extras_python, PROBE, PAGE, json.dumps(choices), answer]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(answer.read_text(encoding="utf-8")))

    return opened


def test_nothing_built_yet_is_said(look: Look, empty: dict[str, str]) -> None:
    seen = look(empty)
    assert seen["exceptions"] == seen["errors"] == []
    assert seen["infos"] and seen["infos"][0].startswith("Nothing has been built yet")


def test_a_warehouse_that_does_not_answer_is_said(look: Look, empty: dict[str, str]) -> None:
    seen = look(empty | {"CLICKHOUSE_PASSWORD": "wrong-password-of-bi"})
    assert seen["exceptions"] == []
    assert [error.split(".")[0] for error in seen["errors"]] == ["The warehouse does not answer as it should"]
    assert "wrong-password-of-bi" not in json.dumps(seen)


@pytest.mark.slow
def test_the_page_shows_what_gold_says(look: Look, gold: Gold) -> None:
    seen = look(gold.environment, kind="School", level=8)
    assert seen["exceptions"] == seen["errors"] == seen["infos"] == []
    assert seen["titles"] == ["Coverage and requests", "Coverage by area", "Map", "Requests over time"]
    expected = gold.rows(
        "select area_name, coverage_share, request_count from gold.mart_coverage_by_area "
        "where facility_kind = 'school' and area_code in ('W', 'E') order by coverage_share, area_name"
    )
    assert [(row["area_name"], row["request_count"]) for row in seen["table"]] == [
        (row["area_name"], row["request_count"]) for row in expected
    ]
    assert [row["coverage_share"] for row in seen["table"]] == pytest.approx([row["coverage_share"] for row in expected])
    facilities = gold.rows("select count() as number from gold.dim_facilities where facility_kind = 'school'")[0]["number"]
    assert seen["metrics"]["Facilities"] == str(facilities)
    assert seen["metrics"]["Requests"] == str(sum(row["request_count"] for row in expected))
    assert seen["charts"] == ["vega_lite_chart", "deck_gl_json_chart", "vega_lite_chart"]
    # Kinds that nobody has come last.
    kinds = gold.rows("select label from gold.dim_facility_kinds order by facility_count = 0, label")
    assert seen["options"]["Kind of facility"] == [row["label"] for row in kinds]


@pytest.mark.slow
def test_one_area_may_be_chosen(look: Look, gold: Gold) -> None:
    seen = look(gold.environment, kind="School", level=8, areas=["West"])
    assert [row["area_name"] for row in seen["table"]] == ["West"]
    outlines = seen["maps"][0]["layers"][0]["data"]["features"]
    assert [outline["properties"]["text"].split(":")[0] for outline in outlines] == ["West"]


@pytest.mark.slow
def test_the_map_asks_nobody_for_tiles_and_shows_cells_alone(look: Look, gold: Gold) -> None:
    seen = look(gold.environment, kind="School", level=8)
    deck = seen["maps"][0]
    assert not deck.get("mapProvider") and "http" not in json.dumps(deck)
    cells = gold.rows("select count() as cells, sum(request_count) as requests from gold.mart_requests_by_cell")[0]
    shown = deck["layers"][1]["data"]
    assert (len(shown), sum(cell["request_count"] for cell in shown)) == (cells["cells"], cells["requests"])
    assert cells["cells"] > 0 and min(cell["request_count"] for cell in shown) >= 5


def test_streamlit_tells_nobody_about_its_visitors() -> None:
    config = tomllib.loads((EXTRAS / "bi" / "config.toml").read_text(encoding="utf-8"))
    assert config["browser"]["gatherUsageStats"] is False
    # Without it Streamlit asks a server in the internet for this machine's address.
    assert config["browser"]["serverAddress"]
    assert config["server"]["enableXsrfProtection"] is True
    assert config["client"]["showErrorDetails"] == "none"


def test_the_page_is_no_part_of_the_product() -> None:
    text = (PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8").lower()
    dependencies = tomllib.loads(text)["project"]
    assert not [name for name in dependencies["dependencies"] if name.startswith(("streamlit", "pydeck"))]
    assert "streamlit" not in (PROJECT_ROOT / "requirements-stack.lock").read_text(encoding="utf-8")
