"""What every geocoder takes and gives: addresses in, one answer each out, with its precision and what else it could be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

GeocoderName = Literal["register", "nominatim"]
Precision = Literal["house", "street", "postcode", "city", "none"]


@dataclass(frozen=True)
class Address:
    """An address as it was read or typed; every part may be empty."""

    street: str = ""
    housenumber: str = ""
    postcode: str = ""
    city: str = ""


class Candidate(BaseModel):
    """A place that the address may mean; `similarity` 0 to 1 over street, postcode and town."""

    model_config = ConfigDict(frozen=True)

    address_id: str
    street: str
    housenumber: str
    postcode: str
    city: str
    longitude: float
    latitude: float
    similarity: float
    street_similarity: float
    city_similarity: float
    precision: Precision


class Geocode(BaseModel):
    """One answer, as bronze.geocodes keeps it. Positions are WGS84 degrees, `uncertainty_m` metres."""

    model_config = ConfigDict(frozen=True)

    geocoder: GeocoderName = Field(default="register", description="who answered")
    geocoder_version: str = ""
    precision: Precision
    address_id: str = Field(default="", description="register entry, or osm:<type>/<id>; empty unless precision is house")
    matched_street: str = ""
    matched_housenumber: str = ""
    matched_postcode: str = ""
    matched_city: str = ""
    longitude: float | None = None
    latitude: float | None = None
    uncertainty_m: float | None = None
    street_similarity: float = 0.0
    street_edits: int = 0
    city_similarity: float = 0.0
    is_postcode_equal: int = 0
    is_housenumber_equal: int = 0
    candidate_margin: float = 0.0
    candidates: tuple[Candidate, ...] = ()
    raw: str = ""
    is_provisional: int = Field(default=0, description="1 when a source was away that might have known better: worth asking again")


class Geocoder(Protocol):
    """Answers where addresses are, many at a time."""

    @property
    def name(self) -> GeocoderName:
        """Kind of geocoder: register or nominatim."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same question could get another answer from the same data."""
        ...

    def geocode(self, addresses: Mapping[str, Address]) -> dict[str, Geocode]:
        """Answer every address under the key that it came with."""
        ...

    def answers_for_good(self) -> bool:
        """Whether all sources answer just now, so that it is worth asking again what was answered provisionally."""
        ...
