"""Streets of the demo region and the house numbers along them, in metres of the local plane."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from shapely import LineString, MultiLineString, MultiPolygon, Polygon
from shapely import Point as ShapelyPoint

from flows.demo.plan import Plan, Point
from flows.demo.terrain import Terrain

# Metres. Blocks are as deep as two gardens; a house stands back from the middle of its street.
BLOCK_DEPTH = 105.0
BLOCK_LENGTH = 165.0
SETBACK = 15.0
CLEARANCE = 13.0
SHORTEST_STREET = 110.0
ROAD_SPACING = 130.0
GAP_SHARE = 0.07
LETTER_SHARE = 0.035


@dataclass(frozen=True)
class Street:
    """A named street within one leaf area; `spacing` is the distance between two houses of one side, 0 without houses."""

    area_code: str
    name: str
    line: tuple[Point, ...]
    is_road: bool
    spacing: float


@dataclass(frozen=True)
class House:
    """A house number: `along` is its distance from the start of the street."""

    street: Street
    housenumber: str
    position: Point
    along: float


def lay_streets(plan: Plan, terrain: Terrain, rng: np.random.Generator) -> list[Street]:
    """All streets: the roads between the centres, then those of each settlement, longest first in the order of its names."""
    streets = _roads(plan, terrain, rng)
    for leaf in plan.settlements:
        land = terrain.leaves[leaf.code]
        streets += _settlement_streets(leaf.code, leaf.centre, leaf.radius, leaf.angle, leaf.addresses, leaf.streets, land, rng)
        if leaf.exclave:
            part = leaf.exclave
            streets += _settlement_streets(leaf.code, part.centre, part.radius * 0.7, part.angle, part.addresses, part.streets, land, rng)
    return streets


def number_houses(streets: Sequence[Street], terrain: Terrain, rng: np.random.Generator) -> list[House]:
    """Odd numbers on the left, even on the right, rising from the start; some numbers missing, some with a letter."""
    spots = _Spots(streets)
    houses: list[House] = []
    for street in streets:
        land = terrain.leaves[street.area_code].buffer(-8)
        for house in _along(street, rng):
            if spots.is_free(house.position, street) and land.contains(ShapelyPoint(house.position)):
                spots.take(house.position)
                houses.append(house)
    return houses


def _roads(plan: Plan, terrain: Terrain, rng: np.random.Generator) -> list[Street]:
    """One street per road and area that it crosses, except inside the settlements, where people know it by other names."""
    centres = {leaf.code: leaf.centre for leaf in plan.settlements}
    towns = {leaf.code: _disc(leaf.centre, leaf.radius * 0.95) for leaf in plan.settlements}
    longest: dict[str, Street] = {}
    for start, end in plan.roads:
        line = LineString(_wander(centres[start], centres[end], rng))
        for leaf in plan.settlements:
            inside = line.intersection(terrain.leaves[leaf.code].buffer(-25))
            for town in towns.values():
                inside = inside.difference(town)
            piece = _longest(inside)
            known = longest.get(leaf.code)
            if piece and (known is None or piece.length > LineString(known.line).length):
                longest[leaf.code] = Street(leaf.code, plan.road_names[leaf.code], _points(piece), is_road=True, spacing=ROAD_SPACING)
    # The quarter with too little data to judge keeps its few houses: no farms along its road.
    small = {leaf.code for leaf in plan.settlements if leaf.addresses < 20}
    return [street for code, street in sorted(longest.items()) if code not in small]


def _settlement_streets(
    code: str,
    centre: Point,
    radius: float,
    angle: float,
    addresses: int,
    names: Sequence[str],
    land: MultiPolygon,
    rng: np.random.Generator,
) -> list[Street]:
    """Two families of bent lines across the settlement; as many as it has names, with houses as far apart as the wanted count allows."""
    phases = rng.uniform(0, 2 * math.pi, 4)
    outline = _blot(centre, radius, phases).intersection(land.buffer(-30))
    lines: list[LineString] = []
    for across, depth in ((False, BLOCK_DEPTH), (True, BLOCK_LENGTH)):
        start = -1.2 * radius + float(rng.uniform(0.3, 0.7)) * depth
        for offset in np.arange(start, 1.2 * radius, depth):
            steps = np.linspace(-radius * 1.3, radius * 1.3, 28)
            raw = [(float(offset), float(step)) if across else (float(step), float(offset)) for step in steps]
            piece = _longest(LineString([_place(point, centre, angle, radius, phases) for point in raw]).intersection(outline))
            if piece and piece.length >= SHORTEST_STREET:
                lines.append(piece)
    lines = sorted(lines, key=lambda line: -line.length)[: len(names)]
    total = sum(line.length for line in lines)
    # About a sixth of the numbers is lost to crossings, gaps and neighbours; roads bring some back (measured over 20 seeds).
    spacing = max(16.0, 2 * total / (addresses * 1.2)) if addresses >= 20 else 2 * total / (addresses * 0.95)
    return [
        Street(code, name, _points(line if rng.random() < 0.5 else line.reverse()), is_road=False, spacing=spacing)
        for name, line in zip(names, lines, strict=False)
    ]


def _along(street: Street, rng: np.random.Generator) -> Iterator[House]:
    line = LineString(street.line)
    for number, along in enumerate(np.arange(street.spacing * 0.4, line.length - 4, street.spacing)):
        for side in (1, -1):
            jitter = float(rng.uniform(-0.18, 0.18)) * street.spacing
            back = SETBACK + float(rng.uniform(-2, 5))
            is_gap = rng.random() < GAP_SHARE
            has_letter = rng.random() < LETTER_SHARE
            housenumber = 2 * number + (1 if side == 1 else 2)
            if not is_gap:
                yield _house(street, line, str(housenumber), float(along) + jitter, side * back)
            if has_letter:
                yield _house(street, line, f"{housenumber}a", float(along) + jitter + street.spacing * 0.45, side * back)


def _house(street: Street, line: LineString, housenumber: str, along: float, aside: float) -> House:
    along = min(max(along, 0.0), line.length)
    here, ahead = line.interpolate(max(along - 1, 0)), line.interpolate(min(along + 1, line.length))
    dx, dy = ahead.x - here.x, ahead.y - here.y
    length = math.hypot(dx, dy)
    middle = line.interpolate(along)
    position = (middle.x - dy / length * aside, middle.y + dx / length * aside)
    return House(street, housenumber, position, along)


class _Spots:
    """Keeps houses off each other and off the streets, with a grid instead of a search."""

    def __init__(self, streets: Sequence[Street]) -> None:
        self._houses: dict[tuple[int, int], list[Point]] = {}
        self._lines = [(street, LineString(street.line)) for street in streets]

    def is_free(self, position: Point, own: Street) -> bool:
        column, row = self._cell(position)
        near = (house for x in (-1, 0, 1) for y in (-1, 0, 1) for house in self._houses.get((column + x, row + y), ()))
        if any(math.dist(position, house) < CLEARANCE for house in near):
            return False
        place = ShapelyPoint(position)
        return not any(street is not own and line.dwithin(place, 9.0) for street, line in self._lines)

    def take(self, position: Point) -> None:
        self._houses.setdefault(self._cell(position), []).append(position)

    @staticmethod
    def _cell(position: Point) -> tuple[int, int]:
        return int(position[0] // CLEARANCE), int(position[1] // CLEARANCE)


def _place(raw: Point, centre: Point, angle: float, radius: float, phases: np.ndarray) -> Point:
    """Bend, turn and move a point of the settlement's own grid."""
    u, v = raw
    bend = radius * 0.09
    u, v = u + bend * math.sin(2.3 * v / radius + phases[0]), v + bend * math.sin(2.1 * u / radius + phases[1])
    turned = math.radians(angle)
    return centre[0] + u * math.cos(turned) - v * math.sin(turned), centre[1] + u * math.sin(turned) + v * math.cos(turned)


def _wander(start: Point, end: Point, rng: np.random.Generator) -> list[Point]:
    sway = float(rng.uniform(60, 150)) * (1 if rng.random() < 0.5 else -1)
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    shares = np.linspace(0, 1, 30)
    return [
        (start[0] + dx * share - dy / length * aside, start[1] + dy * share + dx / length * aside)
        for share in map(float, shares)
        for aside in [sway * math.sin(2 * math.pi * share)]
    ]


def _disc(centre: Point, radius: float) -> Polygon:
    return ShapelyPoint(centre).buffer(radius, quad_segs=12)


def _blot(centre: Point, radius: float, phases: np.ndarray) -> Polygon:
    """The built-up ground: a disc with an uneven edge."""
    ring = []
    for direction in np.linspace(0, 2 * math.pi, 60, endpoint=False):
        reach = radius * (1.02 + 0.16 * math.sin(2 * direction + phases[2]) + 0.1 * math.sin(3 * direction + phases[3]))
        ring.append((centre[0] + reach * math.cos(direction), centre[1] + reach * math.sin(direction)))
    return Polygon(ring)


def _longest(shape: object) -> LineString | None:
    parts = shape.geoms if isinstance(shape, MultiLineString) else (shape,)
    lines = [part for part in parts if isinstance(part, LineString) and not part.is_empty]
    return max(lines, key=lambda line: line.length, default=None)


def _points(line: LineString) -> tuple[Point, ...]:
    return tuple((round(x, 2), round(y, 2)) for x, y in line.coords)
