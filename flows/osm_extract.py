"""What an OpenStreetMap extract knows about addresses, facilities and boundaries, read once and spooled to disk."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import osmium
import shapely
from osmium.filter import EntityFilter, KeyFilter
from shapely.geometry.base import BaseGeometry

from services.errors import ContractError

# OpenStreetMap's tags for the kinds of facilities that letters ask for.
KINDS: Mapping[tuple[str, str], str] = {
    ("amenity", "pharmacy"): "pharmacy",
    ("healthcare", "pharmacy"): "pharmacy",
    ("amenity", "doctors"): "doctor",
    ("amenity", "clinic"): "doctor",
    ("healthcare", "doctor"): "doctor",
    ("healthcare", "clinic"): "doctor",
    ("amenity", "hospital"): "hospital",
    ("healthcare", "hospital"): "hospital",
    ("amenity", "school"): "school",
    ("amenity", "kindergarten"): "kindergarten",
    ("amenity", "childcare"): "kindergarten",
    ("amenity", "post_office"): "post_office",
    ("amenity", "library"): "library",
    ("leisure", "playground"): "playground",
    ("shop", "supermarket"): "supermarket",
    ("amenity", "bank"): "bank",
    ("amenity", "community_centre"): "community_centre",
    ("amenity", "fire_station"): "fire_station",
    ("amenity", "police"): "police",
    ("highway", "bus_stop"): "bus_stop",
    ("amenity", "bus_station"): "bus_stop",
}
STREET_TAGS = ("addr:street", "addr:place", "addr:hamlet", "addr:village")
PLACES = frozenset(("city", "town", "village", "hamlet", "suburb", "municipality", "borough", "quarter"))
# Positions of all nodes: 16 bytes each in memory, so that larger extracts keep them in a file.
LOCATIONS_IN_MEMORY_BYTES = 150_000_000
SEVERAL_NUMBERS = re.compile(r"\s*[;,]\s*")

Row = dict[str, str]


@dataclass
class Boundary:
    """A complete administrative or postal polygon."""

    code: str
    name: str
    level: int | None
    postcode: str
    population: int | None
    geometry: BaseGeometry


@dataclass
class Extract:
    """What was found; addresses and facilities lie in files of rows, since they may be many millions."""

    addresses: Path
    facilities: Path
    boundaries: list[Boundary] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    interpolations: int = 0
    # Population of place nodes by name, with their positions.
    places: dict[str, list[tuple[float, float, int]]] = field(default_factory=dict)


ADDRESS_FIELDS = ("address_id", "street", "housenumber", "postcode", "city", "lon", "lat")
FACILITY_FIELDS = ("facility_id", "name", "kind", "street", "housenumber", "postcode", "city", "lon", "lat")


def read_extract(pbf: Path, folder: Path, progress: Callable[[str], None]) -> Extract:
    """Read the whole extract, writing into `folder`; ContractError when the file is none."""
    extract = Extract(folder / "addresses.csv", folder / "facilities.csv")
    try:
        progress("reading boundaries")
        expected = _expected_boundaries(pbf)
        progress("reading addresses, facilities and outlines")
        with (
            extract.addresses.open("w", newline="", encoding="utf-8") as one,
            extract.facilities.open("w", newline="", encoding="utf-8") as two,
        ):
            reader = _Reader(extract, csv.DictWriter(one, ADDRESS_FIELDS), csv.DictWriter(two, FACILITY_FIELDS))
            for thing in _things(pbf, folder):
                reader.take(thing)
    except RuntimeError as cause:
        raise ContractError(f"{pbf.name} could not be read as an OpenStreetMap extract: {cause}. Download it again.") from cause
    complete = {boundary.code for boundary in extract.boundaries}
    extract.incomplete = sorted(name for code, name in expected.items() if code not in complete)
    return extract


def read_rows(path: Path, fields: tuple[str, ...], size: int) -> Iterator[list[Row]]:
    """Rows of a spooled file, some at a time."""
    with path.open(newline="", encoding="utf-8") as file:
        batch: list[Row] = []
        for row in csv.DictReader(file, fields):
            batch.append(row)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch


def _things(pbf: Path, folder: Path) -> Iterator[Any]:
    is_small = pbf.stat().st_size < LOCATIONS_IN_MEMORY_BYTES
    storage = "flex_mem" if is_small else f"sparse_file_array,{folder / 'locations'}"
    outlines = KeyFilter("boundary", "amenity", "healthcare", "shop", "leisure", "addr:housenumber")
    return iter(osmium.FileProcessor(str(pbf)).with_locations(storage).with_areas(EntityFilter(osmium.osm.RELATION), outlines))


def _expected_boundaries(pbf: Path) -> dict[str, str]:
    """Administrative areas that the extract names, by code, whether their lines are complete or not."""
    found = {}
    for relation in osmium.FileProcessor(str(pbf), osmium.osm.RELATION).with_filter(KeyFilter("boundary")):
        is_area = relation.tags.get("type") in ("boundary", "multipolygon")
        if (
            is_area
            and relation.tags.get("boundary") == "administrative"
            and _level(relation.tags) is not None
            and relation.tags.get("name")
        ):
            found[f"relation/{relation.id}"] = str(relation.tags.get("name"))
    return found


class _Reader:
    def __init__(self, extract: Extract, addresses: csv.DictWriter[str], facilities: csv.DictWriter[str]) -> None:
        self._extract, self._addresses, self._facilities = extract, addresses, facilities
        self._shapes = osmium.geom.WKBFactory()

    def take(self, thing: Any) -> None:
        """Note what one node, way or assembled area says."""
        if thing.is_area():
            self._take_area(thing)
        elif thing.is_node():
            self._take_place(thing)
            self._take_position(f"node/{thing.id}", thing.tags, lambda: (thing.location.lon, thing.location.lat))
        elif thing.is_way():
            self._extract.interpolations += "addr:interpolation" in thing.tags
            self._take_position(f"way/{thing.id}", thing.tags, lambda: _middle_of_way(thing))

    def _take_position(self, identifier: str, tags: Any, position: Callable[[], tuple[float, float] | None]) -> None:
        kinds = {kind for (key, value), kind in KINDS.items() if tags.get(key) == value}
        numbers = _housenumbers(tags)
        if not kinds and not numbers:
            return
        place = position()
        if place is None:
            return
        where = _address(tags) | {"lon": f"{place[0]:.7f}", "lat": f"{place[1]:.7f}"}
        for index, number in enumerate(numbers):
            self._addresses.writerow({**where, "address_id": _numbered(identifier, index), "housenumber": number})
        for index, kind in enumerate(sorted(kinds)):
            name = tags.get("name") or tags.get("operator") or tags.get("brand") or ""
            row = {"facility_id": _numbered(identifier, index), "name": name, "kind": kind, "housenumber": ", ".join(numbers)}
            self._facilities.writerow({**where, **row})

    def _take_place(self, node: Any) -> None:
        population = _population(node.tags)
        if population and node.tags.get("place") in PLACES and node.tags.get("name"):
            found = self._extract.places.setdefault(str(node.tags.get("name")).casefold(), [])
            found.append((node.location.lon, node.location.lat, population))

    def _take_area(self, area: Any) -> None:
        if area.from_way():
            return
        kind, name, level = area.tags.get("boundary"), area.tags.get("name"), _level(area.tags)
        identifier = f"relation/{area.orig_id()}"
        if kind == "postal_code" or (kind == "administrative" and name and level is not None):
            shape = shapely.from_wkb(self._shapes.create_multipolygon(area))
            postcode = str(area.tags.get("postal_code") or (area.tags.get("ref") if kind == "postal_code" else "") or "")
            if kind == "postal_code" and not postcode:
                return
            self._extract.boundaries.append(
                Boundary(
                    code=identifier,
                    name=str(name or postcode),
                    level=level if kind == "administrative" else None,
                    postcode="" if SEVERAL_NUMBERS.search(postcode) else postcode,
                    population=_population(area.tags),
                    geometry=shape if shape.is_valid else shapely.make_valid(shape),
                )
            )
            return
        self._take_position(identifier, area.tags, lambda: _inside(shapely.from_wkb(self._shapes.create_multipolygon(area))))


def _middle_of_way(way: Any) -> tuple[float, float] | None:
    """A point of the way: inside, when it is closed; None when its nodes are not in the extract."""
    places = [(node.location.lon, node.location.lat) for node in way.nodes if node.location.valid()]
    if not places:
        return None
    if len(places) >= 4 and places[0] == places[-1]:
        return _inside(shapely.Polygon(places))
    return places[len(places) // 2]


def _inside(shape: BaseGeometry) -> tuple[float, float]:
    middle = shape.centroid
    if not (shape.is_valid and shape.contains(middle)):
        middle = shapely.make_valid(shape).representative_point()
    return middle.x, middle.y


def _address(tags: Any) -> Row:
    street = next((str(tags.get(key)) for key in STREET_TAGS if tags.get(key)), "")
    return {"street": street, "postcode": str(tags.get("addr:postcode") or ""), "city": str(tags.get("addr:city") or "")}


def _housenumbers(tags: Any) -> list[str]:
    numbers = str(tags.get("addr:housenumber") or "").strip()
    return [number for number in SEVERAL_NUMBERS.split(numbers) if number]


def _numbered(identifier: str, index: int) -> str:
    return identifier if index == 0 else f"{identifier}-{index + 1}"


def _level(tags: Any) -> int | None:
    level = str(tags.get("admin_level") or "")
    return int(level) if level.isdecimal() and 0 < int(level) <= 12 else None


def _population(tags: Any) -> int | None:
    digits = re.sub(r"[\s.,'’]", "", str(tags.get("population") or ""))
    return int(digits) if digits.isdecimal() and len(digits) < 10 else None
