"""Datasets: their contracts, their newest generation, and the rows that did not fit."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from api.dependencies import ServicesOf, needs
from api.documentation import answers, listed, problems
from api.formats import Format, FormatOf
from api.gold import read_page
from api.lists import ListOf, live_answer
from api.pages import ListQuery, PageOf
from api.queries import load
from services.contracts import DatasetContract
from services.errors import NotFoundError
from services.wiring import Services

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

REJECTIONS = ListQuery("live/rejections", ("load_id", "row_number", "column_name", "reason"))
CSV_COLUMNS = ("load_id", "row_number", "line_number", "line", "column_name", "reason")


class DatasetColumn(BaseModel):
    """One column of a contract."""

    name: str
    data_type: str
    description: str
    aliases: list[str]
    is_required: bool


class Generation(BaseModel):
    """The newest load that succeeded."""

    generation: int
    load_id: str
    upload_id: str
    landed_rows: int
    rejected_rows: int
    unknown_columns: list[str] = Field(description="columns of the file that the contract does not know")
    loaded_at: datetime | None
    load_count: int = Field(description="loads that succeeded so far")


class Dataset(BaseModel):
    """A dataset, what its files must look like, and what is loaded of it."""

    name: str
    description: str
    mode: str = Field(description="replace, append or upsert")
    natural_key: list[str]
    columns: list[DatasetColumn]
    newest: Generation | None
    links: dict[str, str]


class Rejection(BaseModel):
    """A row that did not fit, as it was received, and why."""

    load_id: str
    row_number: int = Field(description="data row, from 1")
    line_number: int = Field(description="line of the file, from 1")
    line: str
    column_name: str
    reason: str


EXAMPLE: dict[str, Any] = {
    "name": "facilities",
    "description": "Service locations with a kind.",
    "mode": "replace",
    "natural_key": ["facility_id"],
    "columns": [{"name": "facility_id", "data_type": "String", "description": "Key", "aliases": ["id"], "is_required": True}],
    "newest": {
        "generation": 3,
        "load_id": "01JNM",
        "upload_id": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "landed_rows": 120,
        "rejected_rows": 3,
        "unknown_columns": ["colour"],
        "loaded_at": "2026-03-01T12:00:00Z",
        "load_count": 3,
    },
    "links": {"self": "/v1/datasets/facilities", "rejections": "/v1/datasets/facilities/rejections"},
}
REJECTION_EXAMPLE = {
    "load_id": "01JNM",
    "row_number": 17,
    "line_number": 18,
    "line": "node-9,pharmacy,north,47.1",
    "column_name": "longitude",
    "reason": "not a number",
}
Name = Annotated[str, Path(description="The dataset's name", examples=["facilities"], max_length=200)]


def _contract(services: Services, name: str) -> DatasetContract:
    if name not in services.contracts:
        raise NotFoundError(f"There is no dataset {name}: there are {', '.join(sorted(services.contracts))}.")
    return services.contracts[name]


def _datasets(services: Services, names: list[str]) -> list[Dataset]:
    newest = {row["dataset"]: row for row in services.warehouse.query(load("live/dataset_loads"))}
    return [_dataset(name, services.contracts[name], newest.get(name)) for name in names]


def _dataset(name: str, contract: DatasetContract, newest: dict[str, Any] | None) -> Dataset:
    columns = [
        DatasetColumn(
            name=column.name,
            data_type=column.data_type,
            description=column.description,
            aliases=list(contract.aliases.get(column.name, ())),
            is_required=column.name in contract.required,
        )
        for column in contract.columns
    ]
    return Dataset(
        name=name,
        description=contract.description,
        mode=contract.mode,
        natural_key=list(contract.natural_key),
        columns=columns,
        newest=Generation.model_validate(newest) if newest else None,
        links={"self": f"/v1/datasets/{name}", "rejections": f"/v1/datasets/{name}/rejections"},
    )


@router.get("", response_model=ListOf[Dataset], responses=listed(EXAMPLE), dependencies=[needs("read")])
def list_datasets(services: ServicesOf) -> dict[str, object]:
    """All datasets with their contracts and what is loaded of each."""
    return {"items": _datasets(services, sorted(services.contracts)), "next_cursor": None}


@router.get("/{name}", response_model=Dataset, responses=answers(EXAMPLE, 404), dependencies=[needs("read")])
def get_dataset(services: ServicesOf, name: Name) -> Dataset:
    """One dataset."""
    _contract(services, name)
    return _datasets(services, [name])[0]


@router.get(
    "/{name}/rejections",
    response_model=ListOf[Rejection],
    responses=listed(REJECTION_EXAMPLE, Format.csv) | problems(404),
    dependencies=[needs("intake")],
)
def list_rejections(
    request: Request,
    services: ServicesOf,
    name: Name,
    page: PageOf,
    load_id: Annotated[str, Query(description="Only this load", examples=["01JNM"], max_length=200)] = "",
    wanted: FormatOf = None,
) -> Response:
    """Rows that did not fit the contract, as received; lines may hold personal data, so they are for those who hand data in."""
    _contract(services, name)
    filters = {"dataset": name, "load_id": load_id}
    limit = services.settings.api.page_limit
    return live_answer(
        request,
        ListOf[Rejection],
        CSV_COLUMNS,
        lambda asked: read_page(services.warehouse, REJECTIONS, "bronze.rejected_rows", filters, asked, limit),
        page,
        wanted,
    )
