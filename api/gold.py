"""Reading gold: empty before the first build, otherwise as of one published generation."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.pages import ListQuery, Page
from api.queries import load
from services.errors import WarehouseError
from services.warehouse.client import Warehouse

# 50,000 rows of the widest list are about 12 MB of CSV: the most that one download holds in memory.
CSV_ROWS = 50_000
BUILD_SECONDS = 1.0


@dataclass(frozen=True)
class Rows:
    """One page of a list."""

    items: list[dict[str, Any]]
    next_cursor: str | None


@dataclass(frozen=True)
class Build:
    """What tells a published build from every other: another data directory has a generation 1 as well."""

    generation: int = 0
    fingerprint: str = ""
    started_ms: int = 0


def table_exists(warehouse: Warehouse, table: str) -> bool:
    """Whether `database.name` has been built."""
    database, name = table.split(".")
    return bool(warehouse.scalar(load("live/table_exists"), {"database": database, "name": name}))


def read(warehouse: Warehouse, name: str, table: str, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
    """Rows of a query over `table`; none when no build has made that table yet."""
    try:
        return warehouse.query(load(name), parameters)
    except WarehouseError:
        if table_exists(warehouse, table):
            raise
        return []


def read_page(
    warehouse: Warehouse,
    query: ListQuery,
    table: str,
    filters: Mapping[str, object],
    page: Page,
    default_limit: int,
    *,
    flags: Mapping[str, object] | None = None,
) -> Rows:
    """The page after the cursor; one row more than the limit is read to know whether another page follows."""
    after = query.decode(page.cursor, filters) if page.cursor else None
    limit = page.limit or default_limit
    rows = read(warehouse, query.name, table, query.parameters(after, {**filters, **(flags or {})}, limit=limit + 1))
    items = rows[:limit]
    return Rows(items, query.encode(query.key_of(items[-1]), filters) if len(rows) > limit else None)


def stream_csv(
    warehouse: Warehouse,
    query: ListQuery,
    table: str,
    filters: Mapping[str, object],
    page: Page,
    *,
    flags: Mapping[str, object] | None = None,
) -> Iterator[bytes]:
    """ClickHouse's own CSV of all rows after the cursor (or of `limit` rows), in pieces of bounded size.

    A build published meanwhile ends the download with an error: half of it would be of one generation, half of another.
    """
    after = query.decode(page.cursor, filters) if page.cursor else None
    if not table_exists(warehouse, table):
        return
    given = {**filters, **(flags or {})}
    remaining = page.limit
    generation = published_generation(warehouse)
    fmt = "CSVWithNames"
    while True:
        size = CSV_ROWS if remaining is None else min(CSV_ROWS, remaining)
        last = warehouse.query(query.sql, query.parameters(after, given, limit=1, offset=size - 1))
        piece = warehouse.query_format(query.sql, query.parameters(after, given, limit=size), fmt)
        if published_generation(warehouse) != generation:
            raise WarehouseError("A new build was published during this download: start it again.", retryable=True)
        yield piece
        remaining = None if remaining is None else remaining - size
        if not last or remaining == 0:
            return
        after, fmt = query.key_of(last[0]), "CSV"


def published_generation(warehouse: Warehouse) -> int:
    """Number of the newest published build; 0 before the first."""
    return published_build(warehouse).generation


def published_build(warehouse: Warehouse) -> Build:
    """The newest published build; a generation of 0 before the first."""
    rows = warehouse.query(load("live/published_generation"))
    return Build(**rows[0]) if rows else Build()


class BuildClock:
    """The published build, asked about once a second: it makes every gold answer's ETag."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._lock = threading.Lock()
        self._asked_at = -BUILD_SECONDS
        self._build = Build()

    def now(self, *, is_exact: bool = False) -> Build:
        """The build, at most a second old; asked in any case with `is_exact`."""
        with self._lock:
            if is_exact or time.monotonic() - self._asked_at >= BUILD_SECONDS:
                self._build = published_build(self._warehouse)
                self._asked_at = time.monotonic()
            return self._build
