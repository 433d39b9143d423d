"""Hop's sample project hangs together, and ClickHouse answers its question with what it reads. Hop itself does not run here."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from xml.etree import ElementTree

import pytest

from .conftest import EXTRAS, Gold

PROJECT = EXTRAS / "hop" / "project"
PIPELINE = ElementTree.parse(PROJECT / "coverage.hpl").getroot()
TRANSFORMS = {element.findtext("name"): element for element in PIPELINE.iter("transform")}


def names(transform: str, fields: str = "fields/field") -> list[str | None]:
    return [field.findtext("name") for field in TRANSFORMS[transform].findall(fields)]


def test_every_step_is_reached_from_the_first() -> None:
    hops = [(hop.findtext("from"), hop.findtext("to")) for hop in PIPELINE.iter("hop")]
    assert {name for hop in hops for name in hop} == set(TRANSFORMS)
    reached, waiting = set(), ["The question"]
    while waiting:
        reached.add(here := waiting.pop())
        waiting += [str(target) for source, target in hops if source == here and target not in reached]
    assert reached == set(TRANSFORMS)
    assert {TRANSFORMS["Answered?"].findtext("send_true_to"), TRANSFORMS["Answered?"].findtext("send_false_to")} == {"Rows", "Stop"}


def test_fields_come_from_the_step_before() -> None:
    asks = TRANSFORMS["Ask ClickHouse"]
    given = names("The question") + names("Who asks")
    assert [field.findtext("name") for field in asks.findall("lookup/*")] == given
    assert TRANSFORMS["Rows"].findtext("valueField") == asks.findtext("result/name")
    assert TRANSFORMS["Answered?"].findtext("compare/condition/leftvalue") == asks.findtext("result/code")
    assert names("CSV file") == names("Rows")


def test_no_password_is_kept() -> None:
    assert TRANSFORMS["Ask ClickHouse"].findtext("url") == "http://${CLICKHOUSE_HOST}:${CLICKHOUSE_PORT}/"
    assert [field.findtext("variable") for field in TRANSFORMS["Who asks"].findall("fields/field")] == [
        "${CLICKHOUSE_USER}",
        "${CLICKHOUSE_PASSWORD}",
    ]
    assert not TRANSFORMS["Ask ClickHouse"].findtext("httpPassword")
    for path in PROJECT.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_clickhouse_answers_with_the_fields_that_are_read(gold: Gold) -> None:
    query = TRANSFORMS["The question"].findtext("fields/field/nullif")
    given = gold.environment
    address = f"http://{given['CLICKHOUSE_HOST']}:{given['CLICKHOUSE_PORT']}/?{urllib.parse.urlencode({'query': query})}"
    values = {"user": given["CLICKHOUSE_USER"], "key": given["CLICKHOUSE_PASSWORD"]}
    headers = {
        str(field.findtext("parameter")): values[str(field.findtext("name"))] for field in TRANSFORMS["Ask ClickHouse"].iter("header")
    }
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as answer:
        rows = json.load(answer)["data"]
    paths = [str(field.findtext("path")) for field in TRANSFORMS["Rows"].findall("fields/field")]
    assert [path.removeprefix("$.data[*].") for path in paths] == list(rows[0])
    assert len(rows) == gold.rows("select count() as number from gold.mart_coverage_by_area")[0]["number"]
    numbers = [str(field.findtext("name")) for field in TRANSFORMS["Rows"].findall("fields/field") if field.findtext("type") != "String"]
    assert all(row[name] is None or float(row[name]) >= 0 for row in rows for name in numbers)
