"""Catchment polygons: random places of the land lie in the polygon of the facility that is nearest to them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from gis.catchments import catchment_polygons, whole_land

# A town with a lake, a far northern country, and islands on both sides of the date line.
LANDS: dict[str, list[BaseGeometry | None]] = {
    "town": [
        shapely.box(9.5, 47.0, 9.6, 47.1).difference(shapely.Point(9.55, 47.05).buffer(0.01)),
        shapely.box(9.6, 47.0, 9.65, 47.1),
        None,
    ],
    "north": [shapely.box(10.0, 60.0, 12.0, 62.0)],
    "date line": [shapely.box(179.0, -18.0, 180.0, -16.0), shapely.box(-180.0, -18.0, -179.0, -16.0)],
    "invalid": [shapely.Polygon([(9, 47), (9.1, 47.1), (9.1, 47), (9, 47.1), (9, 47)])],
}
shares = st.tuples(st.floats(-0.1, 1.1), st.floats(-0.1, 1.1))


def haversine_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    (x, y), (u, v) = ((math.radians(value) for value in place) for place in (a, b))
    half = math.sin((v - y) / 2) ** 2 + math.cos(y) * math.cos(v) * math.sin((u - x) / 2) ** 2
    return 2 * 6371.007 * math.asin(min(1, math.sqrt(half)))


def place(land: str, share: tuple[float, float]) -> tuple[float, float]:
    """A place in or a little outside of the land; also with two thousand kilometres of sea in its bounds."""
    west, south, east, north = shapely.union_all([area for area in LANDS[land] if area is not None]).bounds
    if land == "date line":
        return (179 + 2 * share[0] + 180) % 360 - 180, south + (north - south) * share[1]
    return west + (east - west) * share[0], south + (north - south) * share[1]


@pytest.mark.parametrize("land", LANDS)
@settings(max_examples=25, derandomize=True)
@given(known=st.lists(shares, min_size=1, max_size=25), houses=st.lists(shares, min_size=1, max_size=25), twice=st.booleans())
def test_a_house_lies_in_the_catchment_of_its_nearest(
    land: str, known: list[tuple[float, float]], houses: list[tuple[float, float]], twice: bool
) -> None:
    facilities = {f"f{number:02}": place(land, share) for number, share in enumerate(known)}
    if twice:
        facilities["twin"] = facilities["f00"]
    outline = shapely.union_all(shapely.make_valid(np.array([area for area in LANDS[land] if area is not None])))
    polygons = catchment_polygons(facilities, whole_land(LANDS[land]))
    assert polygons.keys() == facilities.keys()
    # Together they are the land, and no two overlap; long slanting borders are straight in another projection.
    assert abs(sum(polygon.area for polygon in polygons.values()) - outline.area) <= 1e-4 * outline.area
    assert abs(shapely.union_all(list(polygons.values())).area - outline.area) <= 1e-4 * outline.area
    assert all(polygon.geom_type == "MultiPolygon" and polygon.is_valid for polygon in polygons.values())
    assert not twice or polygons["twin"].is_empty
    for house in (place(land, share) for share in houses):
        point = shapely.Point(house)
        if not outline.contains(point):
            continue
        near = sorted((haversine_km(house, position), name) for name, position in facilities.items())
        # The lines between facilities far apart are off by some metres per kilometre at most (see catchment_polygons).
        allowed = 0.001 + 0.002 * near[0][0] + near[-1][0] ** 2 / 8 / 6371 * math.tan(math.radians(abs(house[1]))) * 2
        owners = [name for name, polygon in polygons.items() if polygon.distance(point) < 1e-9]
        assert owners, "every house has one"
        assert min(haversine_km(house, facilities[name]) for name in owners) <= near[0][0] + allowed


def test_one_facility_has_all_and_none_has_nothing() -> None:
    land = whole_land(LANDS["town"])
    assert catchment_polygons({}, land) == {}
    assert catchment_polygons({"only": (9.0, 40.0)}, land)["only"].area == pytest.approx(0.015 - shapely.Point(0, 0).buffer(0.01).area)
    assert catchment_polygons({"only": (9.5, 47.0)}, whole_land([]))["only"].is_empty


def test_hardly_different_places_are_two() -> None:
    polygons = catchment_polygons(
        {"a": (9.55, 47.02), "b": (9.55, math.nextafter(47.02, 48)), "c": (9.52, 47.02)}, whole_land(LANDS["town"])
    )
    assert sum(polygon.area for polygon in polygons.values()) == pytest.approx(0.015 - shapely.Point(0, 0).buffer(0.01).area)
