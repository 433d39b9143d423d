"""A list over gold or the live state: one page as JSON, CSV or GeoJSON, with an ETag for gold."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel

from api.formats import Format, chosen, csv_answer, geojson_answer
from api.gold import Build, BuildClock, Rows, read_page, stream_csv
from api.pages import ListQuery, Page
from services.wiring import Services

# Fewer requests than this could be known by who made them; the same as of gold.mart_requests_by_cell.
LEAST_COUNT = 5

Item = TypeVar("Item", bound=BaseModel)


class ListOf(BaseModel, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last page."""

    items: list[Item]
    next_cursor: str | None = None


@dataclass(frozen=True)
class GoldList:
    """A list of gold: its query, the table that it reads, and what its rows look like."""

    query: ListQuery
    table: str
    model: type[ListOf[Any]]
    geometry: Callable[[Mapping[str, Any]], str] | None = None
    identifier: str = ""
    without: tuple[str, ...] = ()
    # Its query takes `least_count`: who may not see exact positions sees no small numbers of requests either.
    counts_requests: bool = False

    @property
    def formats(self) -> tuple[Format, ...]:
        """What this list can be had as."""
        return (Format.json, Format.csv, Format.geojson) if self.geometry else (Format.json, Format.csv)


def gold_answer(
    request: Request,
    listed: GoldList,
    filters: Mapping[str, object],
    page: Page,
    wanted: Format | None,
    *,
    flags: Mapping[str, object] | None = None,
) -> Response:
    """One page of a list of gold in the wanted format; 304 when the caller has this generation of it. `flags` are parameters
    of the query that do not choose rows, and so are no part of the cursor."""
    services: Services = request.app.state.services
    kind = chosen(request, wanted, listed.formats)
    clock: BuildClock = request.app.state.build
    least_count = 0 if request.state.caller.has("exact") else LEAST_COUNT
    given = {**(flags or {}), **({"least_count": least_count} if listed.counts_requests else {})}
    held = request.headers.get("if-none-match", "")
    # Who has just heard of a build asks for its rows at once: that nothing changed must not be said as of a second ago.
    tag = _etag(clock.now(is_exact=bool(held)), request.app.version, str(request.url), kind, least_count)
    headers = {"ETag": tag, "Vary": "Accept"}
    if tag in (value.strip() for value in held.split(",")):
        return Response(status_code=304, headers=headers)
    if kind is Format.csv:
        answer = csv_answer(stream_csv(services.warehouse, listed.query, listed.table, filters, page, flags=given), listed.query.name)
    else:
        rows = read_page(services.warehouse, listed.query, listed.table, filters, page, services.settings.api.page_limit, flags=given)
        if kind is Format.geojson and listed.geometry is not None:
            answer = geojson_answer(rows, listed.geometry, listed.identifier, listed.without)
        else:
            answer = json_answer(listed.model, rows)
    answer.headers.update(headers)
    return answer


def json_answer(model: type[ListOf[Any]], rows: Rows) -> Response:
    """One page as JSON, checked against its model."""
    return Response(model(items=rows.items, next_cursor=rows.next_cursor).model_dump_json(), media_type="application/json")


def live_answer(
    request: Request, model: type[ListOf[Any]], columns: Sequence[str], read: Callable[[Page], Rows], page: Page, wanted: Format | None
) -> Response:
    """One page of a live list as JSON, or all pages after the cursor (or `limit` rows) as CSV with these columns."""
    if chosen(request, wanted, (Format.json, Format.csv)) is Format.json:
        return json_answer(model, read(page))
    return csv_answer(_csv_pages(read, columns, page), request.url.path.rstrip("/").rsplit("/", 1)[-1])


def _csv_pages(read: Callable[[Page], Rows], columns: Sequence[str], page: Page) -> Iterator[bytes]:
    names: Sequence[str] = columns
    while True:
        rows = read(page)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if names:
            writer.writerow(names)
        writer.writerows([_cell(item.get(column)) for column in columns] for item in rows.items)
        yield text.getvalue().encode()
        if rows.next_cursor is None or page.limit is not None:
            return
        names, page = (), Page(None, rows.next_cursor)


def _cell(value: object) -> object:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else value


def _etag(build: Build, version: str, url: str, kind: Format, least_count: int) -> str:
    said = "\x1f".join((build.fingerprint, str(build.started_ms), version, url, kind, str(least_count)))
    return f'W/"{build.generation}-{hashlib.sha256(said.encode()).hexdigest()[:16]}"'
