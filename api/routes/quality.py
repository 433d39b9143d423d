"""How well reading, placing and loading work, where need is greatest, and how requests develop."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api.dependencies import needs
from api.documentation import listed
from api.formats import Format, FormatOf
from api.lists import GoldList, ListOf, gold_answer
from api.models.gold import (
    EXTRACTION_QUALITY_EXAMPLE,
    GEOCODING_EXAMPLE,
    TRACKED_UPLOAD_EXAMPLE,
    TREND_EXAMPLE,
    UNDERSERVED_EXAMPLE,
    ExtractionQuality,
    GeocodingHealth,
    TrackedUpload,
    Trend,
    Underserved,
)
from api.pages import ListQuery, PageOf
from api.routes.areas import AreaCode, Kind

router = APIRouter(prefix="/v1", tags=["quality"], dependencies=[needs("read")])

EXTRACTIONS = GoldList(
    query=ListQuery("quality_extractions", ("extractor", "model", "language")),
    table="gold.mart_extraction_quality",
    model=ListOf[ExtractionQuality],
)
GEOCODING = GoldList(
    query=ListQuery("quality_geocoding", ("geocoder", "precision")), table="gold.mart_geocoding_health", model=ListOf[GeocodingHealth]
)
LOADS = GoldList(
    query=ListQuery("quality_loads", ("received_at", "upload_id")), table="gold.mart_upload_tracking", model=ListOf[TrackedUpload]
)
UNDERSERVED = GoldList(
    query=ListQuery("underserved", ("need_rank", "area_code", "facility_kind")),
    table="gold.mart_underserved_areas",
    model=ListOf[Underserved],
    counts_requests=True,
)
TRENDS = GoldList(
    query=ListQuery("trends", ("month_date", "area_code", "facility_kind", "channel")),
    table="gold.mart_request_trends",
    model=ListOf[Trend],
    counts_requests=True,
)

Dataset = Annotated[str, Query(description="Only this dataset", examples=["facilities"], max_length=200)]
Channel = Annotated[Literal["", "letter", "web", "phone"], Query(description="Only this channel", examples=["letter"])]


@router.get("/quality/extractions", response_model=ListOf[ExtractionQuality], responses=listed(EXTRACTION_QUALITY_EXAMPLE, Format.csv))
def list_extraction_quality(request: Request, page: PageOf, wanted: FormatOf = None) -> Response:
    """How well each reader and model read the letters of each language."""
    return gold_answer(request, EXTRACTIONS, {}, page, wanted)


@router.get("/quality/geocoding", response_model=ListOf[GeocodingHealth], responses=listed(GEOCODING_EXAMPLE, Format.csv))
def list_geocoding_health(request: Request, page: PageOf, wanted: FormatOf = None) -> Response:
    """How precisely each geocoder placed what it was asked."""
    return gold_answer(request, GEOCODING, {}, page, wanted)


@router.get("/quality/loads", response_model=ListOf[TrackedUpload], responses=listed(TRACKED_UPLOAD_EXAMPLE, Format.csv))
def list_load_quality(request: Request, page: PageOf, dataset: Dataset = "", wanted: FormatOf = None) -> Response:
    """Uploads with what landed and what was rejected, as of the newest build."""
    return gold_answer(request, LOADS, {"dataset": dataset}, page, wanted)


@router.get("/quality/underserved", response_model=ListOf[Underserved], responses=listed(UNDERSERVED_EXAMPLE, Format.csv))
def list_underserved_areas(request: Request, page: PageOf, facility_kind: Kind = "", wanted: FormatOf = None) -> Response:
    """Areas and kinds, the greatest need first."""
    return gold_answer(request, UNDERSERVED, {"facility_kind": facility_kind}, page, wanted)


@router.get("/trends", response_model=ListOf[Trend], responses=listed(TREND_EXAMPLE, Format.csv))
def list_trends(
    request: Request, page: PageOf, area_code: AreaCode = "", facility_kind: Kind = "", channel: Channel = "", wanted: FormatOf = None
) -> Response:
    """Requests per month, area, kind and channel."""
    return gold_answer(request, TRENDS, {"area_code": area_code, "facility_kind": facility_kind, "channel": channel}, page, wanted)
