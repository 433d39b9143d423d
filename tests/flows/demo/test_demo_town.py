"""The demo town is whole: its borders fit, its register is consistent, its traps are there."""

from __future__ import annotations

import csv
from collections import Counter

import pytest
from shapely import Point, coverage_is_valid, from_wkt, union_all

from flows.demo.generate import DemoTown, write_town
from flows.demo.town import KINDS_WITHOUT_ADDRESS, Area, Town, build_town
from services.settings import DBT_PROJECT_DIR

SEEDS = (1, 7, 20)


@pytest.fixture(scope="module", params=SEEDS)
def town(request: pytest.FixtureRequest) -> Town:
    return build_town(request.param)


def leaves(town: Town) -> list[Area]:
    parents = {area.parent_code for area in town.areas}
    return [area for area in town.areas if area.code not in parents]


def test_counts_are_those_of_a_small_town(town: Town) -> None:
    assert len(town.areas) == 10
    assert 1400 <= len(town.addresses) <= 1700
    assert 45 <= len(town.facilities) <= 60
    assert len(town.ways) >= 90


def test_areas_share_their_borders_exactly(town: Town) -> None:
    assert all(area.geometry.is_valid for area in town.areas)
    for level in (leaves(town), [area for area in town.areas if not area.parent_code]):
        geometries = [area.geometry for area in level]
        # Valid as a coverage: no overlap, and each common border has the same vertices on both sides.
        assert coverage_is_valid(geometries)
        assert sum(shape.area for shape in geometries) == pytest.approx(union_all(geometries).area, rel=1e-9)


def test_quarters_fill_their_municipality(town: Town) -> None:
    parent = next(area for area in town.areas if any(other.parent_code == area.code for other in town.areas))
    quarters = [area for area in town.areas if area.parent_code == parent.code]
    assert len(quarters) == 6
    assert union_all([area.geometry for area in quarters]).symmetric_difference(parent.geometry).area < 1e-12
    assert sum(area.population for area in quarters) == parent.population


def test_one_area_has_two_parts_and_another_a_hole_for_it(town: Town) -> None:
    parts = {area.name: len(area.geometry.geoms) for area in town.areas}
    holes = {area.name: sum(len(part.interiors) for part in area.geometry.geoms) for area in town.areas}
    assert [name for name, count in parts.items() if count > 1] == ["Sainte-Oriane"]
    assert [name for name, count in holes.items() if count] == ["Marlowick"]


def test_every_address_and_facility_lies_in_its_area_and_in_no_other(town: Town) -> None:
    for place in (*town.addresses, *town.facilities):
        point = Point(place.longitude, place.latitude)
        assert [area.code for area in leaves(town) if area.geometry.contains(point)] == [place.area_code]


def test_one_quarter_has_too_little_data_and_no_other(town: Town) -> None:
    counts = Counter(address.area_code for address in town.addresses)
    assert [area.name for area in leaves(town) if counts[area.code] < 20] == ["Oedmoos"]
    assert counts["DM-16"] >= 5


def test_register_has_no_entry_twice_and_numbers_by_sides(town: Town) -> None:
    entries = Counter((address.street, address.housenumber, address.postcode) for address in town.addresses)
    assert max(entries.values()) == 1
    assert any(address.housenumber.endswith("a") for address in town.addresses)
    assert len({(address.longitude, address.latitude) for address in town.addresses}) == len(town.addresses)


def test_traps_are_there(town: Town) -> None:
    postcodes = {(address.street, address.postcode) for address in town.addresses}
    assert {("Gartenweg", "7411"), ("Gartenweg", "7413"), ("Schulstrasse", "7410"), ("Schulstrasse", "7414")} <= postcodes
    streets = {street for street, _ in postcodes}
    assert {"Feldweg", "Waldweg", "Via del Porto", "Via del Ponte", "Mill Lane", "Hill Lane"} <= streets
    assert not {"Waldgasse", "Rue du Fort"} & streets


def test_facility_kinds_are_those_of_the_seed(town: Town) -> None:
    with (DBT_PROJECT_DIR / "seeds" / "facility_kinds.csv").open(encoding="utf-8", newline="") as file:
        known = {row["facility_kind"] for row in csv.DictReader(file)}
    assert {facility.kind for facility in town.facilities} == known
    assert {facility.kind for facility in town.facilities if not facility.street} == KINDS_WITHOUT_ADDRESS


def test_facilities_differ_between_areas(town: Town) -> None:
    with_pharmacy = {facility.area_code for facility in town.facilities if facility.kind == "pharmacy"}
    assert with_pharmacy and len(with_pharmacy) < len(leaves(town)) / 2


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> DemoTown:
    return write_town(7, tmp_path_factory.mktemp("town"))


def test_files_say_what_the_town_is(written: DemoTown) -> None:
    with written.areas_file.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, area in zip(rows, written.town.areas, strict=True):
        assert (row["area_code"], row["level"], row["parent_code"]) == (area.code, str(area.level), area.parent_code)
        assert from_wkt(row["geometry_wkt"]).equals(area.geometry)
    with written.address_points_file.open(encoding="utf-8", newline="") as file:
        addresses = list(csv.DictReader(file))
    assert [row["address_id"] for row in addresses] == [address.address_id for address in written.town.addresses]
    with written.facilities_file.open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(written.town.facilities)


def test_submissions_are_mostly_in_the_register(written: DemoTown) -> None:
    known = {(address.street, address.housenumber, address.postcode) for address in written.town.addresses}
    clean = [body for body in written.submissions if (body["street"], body["housenumber"], body["postcode"]) in known]
    assert len(written.submissions) == 60
    assert len(clean) == 60 - 7  # three typed badly, two without number, two with a number that is not there
    assert {body["channel"] for body in written.submissions} == {"web", "phone"}


def test_another_seed_is_another_town(written: DemoTown) -> None:
    other = build_town(8)
    positions = {(address.longitude, address.latitude) for address in written.town.addresses}
    assert not positions & {(address.longitude, address.latitude) for address in other.addresses}
