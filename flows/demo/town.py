"""The demo region: areas, address register and facilities on the globe, all from one seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from shapely import LineString, MultiPolygon, transform

from flows.demo.plan import Plan, Point, Settlement, load_plan
from flows.demo.streets import House, Street, lay_streets, number_houses
from flows.demo.terrain import Terrain, shape_terrain

METRES_PER_DEGREE = 111_320.0
# Kinds that stand beside the road and have no house number, as in real registers.
KINDS_WITHOUT_ADDRESS = frozenset({"bus_stop", "playground"})
MUNICIPALITY_LEVEL = 8
QUARTER_LEVEL = 10


@dataclass(frozen=True)
class Area:
    """A municipality (level 8) or a quarter (level 10); geometry in WGS84 degrees."""

    code: str
    name: str
    level: int
    parent_code: str
    population: int
    geometry: MultiPolygon


@dataclass(frozen=True)
class AddressPoint:
    """An entry of the address register."""

    address_id: str
    street: str
    housenumber: str
    postcode: str
    city: str
    longitude: float
    latitude: float
    area_code: str


@dataclass(frozen=True)
class Facility:
    """A place that people need; street and house number are empty where it has none."""

    facility_id: str
    name: str
    kind: str
    street: str
    housenumber: str
    postcode: str
    city: str
    longitude: float
    latitude: float
    area_code: str


@dataclass(frozen=True)
class Way:
    """A street on the globe: (longitude, latitude) pairs."""

    name: str
    area_code: str
    is_road: bool
    line: tuple[Point, ...]


@dataclass(frozen=True)
class Town:
    """Everything that stands in the demo region."""

    plan: Plan
    areas: tuple[Area, ...]
    ways: tuple[Way, ...]
    addresses: tuple[AddressPoint, ...]
    facilities: tuple[Facility, ...]

    def settlement(self, code: str) -> Settlement:
        """The leaf of the plan with this area code."""
        return next(leaf for leaf in self.plan.settlements if leaf.code == code)


def build_town(seed: int) -> Town:
    """Build the region of a seed; the same seed gives the same town."""
    plan = load_plan()
    rng = np.random.default_rng([seed, 1])
    terrain = shape_terrain(plan, rng)
    streets = lay_streets(plan, terrain, rng)
    houses = number_houses(streets, terrain, rng)
    globe = _Globe(plan)
    addresses = _register(plan, houses, globe)
    facilities = _facilities(plan, streets, houses, addresses, globe, rng)
    ways = tuple(Way(street.name, street.area_code, street.is_road, tuple(globe.at(point) for point in street.line)) for street in streets)
    return Town(plan, _areas(plan, terrain, addresses, globe), ways, tuple(addresses), tuple(facilities))


class _Globe:
    """From metres of the local plane to degrees, at 1 cm."""

    def __init__(self, plan: Plan) -> None:
        self._origin = plan.origin
        self._per_degree_east = METRES_PER_DEGREE * math.cos(math.radians(plan.origin.latitude))

    def at(self, point: Point) -> Point:
        return (
            round(self._origin.longitude + point[0] / self._per_degree_east, 7),
            round(self._origin.latitude + point[1] / METRES_PER_DEGREE, 7),
        )

    def polygon(self, shape: MultiPolygon) -> MultiPolygon:
        return transform(shape, lambda points: np.array([self.at((float(x), float(y))) for x, y in points]))


def _areas(plan: Plan, terrain: Terrain, addresses: list[AddressPoint], globe: _Globe) -> tuple[Area, ...]:
    people: dict[str, int] = {}
    for leaf in plan.settlements:
        count = sum(address.area_code == leaf.code for address in addresses)
        people[leaf.code] = round(count * leaf.persons_per_address)
    for town in plan.municipalities:
        people[town.code] = sum(people[leaf.code] for leaf in plan.settlements if town.code in {leaf.code, leaf.parent})
    municipalities = [
        Area(town.code, town.name, MUNICIPALITY_LEVEL, "", people[town.code], globe.polygon(terrain.municipalities[town.code]))
        for town in plan.municipalities
    ]
    quarters = [
        Area(leaf.code, leaf.name, QUARTER_LEVEL, leaf.parent, people[leaf.code], globe.polygon(terrain.leaves[leaf.code]))
        for leaf in plan.settlements
        if leaf.parent
    ]
    return tuple(municipalities + quarters)


def _register(plan: Plan, houses: list[House], globe: _Globe) -> list[AddressPoint]:
    leaves = {leaf.code: leaf for leaf in plan.settlements}
    addresses: list[AddressPoint] = []
    for number, house in enumerate(houses, start=1):
        leaf = leaves[house.street.area_code]
        longitude, latitude = globe.at(house.position)
        addresses.append(
            AddressPoint(
                f"DM-A{number:05d}", house.street.name, house.housenumber, leaf.postcode, plan.city(leaf), longitude, latitude, leaf.code
            )
        )
    return addresses


def _facilities(
    plan: Plan, streets: list[Street], houses: list[House], addresses: list[AddressPoint], globe: _Globe, rng: np.random.Generator
) -> list[Facility]:
    """Spread the plan's facilities: near the centre of their settlement, each at a house of its own or beside a street."""
    facilities: list[Facility] = []
    taken: set[int] = set()
    for leaf in plan.settlements:
        own = [index for index, house in enumerate(houses) if house.street.area_code == leaf.code]
        own.sort(key=lambda index: math.dist(houses[index].position, leaf.centre))
        nearest = own[: max(len(own) * 2 // 3, 1)]
        for kind, count in leaf.facilities.items():
            for ordinal in range(count):
                number = len(facilities) + 1
                name = plan.facility_names[leaf.language][kind].format(place=leaf.name) + (f" {ordinal + 1}" if count > 1 else "")
                if kind in KINDS_WITHOUT_ADDRESS:
                    longitude, latitude = globe.at(_beside_street(streets, leaf, rng))
                    street, housenumber = "", ""
                else:
                    index = _free(nearest, taken, rng)
                    taken.add(index)
                    at = addresses[index]
                    longitude, latitude, street, housenumber = at.longitude, at.latitude, at.street, at.housenumber
                facilities.append(
                    Facility(
                        f"DM-F{number:03d}", name, kind, street, housenumber, leaf.postcode, plan.city(leaf), longitude, latitude, leaf.code
                    )
                )
    return facilities


def _free(candidates: list[int], taken: set[int], rng: np.random.Generator) -> int:
    free = [index for index in candidates if index not in taken]
    return free[int(len(free) * float(rng.random()) ** 2)]


def _beside_street(streets: list[Street], leaf: Settlement, rng: np.random.Generator) -> Point:
    own = [street for street in streets if street.area_code == leaf.code and not street.is_road]
    line = LineString(own[int(rng.integers(len(own)))].line)
    place = line.interpolate(float(rng.uniform(0.35, 0.65)), normalized=True)
    return place.x + 4.0, place.y + 3.0
