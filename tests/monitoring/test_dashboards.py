"""Every panel's SQL answers on gold that dbt built, and the dashboards are files that people can read and review."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitoring_support import BOARDS, GRAFANA, Query, expand, load_board, panel_queries, panels, tables, variables

from services.warehouse.client import Warehouse

NAMES = ["api-traffic", "geocoding-health", "gis", "llm-extraction", "upload-tracking"]
SQL = list(panel_queries("clickhouse"))
VARIABLES = [(path, name) for path in BOARDS for name in variables(path, "clickhouse")]


def names(value: Any) -> str:
    return value.stem if isinstance(value, Path) else str(value)


def values_of(path: Path, warehouse: Warehouse) -> dict[str, list[str]]:
    """What Grafana would have chosen at first: all values of a list, the first where only one can be chosen."""
    found = {}
    for name, (sql, is_multi) in variables(path, "clickhouse").items():
        rows = [str(next(iter(row.values()))) for row in warehouse.query(expand(sql, {}))]
        found[name] = rows if is_multi else rows[:1]
    return found


def test_there_are_these_five() -> None:
    assert [path.stem for path in BOARDS] == NAMES


@pytest.mark.parametrize("query", SQL, ids=str)
def test_panels_have_rows(query: Query, gold: Warehouse) -> None:
    path = GRAFANA / "dashboards" / f"{query.board}.json"
    rows = gold.query(expand(query.text, values_of(path, gold)))
    assert rows, "no rows"
    for column in rows[0]:
        values = [row[column] for row in rows]
        assert any(value not in (None, "", 0) for value in values), f"nothing in the column {column}: {values[:5]}"


@pytest.mark.parametrize("query", SQL, ids=str)
def test_panels_read_gold_alone(query: Query) -> None:
    named = tables(query.text)
    assert named and all(name.startswith("gold.") for name in named), named
    # Grafana would ask for all rows there are.
    assert "limit" in query.text or "group by" in query.text or re.match(r"select\s+(count|sum|avg)", query.text), "no limit"


@pytest.mark.parametrize(("path", "name"), VARIABLES, ids=names)
def test_variables_have_values(path: Path, name: str, gold: Warehouse) -> None:
    sql = variables(path, "clickhouse")[name][0]
    assert all(table.startswith("gold.") for table in tables(sql))
    assert values_of(path, gold)[name]
    used = [query for query in [*SQL, *panel_queries("prometheus")] if query.board == path.stem and f"${{{name}:" in query.text]
    assert used, "no panel uses it"


@pytest.mark.parametrize("query", [query for query in SQL if "singlequote" in query.text], ids=str)
def test_an_empty_gold_is_no_error(query: Query, gold: Warehouse) -> None:
    """Without a value of a variable Grafana puts nothing between the brackets, or nothing at all."""
    path = GRAFANA / "dashboards" / f"{query.board}.json"
    several = {name for name, (_, is_multi) in variables(path, "clickhouse").items() if is_multi}
    text = re.sub(r"= \$\{\w+:singlequote\}", "= ''", query.text)
    gold.query(expand(text, dict.fromkeys(several, ())))


@pytest.mark.parametrize("path", BOARDS, ids=names)
def test_files_are_printed_as_json_prints_them(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("path", BOARDS, ids=names)
def test_panels_say_what_they_show_and_have_a_place(path: Path) -> None:
    board = load_board(path)
    assert board["uid"] == path.stem and board["description"] and not board["editable"] and "cartulary" in board["tags"]
    shown = panels(board)
    titles = [panel["title"] for panel in shown]
    assert len(titles) == len(set(titles)) and all(titles)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in shown:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references)), panel["title"]
        if panel["type"] in ("timeseries", "stat"):
            assert panel["fieldConfig"]["defaults"].get("unit"), f"{panel['title']} has no unit"
    places = [panel["gridPos"] for panel in board["panels"]]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


@pytest.mark.parametrize("path", BOARDS, ids=names)
def test_columns_that_panels_name_are_there(path: Path, gold: Warehouse) -> None:
    """An override, a place on a map or an axis that names a column which is not there shows nothing, without an error."""
    values = values_of(path, gold)
    for panel in panels(load_board(path)):
        columns: set[str] = set()
        for target in panel["targets"]:
            if "rawSql" in target:
                columns |= set(gold.query(expand(target["rawSql"], values))[0])
        if not columns or panel["type"] == "timeseries":
            continue
        matched = {item["matcher"]["options"] for item in panel["fieldConfig"]["overrides"] if item["matcher"]["id"] == "byName"}
        named = matched | {panel["options"][key] for key in ("xField",) if key in panel["options"]}
        for layer in panel["options"].get("layers", ()):
            style = layer["config"]["style"]
            named |= {layer["location"]["latitude"], layer["location"]["longitude"]}
            named |= {style[part]["field"] for part in ("size", "color") if "field" in style[part]}
        assert named <= columns, (panel["title"], named - columns)


def test_no_map_loads_tiles_from_elsewhere() -> None:
    for path in BOARDS:
        for panel in panels(load_board(path)):
            if panel["type"] == "geomap":
                assert panel["options"]["basemap"]["type"] == "xyz"
                assert panel["options"]["basemap"]["config"]["url"].startswith("data:")


def test_data_sources_are_those_that_are_provisioned() -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/cartulary.yml").read_text(encoding="utf-8"))["datasources"]
    kinds = {source["uid"]: source["type"] for source in provisioned}
    for path in BOARDS:
        for uid, kind in re.findall(
            r'"datasource":\{"type":"([^"]+)","uid":"([^"]+)"\}', json.dumps(load_board(path), separators=(",", ":"))
        ):
            assert kinds[kind] == uid
    for source in provisioned:
        assert not source["editable"]
        for secret in source.get("secureJsonData", {}).values():
            assert re.fullmatch(r"\$[A-Z_]+", secret)
