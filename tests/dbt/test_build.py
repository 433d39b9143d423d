"""One build: what comes out of a town with letters, silently, from the pinned function of the adapter."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from dbt.adapters.clickhouse.httpclient import ChHttpClient
from dbt_support import Bronze

from flows.steps.dbt_runner import DbtRunner, project_digest
from flows.steps.gold import clear_next, clone_gold
from flows.steps.transform import needs_build, transform
from services.settings import WarehouseSettings
from services.warehouse import dbt_chdb


def test_adapter_still_has_the_function_that_is_replaced() -> None:
    assert callable(getattr(ChHttpClient, dbt_chdb.PATCHED))
    assert set(ChHttpClient.__abstractmethods__) == set()


def test_a_server_is_asked_after_chdb_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One process may build in both: what is replaced for the one is put back for the other."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(ChHttpClient, dbt_chdb.PATCHED, dbt_chdb.ADAPTERS_OWN)
    dbt_chdb.use_chdb(tmp_path, 1)
    assert getattr(ChHttpClient, dbt_chdb.PATCHED) is not dbt_chdb.ADAPTERS_OWN
    dbt_chdb.use_server(WarehouseSettings(host="clickhouse"))
    assert getattr(ChHttpClient, dbt_chdb.PATCHED) is dbt_chdb.ADAPTERS_OWN


def test_empty_warehouse_builds_and_says_nothing(platform: Any, now: datetime, capfd: pytest.CaptureFixture[str]) -> None:
    assert not needs_build(platform)
    result = transform(platform, now=now)
    assert set(result.counts) == {"models", "tests"} and result.counts["tests"] >= 40
    assert platform.warehouse.query("select generation, state from gold.builds") == [{"generation": 1, "state": "published"}]
    assert capfd.readouterr().out == ""
    assert not needs_build(platform)
    names = {row["name"] for row in platform.warehouse.query("select name from system.tables where database = 'gold'")}
    assert len(names - {"builds"}) >= 13
    assert platform.warehouse.query("select * from gold.fct_requests") == []


def test_town_with_letters(platform: Any, bronze: Bronze, now: datetime) -> None:
    bronze.town()
    located = bronze.located_letter()
    waiting = bronze.letter()
    submission = bronze.submission(has_position=True)
    assert needs_build(platform)
    transform(platform, now=now)
    query = platform.warehouse.query

    requests = {row["request_id"]: row for row in query("select * from gold.fct_requests")}
    assert set(requests) == {located, submission} and waiting not in requests
    assert requests[located]["state"] == "located" and requests[located]["area_code"] in {"W", "E"}
    assert requests[located]["area_codes"] == ["R", requests[located]["area_code"]]
    nearest = query(
        "select argMin(facility_id, h3PointDistKm(latitude, longitude, {y:Float64}, {x:Float64})) as facility_id "
        "from gold.dim_facilities where facility_kind = {kind:String}",
        {"x": requests[submission]["longitude"], "y": requests[submission]["latitude"], "kind": requests[submission]["facility_kind"]},
    )
    assert requests[submission]["nearest_facility_id"] == nearest[0]["facility_id"]

    coverage = {(row["area_code"], row["facility_kind"]): row for row in query("select * from gold.mart_coverage_by_area")}
    assert len(coverage) == 3 * 14
    region, west, east = (coverage[code, "school"] for code in "RWE")
    assert region["address_point_count"] == west["address_point_count"] + east["address_point_count"] == 120
    assert region["covered_address_point_count"] == west["covered_address_point_count"] + east["covered_address_point_count"]
    assert coverage["R", "hospital"]["coverage_share"] == 0
    assert sum(row["request_count"] for (code, _), row in coverage.items() if code == "R") == sum(
        bool(row["facility_kind"]) for row in requests.values()
    )
    tracking = query("select purpose, file_name, state from gold.mart_upload_tracking order by all")
    assert {row["state"] for row in tracking} == {"located", "stored"}
    # A scan may be called after its sender.
    assert {row["file_name"] for row in tracking if row["purpose"] == "letter"} == {""}


def test_unit_tests_of_the_models_pass(platform: Any, now: datetime) -> None:
    transform(platform, now=now)
    runner = DbtRunner(platform.warehouse, platform.settings.data_dir / "dbt")
    project = runner.project(project_digest())
    clear_next(platform.warehouse)
    clone_gold(platform.warehouse, project.gold)
    outcome = runner.check_formulas(project)
    assert outcome.failures == ()
    assert outcome.test_count >= 12
