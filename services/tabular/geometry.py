"""Polygons received as WKT, EWKT, GeoJSON or WKB, made into one form: WKT MULTIPOLYGON in WGS84 degrees."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

_SRID = re.compile(r"\s*SRID\s*=\s*(\d+)\s*;\s*", re.IGNORECASE)
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{20,}")
# Of the coordinate systems in degrees, those that differ from WGS84 by a metre at most.
DEGREES = ("4326", "4258", "0")


def read_polygons(texts: Sequence[str]) -> tuple[list[str], dict[int, str], int]:
    """Normal form of each text (empty when there is none), objections by position, and how many polygons were repaired."""
    results, objections, repaired = [], {}, 0
    for position, text in enumerate(texts):
        results.append("")
        if not text.strip():
            continue
        geometry, reason = _parse(text.strip())
        if geometry is not None:
            was_valid = geometry.is_valid
            geometry, reason = _as_multi_polygon(geometry)
            repaired += geometry is not None and not was_valid
        if geometry is None:
            objections[position] = reason
        else:
            results[-1] = to_wkt(geometry)
    return results, objections, repaired


def to_wkt(geometry: BaseGeometry) -> str:
    """WKT with seven decimals, which is a centimetre."""
    return str(shapely.to_wkt(geometry, rounding_precision=7, trim=True))


def _parse(text: str) -> tuple[BaseGeometry | None, str]:
    if found := _SRID.match(text):
        if found[1] not in DEGREES:
            return None, f"is in the coordinate system {found[1]}, but must be in WGS84 (4326)"
        text = text[found.end() :]
    if text.startswith("{"):
        geometry = shapely.from_geojson(text, on_invalid="ignore")
    elif _HEXADECIMAL.fullmatch(text):
        geometry = shapely.from_wkb(text, on_invalid="ignore")
    else:
        geometry = shapely.from_wkt(text, on_invalid="ignore")
    if geometry is None:
        return None, f"is not a readable polygon (WKT or GeoJSON): {text[:60]}"
    return geometry, ""


def _as_multi_polygon(geometry: BaseGeometry) -> tuple[BaseGeometry | None, str]:
    kind = geometry.geom_type
    if geometry.is_empty:
        return None, f"is an empty {kind}, but must be a polygon"
    if kind not in ("Polygon", "MultiPolygon", "GeometryCollection"):
        return None, f"is a {kind}, but must be a polygon"
    geometry = shapely.force_2d(geometry)
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        return None, "has coordinates that are no numbers"
    west, south, east, north = geometry.bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        return None, f"has coordinates that are not degrees in WGS84: {west:g} {south:g} to {east:g} {north:g}"
    if not geometry.is_valid:
        geometry = shapely.make_valid(geometry)
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type in ("Polygon", "MultiPolygon") and part.area > 0]
    polygons = [polygon for part in parts for polygon in shapely.get_parts(part)]
    if not polygons:
        return None, "has no area: it is not a polygon"
    return shapely.MultiPolygon(polygons), ""
