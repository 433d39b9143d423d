"""Areas, and how well each is covered."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.dependencies import needs
from api.documentation import answers, listed, problems
from api.formats import BboxOf, Format, FormatOf, bbox_of, chosen
from api.gold import read_page
from api.lists import GoldList, ListOf, gold_answer
from api.models.gold import AREA_EXAMPLE, COVERAGE_EXAMPLE, Area, Coverage
from api.pages import ListQuery, Page, PageOf
from services.errors import NotFoundError
from services.wiring import Services

router = APIRouter(prefix="/v1", tags=["areas"], dependencies=[needs("read")])

AREAS = GoldList(
    query=ListQuery("areas", ("area_code",)),
    table="gold.dim_areas",
    model=ListOf[Area],
    geometry=lambda row: row["geometry"] or "null",
    identifier="area_code",
    without=("geometry",),
)
# What the query puts into its last column: nothing, GeoJSON, WKT (which QGIS opens from CSV).
GEOMETRY = {Format.json: 0, Format.geojson: 1, Format.csv: 2}
COVERAGE = GoldList(
    query=ListQuery("coverage", ("area_code", "facility_kind")),
    table="gold.mart_coverage_by_area",
    model=ListOf[Coverage],
    counts_requests=True,
)

Code = Annotated[str, Path(description="The area's code", examples=["7001"], max_length=200)]
AreaCode = Annotated[str, Query(description="Only this area", examples=["7001"], max_length=200)]
Kind = Annotated[str, Query(description="Only this kind of facility", examples=["pharmacy"], max_length=100)]


def area_filters(bbox: str | None = None, level: int = -1, parent_code: str = "", area_code: str = "") -> dict[str, object]:
    """Parameters of the query `areas`."""
    return {**bbox_of(bbox).parameters(), "level": level, "parent_code": parent_code, "area_code": area_code}


def one_area(services: Services, code: str) -> dict[str, object]:
    """The area with this code; NotFoundError when gold has none."""
    rows = read_page(
        services.warehouse, AREAS.query, AREAS.table, area_filters(area_code=code), Page(1, None), 1, flags={"with_geometry": 0}
    )
    if not rows.items:
        raise NotFoundError(f"There is no area with the code {code}: /v1/areas lists them.")
    return rows.items[0]


@router.get("/areas", response_model=ListOf[Area], responses=listed(AREA_EXAMPLE, Format.csv, Format.geojson))
def list_areas(
    request: Request,
    page: PageOf,
    bbox: BboxOf = None,
    level: Annotated[int, Query(ge=-1, le=255, description="Only areas of this level; -1 for all", examples=[8])] = -1,
    parent_code: Annotated[str, Query(description="Only areas inside this one", examples=["70"], max_length=200)] = "",
    wanted: FormatOf = None,
) -> Response:
    """Areas of the newest build, ordered by code; as GeoJSON with their polygons, as CSV with the polygon as WKT."""
    flags = {"with_geometry": GEOMETRY[chosen(request, wanted, AREAS.formats)]}
    return gold_answer(request, AREAS, area_filters(bbox, level, parent_code), page, wanted, flags=flags)


@router.get("/areas/{code}", response_model=Area, responses=answers(AREA_EXAMPLE, 404))
def get_area(request: Request, code: Code) -> Area:
    """One area."""
    return Area.model_validate(one_area(request.app.state.services, code))


@router.get("/areas/{code}/coverage", response_model=ListOf[Coverage], responses=listed(COVERAGE_EXAMPLE, Format.csv) | problems(404))
def list_area_coverage(request: Request, code: Code, page: PageOf, wanted: FormatOf = None) -> Response:
    """Coverage of one area, one row per kind of facility; the share is null below 20 address points."""
    one_area(request.app.state.services, code)
    return gold_answer(request, COVERAGE, {"area_code": code, "facility_kind": ""}, page, wanted)


@router.get("/coverage", response_model=ListOf[Coverage], responses=listed(COVERAGE_EXAMPLE, Format.csv))
def list_coverage(request: Request, page: PageOf, facility_kind: Kind = "", area_code: AreaCode = "", wanted: FormatOf = None) -> Response:
    """Coverage of all areas and kinds, ordered by area and kind."""
    return gold_answer(request, COVERAGE, {"area_code": area_code, "facility_kind": facility_kind}, page, wanted)
