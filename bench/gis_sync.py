"""A sync of the map mirror, of everything and of the one row in a hundred that changed, against ogr2ogr bringing the same layers over."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench.postgres import cpu_seconds, private_postgis
from gis.mirror import open_mirror
from gis.sync import SyncResult, sync
from services.settings import PostgisSettings, Settings
from services.warehouse.client import Warehouse

REQUESTS = 1_000_000
FACILITIES = 10_000
ROUNDS = 3
FULL_BOUND = 1.0
CHANGED_BOUND = 10.0
SQL = Path(__file__).with_name("sql") / "gis"
# Catchments are ours alone: ogr2ogr cannot compute them, so that it has a layer less to bring over.
POLYGONS = ("areas", "area_coverage", "request_cells")
POINTS = ("facilities", "requests")


def export_and_ogr2ogr(warehouse: Warehouse, url: str, folder: Path) -> None:
    """Each layer to a CSV file with types beside it, and that by ogr2ogr with COPY over the old table: its fastest way into PostGIS."""
    for name in (*POLYGONS, *POINTS):
        query = (SQL / f"export_{name}.sql").read_text(encoding="utf-8")
        path = folder / f"{name}.csv"
        warehouse.command(f"insert into function file('{path}', 'CSVWithNames') {query} settings engine_file_truncate_on_insert = 1")
        types = warehouse.query(f"describe ({query})")
        path.with_suffix(".csvt").write_text(",".join(_csv_type(row["name"], row["type"]) for row in types), encoding="utf-8")
        columns = ["GEOM_POSSIBLE_NAMES=wkt"] if name in POLYGONS else ["X_POSSIBLE_NAMES=longitude", "Y_POSSIBLE_NAMES=latitude"]
        subprocess.run(
            ["ogr2ogr", "-f", "PostgreSQL", f"PG:{url}", str(path), "-nln", f"ogr.{name}", "-overwrite", "-a_srs", "EPSG:4326"]
            + ["-nlt", "PROMOTE_TO_MULTI" if name in POLYGONS else "POINT", "-lco", "GEOMETRY_NAME=geometry", "-oo", "KEEP_GEOM_COLUMNS=NO"]
            + [part for column in columns for part in ("-oo", column)],
            check=True,
            env={**os.environ, "PG_USE_COPY": "YES"},
        )


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, and of all processors together in all processes: what other work on the machine hardly changes."""

    wall: float
    cpu: float


def measure(requests: int, facilities: int = FACILITIES) -> dict[str, Cost]:
    """Both ways, medians of some rounds in turn: an empty mirror filled, one row in a hundred changed, every request changed."""
    costs: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory(prefix="cartulary-bench-") as directory, private_postgis() as url:
        folder = Path(directory)
        with Warehouse.open(Settings(_env_file=None, data_dir=folder)) as warehouse:
            _make_gold(warehouse, requests, facilities)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("create schema ogr")
            ways: dict[str, Callable[[], object]] = {
                "ogr2ogr": lambda: export_and_ogr2ogr(warehouse, url, folder),
                "mirror": lambda: _sync(warehouse, url),
            }
            for number in range(ROUNDS):
                # Each goes first in turn.
                order = list(ways) if number % 2 else list(reversed(ways))
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute("drop schema if exists public_map, restricted_map, map_mirror cascade")
                for way in order:
                    costs.setdefault(f"{way}_full", []).append(_cost(url, ways[way]))
                _exchange(warehouse, "change_requests")
                for way in order:
                    costs.setdefault(f"{way}_one_percent", []).append(_cost(url, ways[way]))
                _compare(warehouse, url)
                _exchange(warehouse, "change_all")
                for name in ("mirror_every_request", "mirror_unchanged"):
                    costs.setdefault(name, []).append(_cost(url, ways["mirror"]))
    return {
        name: Cost(statistics.median(cost.wall for cost in rounds), statistics.median(cost.cpu for cost in rounds))
        for name, rounds in costs.items()
    }


def main() -> bool:
    """Print seconds and ratios for a million requests (or the number given to this module); whether the bounds hold."""
    if not shutil.which("ogr2ogr"):
        sys.stdout.write("no ogr2ogr here: make system-deps\n")
        return False
    requests = next((int(size) for size in sys.argv[1:] if size.isdecimal()), REQUESTS)
    result = measure(requests)
    told = {name: {"wall": round(cost.wall, 3), "cpu": round(cost.cpu, 3)} for name, cost in result.items()}
    sys.stdout.write(json.dumps({"requests": requests, **told}) + "\n")
    full, changed = _ratio(result, "full", "full"), _ratio(result, "one_percent", "one_percent")
    in_place = _ratio(result, "full", "every_request")
    sys.stdout.write(
        f"ogr2ogr's seconds by the clock (of all processors) as a multiple of the mirror's: empty mirror {full.wall:.2f} ({full.cpu:.2f}), "
        f"bound {FULL_BOUND}; one row in a hundred {changed.wall:.1f} ({changed.cpu:.1f}), bound {CHANGED_BOUND}; every request under the "
        f"eyes of readers {in_place.wall:.2f} ({in_place.cpu:.2f})\n"
    )
    return full.wall >= FULL_BOUND and changed.wall >= CHANGED_BOUND


def _make_gold(warehouse: Warehouse, requests: int, facilities: int) -> None:
    for database in ("gold", "gold_next"):
        warehouse.command(f"create database {database}")
    for statement in re.split(r";\s*\n", (SQL / "gold.sql").read_text(encoding="utf-8")):
        given = {name: value for name, value in {"requests": requests, "facilities": facilities}.items() if f"{{{name}:" in statement}
        warehouse.command(statement, given)


def _exchange(warehouse: Warehouse, change: str) -> None:
    """Another generation of the requests, as a build makes it."""
    warehouse.command("create table gold_next.fct_requests as gold.fct_requests")
    warehouse.command((SQL / f"{change}.sql").read_text(encoding="utf-8"))
    warehouse.command("exchange tables gold_next.fct_requests and gold.fct_requests")
    warehouse.command("drop table gold_next.fct_requests sync")


def _sync(warehouse: Warehouse, url: str) -> SyncResult:
    settings = PostgisSettings(url=url, timeout_seconds=600)
    with open_mirror(settings) as connection:
        return sync(connection, warehouse, settings, now=datetime.now(UTC))


def _cost(url: str, action: Callable[[], object]) -> Cost:
    cpu, started = cpu_seconds(url), time.perf_counter()
    action()
    wall = time.perf_counter() - started
    return Cost(wall, cpu_seconds(url) - cpu)


def _ratio(costs: dict[str, Cost], theirs: str, ours: str) -> Cost:
    ogr2ogr, mirror = costs[f"ogr2ogr_{theirs}"], costs[f"mirror_{ours}"]
    return Cost(ogr2ogr.wall / mirror.wall, ogr2ogr.cpu / mirror.cpu)


def _compare(warehouse: Warehouse, url: str) -> None:
    """Both ways have to bring over all rows: a way that loses some is no measure."""
    gold = warehouse.query("select count() as requests, sum(evidence_score) as score from gold.fct_requests")[0]
    tables = {name: f"public_map.{name}" for name in POLYGONS} | {"requests": "restricted_map.requests"}
    with psycopg.connect(url) as connection:

        def row(query: str) -> tuple[Any, ...] | None:
            return connection.execute(query).fetchone()  # type: ignore[call-overload,no-any-return]

        found = row("select count(*), sum(evidence_score) from restricted_map.requests")
        layers = {name: row(f"select count(*) from {mine}") == row(f"select count(*) from ogr.{name}") for name, mine in tables.items()}
    if found != (gold["requests"], gold["score"]) or not all(layers.values()):
        sys.exit(f"not the same rows: {found}, {gold}, {layers}")


def _csv_type(name: str, type_name: str) -> str:
    if name == "wkt":
        return "WKT"
    if "Float" in type_name:
        return {"longitude": "CoordX", "latitude": "CoordY"}.get(name, "Real")
    if "UInt64" in type_name:
        return "Integer64"
    return "Integer" if "Int" in type_name else "Date" if "Date" in type_name else "String"


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
