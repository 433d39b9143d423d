"""Address points: the dots of the base map, each with its proximity score."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.dependencies import needs
from api.documentation import listed
from api.formats import BboxOf, Format, FormatOf, bbox_of, point
from api.lists import GoldList, ListOf, gold_answer
from api.models.gold import ADDRESS_POINT_EXAMPLE, AddressPoint
from api.pages import ListQuery, PageOf
from api.routes.areas import AreaCode

router = APIRouter(prefix="/v1", tags=["proximity"], dependencies=[needs("read")])

ADDRESS_POINTS = GoldList(
    query=ListQuery("address_points", ("address_id",)),
    table="gold.mart_proximity_scores",
    model=ListOf[AddressPoint],
    geometry=point,
    identifier="address_id",
)


@router.get("/address-points", response_model=ListOf[AddressPoint], responses=listed(ADDRESS_POINT_EXAMPLE, Format.csv, Format.geojson))
def list_address_points(request: Request, page: PageOf, bbox: BboxOf = None, area_code: AreaCode = "", wanted: FormatOf = None) -> Response:
    """Address points of the newest build with their proximity scores, ordered by identifier."""
    return gold_answer(request, ADDRESS_POINTS, {**bbox_of(bbox).parameters(), "area_code": area_code}, page, wanted)
