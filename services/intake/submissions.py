"""What a web form or a phone call may say: checked, trimmed, and kept as it was said."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator


def _plain(text: str) -> str:
    """One Unicode form for the same letters, and no control characters but line breaks."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(character for character in composed if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs"))


def _one_line(text: str) -> str:
    return " ".join(_plain(text).split())


Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_one_line)]
ShortLine = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40), AfterValidator(_one_line)]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000), AfterValidator(_plain)]
# Kinds are rows of a seed, so only their spelling is checked here.
FacilityKind = Annotated[str, StringConstraints(strip_whitespace=True, max_length=60, pattern=r"^([a-z][a-z0-9_]*)?$")]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


class SubmissionIn(BaseModel):
    """A request typed into the web form or taken down by phone; it needs an address or a position."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Literal["web", "phone"] = "web"
    requester_name: Line = ""
    contact: Line = ""
    street: Line = ""
    housenumber: ShortLine = ""
    postcode: ShortLine = ""
    city: Line = ""
    facility_kind: FacilityKind
    message: Prose = ""
    longitude: Longitude | None = None
    latitude: Latitude | None = None

    @property
    def has_address(self) -> bool:
        """Whether there is anything to look up."""
        return bool(self.street or self.postcode or self.city)

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if (self.longitude is None) != (self.latitude is None):
            raise ValueError("longitude and latitude go together: give both or neither")
        if not self.has_address and self.longitude is None:
            raise ValueError("say where: give street, postcode or city, or longitude and latitude")
        return self
