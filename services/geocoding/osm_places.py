"""What Nominatim's JSON says: which kind of place it is, how its street and towns are called, and how large it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from services.geocoding.ladder import distance_m

# Ranks of Nominatim: 26 and 27 are streets, 30 is a house; from 13 to 25 lie towns and their parts.
STREET_RANKS = range(26, 28)
HOUSE_RANK = 30
TOWN_RANKS = range(13, 26)
STREETS = ("road", "pedestrian", "footway", "cycleway", "path", "square")
# Where houses bear the name of a place in the street's stead, as in hamlets.
PLACES_IN_STEAD = ("place", "isolated_dwelling", "farm", "hamlet", "neighbourhood", "croft")
TOWNS = (
    *("city", "town", "village", "municipality", "hamlet", "suburb", "borough", "city_district", "quarter", "neighbourhood"),
    *("isolated_dwelling", "locality"),
)

Kind = Literal["house", "street", "place"]


class OsmPlace(BaseModel):
    """One entry of Nominatim's answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    osm_type: Literal["node", "way", "relation"] | None = None
    osm_id: int | None = None
    lat: float
    lon: float
    place_rank: int
    addresstype: str = ""
    address: Mapping[str, str] = {}
    boundingbox: tuple[float, float, float, float] | None = None

    @property
    def kind(self) -> Kind | None:
        """House, street or place; None for what is no answer to an address: a river, a country, a shop without house number."""
        if self.place_rank >= HOUSE_RANK and self.address.get("house_number"):
            return "house"
        if self.place_rank in STREET_RANKS:
            return "street"
        if self.addresstype == "postcode" or self.place_rank in TOWN_RANKS:
            return "place"
        return None

    @property
    def address_id(self) -> str:
        """`osm:<type>/<id>`."""
        return f"osm:{self.osm_type}/{self.osm_id}"

    @property
    def street(self) -> str:
        """The street's name, or that of the place which stands in its stead."""
        return next((self.address[name] for name in (*STREETS, *PLACES_IN_STEAD) if self.address.get(name)), "")

    @property
    def postcode(self) -> str:
        """Often empty for streets and towns, which may have several."""
        return self.address.get("postcode", "")

    @property
    def towns(self) -> tuple[str, ...]:
        """All names that a letter may give as its town; one empty name when there is none."""
        return tuple(dict.fromkeys(self.address[name] for name in TOWNS if self.address.get(name))) or ("",)

    @property
    def radius_m(self) -> float:
        """Half the diagonal of the bounding box, metres; 0 when there is none."""
        if self.boundingbox is None:
            return 0.0
        south, north, west, east = self.boundingbox
        return distance_m(west, south, east, north) / 2


def parse_places(raw: Iterable[Mapping[str, Any]]) -> list[OsmPlace]:
    """The entries that have a kind, in the server's order; what does not look like an entry is left out."""
    places = []
    for entry in raw:
        try:
            place = OsmPlace.model_validate(entry)
        except ValidationError:
            continue
        if place.kind is not None and (place.kind != "house" or (place.osm_type and place.osm_id)):
            places.append(place)
    return places
