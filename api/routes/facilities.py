"""Facilities, the address points nearest to each, and the kinds there are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.dependencies import ServicesOf, needs
from api.documentation import answers, listed
from api.formats import BboxOf, Format, FormatOf, bbox_of, point
from api.gold import read, read_page
from api.lists import GoldList, ListOf, gold_answer
from api.models.gold import CATCHMENT_EXAMPLE, FACILITY_EXAMPLE, FACILITY_KIND_EXAMPLE, Catchment, Facility, FacilityKind
from api.pages import ListQuery, Page, PageOf
from api.routes.areas import AreaCode, Kind
from services.errors import NotFoundError

router = APIRouter(prefix="/v1", tags=["facilities"], dependencies=[needs("read")])

FACILITIES = GoldList(
    query=ListQuery("facilities", ("facility_id",)),
    table="gold.dim_facilities",
    model=ListOf[Facility],
    geometry=point,
    identifier="facility_id",
)
CATCHMENTS = GoldList(
    query=ListQuery("catchments", ("facility_id",)),
    table="gold.mart_facility_catchments",
    model=ListOf[Catchment],
    counts_requests=True,
    geometry=point,
    identifier="facility_id",
)


def facility_filters(bbox: str | None = None, facility_kind: str = "", area_code: str = "", facility_id: str = "") -> dict[str, object]:
    """Parameters of the query `facilities`."""
    return {**bbox_of(bbox).parameters(), "facility_kind": facility_kind, "area_code": area_code, "facility_id": facility_id}


@router.get("/facilities", response_model=ListOf[Facility], responses=listed(FACILITY_EXAMPLE, Format.csv, Format.geojson))
def list_facilities(
    request: Request, page: PageOf, bbox: BboxOf = None, facility_kind: Kind = "", area_code: AreaCode = "", wanted: FormatOf = None
) -> Response:
    """Facilities of the newest build, ordered by identifier."""
    return gold_answer(request, FACILITIES, facility_filters(bbox, facility_kind, area_code), page, wanted)


@router.get("/facilities/{facility_id}", response_model=Facility, responses=answers(FACILITY_EXAMPLE, 404))
def get_facility(
    services: ServicesOf, facility_id: Annotated[str, Path(description="The facility's identifier", examples=["node-21"], max_length=500)]
) -> Facility:
    """One facility."""
    rows = read_page(services.warehouse, FACILITIES.query, FACILITIES.table, facility_filters(facility_id=facility_id), Page(1, None), 1)
    if not rows.items:
        raise NotFoundError(f"There is no facility {facility_id}: /v1/facilities lists them.")
    return Facility.model_validate(rows.items[0])


@router.get("/catchments", response_model=ListOf[Catchment], responses=listed(CATCHMENT_EXAMPLE, Format.csv, Format.geojson))
def list_catchments(request: Request, page: PageOf, bbox: BboxOf = None, facility_kind: Kind = "", wanted: FormatOf = None) -> Response:
    """Per facility: the address points for which it is the nearest of its kind, and how far they are."""
    return gold_answer(request, CATCHMENTS, {**bbox_of(bbox).parameters(), "facility_kind": facility_kind}, page, wanted)


@router.get("/facility-kinds", response_model=ListOf[FacilityKind], responses=listed(FACILITY_KIND_EXAMPLE))
def list_facility_kinds(services: ServicesOf) -> dict[str, object]:
    """The kinds of facility, within which distance each covers a point, and its weight in the proximity score."""
    return {"items": read(services.warehouse, "facility_kinds", "gold.dim_facility_kinds", {}), "next_cursor": None}
