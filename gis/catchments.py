"""Catchment polygons: the part of the land that is nearer to a facility than to any other of its kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

Places = npt.NDArray[np.float64]

# Mercator ends before the poles.
LATITUDE_LIMIT = 89.0
# Helping points lie so many times the size of the map away: every real place is nearer to any point of the land than they are.
FAR = 10.0


def catchment_polygons(facilities: Mapping[str, tuple[float, float]], land: Iterable[BaseGeometry]) -> dict[str, BaseGeometry]:
    """A multi polygon per facility (id to longitude and latitude, degrees) of one kind: its Voronoi cell clipped to the land.

    Together they cover the land. Of several facilities at one place the lowest id has the polygon, as the mart counts their address
    points; the others, and those that no land is nearest to, have an empty one. The cells are those of the Mercator projection,
    which keeps angles everywhere: the line in the middle of two facilities s kilometres apart is off by about
    s²·tan(latitude)/8/6371 km, 2 m for 10 km, while a projection with one scale for all latitudes is off by that of its scale.
    """
    ids = sorted(facilities)
    positions = np.array([facilities[name] for name in ids], dtype=np.float64).reshape(-1, 2)
    outline = _project(_union(land))
    empty = shapely.MultiPolygon()
    if not ids or outline.is_empty:
        return dict.fromkeys(ids, empty)
    places, first = np.unique(_mercator(positions), axis=0, return_index=True)
    parts = _clip(_cells(places, outline), outline)
    polygons = shapely.transform(parts, _degrees)
    return dict.fromkeys(ids, empty) | {ids[number]: polygon for number, polygon in zip(first, polygons, strict=True)}


def _union(land: Iterable[BaseGeometry]) -> BaseGeometry:
    known = [area for area in land if area is not None]
    return shapely.union_all(shapely.make_valid(np.array(known, dtype=object)))


def _mercator(positions: Places) -> Places:
    longitudes, latitudes = np.radians(positions[:, 0]), np.radians(np.clip(positions[:, 1], -LATITUDE_LIMIT, LATITUDE_LIMIT))
    return np.column_stack((longitudes, np.arctanh(np.sin(latitudes))))


def _degrees(places: Places) -> Places:
    return np.column_stack((np.degrees(places[:, 0]), np.degrees(np.arcsin(np.tanh(places[:, 1])))))


def _project(land: BaseGeometry) -> BaseGeometry:
    return shapely.transform(land, _mercator)


def _cells(places: Places, outline: BaseGeometry) -> list[BaseGeometry]:
    """The Voronoi cell of each place (all different), wide enough for the outline."""
    corners = np.array(outline.bounds).reshape(2, 2)
    low, high = np.minimum(corners[0], places.min(axis=0)), np.maximum(corners[1], places.max(axis=0))
    # Land on both sides of the date line: every place is also one turn further west and east.
    turns = (0.0, -2 * np.pi, 2 * np.pi) if high[0] - low[0] > np.pi else (0.0,)
    copies = np.concatenate([places + np.array([turn, 0.0]) for turn in turns])
    reach = FAR * max(float((high - low).max()), 1e-6)
    middle = (low + high) / 2
    helpers = middle + reach * np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])
    sites = shapely.MultiPoint(np.concatenate([copies, helpers]))
    cells = shapely.get_parts(shapely.voronoi_polygons(sites, ordered=True))[: len(copies)]
    by_place = cells.reshape(len(turns), len(places))
    return [shapely.union_all(column) if len(turns) > 1 else column[0] for column in by_place.T]


def _clip(cells: list[BaseGeometry], outline: BaseGeometry) -> list[BaseGeometry]:
    shapely.prepare(outline)
    inside = shapely.contains_properly(outline, cells)
    return [_polygons(cell if is_inside else shapely.intersection(cell, outline)) for cell, is_inside in zip(cells, inside, strict=True)]


def _polygons(geometry: BaseGeometry) -> BaseGeometry:
    """The polygons of what an intersection left; where two areas only touch it leaves lines and points too."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon"])
