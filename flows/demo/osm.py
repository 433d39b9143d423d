"""The demo town as an OpenStreetMap file, for everything that starts from an extract."""

from __future__ import annotations

from pathlib import Path

import osmium
from osmium.osm import mutable
from shapely.coords import CoordinateSequence

from flows.demo.plan import Point
from flows.demo.town import MUNICIPALITY_LEVEL, Area, Facility, Town

# How OpenStreetMap tags the kinds of facilities.
KIND_TAGS = {
    "pharmacy": ("amenity", "pharmacy"),
    "doctor": ("amenity", "doctors"),
    "hospital": ("amenity", "hospital"),
    "school": ("amenity", "school"),
    "kindergarten": ("amenity", "kindergarten"),
    "post_office": ("amenity", "post_office"),
    "library": ("amenity", "library"),
    "playground": ("leisure", "playground"),
    "supermarket": ("shop", "supermarket"),
    "bank": ("amenity", "bank"),
    "community_centre": ("amenity", "community_centre"),
    "fire_station": ("amenity", "fire_station"),
    "police": ("amenity", "police"),
    "bus_stop": ("highway", "bus_stop"),
}

Tags = dict[str, str]


def write_osm(town: Town, path: Path) -> None:
    """Write the town as .osm or .osm.pbf: boundary relations with their place nodes, named streets, houses and facilities.

    A facility in a house is one node with it, as mappers do. Areas that touch share the nodes of their border.
    """
    draft = _Draft()
    for area in town.areas:
        draft.add_area(area, _postcode(town, area))
    for way in town.ways:
        draft.add_way(way.line, {"highway": "tertiary" if way.is_road else "residential", "name": way.name})
    housed: dict[tuple[str, str, str], Facility] = {(f.street, f.housenumber, f.postcode): f for f in town.facilities if f.street}
    for address in town.addresses:
        tags = {
            "addr:street": address.street,
            "addr:housenumber": address.housenumber,
            "addr:postcode": address.postcode,
            "addr:city": address.city,
        }
        facility = housed.get((address.street, address.housenumber, address.postcode))
        draft.add_node((address.longitude, address.latitude), tags | (_facility_tags(facility) if facility else {}))
    for facility in town.facilities:
        if not facility.street:
            draft.add_node((facility.longitude, facility.latitude), _facility_tags(facility))
    draft.write(path)


def _facility_tags(facility: Facility) -> Tags:
    key, value = KIND_TAGS[facility.kind]
    return {key: value, "name": facility.name}


def _postcode(town: Town, area: Area) -> str:
    return next((leaf.postcode for leaf in town.plan.settlements if leaf.code == area.code), "")


class _Draft:
    """Collects objects and writes them in the order that the format wants: nodes, ways, relations, ids ascending."""

    def __init__(self) -> None:
        self._nodes: list[tuple[Point, Tags]] = []
        self._shared: dict[Point, int] = {}
        self._ways: list[tuple[list[int], Tags]] = []
        self._relations: list[tuple[list[tuple[str, int, str]], Tags]] = []

    def add_node(self, point: Point, tags: Tags) -> int:
        self._nodes.append((point, tags))
        return len(self._nodes)

    def add_way(self, line: tuple[Point, ...], tags: Tags) -> int:
        nodes = []
        for point in line:
            if point not in self._shared:
                self._shared[point] = self.add_node(point, {})
            nodes.append(self._shared[point])
        self._ways.append((nodes, tags))
        return len(self._ways)

    def add_area(self, area: Area, postcode: str) -> None:
        label = area.geometry.representative_point()
        place = "town" if area.level == MUNICIPALITY_LEVEL else "suburb"
        node = self.add_node((label.x, label.y), {"place": place, "name": area.name, "population": str(area.population)})
        members = [("n", node, "label")]
        for part in area.geometry.geoms:
            members.append(("w", self.add_way(_ring(part.exterior.coords), {"boundary": "administrative"}), "outer"))
            members += [("w", self.add_way(_ring(hole.coords), {"boundary": "administrative"}), "inner") for hole in part.interiors]
        tags = {
            "type": "boundary",
            "boundary": "administrative",
            "admin_level": str(area.level),
            "name": area.name,
            "ref": area.code,
            "population": str(area.population),
        }
        self._relations.append((members, tags | ({"postal_code": postcode} if postcode else {})))

    def write(self, path: Path) -> None:
        with osmium.SimpleWriter(str(path), overwrite=True) as writer:
            for number, (point, tags) in enumerate(self._nodes, start=1):
                writer.add_node(mutable.Node(id=number, version=1, location=point, tags=tags))
            for number, (nodes, tags) in enumerate(self._ways, start=1):
                writer.add_way(mutable.Way(id=number, version=1, nodes=nodes, tags=tags))
            for number, (members, tags) in enumerate(self._relations, start=1):
                writer.add_relation(mutable.Relation(id=number, version=1, members=members, tags=tags))


def _ring(coordinates: CoordinateSequence) -> tuple[Point, ...]:
    return tuple((float(point[0]), float(point[1])) for point in coordinates)
