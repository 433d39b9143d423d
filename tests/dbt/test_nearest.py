"""The nearest facility found by H3 rings is the one that comparing all with all finds."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

from dbt_support import Bronze
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.steps.transform import transform

KINDS = ("pharmacy", "school")
# Dense towns, the date line, both poles, and anywhere on earth.
CENTRES = ((9.52, 47.14), (179.99, -17.0), (0.0, 89.9), (-60.0, -89.5), (-122.3, 37.7))

places = st.one_of(
    st.tuples(st.floats(-180, 180), st.floats(-90, 90)),
    st.tuples(st.sampled_from(CENTRES), st.floats(-0.2, 0.2), st.floats(-0.09, 0.09)).map(
        lambda place: ((place[0][0] + place[1] + 180) % 360 - 180, max(-90.0, min(90.0, place[0][1] + place[2])))
    ),
)
facilities = st.lists(st.tuples(st.sampled_from(KINDS), places), min_size=1, max_size=40)
points = st.lists(places, min_size=1, max_size=40)


def _compiled(work_dir: Path, model: str) -> str:
    return (work_dir / "compiled" / "cartulary" / "models" / "silver" / "intermediate" / f"{model}.sql").read_text(encoding="utf-8")


def _haversine_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    (x, y), (u, v) = ((math.radians(value) for value in place) for place in (a, b))
    half = math.sin((v - y) / 2) ** 2 + math.cos(y) * math.cos(v) * math.sin((u - x) / 2) ** 2
    return 2 * 6371.007180918475 * math.asin(min(1, math.sqrt(half)))


def test_rings_find_what_brute_force_finds(platform: Any, bronze: Bronze, now: datetime) -> None:
    bronze.town(houses=1)
    transform(platform, now=now)
    warehouse, work_dir = platform.warehouse, platform.settings.data_dir / "dbt"
    cells, nearest = (_compiled(work_dir, name) for name in ("int_facilities__cells", "int_address_points__nearest_facilities"))

    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(facilities, points)
    def check(known: list[tuple[str, tuple[float, float]]], houses: list[tuple[float, float]]) -> None:
        rows = [{"facility_id": f"f{n:03}", "kind": kind, "lon": repr(x), "lat": repr(y)} for n, (kind, (x, y)) in enumerate(known)]
        bronze.load("facilities", rows)
        warehouse.command("truncate table silver.int_facilities__cells")
        warehouse.command(f"insert into silver.int_facilities__cells {cells}")
        warehouse.command("truncate table silver.int_address_points__located")
        located = [{"address_id": f"a{n}", "longitude": x, "latitude": y} for n, (x, y) in enumerate(houses)]
        warehouse.insert("silver.int_address_points__located", located)
        found = {(row["address_id"], row["facility_kind"]): row for row in warehouse.query(nearest)}
        expected = warehouse.query(
            "select address_id, facility_kind, argMin((facility_id, distance_km), (distance_km, facility_id)) as nearest from ("
            "select p.address_id as address_id, f.facility_kind as facility_kind, f.facility_id as facility_id, "
            "round(h3PointDistKm(p.latitude, p.longitude, assumeNotNull(f.latitude), assumeNotNull(f.longitude)), 6) as distance_km "
            "from silver.int_address_points__located as p cross join silver.stg_facilities__facilities as f) group by all"
        )
        assert len(found) == len(expected) == len(houses) * len({kind for kind, _ in known})
        for row in expected:
            answer = found[row["address_id"], row["facility_kind"]]
            assert (answer["facility_id"], answer["distance_km"]) == tuple(row["nearest"])
            house, place = houses[int(row["address_id"][1:])], known[int(answer["facility_id"][1:])][1]
            true_km = _haversine_km(house, place)
            assert abs(answer["distance_km"] - true_km) <= 1e-6 * true_km + 1e-3

    check()
