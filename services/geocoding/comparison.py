"""Measures the places that Nominatim found against the address asked for, as the register does its own, and refuses contradictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from services.geocoding.base import Address
from services.geocoding.ladder import MIN_STREET, PlaceMatch, StreetMatch, distance_m
from services.geocoding.osm_places import OsmPlace
from services.geocoding.register import Found
from services.warehouse.client import Warehouse

# Rows of one query, whose columns are parameters: ClickHouse takes 128 kB in a field of a form unless it is told otherwise.
BATCH = 500
# A street is a line: how far from its middle, in its own radii, a house of it may lie.
ALONG_STREET = 1.5
BESIDE_STREET_M = 200.0
# OpenStreetMap cuts streets into pieces, of which one is found: the house may stand on another one.
MIN_STREET_RADIUS_M = 200.0

Match = StreetMatch | PlaceMatch


@dataclass(frozen=True)
class Finding:
    """A place that was found for an address, with the whole answer that it stood in."""

    address: Address
    place: OsmPlace
    raw: str


class Comparison:
    """Compares by the functions of the warehouse, many findings at a time."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._sql = files(__package__).joinpath("comparison.sql").read_text("utf-8")

    def match(self, findings: Sequence[Finding]) -> list[Match | None]:
        """One match for each finding; None where it contradicts its address: neither postcode nor town agree, another street,
        another house number. Raises WarehouseError."""
        asked = [(number, finding, town) for number, finding in enumerate(findings) for town in finding.place.towns]
        best: dict[int, Mapping[str, Any]] = {}
        for start in range(0, len(asked), BATCH):
            part = asked[start : start + BATCH]
            columns = zip(*(_row(finding, town) for _, finding, town in part), strict=True)
            rows = self._warehouse.query(self._sql, dict(zip(COLUMNS, map(list, columns), strict=True)))
            for (number, _, town), row in zip(part, rows, strict=True):
                # Of equally good names the first, which is the larger town's.
                if number not in best or row["city_similarity"] > best[number]["city_similarity"]:
                    best[number] = {**row, "city": town}
        return [_match(finding, best[number]) for number, finding in enumerate(findings)]


COLUMNS = (
    *("asked_streets", "asked_housenumbers", "asked_postcodes", "asked_cities"),
    *("streets", "housenumbers", "postcodes", "cities"),
)


def _row(finding: Finding, town: str) -> tuple[str, ...]:
    address, place = finding.address, finding.place
    asked = (address.street, address.housenumber, address.postcode, address.city)
    return (*asked, place.street, place.address.get("house_number", ""), place.postcode, town)


def _match(finding: Finding, row: Mapping[str, Any]) -> Match | None:
    place = finding.place
    if not row["is_postcode_equal"] and row["city_similarity"] < MIN_STREET:
        return None
    town = PlaceMatch(
        city_key=row["city_key"],
        postcode_key=row["postcode_key"],
        city=row["city"],
        postcode=place.postcode,
        longitude=place.lon,
        latitude=place.lat,
        radius_m=place.radius_m,
        is_postcode_equal=bool(row["is_postcode_equal"]),
        city_similarity=row["city_similarity"],
        similarity=row["place_similarity"],
        geocoder="nominatim",
        raw=finding.raw,
    )
    if place.kind == "place":
        return town
    is_house = place.kind == "house"
    # The server falls back from 3bis to 3 without a word.
    if row["street_similarity"] < MIN_STREET or (is_house and not row["is_housenumber_equal"]):
        return None
    return StreetMatch(
        place=town,
        street_key=row["street_key"],
        accented_key=row["accented_key"],
        street=place.street,
        street_edits=row["street_edits"],
        street_similarity=row["street_similarity"],
        longitude=place.lon,
        latitude=place.lat,
        radius_m=place.radius_m if is_house else max(place.radius_m, MIN_STREET_RADIUS_M),
        address_id=place.address_id if is_house else "",
        housenumber=place.address["house_number"] if is_house else "",
    )


def joined(register: Found, matches: Sequence[Match]) -> Found:
    """What both know of one address. Where the register has the street, a house on it belongs to the register's street with its
    official postcode; where it has the house too, its own position stands, and Nominatim only tells by what other name the town goes."""
    streets = list(register.streets)
    for match in matches:
        if isinstance(match, PlaceMatch):
            continue
        at = next((at for at, street in enumerate(register.streets) if _is_on(match, street)), None)
        if at is None:
            streets.append(match)
            continue
        known = streets[at] = replace(streets[at], place=_better_named(streets[at].place, match.place))
        if match.address_id and not known.address_id:
            streets.append(replace(match, place=replace(known.place, geocoder="nominatim", raw=match.place.raw)))
    # The register's towns first where both are equally like.
    places = sorted([*register.places, *(match for match in matches if isinstance(match, PlaceMatch))], key=lambda place: -place.similarity)
    return Found(places, streets)


def _better_named(place: PlaceMatch, found: PlaceMatch) -> PlaceMatch:
    """Letters name the village or quarter where the register names the municipality: the name that fits counts, and the answer that
    knew it is kept."""
    if found.city_similarity <= place.city_similarity:
        return place
    similarity = max(place.similarity, found.similarity)
    return replace(place, city=found.city, city_similarity=found.city_similarity, similarity=similarity, raw=found.raw)


def _is_on(match: StreetMatch, street: StreetMatch) -> bool:
    """Whether Nominatim's house or street is this one of the register, whatever their town is called: the same name at the same place."""
    reach = ALONG_STREET * street.radius_m + (0.0 if match.address_id else match.radius_m) + BESIDE_STREET_M
    near = distance_m(match.longitude, match.latitude, street.longitude, street.latitude) <= reach
    return match.accented_key == street.accented_key and near
