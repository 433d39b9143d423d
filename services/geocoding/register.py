"""Finds addresses in the register that was loaded: typo-tolerant, in SQL, many at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from services.geocoding.base import Address, Geocode, GeocoderName
from services.geocoding.ladder import SAME_PLACE_M, PlaceMatch, StreetMatch, decide
from services.geocoding.tidying import tidy
from services.warehouse.client import Warehouse

# As many at once as keep the comparison of streets below a second and some 100 MB.
BATCH = 500
# Made from the register by dbt, together; without them there is no register yet.
TABLES = ("int_addresses__normalized", "int_addresses__places", "int_addresses__streets")

Row = Mapping[str, Any]


def _sql(name: str) -> str:
    return files(__package__).joinpath(f"{name}.sql").read_text("utf-8")


@dataclass(frozen=True)
class Found:
    """What the register offers for one address, best first; both empty where it knows nothing like it."""

    places: Sequence[PlaceMatch] = ()
    streets: Sequence[StreetMatch] = ()


class RegisterGeocoder:
    """Geocoder over the address register in silver."""

    name: GeocoderName = "register"
    version = "2"

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._sql = {name: _sql(name) for name in ("keys", "places", "streets", "houses")}

    def geocode(self, addresses: Mapping[str, Address]) -> dict[str, Geocode]:
        """Answer every address under its key; an empty or missing register answers `none`. Raises WarehouseError."""
        found = self.find({key: tidy(address) for key, address in addresses.items()})
        answers = {key: decide(offer.places, offer.streets) for key, offer in found.items()}
        return {key: answer.model_copy(update={"geocoder_version": self.version}) for key, answer in answers.items()}

    def answers_for_good(self) -> bool:
        """The register is never away for itself."""
        return True

    def find(self, addresses: Mapping[str, Address]) -> dict[str, Found]:
        """What the register offers for each address, which is tidy already. Raises WarehouseError."""
        keys = list(addresses)
        if not keys or not self._has_register():
            return {key: Found() for key in keys}
        found: dict[str, Found] = {}
        for start in range(0, len(keys), BATCH):
            part = keys[start : start + BATCH]
            found.update(zip(part, self._look_up([addresses[key] for key in part]), strict=True))
        return found

    def _has_register(self) -> bool:
        sql = "select count() from system.tables where database = 'silver' and name in {tables:Array(String)}"
        return bool(self._warehouse.scalar(sql, {"tables": list(TABLES)}) == len(TABLES))

    def _ask(self, name: str, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
        return self._warehouse.query(self._sql[name], parameters)

    def _look_up(self, addresses: Sequence[Address]) -> list[Found]:
        asked = self._ask(
            "keys",
            {
                "streets": [address.street for address in addresses],
                "housenumbers": [address.housenumber for address in addresses],
                "postcodes": [address.postcode for address in addresses],
                "cities": [address.city for address in addresses],
            },
        )
        names = ("postcode_key", "city_key", "city_skeleton", "street_key")
        place_rows = self._ask("places", _columns(asked, names))
        places = {(row["query_id"], row["city_key"], row["postcode_key"]): _place(row) for row in place_rows}
        by_query: dict[int, list[PlaceMatch]] = defaultdict(list)
        for (number, _, _), place in places.items():
            by_query[number].append(place)
        streets: dict[int, list[StreetMatch]] = defaultdict(list)
        for row in self._streets(asked, place_rows):
            streets[row["query_id"]].append(_street(row, places[row["query_id"], row["city_key"], row["postcode_key"]]))
        return [Found(by_query[number], streets[number]) for number in range(len(addresses))]

    def _streets(self, asked: Sequence[Row], place_rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Streets that resemble, each with the house asked for under `house` if the register knows it."""
        if not place_rows:
            return []
        parameters = _columns(asked, ("street_key", "accented_key", "folded_key", "skeleton"))
        parameters["place_ids"] = [row["query_id"] for row in place_rows]
        parameters["place_cities"] = [row["city_key"] for row in place_rows]
        parameters["place_postcodes"] = [row["postcode_key"] for row in place_rows]
        rows = [{**row, "housenumber_key": asked[row["query_id"]]["housenumber_key"]} for row in self._ask("streets", parameters)]
        identity = ("city_key", "postcode_key", "accented_key", "housenumber_key")
        numbered = [row for row in rows if row["housenumber_key"]]
        houses = self._ask("houses", _columns(numbered, (*identity, "street_key"))) if numbered else []
        known = {tuple(house[name] for name in identity): house for house in houses}
        return [{**row, "house": known.get(tuple(row[name] for name in identity))} for row in rows]


def _columns(rows: Sequence[Row], names: Sequence[str]) -> dict[str, object]:
    """Query parameters: one array per key column, its name in the plural."""
    return {f"{name}s": [row[name] for row in rows] for name in names}


def _place(row: Row) -> PlaceMatch:
    return PlaceMatch(
        city_key=row["city_key"],
        postcode_key=row["postcode_key"],
        city=row["city"],
        postcode=row["postcode"],
        longitude=row["longitude"],
        latitude=row["latitude"],
        radius_m=row["radius_m"],
        is_postcode_equal=bool(row["is_postcode_equal"]),
        city_similarity=row["city_similarity"],
        similarity=row["place_similarity"],
    )


def _street(row: Row, place: PlaceMatch) -> StreetMatch:
    house: Row | None = row["house"]
    position = house or row
    return StreetMatch(
        place=place,
        street_key=row["street_key"],
        accented_key=row["accented_key"],
        street=row["street"],
        street_edits=row["street_edits"],
        street_similarity=row["street_similarity"],
        longitude=position["longitude"],
        latitude=position["latitude"],
        radius_m=house["spread_m"] / 2 if house else row["radius_m"],
        address_id=house["address_id"] if house else "",
        housenumber=house["housenumber"] if house else "",
        is_scattered=house is not None and house["spread_m"] > SAME_PLACE_M,
    )
