"""The mode of each load, not only that of the contract, decides which of a dataset's rows count."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dbt_support import Bronze
from jinja2 import Environment

from flows.steps.dbt_runner import DbtRunner, project_digest
from services.settings import DBT_PROJECT_DIR
from services.warehouse import loads
from services.warehouse.client import Warehouse

MACRO = (DBT_PROJECT_DIR / "macros" / "loaded_rows.sql").read_text(encoding="utf-8")
# What was loaded (mode, facilities with their names) and which facilities count after it.
Steps = list[tuple[str, dict[str, str], dict[str, str]]]
STORY: Steps = [
    ("append", {"z": "before any"}, {"z": "before any"}),
    ("replace", {"a": "old", "b": "old"}, {"a": "old", "b": "old"}),
    ("append", {"c": "added"}, {"a": "old", "b": "old", "c": "added"}),
    ("upsert", {"a": "new", "d": "new"}, {"a": "new", "b": "old", "c": "added", "d": "new"}),
    ("replace", {"a": "last"}, {"a": "last"}),
    ("upsert", {"a": "again", "e": "again"}, {"a": "again", "e": "again"}),
]


def rows(names: dict[str, str]) -> list[dict[str, Any]]:
    return [{"facility_id": key, "name": name, "kind": "school", "lon": 9.5, "lat": 47.1} for key, name in names.items()]


def loaded(warehouse: Warehouse, mode: str, key: list[str]) -> list[tuple[str, str]]:
    """Facilities that count if the contract has this mode and key."""
    meta = {"contract": {"mode": mode, "natural_key": key}}
    node = SimpleNamespace(source_name="facilities", name="facilities", config={"meta": meta}, meta={})
    parts = {
        "execute": True,
        "graph": SimpleNamespace(sources={"facilities": node}),
        "source": lambda source, table: f"bronze.{table}",
    }
    sql = Environment(extensions=["jinja2.ext.do"]).from_string(MACRO + "{{ loaded_rows('facilities') }}").render(parts)
    return sorted((row["facility_id"], row["name"]) for row in warehouse.query(f"select facility_id, name from {sql}"))


@pytest.mark.parametrize("mode", ["replace", "append", "upsert"])
def test_each_load_has_its_own_mode(bronze: Bronze, mode: str) -> None:
    for load_mode, names, counting in STORY:
        bronze.load("facilities", rows(names), mode=load_mode)
        assert loaded(bronze.warehouse, mode, ["facility_id"]) == sorted(counting.items()), load_mode


def test_the_view_that_dbt_builds_says_the_same(bronze: Bronze, tmp_path: Path) -> None:
    bronze.load("facilities", rows({"a": "first"}))
    runner = DbtRunner(bronze.warehouse, tmp_path / "dbt")
    outcome = runner.build(runner.project(project_digest()), ["stg_facilities__facilities"], full_refresh=False)
    # Tests of relations look at tables that were not built here.
    assert [failure for failure in outcome.failures if not failure.startswith("test relationships")] == []
    for load_mode, names, counting in STORY[1:]:
        bronze.load("facilities", rows(names), mode=load_mode)
        found = bronze.warehouse.query("select facility_id, facility_name from silver.stg_facilities__facilities")
        assert {row["facility_id"]: row["facility_name"] for row in found} == counting, load_mode
        assert len(found) == len(counting)


def test_the_last_row_of_a_key_counts_unless_the_contract_appends(bronze: Bronze) -> None:
    bronze.load("facilities", [*rows({"a": "1"}), *rows({"a": "2"})])
    bronze.load("facilities", rows({"a": "3"}), mode="append")
    assert loaded(bronze.warehouse, "replace", ["facility_id"]) == [("a", "3")]
    assert loaded(bronze.warehouse, "upsert", ["facility_id"]) == [("a", "3")]
    assert loaded(bronze.warehouse, "append", ["facility_id"]) == [("a", "1"), ("a", "2"), ("a", "3")]
    assert loaded(bronze.warehouse, "replace", []) == [("a", "1"), ("a", "2"), ("a", "3")]
    bronze.load("facilities", [*rows({"a": "4"}), *rows({"a": "5"})], mode="upsert")
    bronze.load("facilities", rows({"a": "6"}), mode="append")
    assert loaded(bronze.warehouse, "append", ["facility_id"]) == [("a", "5"), ("a", "6")]


def test_loads_count_in_the_order_in_which_they_were_asked_for(bronze: Bronze) -> None:
    """A replacement that was tried again for an hour does not take away what was added meanwhile; nor does an old row win."""
    bronze.load("facilities", rows({"a": "old"}))
    bronze.load("facilities", rows({"c": "added"}), mode="append")
    bronze.load("facilities", rows({"a": "late", "c": "late"}), asked_before=1)
    assert loaded(bronze.warehouse, "replace", ["facility_id"]) == [("a", "late"), ("c", "late")]
    bronze.load("facilities", rows({"d": "newer"}), mode="upsert")
    bronze.load("facilities", rows({"b": "very late"}), asked_before=5)
    assert loaded(bronze.warehouse, "replace", ["facility_id"]) == [("a", "late"), ("c", "late"), ("d", "newer")]
    bronze.load("facilities", rows({"b": "failed"}), state="failed")
    counting = loads.effective(loads.of_dataset(bronze.warehouse, "facilities"))
    assert [load.generation for load in counting] == [4, 3]
