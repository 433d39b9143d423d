"""The view that decides about letters, on a small register, and a real Nominatim."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import pytest
from jinja2 import Template

from services.settings import DBT_PROJECT_DIR
from services.warehouse.client import Warehouse
from tests.services.geocoding.nominatim_server import nominatim, nominatim_import  # noqa: F401 (fixtures)
from tests.services.geocoding.register_data import drop_register, load_register, small_register


@pytest.fixture
def evidence(clean_warehouse: Warehouse) -> Iterator[Warehouse]:
    warehouse = clean_warehouse
    load_register(warehouse, small_register())
    with (DBT_PROJECT_DIR / "seeds/evidence_rules.csv").open(encoding="utf-8") as seed:
        rules = [{"rule": row["rule"], "value": float(row["value"])} for row in csv.DictReader(seed)]
    warehouse.command(
        "create or replace table silver.evidence_rules (rule LowCardinality(String), value Float64) engine = MergeTree order by rule"
    )
    warehouse.insert("silver.evidence_rules", rules)
    model = Template((DBT_PROJECT_DIR / "models/silver/intermediate/int_letters__evidence.sql").read_text("utf-8"))
    sql = model.render(config=lambda **_: "", source=lambda _, table: f"bronze.{table}", ref=lambda name: f"silver.{name}")
    warehouse.command(f"create or replace view silver.int_letters__evidence as {sql}")
    yield warehouse
    warehouse.command("drop view if exists silver.int_letters__evidence")
    warehouse.command("drop table if exists silver.evidence_rules")
    drop_register(warehouse)
