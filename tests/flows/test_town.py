"""The three files of a town come out of an OpenStreetMap extract, with what is missing said."""

from __future__ import annotations

import csv
from pathlib import Path

import osmium
import pytest
from osmium.osm import mutable

from flows.town import TownReport, write_town
from services.errors import ContractError

Tags = dict[str, str]


class Sketch:
    """Draws an extract: nodes first, then ways, then relations, as readers expect."""

    def __init__(self) -> None:
        self.nodes: list[mutable.Node] = []
        self.ways: list[mutable.Way] = []
        self.relations: list[mutable.Relation] = []

    def node(self, lon: float, lat: float, **tags: str) -> int:
        self.nodes.append(mutable.Node(id=len(self.nodes) + 1, location=(lon, lat), tags=_tags(tags)))
        return len(self.nodes)

    def way(self, nodes: list[int], **tags: str) -> int:
        self.ways.append(mutable.Way(id=len(self.ways) + 1, nodes=nodes, tags=_tags(tags)))
        return len(self.ways)

    def box(self, west: float, south: float, east: float, north: float, **tags: str) -> int:
        corners = [self.node(*corner) for corner in ((west, south), (east, south), (east, north), (west, north))]
        return self.way([*corners, corners[0]], **tags)

    def relation(self, ways: list[int], **tags: str) -> int:
        members = [("w", way, "outer") for way in ways]
        self.relations.append(mutable.Relation(id=len(self.relations) + 1, members=members, tags=_tags(tags)))
        return len(self.relations)

    def boundary(self, box: tuple[float, float, float, float], level: int, name: str, **tags: str) -> int:
        return self.relation([self.box(*box)], type="boundary", boundary="administrative", admin_level=str(level), name=name, **tags)

    def write(self, path: Path) -> Path:
        with osmium.SimpleWriter(str(path)) as writer:
            for node in self.nodes:
                writer.add_node(node)
            for way in self.ways:
                writer.add_way(way)
            for relation in self.relations:
                writer.add_relation(relation)
        return path


def _tags(tags: Tags) -> Tags:
    return {key.replace("__", ":"): value for key, value in tags.items()}


def rows(path: Path) -> list[Tags]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def town(tmp_path: Path) -> tuple[TownReport, Path]:
    sketch = Sketch()
    # Two municipalities of level 8 in a county of level 6; level 9 holds only a part; a neighbour whose border is cut off.
    sketch.boundary((10, 50, 12, 51), 6, "Kreis")
    sketch.boundary((10, 50, 11, 51), 8, "Aue", population="1 200")
    sketch.boundary((11, 50, 12, 51), 8, "Berg")
    sketch.boundary((10, 50, 10.2, 50.2), 9, "Altstadt")
    sketch.relation([999], type="boundary", boundary="administrative", admin_level="8", name="Abgeschnitten")
    sketch.relation([sketch.box(10, 50, 10.5, 51)], type="boundary", boundary="postal_code", postal_code="04810")
    sketch.node(11.5, 50.5, place="village", name="Berg", population="800")
    sketch.node(11.4, 50.5, place="hamlet", name="Aue", population="5")
    # Addresses: a node, a building, one of several numbers, a place without streets, neighbours with and without postcode.
    sketch.node(10.1, 50.1, addr__housenumber="1", addr__street="Weg")
    sketch.box(10.6, 50.6, 10.601, 50.602, building="yes", addr__housenumber="2a", addr__street="Gasse", addr__city="Aue-Dorf")
    sketch.node(11.2, 50.2, addr__housenumber="3;5", addr__place="Weiler", addr__postcode="04999")
    sketch.node(11.2, 50.3, addr__housenumber="7", addr__place="Weiler")
    sketch.node(13.0, 50.3, addr__housenumber="8")
    sketch.relation([sketch.box(11.3, 50.3, 11.31, 50.31)], type="multipolygon", building="yes", addr__housenumber="9", addr__street="Hof")
    sketch.way([sketch.node(10.1, 50.3), sketch.node(10.1, 50.4)], addr__interpolation="odd")
    # Facilities: a node with address, a way, an area, two kinds at once, what nobody asks for.
    sketch.node(10.11, 50.1, amenity="pharmacy", name="Apotheke", addr__housenumber="10", addr__street="Weg")
    sketch.box(11.5, 50.5, 11.502, 50.502, amenity="school", name="Schule")
    sketch.relation([sketch.box(11.6, 50.6, 11.602, 50.602)], type="multipolygon", leisure="playground")
    sketch.node(10.3, 50.3, amenity="post_office", shop="supermarket", operator="Post")
    sketch.node(10.4, 50.4, amenity="bench")
    report = write_town(sketch.write(tmp_path / "town.osm.pbf"), tmp_path / "out")
    return report, tmp_path / "out"


def test_areas_are_municipalities_and_what_lies_above(town: tuple[TownReport, Path]) -> None:
    report, out = town
    found = rows(out / "areas.csv")
    assert [(row["area_code"], row["name"], row["level"], row["parent_code"], row["population"]) for row in found] == [
        ("relation/1", "Kreis", "6", "", "2000"),
        ("relation/2", "Aue", "8", "relation/1", "1200"),
        ("relation/3", "Berg", "8", "relation/1", "800"),
    ]
    assert found[1]["geometry"] == "MULTIPOLYGON (((10 50, 11 50, 11 51, 10 51, 10 50)))"
    assert (report.municipality_level, report.areas, dict(report.areas_by_level)) == (8, 3, {6: 1, 8: 2})
    assert list(report.areas_incomplete) == ["Abgeschnitten"]
    assert list(report.areas_without_population) == []


def test_addresses_of_nodes_ways_and_areas_are_completed_from_around(town: tuple[TownReport, Path]) -> None:
    report, out = town
    found = [(row["street"], row["housenumber"], row["postcode"], row["city"]) for row in rows(out / "address_points.csv")]
    assert sorted(found) == sorted(
        [
            ("Weg", "1", "04810", "Aue"),
            ("Gasse", "2a", "", "Aue-Dorf"),
            ("Weiler", "3", "04999", "Berg"),
            ("Weiler", "5", "04999", "Berg"),
            ("Weiler", "7", "04999", "Berg"),
            ("", "8", "", ""),
            ("Hof", "9", "", "Berg"),
            ("Weg", "10", "04810", "Aue"),
        ]
    )
    ids = [row["address_id"] for row in rows(out / "address_points.csv")]
    assert len(set(ids)) == len(ids) == report.address_points == 8
    assert (report.addresses_without_street, report.addresses_without_postcode, report.addresses_without_city) == (1, 3, 1)
    assert (report.addresses_outside, report.postcodes_from_neighbours, report.interpolations) == (1, 1, 1)


def test_facilities_have_kinds_names_and_positions_inside(town: tuple[TownReport, Path]) -> None:
    report, out = town
    found = {(row["kind"], row["name"]): row for row in rows(out / "facilities.csv")}
    assert set(found) == {
        ("pharmacy", "Apotheke"),
        ("school", "Schule"),
        ("playground", ""),
        ("post_office", "Post"),
        ("supermarket", "Post"),
    }
    assert (float(found["school", "Schule"]["lon"]), float(found["school", "Schule"]["lat"])) == pytest.approx((11.501, 50.501))
    assert found["pharmacy", "Apotheke"]["housenumber"] == "10"
    assert found["playground", ""]["city"] == "Berg"
    assert dict(report.facilities_by_kind) == {"pharmacy": 1, "playground": 1, "post_office": 1, "school": 1, "supermarket": 1}
    assert report.facilities_without_name == 1
    assert len({row["facility_id"] for row in found.values()}) == 5


def test_the_report_reads_as_sentences(town: tuple[TownReport, Path]) -> None:
    text = town[0].as_text()
    assert "3 areas (1 of level 6, 2 of level 8); municipalities are level 8" in text
    assert "not complete in the extract: 1 (Abgeschnitten)" in text
    assert "8 addresses; without street: 1, without postcode: 3, without city: 1" in text


def test_positions_in_a_file_give_the_same(town: tuple[TownReport, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.osm_extract.LOCATIONS_IN_MEMORY_BYTES", 0)
    write_town(tmp_path / "town.osm.pbf", tmp_path / "again")
    for name in ("areas.csv", "facilities.csv", "address_points.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (town[1] / name).read_bytes()


def test_an_extract_without_boundaries_still_gives_addresses(tmp_path: Path) -> None:
    sketch = Sketch()
    sketch.node(10, 50, addr__housenumber="1", addr__street="Weg", addr__city="Ort")
    report = write_town(sketch.write(tmp_path / "bare.osm"), tmp_path)
    assert (report.address_points, report.areas, report.municipality_level) == (1, 0, None)
    assert "municipalities are level unknown" in report.as_text()


def test_what_is_no_extract_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.osm.pbf"
    broken.write_bytes(b"this is not an extract")
    with pytest.raises(ContractError, match="could not be read as an OpenStreetMap extract"):
        write_town(broken, tmp_path / "out")
    sketch = Sketch()
    sketch.node(1, 1, amenity="bench")
    with pytest.raises(ContractError, match="neither addresses nor facilities"):
        write_town(sketch.write(tmp_path / "empty.osm.pbf"), tmp_path / "out")
