"""What the tests of the map mirror share: gold that changes as a build changes it, and what the mirror then holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from gis.layers import LAYERS, Layer
from gis.mirror import open_mirror
from gis.sync import SyncResult, sync
from services.settings import PostgisSettings
from services.warehouse.client import Warehouse

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
# Not by pg_indexes, which opens every index and stumbles over those of a sync's temporary tables, just being dropped.
SPATIAL_INDEXES = (
    "select count(*) from pg_class join pg_am on pg_am.oid = relam "
    "where amname = 'gist' and relnamespace::regnamespace::text in ('public_map', 'restricted_map')"
)


def mirror_settings(url: str, **given: Any) -> PostgisSettings:
    """Settings of one test's mirror; roles belong to the whole server, so each database has its own."""
    name = url.rpartition("/")[2]
    return PostgisSettings(url=url, public_role=f"public_{name}", restricted_role=f"restricted_{name}", **given)


def run_sync(warehouse: Warehouse, settings: PostgisSettings, layers: Sequence[Layer] = LAYERS, *, is_forced: bool = False) -> SyncResult:
    """One sync, as the step does it."""
    with open_mirror(settings) as connection:
        return sync(connection, warehouse, settings, now=NOW, layers=layers, is_forced=is_forced)


def build(warehouse: Warehouse, table: str, query: str) -> None:
    """Exchange a table of gold for the rows of `query`, as a build does."""
    warehouse.command(f"create table gold_next.{table} as gold.{table}")
    warehouse.command(f"insert into gold_next.{table} {query}")
    warehouse.command(f"exchange tables gold_next.{table} and gold.{table}")
    warehouse.command(f"drop table gold_next.{table} sync")


def rows(url: str, query: str) -> list[dict[str, Any]]:
    """Rows of the mirror as dicts."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload]


def value(url: str, query: str) -> Any:
    """One value of the mirror."""
    return next(iter(rows(url, query)[0].values()))
