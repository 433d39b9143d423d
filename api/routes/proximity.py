"""How near a point is to everything it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.dependencies import ServicesOf, needs
from api.documentation import answers
from api.gold import read

router = APIRouter(prefix="/v1/proximity", tags=["proximity"], dependencies=[needs("read")])


class NearestFacility(BaseModel):
    """The nearest facility of one kind; null where there is none of the kind."""

    facility_kind: str
    facility_id: str | None
    facility_name: str | None
    distance_km: float | None = Field(description="great-circle kilometres")
    is_covered: bool = Field(description="whether it lies within the kind's coverage distance")
    kind_score: float = Field(description="0 to 100: 100 at the facility, 0 from the kind's largest distance on")
    weight: float


class Proximity(BaseModel):
    """The proximity score of a point and what it is made of."""

    longitude: float
    latitude: float
    proximity_score: float | None = Field(description="0 to 100; null as long as no build has been published")
    kinds: list[NearestFacility]


EXAMPLE = {
    "longitude": 9.5209,
    "latitude": 47.141,
    "proximity_score": 62.0,
    "kinds": [
        {
            "facility_kind": "pharmacy",
            "facility_id": "node-21",
            "facility_name": "Town pharmacy",
            "distance_km": 1.9,
            "is_covered": False,
            "kind_score": 62.0,
            "weight": 1.0,
        }
    ],
}


def kind_score(distance_km: float | None, max_distance_km: float) -> float:
    """100 × max(0, 1 − d/d_max) for a distance in kilometres; 0 when there is no facility of the kind."""
    return 0.0 if distance_km is None else 100 * max(0.0, 1 - distance_km / max_distance_km)


def proximity_score(kinds: Sequence[Mapping[str, Any]]) -> float | None:
    """100 × Σ w·max(0, 1 − d/d_max) / Σ w over all kinds, as defined for gold.mart_proximity_scores; None without kinds."""
    total = sum(float(kind["weight"]) for kind in kinds)
    if not total:
        return None
    return sum(float(kind["weight"]) * kind_score(kind["distance_km"], kind["max_distance_km"]) for kind in kinds) / total


@router.get("", response_model=Proximity, responses=answers(EXAMPLE))
def get_proximity(
    services: ServicesOf,
    longitude: Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False, description="Degrees, WGS 84", examples=[9.5209])],
    latitude: Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False, description="Degrees, WGS 84", examples=[47.141])],
) -> Proximity:
    """Proximity score of any point, with the nearest facility of each kind."""
    rows = read(services.warehouse, "proximity", "gold.dim_facilities", {"longitude": longitude, "latitude": latitude})
    kinds = [
        NearestFacility(
            facility_kind=row["facility_kind"],
            facility_id=row["facility_id"],
            facility_name=row["facility_name"],
            distance_km=row["distance_km"],
            is_covered=row["distance_km"] is not None and row["distance_km"] <= row["coverage_distance_km"],
            kind_score=kind_score(row["distance_km"], row["max_distance_km"]),
            weight=row["weight"],
        )
        for row in rows
    ]
    return Proximity(longitude=longitude, latitude=latitude, proximity_score=proximity_score(rows), kinds=kinds)
