"""Rows of gold as the API gives them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

FEW = "null below 5 without the scope exact"


class Area(BaseModel):
    """An administrative area; its polygon is in the GeoJSON answer."""

    area_code: str
    area_name: str
    level: int = Field(description="0 when the source gives none")
    parent_code: str
    population: int | None
    address_point_count: int
    area_km2: float | None
    min_longitude: float
    min_latitude: float
    max_longitude: float
    max_latitude: float


class Facility(BaseModel):
    """A service location."""

    facility_id: str
    facility_name: str
    facility_kind: str
    street: str | None
    housenumber: str | None
    postcode: str | None
    city: str | None
    longitude: float
    latitude: float
    area_code: str = Field(description="empty outside every area")


class AddressPoint(BaseModel):
    """A point of the address register and how near it is to everything."""

    address_id: str
    longitude: float
    latitude: float
    area_code: str = Field(description="empty outside every area")
    proximity_score: float = Field(description="0 to 100")


class Catchment(BaseModel):
    """A facility and the address points for which it is the nearest of its kind; distances are great-circle kilometres."""

    facility_id: str
    facility_kind: str
    facility_name: str
    longitude: float
    latitude: float
    address_point_count: int
    mean_distance_km: float | None
    max_distance_km: float | None
    request_count: int | None = Field(description=FEW)


class Coverage(BaseModel):
    """Share (0 to 1) of an area's address points within the kind's distance; null below 20 address points."""

    area_code: str
    area_name: str
    facility_kind: str
    address_point_count: int
    covered_address_point_count: int
    coverage_share: float | None
    covered_population: float | None
    population: int | None
    request_count: int | None = Field(description=FEW)
    median_distance_km: float | None


class Underserved(BaseModel):
    """An area and kind by need, 1 the greatest."""

    need_rank: int
    area_code: str
    area_name: str
    facility_kind: str
    coverage_share: float | None
    population: int | None
    uncovered_population: float | None
    request_count: int | None = Field(description=FEW)


class Trend(BaseModel):
    """Requests of a month, area, kind and channel; without the scope exact there is no row for fewer than 5."""

    month_date: date
    area_code: str
    facility_kind: str
    channel: str
    request_count: int


class RequestRow(BaseModel):
    """What a letter or submission asks for, at its exact position."""

    request_id: str = Field(description="letter_id or submission_id")
    channel: str
    state: str
    facility_kind: str
    requested_on: date
    language: str | None
    precision: str
    longitude: float
    latitude: float
    uncertainty_m: float | None
    area_code: str
    h3_cell: str = Field(description="H3 cell of resolution 9, hexadecimal")
    nearest_facility_id: str | None
    nearest_facility_distance_km: float | None
    evidence_score: float | None
    is_corrected: bool
    received_at: datetime
    located_at: datetime | None


class Cell(BaseModel):
    """Requests in an H3 cell; cells with fewer than 5 are merged into coarser ones."""

    h3_cell: str
    resolution: int
    longitude: float
    latitude: float
    request_count: int


class ExtractionQuality(BaseModel):
    """How well a reader and model read the letters of a language; shares are 0 to 1."""

    extractor: str
    model: str
    language: str
    letter_count: int
    read_count: int
    unreadable_count: int
    failed_count: int
    mean_street_score: float | None
    located_share: float | None
    review_share: float | None


class GeocodingHealth(BaseModel):
    """How precisely a geocoder answers; shares are 0 to 1, provisional answers were given while another source was away."""

    geocoder: str
    precision: str
    geocode_count: int
    share: float | None
    mean_similarity: float | None
    provisional_share: float | None


class TrackedUpload(BaseModel):
    """An upload, as of the newest build."""

    upload_id: str
    purpose: str
    dataset: str
    file_name: str
    state: str
    landed_rows: int | None
    rejected_rows: int | None
    received_at: datetime


class FacilityKind(BaseModel):
    """A kind of facility: within which distance it counts as covered, and its weight in the proximity score."""

    facility_kind: str
    label: str
    weight: float
    distance_km: float = Field(description="an address point within this distance is covered")
    max_distance_km: float = Field(description="from this distance on, the kind adds nothing to the proximity score")
    facility_count: int


AREA_EXAMPLE: dict[str, Any] = {
    "area_code": "7001",
    "area_name": "Lindenau",
    "level": 8,
    "parent_code": "70",
    "population": 5737,
    "address_point_count": 1834,
    "area_km2": 17.3,
    "min_longitude": 9.49,
    "min_latitude": 47.11,
    "max_longitude": 9.57,
    "max_latitude": 47.16,
}
FACILITY_EXAMPLE: dict[str, Any] = {
    "facility_id": "node-21",
    "facility_name": "Town pharmacy",
    "facility_kind": "pharmacy",
    "street": "Main street",
    "housenumber": "12a",
    "postcode": "7001",
    "city": "Lindenau",
    "longitude": 9.5209,
    "latitude": 47.141,
    "area_code": "7001",
}
ADDRESS_POINT_EXAMPLE: dict[str, Any] = {
    "address_id": "node-4711",
    "longitude": 9.5209,
    "latitude": 47.141,
    "area_code": "7001",
    "proximity_score": 62.0,
}
CATCHMENT_EXAMPLE: dict[str, Any] = {
    "facility_id": "node-21",
    "facility_kind": "pharmacy",
    "facility_name": "Town pharmacy",
    "longitude": 9.5209,
    "latitude": 47.141,
    "address_point_count": 912,
    "mean_distance_km": 0.8,
    "max_distance_km": 3.4,
    "request_count": 17,
}
COVERAGE_EXAMPLE: dict[str, Any] = {
    "area_code": "7001",
    "area_name": "Lindenau",
    "facility_kind": "pharmacy",
    "address_point_count": 1834,
    "covered_address_point_count": 1100,
    "coverage_share": 0.5998,
    "covered_population": 3441.0,
    "population": 5737,
    "request_count": 6,
    "median_distance_km": 0.7,
}
UNDERSERVED_EXAMPLE: dict[str, Any] = {
    "need_rank": 1,
    "area_code": "7001",
    "area_name": "Lindenau",
    "facility_kind": "pharmacy",
    "coverage_share": 0.5998,
    "population": 5737,
    "uncovered_population": 2296.0,
    "request_count": 6,
}
TREND_EXAMPLE: dict[str, Any] = {
    "month_date": "2026-03-01",
    "area_code": "7001",
    "facility_kind": "pharmacy",
    "channel": "letter",
    "request_count": 4,
}
REQUEST_EXAMPLE: dict[str, Any] = {
    "request_id": "5f0c9b0e6d1a4c56a1f0b8c7d6e5f4a3",
    "channel": "letter",
    "state": "located",
    "facility_kind": "pharmacy",
    "requested_on": "2026-02-27",
    "language": "de",
    "precision": "house",
    "longitude": 9.5209,
    "latitude": 47.141,
    "uncertainty_m": 10.0,
    "area_code": "7001",
    "h3_cell": "891f8d7a49bffff",
    "nearest_facility_id": "node-21",
    "nearest_facility_distance_km": 1.9,
    "evidence_score": 93.5,
    "is_corrected": False,
    "received_at": "2026-03-01T12:00:00Z",
    "located_at": "2026-03-01T12:00:09Z",
}
CELL_EXAMPLE: dict[str, Any] = {
    "h3_cell": "881f8d7a49fffff",
    "resolution": 8,
    "longitude": 9.5209,
    "latitude": 47.141,
    "request_count": 7,
}
EXTRACTION_QUALITY_EXAMPLE: dict[str, Any] = {
    "extractor": "ocr",
    "model": "latin",
    "language": "de",
    "letter_count": 40,
    "read_count": 38,
    "unreadable_count": 2,
    "failed_count": 0,
    "mean_street_score": 0.96,
    "located_share": 0.9,
    "review_share": 0.05,
}
GEOCODING_EXAMPLE: dict[str, Any] = {
    "geocoder": "register",
    "precision": "house",
    "geocode_count": 36,
    "share": 0.9,
    "mean_similarity": 0.98,
    "provisional_share": 0.0,
}
TRACKED_UPLOAD_EXAMPLE: dict[str, Any] = {
    "upload_id": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "purpose": "dataset",
    "dataset": "facilities",
    "file_name": "facilities.csv",
    "state": "loaded",
    "landed_rows": 120,
    "rejected_rows": 3,
    "received_at": "2026-03-01T12:00:00Z",
}
FACILITY_KIND_EXAMPLE: dict[str, Any] = {
    "facility_kind": "pharmacy",
    "label": "Pharmacy",
    "weight": 1.0,
    "distance_km": 1.5,
    "max_distance_km": 5.0,
    "facility_count": 9,
}
