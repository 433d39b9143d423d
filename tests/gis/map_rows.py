"""A small made-up country in the tables of the mirror: enough of everything to be looked at."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import date
from typing import Any

import psycopg
import shapely
from psycopg import sql
from shapely.geometry import MultiPoint, MultiPolygon, Point, Polygon
from sqlalchemy import Table

from gis import schema
from gis.mirror import open_mirror
from gis.tables import PUBLIC, RESTRICTED, ROW_HASH
from services.settings import GeoserverSettings, PostgisSettings, Settings

TABLES = [*PUBLIC.tables.values(), *RESTRICTED.tables.values()]
KINDS = ("pharmacy", "school", "hospital", "zoo")
CENTRE = (9.53, 47.16)
KM_NORTH, KM_EAST = 1 / 111.2, 1 / 75.6

Row = dict[str, Any]


def made_up_rows(seed: int = 1) -> Mapping[str, list[Row]]:
    """Rows of all tables: 24 areas in one, 4 kinds of facilities, catchments, cells and requests."""
    chance = random.Random(seed)
    land = Polygon(
        [
            at(11 * (1 + 0.15 * math.sin(3 * turn)) * math.cos(turn), 8 * (1 + 0.1 * math.cos(5 * turn)) * math.sin(turn))
            for turn in angles(90)
        ]
    )
    areas = [{"area_code": "L", "area_name": "Lindenau", "level": 6, "parent_code": None, "geometry": land}]
    for number, part in enumerate(parts(land, [inside(land, chance) for _ in range(24)])):
        areas.append({"area_code": f"L{number:02}", "area_name": f"Ort {number + 1}", "level": 8, "parent_code": "L", "geometry": part})
    facilities = [
        {
            "facility_id": f"{kind}-{number}",
            "facility_name": f"{kind.title()} {number + 1}",
            "facility_kind": kind,
            "geometry": inside(land, chance),
        }
        for kind, count in zip(KINDS, (9, 7, 1, 1), strict=True)
        for number in range(count)
    ]
    coverage = [covered(area, kind, facilities, chance) for area in areas for kind in KINDS]
    catchments = []
    for kind in KINDS:
        of_kind = [row for row in facilities if row["facility_kind"] == kind]
        for row, part in zip(of_kind, parts(land, [row["geometry"] for row in of_kind]), strict=True):
            figures = {"address_point_count": chance.randrange(40, 900), "mean_distance_km": 1.2, "max_distance_km": 4.5}
            catchments.append({**row, "geometry": part, **figures})
    cells = [
        {"h3_cell": f"88{number:013x}", "resolution": 8, "request_count": int(5 + chance.paretovariate(0.9)) % 90, "geometry": cell}
        for number, cell in enumerate(hexagons(land, 0.9))
        if chance.random() < 0.25
    ]
    requests = [
        {
            "request_id": f"request-{number}",
            "channel": "letter",
            "state": chance.choice(["located", "located", "approximate"]),
            "facility_kind": chance.choice(KINDS),
            "requested_on": date(2026, 2, 1 + number % 28),
            "geometry": inside(land, chance),
        }
        for number in range(60)
    ]
    rows = {"areas": areas, "area_coverage": coverage, "facilities": facilities, "catchments": catchments}
    return rows | {"request_cells": cells, "requests": requests}


def fill_mirror(url: str, rows: Mapping[str, list[Row]] | None = None) -> Settings:
    """Make and fill the mirror's tables in this database; its two roles may log in. Gives settings that reach it, GeoServer's too."""
    name = url.rpartition("/")[2]
    postgis = PostgisSettings(url=url, public_role=f"public_{name}", restricted_role=f"restricted_{name}")
    rows = made_up_rows() if rows is None else rows
    with open_mirror(postgis) as connection:
        schema.prepare(connection, postgis)
        for table in TABLES:
            schema.create(connection, table, has_key=True)
            with connection.cursor() as cursor:
                for number, row in enumerate(rows.get(table.name, [])):
                    insert(cursor, table, row, number)
            schema.index(connection, table, has_key=True)
        schema.grant(connection, TABLES, postgis)
        for role in (postgis.public_role, postgis.restricted_role):
            connection.execute(sql.SQL("alter role {} login").format(sql.Identifier(role)))
    port = int(url.rpartition(":")[2].partition("/")[0])
    geoserver = GeoserverSettings(
        password="secret",
        timeout_seconds=10,
        database_host="127.0.0.1",
        database_port=port,
        database_name=name,
        public_username=postgis.public_role,
        public_password="public-secret",
        restricted_username=postgis.restricted_role,
        restricted_password="restricted-secret",
        contact_organization="Lindenau",
        contact_email="maps@lindenau.example",
    )
    return Settings(_env_file=None, postgis=postgis, geoserver=geoserver)


def insert(cursor: psycopg.Cursor[Any], table: Table, row: Row, number: int) -> None:
    values = []
    for column in table.columns:
        value = number if column.name == ROW_HASH else row.get(column.name)
        if column.name == "geometry":
            shape = MultiPolygon([value]) if str(column.type.geometry_type) == "MULTIPOLYGON" and isinstance(value, Polygon) else value
            value = (
                shapely.to_wkb(shape, hex=True, include_srid=True)
                if shapely.get_srid(shape)
                else shapely.to_wkb(shapely.set_srid(shape, 4326), hex=True, include_srid=True)
            )
        elif value is None and not column.nullable:
            value = {str: "", int: 0, float: 0.0}.get(column.type.python_type, "")
        values.append(value)
    query = sql.SQL("insert into {} ({}) values ({})").format(
        schema.identifier(table),
        sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns),
        sql.SQL(", ").join(sql.Placeholder() for _ in values),
    )
    cursor.execute(query, values)


def at(east_km: float, north_km: float) -> tuple[float, float]:
    return (CENTRE[0] + east_km * KM_EAST, CENTRE[1] + north_km * KM_NORTH)


def angles(count: int) -> list[float]:
    return [2 * math.pi * number / count for number in range(count)]


def inside(land: Polygon, chance: random.Random) -> Point:
    west, south, east, north = land.bounds
    while True:
        point = Point(chance.uniform(west, east), chance.uniform(south, north))
        if land.contains(point):
            return point


def parts(land: Polygon, points: list[Point]) -> list[Any]:
    """What of the land is nearest to each point, in the points' order."""
    if len(points) == 1:
        return [land]
    cells = shapely.get_parts(shapely.voronoi_polygons(MultiPoint(points), extend_to=land))
    return [shapely.intersection(next(cell for cell in cells if cell.contains(point)), land) for point in points]


def covered(area: Row, kind: str, facilities: list[Row], chance: random.Random) -> Row:
    nearest = min(
        math.dist(area["geometry"].centroid.coords[0], row["geometry"].coords[0]) for row in facilities if row["facility_kind"] == kind
    )
    share = None if chance.random() < 0.08 else max(0.0, min(1.0, 1.25 - nearest * 16))
    count = chance.randrange(30, 800)
    return {
        **area,
        "facility_kind": kind,
        "address_point_count": count if share is not None else 7,
        "covered_address_point_count": int(count * (share or 0)),
        "coverage_share": share,
    }


def hexagons(land: Polygon, radius_km: float) -> list[Polygon]:
    found = []
    for column in range(-20, 21):
        for row in range(-20, 21):
            east, north = column * 1.5 * radius_km, (row + 0.5 * (column % 2)) * math.sqrt(3) * radius_km
            if land.contains(Point(at(east, north))):
                found.append(Polygon([at(east + radius_km * math.cos(turn), north + radius_km * math.sin(turn)) for turn in angles(6)]))
    return found
