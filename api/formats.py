"""Formats of an answer: JSON pages, CSV and GeoJSON, by `?format=` or by Accept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import StreamingResponse

from api.errors import NotAcceptableError, RequestError
from api.gold import Rows


class Format(StrEnum):
    """What a list can be had as."""

    json = "json"
    csv = "csv"
    geojson = "geojson"


MEDIA_TYPES = {"application/json": Format.json, "text/csv": Format.csv, "application/geo+json": Format.geojson}

FormatOf = Annotated[
    Format | None,
    Query(alias="format", description="Instead of the header Accept; csv is the whole list unless a limit is given.", examples=["json"]),
]
BBOX_EXAMPLE = "9.47,47.04,9.64,47.28"
BboxOf = Annotated[
    str | None,
    Query(description="West, south, east, north in degrees (WGS 84): only what touches this box.", examples=[BBOX_EXAMPLE], max_length=200),
]


@dataclass(frozen=True)
class Bbox:
    """A box in degrees, WGS 84."""

    west: float = -180.0
    south: float = -90.0
    east: float = 180.0
    north: float = 90.0
    is_given: bool = False

    def parameters(self) -> dict[str, object]:
        """Parameters of the queries that take a box."""
        return {"has_bbox": int(self.is_given), "west": self.west, "south": self.south, "east": self.east, "north": self.north}


def bbox_of(text: str | None) -> Bbox:
    """The box of `minlon,minlat,maxlon,maxlat`; RequestError says what is wrong with it."""
    if not text:
        return Bbox()
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as cause:
        raise RequestError(f"bbox is {text!r}, but must be four numbers: west,south,east,north, for example {BBOX_EXAMPLE}.") from cause
    if not all(math.isfinite(value) for value in (west, south, east, north)):
        raise RequestError("bbox must be four finite numbers of degrees.")
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise RequestError(
            f"bbox is {text!r}: longitudes lie between -180 and 180, latitudes between -90 and 90, west <= east, south <= north."
        )
    return Bbox(west, south, east, north, is_given=True)


def chosen(request: Request, wanted: Format | None, allowed: Sequence[Format]) -> Format:
    """The format of the answer: `?format=`, else the best of Accept, else JSON."""
    if wanted is not None:
        if wanted not in allowed:
            raise NotAcceptableError(f"{request.url.path} can be had as {', '.join(allowed)}, not as {wanted}.")
        return wanted
    accept = request.headers.get("accept", "*/*") or "*/*"
    found = max(
        (_quality(accept, media_type), -index, kind) for index, (media_type, kind) in enumerate(MEDIA_TYPES.items()) if kind in allowed
    )
    if found[0] <= 0:
        raise NotAcceptableError(f"{request.url.path} can be had as {', '.join(allowed)}; the header Accept names none of them.")
    return found[2]


def _quality(accept: str, media_type: str) -> float:
    """The q of the most exact range of Accept that holds this type; 0 when none does."""
    ranges = {}
    for part in accept.split(","):
        name, *options = (piece.strip().lower() for piece in part.split(";"))
        quality = next((option[2:] for option in options if option.startswith("q=")), "1")
        try:
            ranges[name] = float(quality)
        except ValueError:
            ranges[name] = 0.0
    for name in (media_type, media_type.split("/")[0] + "/*", "*/*"):
        if name in ranges:
            return ranges[name]
    return 0.0


def csv_answer(pieces: Iterable[bytes], name: str) -> Response:
    """A download of CSV; the first piece is read before the headers leave, so that an error still becomes a problem."""
    rest = iter(pieces)
    first: Iterator[bytes] = iter([piece for piece in [next(rest, b"")] if piece])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(chain(first, rest), media_type="text/csv; charset=utf-8; header=present", headers=headers)


def geojson_answer(rows: Rows, geometry: Callable[[Mapping[str, Any]], str], identifier: str, without: Sequence[str] = ()) -> Response:
    """A FeatureCollection (RFC 7946) of one page; `geometry` gives JSON text, so that polygons are not parsed here."""
    features = (
        f'{{"type":"Feature","id":{json.dumps(row[identifier])},"geometry":{geometry(row)},"properties":'
        + json.dumps(
            jsonable_encoder({name: value for name, value in row.items() if name not in without}), ensure_ascii=False, allow_nan=False
        )
        + "}"
        for row in rows.items
    )
    body = f'{{"type":"FeatureCollection","next_cursor":{json.dumps(rows.next_cursor)},"features":[{",".join(features)}]}}'
    return Response(body, media_type="application/geo+json")


def point(row: Mapping[str, Any]) -> str:
    """GeoJSON point of a row's longitude and latitude, degrees; `null` without them."""
    if row["longitude"] is None or row["latitude"] is None:
        return "null"
    return json.dumps({"type": "Point", "coordinates": [row["longitude"], row["latitude"]]})
