"""What a person decides about a letter or submission; later steps let it win over the machine."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.intake.submissions import FacilityKind, Latitude, Line, Longitude, Prose, ShortLine

ADDRESS_FIELDS = ("street", "housenumber", "postcode", "city")
FIELDS = ("sender_name", *ADDRESS_FIELDS, "letter_date", "facility_kind")

Action = Literal["accept", "correct", "place", "reject", "reopen"]
SubjectId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$")]


class CorrectionFields(BaseModel):
    """A decision as the review desk sends it: fields that are null stay as the machine read them, "" empties them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action
    sender_name: Line | None = None
    street: Line | None = None
    housenumber: ShortLine | None = None
    postcode: ShortLine | None = None
    city: Line | None = None
    letter_date: Annotated[date, Field(ge=date(1900, 1, 1), le=date(2299, 12, 31))] | None = None
    facility_kind: FacilityKind | None = None
    longitude: Longitude | None = None
    latitude: Latitude | None = None
    note: Prose = ""

    @property
    def needs_place(self) -> bool:
        """Whether the address, as it stands after this decision, has to be looked up: a person vouches for all of it."""
        return self.action == "correct"

    @model_validator(mode="after")
    def _fits_its_action(self) -> Self:
        given = [name for name in FIELDS if getattr(self, name) is not None]
        has_position = self.longitude is not None and self.latitude is not None
        if self.action == "place" and not has_position:
            raise ValueError("place needs longitude and latitude")
        if self.action != "place" and (self.longitude is not None or self.latitude is not None):
            raise ValueError(f"{self.action} takes no longitude and latitude: use place")
        if self.action == "correct" and not given:
            raise ValueError(f"correct needs at least one of {', '.join(FIELDS)}")
        if self.action in ("accept", "reject", "reopen") and given:
            raise ValueError(f"{self.action} changes no fields ({', '.join(given)}): use correct")
        return self


class CorrectionIn(CorrectionFields):
    """A decision and what it is about."""

    subject_kind: Literal["letter", "submission"]
    subject_id: SubjectId
