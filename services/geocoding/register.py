"""Finds addresses in the register that was loaded: typo-tolerant, in SQL, many at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from services.geocoding.base import Address, Geocode
from services.geocoding.ladder import PlaceMatch, StreetMatch, decide
from services.warehouse.client import Warehouse

# As many at once as keep the comparison of streets below a second and some 100 MB.
BATCH = 500
_TABLE = "silver.int_addresses__normalized"


def _sql(name: str) -> str:
    return files(__package__).joinpath(f"{name}.sql").read_text("utf-8")


class RegisterGeocoder:
    """Geocoder over silver.int_addresses__normalized."""

    name = "register"
    version = "1"

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._places_sql = _sql("places")
        self._houses_sql = _sql("houses")

    def geocode(self, addresses: Mapping[str, Address]) -> dict[str, Geocode]:
        """Answer every address under its key; an empty or missing register answers `none`. Raises WarehouseError."""
        keys = list(addresses)
        if not keys or not self._has_register():
            return {key: Geocode(precision="none") for key in keys}
        answers: dict[str, Geocode] = {}
        for start in range(0, len(keys), BATCH):
            part = keys[start : start + BATCH]
            found = self._look_up([addresses[key] for key in part])
            answers.update(zip(part, found, strict=True))
        return answers

    def _has_register(self) -> bool:
        return bool(
            self._warehouse.scalar(
                "select count() from system.tables where concat(database, '.', name) = {table:String}", {"table": _TABLE}
            )
        )

    def _look_up(self, addresses: Sequence[Address]) -> list[Geocode]:
        ids = list(range(len(addresses)))
        streets = [address.street for address in addresses]
        place_rows = self._warehouse.query(
            self._places_sql,
            {"ids": ids, "postcodes": [a.postcode for a in addresses], "cities": [a.city for a in addresses], "streets": streets},
        )
        places: dict[int, list[PlaceMatch]] = defaultdict(list)
        for row in place_rows:
            places[row["query_id"]].append(_place(row))
        houses: dict[int, list[StreetMatch]] = defaultdict(list)
        if place_rows:
            parameters = {
                "ids": ids,
                "streets": streets,
                "housenumbers": [address.housenumber for address in addresses],
                "place_ids": [row["query_id"] for row in place_rows],
                "place_cities": [row["city_key"] for row in place_rows],
                "place_postcodes": [row["postcode_key"] for row in place_rows],
            }
            by_place = {(row["query_id"], row["city_key"], row["postcode_key"]): _place(row) for row in place_rows}
            for row in self._warehouse.query(self._houses_sql, parameters):
                place = by_place[row["query_id"], row["city_key"], row["postcode_key"]]
                houses[row["query_id"]].append(_street(row, place))
        return [decide(places[number], houses[number]) for number in ids]


def _place(row: Mapping[str, Any]) -> PlaceMatch:
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


def _street(row: Mapping[str, Any], place: PlaceMatch) -> StreetMatch:
    has_house = bool(row["address_id"])
    return StreetMatch(
        place=place,
        street_key=row["street_key"],
        accented_key=row["accented_key"],
        street=row["street"],
        street_edits=row["street_edits"],
        street_similarity=row["street_similarity"],
        longitude=row["house_longitude"] if has_house else row["street_longitude"],
        latitude=row["house_latitude"] if has_house else row["street_latitude"],
        radius_m=row["house_spread_m"] if has_house else row["street_radius_m"],
        address_id=row["address_id"] or "",
        housenumber=row["housenumber"] or "",
    )
