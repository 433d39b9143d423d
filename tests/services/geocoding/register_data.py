"""A small register for tests, prepared by the dbt models' own SQL."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Template

from services.geocoding.register import TABLES
from services.settings import DBT_PROJECT_DIR
from services.warehouse.client import Warehouse

MODELS = DBT_PROJECT_DIR / "models/silver/intermediate"
# About 75 m eastwards.
EAST = 0.001

Row = tuple[str, str, str, str, str, float, float]


def drop_register(warehouse: Warehouse) -> None:
    """No register at all."""
    for table in TABLES:
        warehouse.command(f"drop table if exists silver.{table}")


def load_register(warehouse: Warehouse, rows: Sequence[Row]) -> None:
    """Replace the register: (address_id, street, housenumber, postcode, city, longitude, latitude)."""
    drop_register(warehouse)
    warehouse.command(
        "create or replace table silver.register_rows (address_id String, street Nullable(String), housenumber Nullable(String), "
        "postcode Nullable(String), city Nullable(String), longitude Nullable(Float64), latitude Nullable(Float64), _generation UInt64) "
        "engine = MergeTree order by address_id"
    )
    names = ("address_id", "street", "housenumber", "postcode", "city", "longitude", "latitude")
    if rows:
        warehouse.insert("silver.register_rows", [{**dict(zip(names, row, strict=True)), "_generation": 1} for row in rows])
    for table in TABLES:
        settings: dict[str, str] = {}
        model = Template((MODELS / f"{table}.sql").read_text("utf-8")).render(
            config=lambda into=settings, **given: into.update(given) or "",
            ref=lambda name: "silver.register_rows" if name.startswith("stg_") else f"silver.{name}",
        )
        warehouse.command(f"create table silver.{table} engine = MergeTree order by {settings['order_by']} as {model}")
    warehouse.command("drop table silver.register_rows")


def street(name: str, numbers: Sequence[str], postcode: str, city: str, longitude: float, latitude: float) -> list[Row]:
    """Houses of one street, 75 m apart."""
    return [
        (f"{city}/{name}/{number}", name, number, postcode, city, longitude + place * EAST, latitude)
        for place, number in enumerate(numbers)
    ]


def small_register() -> list[Row]:
    """Two towns, with streets that are easily confused."""
    return [
        *street("Dorfstrasse", ["1", "3", "5", "7a"], "9490", "Vaduz", 9.50, 47.10),
        *street("Alvierweg", ["7", "10"], "9490", "Vaduz", 9.51, 47.11),
        *street("Bodastrasse", ["8", "39", "41"], "9497", "Triesenberg", 9.54, 47.12),
        *street("Bödastrasse", ["4", "11"], "9497", "Triesenberg", 9.55, 47.13),
        *street("Rotenbodenstrasse", ["5", "40"], "9497", "Triesenberg", 9.56, 47.14),
        *street("Dorfstrasse", ["5", "9"], "9497", "Triesenberg", 9.57, 47.15),
        *street("Haberacherstrasse", ["22"], "", "Triesenberg", 9.58, 47.16),
        *street("rue du Moulin", ["2", "12 bis"], "54210", "Valmorin", 6.10, 48.60),
        *street("Orchard Lane", ["14"], "WX4 7QD", "Little Wexcombe", -2.10, 51.40),
    ]
