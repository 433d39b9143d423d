"""The layers of the mirror: which table is filled by which query of gold, and how to read only what is wanted of it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Table

from gis import tables
from gis.catchments import catchment_polygons, whole_land
from gis.mirror import Connection, read_sql
from gis.tables import GEOMETRY, ROW_HASH, SRID
from services.errors import PublishError
from services.warehouse.client import Warehouse

GOLD_SQL = Path(__file__).with_name("sql") / "gold"
Hashes = npt.NDArray[np.int64]

# A question that lists the rows it wants: a server takes 128 kB in one parameter, and a hash is 11 bytes of base64.
LISTED_ROWS = 11_000
# Above this share it is cheaper to read a range of hashes and keep what is wanted.
LISTED_SHARE = 0.05


@dataclass(frozen=True)
class Layer:
    """A table of the mirror; `rows_at_once` keeps a batch below some hundred MB."""

    table: Table
    rows_at_once: int
    add_geometry: Callable[[Warehouse, Connection, pa.Table], pa.Table]

    @property
    def name(self) -> str:
        """The table's name, which is the query's too."""
        return self.table.name

    @property
    def shape(self) -> str:
        """POINT, POLYGON or MULTIPOLYGON."""
        return str(self.table.c[GEOMETRY].type.geometry_type)  # type: ignore[attr-defined]

    def hashes(self, warehouse: Warehouse) -> Hashes:
        """The hash of every row that gold has for this layer, sorted."""
        found = warehouse.query_arrow(f"select {ROW_HASH} from ({self._hashed()})")  # noqa: S608  our own file
        return np.sort(found.column(ROW_HASH).to_numpy())

    def rows(self, warehouse: Warehouse, connection: Connection, wanted: Hashes, known: Hashes) -> Iterator[pa.Table]:
        """The rows with the wanted hashes (sorted, a part of `known`) in batches with the table's columns, `geometry` as EWKB or
        null when nobody can read it; PublishError when gold has other rows meanwhile."""
        for parameters, expected in _questions(wanted, known, self.rows_at_once):
            sql = f"select * from ({self._hashed()}) where {ROW_HASH} between {{low:Int64}} and {{high:Int64}}"  # noqa: S608
            if "listed" in parameters:
                sql += f" and {ROW_HASH} in (select arrayJoin(reinterpret(base64URLDecode({{listed:String}}), 'Array(Int64)')))"
            found = warehouse.query_arrow(sql, parameters)
            if "listed" not in parameters:
                found = found.filter(pc.is_in(found.column(ROW_HASH), value_set=pa.array(expected)))
            if found.num_rows != len(expected):
                raise PublishError(f"Gold changed while layer {self.name} was read: the mirror is as it was.", retryable=True)
            yield self._finished(warehouse, connection, found)

    def all_rows(self, warehouse: Warehouse, connection: Connection) -> Iterator[pa.Table]:
        """Every row that gold has for this layer, in batches as `rows` gives them; the caller sees to it that gold stays the same."""
        count = int(warehouse.scalar(f"select count() from ({read_gold_sql(self.name)})"))  # noqa: S608  our own file
        batches = max(1, -(-count // self.rows_at_once))
        sql = f"select * from ({self._hashed()}) where {ROW_HASH} between {{low:Int64}} and {{high:Int64}}"  # noqa: S608
        edges = [-(2**63) + 2**64 * number // batches for number in range(batches + 1)]
        for low, end in pairwise(edges):
            yield self._finished(warehouse, connection, warehouse.query_arrow(sql, {"low": low, "high": end - 1}))

    def _finished(self, warehouse: Warehouse, connection: Connection, found: pa.Table) -> pa.Table:
        return self.add_geometry(warehouse, connection, found).select([column.name for column in self.table.columns])

    def _hashed(self) -> str:
        # The hash of a tuple counts its nulls; that of several arguments is null when one is. SipHash takes three times as long.
        return f"select *, reinterpretAsInt64(cityHash64(tuple(*))) as {ROW_HASH} from ({read_gold_sql(self.name)})"  # noqa: S608


def read_gold_sql(name: str) -> str:
    """The query of that name on gold."""
    return (GOLD_SQL / f"{name}.sql").read_text(encoding="utf-8")


def gold_version(warehouse: Warehouse) -> Mapping[str, str]:
    """The identity of each table of gold: every build that is published gives the tables that it made new ones."""
    return {row["name"]: row["version"] for row in warehouse.query(read_gold_sql("versions"))}


def _questions(wanted: Hashes, known: Hashes, rows_at_once: int) -> Iterator[tuple[dict[str, Any], Hashes]]:
    """Parameters of one query each, and the hashes that it has to find: lists when few rows are wanted, else ranges."""
    if not len(wanted):
        return
    is_listed = len(wanted) <= LISTED_SHARE * len(known)
    step = LISTED_ROWS if is_listed else max(1, rows_at_once * len(wanted) // len(known))
    for start in range(0, len(wanted), step):
        part = wanted[start : start + step]
        parameters: dict[str, Any] = {"low": int(part[0]), "high": int(part[-1])}
        yield (parameters | {"listed": _packed(part)} if is_listed else parameters), part


def _packed(hashes: Hashes) -> str:
    return base64.urlsafe_b64encode(hashes.astype("<i8").tobytes()).decode().rstrip("=")


def _as_read(_: Warehouse, __: Connection, rows: pa.Table) -> pa.Table:
    return rows


def _from_wkt(_: Warehouse, __: Connection, rows: pa.Table) -> pa.Table:
    geometries = shapely.from_wkt(rows.column(GEOMETRY).to_numpy(), on_invalid="fix").tolist()
    return rows.set_column(rows.schema.get_field_index(GEOMETRY), GEOMETRY, _ewkb(geometries))


def _from_facilities(warehouse: Warehouse, connection: Connection, rows: pa.Table) -> pa.Table:
    """Polygons of the mirror where neither a facility of the kind nor the land changed, only counts; else new ones."""
    ids, of_rows = rows.column("facility_id").to_pylist(), rows.column("facility_kind").to_pylist()
    polygons: dict[str, BaseGeometry] = {}
    computed: list[str] = []
    for kind, shapes_hash in sorted(set(zip(of_rows, rows.column("shapes_hash").to_pylist(), strict=True))):
        about = {"kind": kind, "hash": shapes_hash}
        known: dict[str, bytes] = dict(connection.cursor(binary=True).execute(read_sql("kept_shapes"), about).fetchall())
        if known.keys() >= {name for name, of_row in zip(ids, of_rows, strict=True) if of_row == kind}:
            polygons |= zip(known, shapely.from_wkb(list(known.values())).tolist(), strict=True)
        else:
            computed.append(str(kind))
            connection.execute(read_sql("note_shapes"), about)
    polygons |= _computed(warehouse, computed)
    return rows.append_column(GEOMETRY, _ewkb([polygons.get(str(name)) for name in ids]))


def _computed(warehouse: Warehouse, kinds: Sequence[str]) -> dict[str, BaseGeometry]:
    if not kinds:
        return {}
    facilities = warehouse.query(read_gold_sql("catchment_facilities"), {"kinds": list(kinds)})
    land = whole_land(shapely.from_wkt([row["geometry_wkt"] for row in warehouse.query(read_gold_sql("land"))], on_invalid="fix"))
    polygons: dict[str, BaseGeometry] = {}
    for kind in kinds:
        places = {row["facility_id"]: (row["longitude"], row["latitude"]) for row in facilities if row["facility_kind"] == kind}
        polygons |= catchment_polygons(places, land)
    return polygons


def _ewkb(geometries: Sequence[BaseGeometry | None]) -> pa.Array[Any]:
    """PostGIS' binary form with the SRID; null stays null."""
    known = shapely.set_srid(np.array(geometries, dtype=object), SRID)
    return pa.array(shapely.to_wkb(known, include_srid=True).tolist(), pa.large_binary())


LAYERS = (
    Layer(tables.AREAS, 5_000, _from_wkt),
    Layer(tables.AREA_COVERAGE, 5_000, _from_wkt),
    Layer(tables.FACILITIES, 200_000, _as_read),
    Layer(tables.CATCHMENTS, 1_000_000, _from_facilities),
    Layer(tables.REQUEST_CELLS, 50_000, _from_wkt),
    Layer(tables.REQUESTS, 500_000, _as_read),
)
