"""The nearest facility found by H3 rings is the one that comparing all with all finds, for address points and for requests."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from dbt_support import Bronze
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.steps.transform import transform

Place = tuple[float, float]
Facility = tuple[str, Place]
Compare = Callable[[Sequence[Facility], Sequence[Place]], None]

KINDS = ("pharmacy", "school")
# Requests also ask for a kind that has no facility.
ASKED = (*KINDS, "library")
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

SPECIAL: dict[str, tuple[list[Facility], list[Place]]] = {
    "equally far": ([("school", (9.51, 47.1)), ("school", (9.49, 47.1)), ("school", (9.5, 47.3))], [(9.5, 47.1)]),
    "one doorway": (
        [*[("school", (9.52, 47.14))] * 3, *[("pharmacy", (9.52, 47.14))] * 2],
        [(9.52, 47.14), (9.52, 47.14), (9.52, 47.15), (-170.0, -47.0)],
    ),
    "one facility": ([("school", (9.52, 47.14))], [(9.52, 47.14), (-170.48, -47.14), (0.0, 90.0), (180.0, 0.0), (-180.0, 0.0)]),
    "no facility": ([], [(9.52, 47.14), (0.0, 0.0)]),
    "date line": (
        [("school", (179.99, -17.0)), ("school", (-179.98, -17.0)), ("pharmacy", (180.0, -17.0)), ("pharmacy", (-180.0, -17.0))],
        [(179.999, -17.0), (-179.999, -17.0), (180.0, -17.0), (-180.0, -17.0), (179.97, -17.01)],
    ),
    "poles": (
        [*[("school", (x, 89.99)) for x in (0.0, 180.0)], ("school", (77.0, -90.0)), *[("pharmacy", (x, 90.0)) for x in (5.0, 0.0)]],
        [(90.0, 89.999), (-90.0, 90.0), (12.0, 90.0), (0.0, -90.0), (45.0, -89.999)],
    ),
}

PLACED = (
    "select {columns}, {{x:Array(Float64)}}[number + 1] as longitude, {{y:Array(Float64)}}[number + 1] as latitude, "
    "geoToH3(latitude, longitude, 9) as h3_cell from numbers(length({{x:Array(Float64)}}))"
)
HOUSE = "toString(number) as address_id"
REQUEST = "toString(number) as request_id, {asked:Array(String)}[number % length({asked:Array(String)}) + 1] as facility_kind"


@pytest.fixture
def compare(platform: Any, bronze: Bronze, now: datetime) -> Compare:
    """Checks the models' own SQL against all pairs, for these facilities and these places of houses and of requests."""
    bronze.town(houses=1)
    transform(platform, now=now)
    warehouse = platform.warehouse
    compiled = platform.settings.data_dir / "dbt" / "compiled" / "cartulary" / "models" / "silver" / "intermediate"

    def fill(model: str, sql: str, columns: str = "", parameters: dict[str, object] | None = None) -> None:
        warehouse.command(f"truncate table silver.{model}")
        warehouse.command(f"insert into silver.{model} {columns} {sql}", parameters)

    def build(model: str) -> None:
        fill(model, (compiled / f"{model}.sql").read_text(encoding="utf-8"))

    def check_answers(model: str, key: str, located: str, join: str, known: Sequence[Facility], houses: Sequence[Place]) -> None:
        build(model)
        found = {(row["key"], row["facility_kind"]): row for row in warehouse.query(f"select *, {key} as key from silver.{model}")}
        expected = warehouse.query(
            "select key, facility_kind, argMin((facility_id, distance_km), (distance_km, facility_id)) as nearest from ("
            f"select p.{key} as key, f.facility_kind as facility_kind, f.facility_id as facility_id, "
            "round(h3PointDistKm(p.latitude, p.longitude, assumeNotNull(f.latitude), assumeNotNull(f.longitude)), 6) as distance_km "
            f"from silver.{located} as p {join}) group by all"
        )
        kinds = {kind for kind, _ in known}
        asking = [ASKED[n % len(ASKED)] in kinds for n in range(len(houses))]
        assert len(found) == len(expected) == (sum(asking) if key == "request_id" else len(houses) * len(kinds))
        for row in expected:
            answer = found[row["key"], row["facility_kind"]]
            assert (answer["facility_id"], answer["distance_km"]) == tuple(row["nearest"])
            true_km = _haversine_km(houses[int(row["key"])], known[int(answer["facility_id"][1:])][1])
            assert abs(answer["distance_km"] - true_km) <= 1e-6 * true_km + 1e-3

    def check(known: Sequence[Facility], houses: Sequence[Place]) -> None:
        rows = [{"facility_id": f"f{n:05}", "kind": kind, "lon": repr(x), "lat": repr(y)} for n, (kind, (x, y)) in enumerate(known)]
        bronze.load("facilities", rows)
        build("int_facilities__cells")
        parameters = {"x": [x for x, _ in houses], "y": [y for _, y in houses], "asked": list(ASKED)}
        fill("int_address_points__located", PLACED.format(columns=HOUSE), "(address_id, longitude, latitude, h3_cell)", parameters)
        fill(
            "int_requests__placed", PLACED.format(columns=REQUEST), "(request_id, facility_kind, longitude, latitude, h3_cell)", parameters
        )
        build("int_address_points__candidates")
        everything = "cross join silver.stg_facilities__facilities as f"
        check_answers("int_address_points__nearest_facilities", "address_id", "int_address_points__located", everything, known, houses)
        same_kind = "inner join silver.stg_facilities__facilities as f on p.facility_kind = f.facility_kind"
        check_answers("int_requests__nearest_facilities", "request_id", "int_requests__placed", same_kind, known, houses)

    return check


def _haversine_km(a: Place, b: Place) -> float:
    (x, y), (u, v) = ((math.radians(value) for value in place) for place in (a, b))
    half = math.sin((v - y) / 2) ** 2 + math.cos(y) * math.cos(v) * math.sin((u - x) / 2) ** 2
    return 2 * 6371.007180918475 * math.asin(min(1, math.sqrt(half)))


def _towns() -> tuple[list[Facility], list[Place]]:
    """Twenty towns, the largest with most of the houses and facilities."""
    choose = random.Random(1)
    towns = [(9 + choose.random(), 47 + choose.random()) for _ in range(20)]

    def place() -> Place:
        x, y = towns[min(int(choose.expovariate(0.5)), 19)]
        # Steps of about 100 m, so that places coincide and distances tie.
        return round(choose.gauss(x, 0.02), 3), round(choose.gauss(y, 0.015), 3)

    return [(choose.choice(KINDS), place()) for _ in range(300)], [place() for _ in range(2000)]


def test_rings_find_what_brute_force_finds(compare: Compare) -> None:
    for known, houses in (_towns(), *SPECIAL.values()):
        compare(known, houses)

    @settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(facilities, points)
    def check(known: list[Facility], houses: list[Place]) -> None:
        compare(known, houses)

    check()
