"""The demo town as an OpenStreetMap extract: boundaries assemble, houses and streets are all there."""

from __future__ import annotations

import csv
from pathlib import Path

import osmium
import pytest

from flows.demo.osm import KIND_TAGS, write_osm
from flows.demo.town import Town, build_town
from flows.town import write_town


@pytest.fixture(scope="module")
def town() -> Town:
    return build_town(7)


@pytest.mark.parametrize("suffix", [".osm", ".osm.pbf"])
def test_extract_holds_the_whole_town(town: Town, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"town{suffix}"
    write_osm(town, path)
    rings, houses, streets, facilities = {}, set(), set(), 0
    for thing in osmium.FileProcessor(str(path)).with_areas():
        tags = dict(thing.tags)
        if thing.is_area() and "admin_level" in tags:
            rings[tags["name"]] = thing.num_rings()
        elif thing.is_node():
            facilities += any(tags.get(key) == value for key, value in KIND_TAGS.values())
            if "addr:housenumber" in tags:
                houses.add((tags["addr:street"], tags["addr:housenumber"], tags["addr:postcode"], round(thing.location.lon, 7)))
        elif thing.is_way() and "highway" in tags:
            streets.add(tags["name"])
    expected = {area.name: (len(area.geometry.geoms), sum(len(part.interiors) for part in area.geometry.geoms)) for area in town.areas}
    assert rings == expected
    assert houses == {(a.street, a.housenumber, a.postcode, a.longitude) for a in town.addresses}
    assert streets == {way.name for way in town.ways}
    assert facilities == len(town.facilities)


def test_every_kind_of_the_demo_has_its_tag(town: Town) -> None:
    assert {facility.kind for facility in town.facilities} == set(KIND_TAGS)


def test_a_town_made_from_the_extract_is_this_town(town: Town, tmp_path: Path) -> None:
    write_osm(town, tmp_path / "town.osm.pbf")
    write_town(tmp_path / "town.osm.pbf", tmp_path / "made")

    def rows(name: str) -> list[dict[str, str]]:
        with (tmp_path / "made" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    addresses = {(row["street"], row["housenumber"], row["postcode"], row["city"], float(row["lon"])) for row in rows("address_points")}
    assert addresses == {(a.street, a.housenumber, a.postcode, a.city, a.longitude) for a in town.addresses}
    facilities = {(row["name"], row["kind"], float(row["lat"])) for row in rows("facilities")}
    assert facilities == {(facility.name, facility.kind, facility.latitude) for facility in town.facilities}
    populations = {row["name"]: int(row["population"]) for row in rows("areas")}
    assert populations.items() >= {area.name: area.population for area in town.areas if not area.parent_code}.items()
