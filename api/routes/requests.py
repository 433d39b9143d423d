"""Requests on the map: exact positions for those who may see them, counts per cell for everybody else."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api.dependencies import needs
from api.documentation import listed
from api.formats import BboxOf, Format, FormatOf, bbox_of, chosen, point
from api.lists import GoldList, ListOf, gold_answer
from api.models.gold import CELL_EXAMPLE, REQUEST_EXAMPLE, Cell, RequestRow
from api.pages import ListQuery, PageOf
from api.routes.areas import AreaCode, Kind

router = APIRouter(prefix="/v1/requests", tags=["requests"])

REQUESTS = GoldList(
    query=ListQuery("requests", ("received_at", "request_id")),
    table="gold.fct_requests",
    model=ListOf[RequestRow],
    geometry=point,
    identifier="request_id",
)
CELLS = GoldList(
    query=ListQuery("request_cells", ("h3_cell",)),
    table="gold.mart_requests_by_cell",
    model=ListOf[Cell],
    geometry=lambda row: str(row["geometry"]) or "null",
    identifier="h3_cell",
    without=("geometry",),
)


@router.get(
    "",
    response_model=ListOf[RequestRow],
    responses=listed(REQUEST_EXAMPLE, Format.csv, Format.geojson),
    dependencies=[needs("exact")],
)
def list_requests(
    request: Request,
    page: PageOf,
    bbox: BboxOf = None,
    facility_kind: Kind = "",
    area_code: AreaCode = "",
    state: Annotated[Literal["", "located", "approximate"], Query(description="Only this state", examples=["located"])] = "",
    channel: Annotated[Literal["", "letter", "web", "phone"], Query(description="Only this channel", examples=["letter"])] = "",
    wanted: FormatOf = None,
) -> Response:
    """Requests of the newest build at their exact positions, the newest first. Without the scope exact: /v1/requests/cells."""
    filters = {**bbox_of(bbox).parameters(), "facility_kind": facility_kind, "area_code": area_code, "state": state, "channel": channel}
    return gold_answer(request, REQUESTS, filters, page, wanted)


@router.get(
    "/cells",
    response_model=ListOf[Cell],
    responses=listed(CELL_EXAMPLE, Format.csv, Format.geojson),
    dependencies=[needs("read")],
)
def list_request_cells(request: Request, page: PageOf, bbox: BboxOf = None, wanted: FormatOf = None) -> Response:
    """Requests counted per H3 cell, never fewer than 5 together; as GeoJSON with each cell's hexagon."""
    kind = chosen(request, wanted, CELLS.formats)
    return gold_answer(request, CELLS, bbox_of(bbox).parameters(), page, wanted, flags={"with_geometry": int(kind is not Format.json)})
