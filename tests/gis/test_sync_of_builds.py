"""The step: gold that dbt built comes into PostGIS at the end of a run, and what an outage prevented with the next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from dbt_support import Bronze, bare_services
from mirror_support import mirror_settings, rows, value
from postgres_support import PostgresServer

from flows.steps.publish import NO_MIRROR, publish
from flows.steps.transform import transform
from gis.tables import PUBLIC, RESTRICTED
from services.errors import PublishError
from services.settings import Settings
from services.warehouse.client import Warehouse


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    name = postgres.create_database(postgis=True)
    yield postgres.url(name)
    with psycopg.connect(postgres.url(name), autocommit=True) as connection:
        for role in (f"public_{name}", f"restricted_{name}"):
            if connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone():
                connection.execute(f"drop owned by {role}; drop role {role}")  # type: ignore[call-overload]
    postgres.drop_database(name)


@pytest.fixture
def platform(clean_warehouse: Warehouse, settings: Settings, url: str) -> Iterator[Any]:
    """What a build and the step need of the services, with a mirror."""
    services = bare_services(clean_warehouse, settings.model_copy(update={"postgis": mirror_settings(url)}))
    yield services
    services.state.close()


def test_nothing_without_a_mirror_or_without_gold(platform: Any, settings: Settings, now: datetime) -> None:
    bare: Any = SimpleNamespace(warehouse=platform.warehouse, settings=settings)
    assert publish(bare, now=now).message == NO_MIRROR
    assert not publish(platform, now=now).did_something


def test_a_build_comes_into_the_mirror_whatever_happens_to_it(
    platform: Any, clean_warehouse: Warehouse, settings: Settings, url: str, now: datetime
) -> None:
    nowhere = settings.model_copy(update={"postgis": mirror_settings("postgresql://postgres@127.0.0.1:1/away")})
    away: Any = SimpleNamespace(warehouse=clean_warehouse, settings=nowhere)
    bronze = Bronze(clean_warehouse)
    bronze.town()
    letters = [bronze.located_letter() for _ in range(30)]
    transform(platform, now=now)
    with pytest.raises(PublishError) as caught:
        publish(away, now=now)
    assert caught.value.retryable
    # Nothing was built since; the mirror knows that it lacks this gold.
    counts = publish(platform, now=now).counts
    gold = {
        "areas": "dim_areas",
        "area_coverage": "mart_coverage_by_area",
        "facilities": "dim_facilities",
        "request_cells": "mart_requests_by_cell",
        "requests": "fct_requests",
    }
    tables = {table.name: str(table) for table in (*PUBLIC.tables.values(), *RESTRICTED.tables.values())}
    for layer, model in gold.items():
        assert value(url, f"select count(*) from {tables[layer]}") == clean_warehouse.scalar(f"select count() from gold.{model}"), layer
    assert value(url, "select count(*) from public_map.catchments") + counts.get("left_out", 0) == clean_warehouse.scalar(
        "select count() from gold.dim_facilities"
    )
    # A house lies in the catchment of the facility that the warehouse found for it.
    for row in clean_warehouse.query(
        "select longitude, latitude, facility_kind, facility_id from silver.int_address_points__nearest_facilities as n "
        "inner join silver.int_address_points__located as p on n.address_id = p.address_id order by n.address_id limit 60"
    ):
        point = f"st_setsrid(st_makepoint({row['longitude']}, {row['latitude']}), 4326)"
        found = rows(
            url,
            f"select facility_id from public_map.catchments where facility_kind = '{row['facility_kind']}' "
            f"and st_dwithin(geometry, {point}, 1e-6)",
        )
        assert row["facility_id"] in {answer["facility_id"] for answer in found}
    assert not publish(platform, now=now).did_something
    bronze.correct("letter", letters[0], "reject")
    transform(platform, now=now)
    again = publish(platform, now=now).counts
    assert again["deleted"] >= 1
    assert value(url, f"select count(*) from restricted_map.requests where request_id = '{letters[0]}'") == 0
