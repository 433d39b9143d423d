"""Three data files for any town from an OpenStreetMap extract, and how complete they are."""

from __future__ import annotations

import csv
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import shapely
from shapely import STRtree

from flows.osm_extract import ADDRESS_FIELDS, FACILITY_FIELDS, Boundary, Extract, Row, read_extract, read_rows
from services.errors import ContractError
from services.tabular.geometry import to_wkt

BATCH = 50_000
AREA_FIELDS = ("area_code", "name", "population", "level", "parent_code", "geometry")
# Levels at which countries have their municipalities, the most usual first.
MUNICIPALITY_LEVELS = (8, 7, 9, 6, 10, 5, 4, 3, 2)
# A level that holds so much of what the fullest level holds is complete enough to be the municipalities'.
ENOUGH_SHARE = 0.7
# So many addresses with one and the same postcode speak for the whole municipality.
ENOUGH_NEIGHBOURS = 5


@dataclass(frozen=True)
class TownReport:
    """What was written, and what is missing in it."""

    areas: int
    facilities: int
    address_points: int
    municipality_level: int | None
    areas_by_level: Mapping[int, int]
    areas_without_population: Sequence[str]
    areas_incomplete: Sequence[str]
    addresses_without_street: int
    addresses_without_postcode: int
    addresses_without_city: int
    addresses_outside: int
    postcodes_from_neighbours: int
    interpolations: int
    facilities_by_kind: Mapping[str, int]
    facilities_without_name: int
    files: Sequence[str] = field(default_factory=tuple)

    def as_text(self) -> str:
        """The report in sentences."""
        levels = ", ".join(f"{count} of level {level}" for level, count in self.areas_by_level.items())
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.facilities_by_kind.items())
        lines = [
            f"{self.areas} areas ({levels or 'none'}); municipalities are level {self.municipality_level or 'unknown'}",
            f"  without population: {_named(self.areas_without_population)}",
            f"  left out, since their border is not complete in the extract: {_named(self.areas_incomplete)}",
            f"{self.facilities} facilities ({kinds or 'none'}); without a name: {self.facilities_without_name}",
            f"{self.address_points} addresses; without street: {self.addresses_without_street}, without postcode: "
            f"{self.addresses_without_postcode}, without city: {self.addresses_without_city}",
            f"  outside all municipalities: {self.addresses_outside}; with their neighbours' postcode: {self.postcodes_from_neighbours}",
        ]
        if self.interpolations:
            lines.append(f"  lines of interpolated house numbers, which were left out: {self.interpolations}")
        lines.append(f"written: {', '.join(self.files)}")
        return "\n".join(lines)


def write_town(pbf: Path, out: Path, progress: Callable[[str], None] = lambda text: None) -> TownReport:
    """Write areas.csv, facilities.csv and address_points.csv into `out` and report how complete they are.

    Areas are the municipalities and what lies above them, as far as their borders are complete in the extract. City and postcode that
    an address lacks are taken from the municipality and the postal area around it, a postcode also from the neighbours if they agree.
    Raises ContractError when the file is no extract or holds neither addresses nor facilities.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cartulary-") as folder:
        extract = read_extract(pbf, Path(folder), progress)
        progress("finding municipalities")
        level = _municipality_level(extract)
        areas = _areas(extract, level)
        finder = _Finder([area for area in areas if area.level == level], [each for each in extract.boundaries if each.postcode])
        for rows in read_rows(extract.addresses, ADDRESS_FIELDS, BATCH):
            finder.learn(rows)
        progress("writing areas")
        counts: Counter[str] = Counter()
        parents = _parents(areas)
        populations = _populations(areas, parents, extract)
        _write(out / "areas.csv", AREA_FIELDS, [[_area_row(area, parents, populations) for area in areas]])
        progress("writing facilities")
        _write(out / "facilities.csv", FACILITY_FIELDS, _completed(extract.facilities, FACILITY_FIELDS, finder, counts))
        progress("writing addresses")
        _write(out / "address_points.csv", ADDRESS_FIELDS, _completed(extract.addresses, ADDRESS_FIELDS, finder, counts))
    if not counts["facility"] + counts["address"]:
        raise ContractError(f"{pbf.name} holds neither addresses nor facilities: take an extract with all tags (.osm.pbf).")
    without = [area.name for area in areas if area.code not in populations]
    return TownReport(
        areas=len(areas),
        facilities=counts["facility"],
        address_points=counts["address"],
        municipality_level=level,
        areas_by_level=dict(sorted(Counter(area.level for area in areas if area.level is not None).items())),
        areas_without_population=without,
        areas_incomplete=extract.incomplete,
        addresses_without_street=counts["address without street"],
        addresses_without_postcode=counts["address without postcode"],
        addresses_without_city=counts["address without city"],
        addresses_outside=counts["address outside"],
        postcodes_from_neighbours=counts["address with inferred postcode"],
        interpolations=extract.interpolations,
        facilities_by_kind={key.removeprefix("kind "): count for key, count in sorted(counts.items()) if key.startswith("kind ")},
        facilities_without_name=counts["facility without name"],
        files=[str(out / name) for name in ("areas.csv", "facilities.csv", "address_points.csv")],
    )


class _Finder:
    """Which municipality and which postal area a position lies in."""

    def __init__(self, municipalities: Sequence[Boundary], postal: Sequence[Boundary]) -> None:
        self._municipalities, self._postal = municipalities, postal
        self._municipality_tree = STRtree([area.geometry for area in municipalities])
        self._postal_tree = STRtree([area.geometry for area in postal])
        # Postcode and how many addresses have it, by street and by municipality; empty where neighbours disagree.
        self._neighbours: dict[tuple[str, str], tuple[str, int]] = {}

    def learn(self, rows: list[Row]) -> None:
        """Note which postcodes the addresses of a street and of a municipality have."""
        for row in self.complete(rows):
            if row["area"] and row["postcode"]:
                for street in {row["street"], ""}:
                    known, count = self._neighbours.get((row["area"], street), (row["postcode"], 0))
                    self._neighbours[row["area"], street] = (known if known == row["postcode"] else "", count + 1)

    def complete(self, rows: list[Row]) -> list[Row]:
        """Rows with the city and postcode that they lack, and `area`, the municipality's code or nothing."""
        points = shapely.points([(float(row["lon"]), float(row["lat"])) for row in rows])
        cities = dict(zip(*self._municipality_tree.query(points, predicate="within"), strict=True))
        postcodes = dict(zip(*self._postal_tree.query(points, predicate="within"), strict=True))
        return [self._row(row, cities.get(index), postcodes.get(index)) for index, row in enumerate(rows)]

    def _row(self, row: Row, city: int | None, postcode: int | None) -> Row:
        area = self._municipalities[city] if city is not None else None
        postal = self._postal[postcode] if postcode is not None else None
        code = area.code if area else ""
        postcode_found = row["postcode"] or (postal.postcode if postal else "")
        inferred = "" if postcode_found else self._inferred(code, row["street"])
        return {
            **row,
            "city": row["city"] or (area.name if area else ""),
            "postcode": postcode_found or inferred,
            "area": code,
            "is_inferred": "yes" if inferred else "",
        }

    def _inferred(self, code: str, street: str) -> str:
        """The postcode of all other addresses of the street, or of the whole municipality if at least some have one and the same."""
        of_street = self._neighbours.get((code, street), ("", 0))[0] if street else ""
        of_municipality, count = self._neighbours.get((code, ""), ("", 0))
        return of_street or (of_municipality if count >= ENOUGH_NEIGHBOURS else "")


def _municipality_level(extract: Extract) -> int | None:
    """The level of the municipalities: of the usual ones the first that holds about as many addresses as any."""
    by_level: dict[int, list[Boundary]] = {}
    for area in extract.boundaries:
        if area.level is not None:
            by_level.setdefault(area.level, []).append(area)
    trees = {level: STRtree([area.geometry for area in areas]) for level, areas in by_level.items()}
    held = dict.fromkeys(by_level, 0)
    for path, fields in ((extract.addresses, ADDRESS_FIELDS), (extract.facilities, FACILITY_FIELDS)):
        for rows in read_rows(path, fields, BATCH):
            points = shapely.points([(float(row["lon"]), float(row["lat"])) for row in rows])
            for level, tree in trees.items():
                held[level] += len(np.unique(tree.query(points, predicate="within")[0]))
    most = max(held.values(), default=0)
    enough = [level for level in MUNICIPALITY_LEVELS if level in held and held[level] >= most * ENOUGH_SHARE]
    return enough[0] if enough else None


def _areas(extract: Extract, level: int | None) -> list[Boundary]:
    """The municipalities and what lies above them, from the top; of what lies above only areas with a municipality inside."""
    municipalities = [area for area in extract.boundaries if area.level == level and level is not None]
    middles = [area.geometry.representative_point() for area in municipalities]
    above = [
        area
        for area in extract.boundaries
        if area.level is not None and level is not None and area.level < level and any(area.geometry.contains(middle) for middle in middles)
    ]
    return sorted([*above, *municipalities], key=lambda area: (area.level or 0, area.name, area.code))


def _parents(areas: Sequence[Boundary]) -> dict[str, str]:
    """The area next above each, by code: the one of the next lower level that holds a point inside it."""
    tree = STRtree([area.geometry for area in areas])
    parents = {}
    for area in areas:
        around = [areas[index] for index in tree.query(area.geometry.representative_point(), predicate="within")]
        above = [other for other in around if (other.level or 0) < (area.level or 0)]
        if above:
            parents[area.code] = max(above, key=lambda other: other.level or 0).code
    return parents


def _populations(areas: Sequence[Boundary], parents: Mapping[str, str], extract: Extract) -> dict[str, int]:
    """Inhabitants by area: as tagged, else of the place of the same name inside, else the sum of the parts if all are known."""
    known: dict[str, int] = {}
    for area in reversed(areas):
        parts = [part for part in areas if parents.get(part.code) == area.code]
        population = area.population or _place_population(area, extract)
        is_covered = bool(parts) and sum(part.geometry.area for part in parts) > 0.99 * area.geometry.area
        if population is None and is_covered and all(part.code in known for part in parts):
            population = sum(known[part.code] for part in parts)
        if population is not None:
            known[area.code] = population
    return known


def _place_population(area: Boundary, extract: Extract) -> int | None:
    places = extract.places.get(area.name.casefold(), [])
    return max((people for lon, lat, people in places if area.geometry.contains(shapely.Point(lon, lat))), default=None)


def _area_row(area: Boundary, parents: Mapping[str, str], populations: Mapping[str, int]) -> Row:
    parts = [part for part in shapely.get_parts(area.geometry) if part.geom_type == "Polygon"]
    return {
        "area_code": area.code,
        "name": area.name,
        "population": str(populations.get(area.code, "")),
        "level": str(area.level),
        "parent_code": parents.get(area.code, ""),
        "geometry": to_wkt(shapely.MultiPolygon(parts)),
    }


def _completed(path: Path, fields: tuple[str, ...], finder: _Finder, counts: Counter[str]) -> Iterator[list[Row]]:
    noun = "address" if fields is ADDRESS_FIELDS else "facility"
    for rows in read_rows(path, fields, BATCH):
        completed = finder.complete(rows)
        counts[noun] += len(completed)
        for row in completed:
            counts[f"{noun} outside"] += not row.pop("area")
            counts[f"{noun} with inferred postcode"] += bool(row.pop("is_inferred"))
            if "kind" in row:
                counts[f"kind {row['kind']}"] += 1
            for column in ("street", "postcode", "city", "name"):
                if row.get(column) == "":
                    counts[f"{noun} without {column}"] += 1
        yield completed


def _write(path: Path, fields: Sequence[str], batches: Iterable[list[Row]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        for batch in batches:
            writer.writerows(batch)


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return f"{len(names)} ({shown}{', …' if len(names) > 12 else ''})" if names else "none"
