"""Points find their areas on every level, exactly, wherever on earth the map lies."""

from __future__ import annotations

import csv
import random
from datetime import datetime
from pathlib import Path

import pytest
import shapely

from flows.steps.load import load_outstanding
from flows.steps.transform import transform
from services.wiring import Services

AREA_SIZE = 0.02
GRID = 3


def _areas(west: float, south: float) -> dict[str, tuple[int, str, shapely.MultiPolygon]]:
    """Code -> (level, parent, polygons): a country of nine parts that share borders, one with a hole that is a part of another."""

    def box(left: int, bottom: int, right: int, top: int) -> shapely.Polygon:
        return shapely.box(west + left * AREA_SIZE, south + bottom * AREA_SIZE, west + right * AREA_SIZE, south + top * AREA_SIZE)

    country = box(0, 0, GRID, GRID)
    areas = {"country": (2, "", shapely.MultiPolygon([country]))}
    pond = shapely.box(west + 0.005, south + 0.005, west + 0.012, south + 0.012)
    for row in range(GRID):
        for column in range(GRID):
            parts = [box(column, row, column + 1, row + 1)]
            if (row, column) == (0, 0):
                parts = [parts[0].difference(pond)]
            if (row, column) == (2, 2):
                parts.append(pond)
            areas[f"part {row}{column}"] = (8, "country", shapely.MultiPolygon(parts))
    return areas


@pytest.mark.parametrize(("west", "south"), [(9.5, 47.0), (-58.4, -34.6), (177.1, -17.7)])
def test_points_are_where_shapely_says(services: Services, tmp_path: Path, now: datetime, west: float, south: float) -> None:
    areas = _areas(west, south)
    choose = random.Random(1)
    span = GRID * AREA_SIZE
    # Some lie outside, as far as the width of the map and more.
    points = {
        f"p{number}": (round(west + choose.uniform(-0.2, 2.5) * span, 7), round(south + choose.uniform(-0.2, 1.2) * span, 7))
        for number in range(600)
    }
    with (tmp_path / "areas.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["area_code", "name", "population", "level", "parent_code", "geometry"])
        writer.writerows([code, code, 1000, level, parent, polygons.wkt] for code, (level, parent, polygons) in areas.items())
    with (tmp_path / "address_points.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["address_id", "street", "housenumber", "postcode", "city", "lon", "lat"])
        writer.writerows([code, "Street", "1", "1000", "Town", *point] for code, point in points.items())
    for dataset in ("areas", "address_points"):
        content = (tmp_path / f"{dataset}.csv").read_bytes()
        services.intake.receive_dataset(iter([content]), f"{dataset}.csv", dataset, None, "cli", now)
    load_outstanding(services, now)
    transform(services, now=now)
    found = {
        row["address_id"]: row["area_codes"]
        for row in services.warehouse.query("select address_id, area_codes from silver.int_address_points__located")
    }
    for code, point in points.items():
        around = [name for name, (_, _, polygons) in areas.items() if polygons.contains(shapely.Point(point))]
        assert found[code] == around, (code, point)
