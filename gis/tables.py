"""The tables of the map mirror: what anybody may see in `public_map`, where people live in `restricted_map`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import BigInteger, Column, Date, Double, Index, MetaData, SmallInteger, Table, Text
from sqlalchemy.types import TypeEngine

from gis.gold import gold_models

SRID = 4326
GEOMETRY = "geometry"
ROW_HASH = "row_hash"
TYPES: Mapping[str, type[TypeEngine[Any]]] = {
    "String": Text,
    "UInt8": SmallInteger,
    "UInt64": BigInteger,
    "Float64": Double,
    "Date32": Date,
}

PUBLIC = MetaData(schema="public_map")
RESTRICTED = MetaData(schema="restricted_map")


def _layer(metadata: MetaData, name: str, model: str, key: str, columns: str, shape: str, shape_description: str) -> Table:
    """A table of columns of a gold model (of another one where it is named: `dim_areas.level`), with dbt's types and descriptions."""
    described = []
    for column in [*key.split(), *columns.split()]:
        owner, _, column_name = column.rpartition(".")
        source = gold_models()[owner or model].columns[column_name]
        is_key = column in key.split()
        described.append(
            Column(
                column_name,
                TYPES[source.data_type](),
                primary_key=is_key,
                nullable=source.is_nullable and not is_key,
                comment=source.description,
            )
        )
    return Table(
        name,
        metadata,
        *described,
        Column(GEOMETRY, Geometry(shape, srid=SRID, spatial_index=False), nullable=False, comment=shape_description),
        Column(ROW_HASH, BigInteger, nullable=False, comment="Hash of the row as gold has it, by which a sync finds what changed."),
        Index(f"{name}_{GEOMETRY}", GEOMETRY, postgresql_using="gist"),
        comment=gold_models()[model].description,
    )


AREAS = _layer(
    PUBLIC,
    "areas",
    "dim_areas",
    "area_code",
    "area_name level parent_code population address_point_count area_km2",
    "MULTIPOLYGON",
    "Outline, WGS84.",
)
# Without the number of requests: areas lie in each other and across cells, and differences would say who asked.
AREA_COVERAGE = _layer(
    PUBLIC,
    "area_coverage",
    "mart_coverage_by_area",
    "area_code facility_kind",
    "area_name dim_areas.level population address_point_count covered_address_point_count coverage_share covered_population "
    "median_distance_km",
    "MULTIPOLYGON",
    "Outline of the area, WGS84.",
)
FACILITIES = _layer(
    PUBLIC,
    "facilities",
    "dim_facilities",
    "facility_id",
    "facility_name facility_kind street housenumber postcode city area_code",
    "POINT",
    "Position, WGS84.",
)
CATCHMENTS = _layer(
    PUBLIC,
    "catchments",
    "mart_facility_catchments",
    "facility_id",
    "facility_name facility_kind address_point_count mean_distance_km max_distance_km",
    "MULTIPOLYGON",
    "The part of the land (all areas of the coarsest level) that is nearer to this facility than to any other of its kind, WGS84.",
)
# Not by kind of facility: the API gives the numbers of all kinds together, and a difference may be below 5.
REQUEST_CELLS = _layer(
    PUBLIC, "request_cells", "mart_requests_by_cell", "h3_cell", "resolution request_count", "POLYGON", "Outline of the cell, WGS84."
)
REQUESTS = _layer(
    RESTRICTED,
    "requests",
    "fct_requests",
    "request_id",
    "channel state facility_kind requested_on precision uncertainty_m area_code nearest_facility_id nearest_facility_distance_km "
    "evidence_score",
    "POINT",
    "Where the request comes from, WGS84, within its uncertainty.",
)
