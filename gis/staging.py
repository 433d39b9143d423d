"""One layer's changes on their way into the mirror: copied beside it, checked there, merged in the transaction of the sync."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from psycopg import sql
from sqlalchemy import Column, LargeBinary

from gis import schema
from gis.layers import Hashes, Layer
from gis.mirror import Connection, read_sql
from gis.rows import HEADER, TRAILER, are_inside, encode
from gis.schema import identifier, type_of
from gis.tables import GEOMETRY, ROW_HASH
from services.errors import PublishError

POINT = "POINT"
# Where a row lies, as PostgreSQL sends it, and what stands for that of a row that was left out.
PLACE = Column("place", LargeBinary)
NOWHERE = np.void(bytes(6))
# So many rows are encoded while PostgreSQL takes in those before.
ENCODED_ROWS = 25_000


@dataclass(frozen=True)
class LayerChange:
    """What one sync did to one layer: rows, and what was wrong with some of them as (key, problem)."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    repaired: int = 0
    left_out: int = 0
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """The rows by what became of them."""
        names = ("inserted", "updated", "deleted", "repaired", "left_out")
        return {name: getattr(self, name) for name in names}

    @property
    def is_change(self) -> bool:
        """Whether the layer shows anything else than before."""
        return bool(self.inserted or self.updated or self.deleted)


@dataclass(frozen=True)
class Mirrored:
    """Rows that the mirror has or left out: their hashes, sorted, and where PostgreSQL keeps each (its `ctid`, 6 bytes)."""

    hashes: Hashes
    places: npt.NDArray[np.void]

    def only(self, is_wanted: npt.NDArray[np.bool_]) -> Mirrored:
        """Some of the rows."""
        return Mirrored(self.hashes[is_wanted], self.places[is_wanted])


NOTHING = Mirrored(np.empty(0, np.int64), np.empty(0, "V6"))


def read_mirrored(connection: Connection, layer: Layer) -> Mirrored:
    """All rows of the layer; as one value, since a million rows take a second to hand over."""
    query = read_sql("known_hashes", table=identifier(layer.table))
    row = connection.cursor(binary=True).execute(query, {"layer": layer.name}).fetchone()
    found = np.frombuffer(row[0] if row and row[0] else b"", dtype=[("row_hash", ">i8"), ("place", "V6")])
    hashes = found["row_hash"].astype(np.int64)
    order = np.argsort(hashes)
    return Mirrored(hashes[order], found["place"][order])


class Staging:
    """Temporary tables of this connection for one layer: what comes, what goes, and what is wrong with it."""

    def __init__(self, connection: Connection, layer: Layer, *, is_new: bool) -> None:
        self._run, self._layer = connection.execute, layer
        self._connection, self._is_new = connection, is_new
        self._columns = [column.name for column in layer.table.columns]
        self._key = [column.name for column in layer.table.primary_key.columns]
        self._names: dict[str, sql.Composable] = {
            "table": identifier(layer.table),
            **{name: sql.Identifier("pg_temp", f"{name}_{layer.name}") for name in ("incoming", "gone", "problems")},
            "columns": sql.SQL(", ").join(map(sql.Identifier, self._columns)),
            "key": sql.SQL(", ").join(map(sql.Identifier, self._key)),
            "target_key": sql.SQL(", ").join(sql.Identifier("target", name) for name in self._key),
            "incoming_key": sql.SQL(", ").join(sql.Identifier("incoming", name) for name in self._key),
            "assignments": sql.SQL(", ").join(
                sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in self._columns if name not in self._key
            ),
            # The geometry without a type: whatever comes is to be judged, not refused.
            "definitions": sql.SQL(
                ", ".join(f'"{column.name}" {"geometry" if column.name == GEOMETRY else type_of(column)}' for column in layer.table.columns)
            ),
        }
        self._run(read_sql("staging", **self._names))
        # Points come as numbers, so that a new table takes them as they are: copying them a second time would cost half as much again.
        self._is_inside = layer.shape == POINT
        self._is_direct = is_new and layer.shape == POINT
        if is_new:
            schema.create(connection, layer.table, has_key=not self._is_direct)
        if self._is_direct:
            self._names["incoming"] = self._names["table"]

    def fill(self, batches: Iterable[pa.Table], gone: Mirrored) -> None:
        """Copy the rows that come and the places of those that go."""
        self._copied = self._copy("incoming", map(self._looked_at, batches), list(self._layer.table.columns))
        places = pa.Array.from_buffers(pa.binary(6), len(gone.places), [None, pa.py_buffer(gone.places.tobytes())])
        rows = pa.table({ROW_HASH: pa.array(gone.hashes), PLACE.name: places})
        self._copy("gone", [rows] if rows.num_rows else [], [self._layer.table.c[ROW_HASH], PLACE])
        self._gone = int(np.count_nonzero(gone.places != NOWHERE))

    def check(self) -> None:
        """Repair what can be repaired and take out what cannot be shown; both are noted."""
        if self._is_inside:
            return
        if self._is_inside:
            return  # points in the world, as nearly all are: the database would take 0.6 s to judge a million of them
        # A point has nothing to repair.
        is_point = self._layer.shape == POINT
        repaired: sql.Composable = sql.SQL("st_collectionextract(st_makevalid(geometry), 3)")
        if self._layer.shape.startswith("MULTI"):
            repaired = sql.SQL("st_multi({})").format(repaired)
        rules = {
            "is_valid": sql.SQL("true" if is_point else "st_isvalid(geometry)"),
            "repaired": sql.SQL("geometry") if is_point else repaired,
            "shape": sql.Literal(self._layer.shape),
        }
        if self._run(read_sql("check", **self._names, **rules)).rowcount:
            self._run(read_sql("repair", **self._names))
            self._run(read_sql("leave_out", **self._names))

    def merge(self) -> LayerChange:
        """Bring the layer's table to what gold has, in the transaction of the caller."""
        layer = {"layer": self._layer.name}
        self._run(read_sql("forget_problems", **self._names), layer)
        noted = self._run(read_sql("note_problems", **self._names), layer).fetchall()
        left_out = sum(is_left_out for _, _, is_left_out in noted)
        problems = tuple(sorted((key, problem) for key, problem, _ in noted))
        change = LayerChange(repaired=len(noted) - left_out, left_out=left_out, problems=problems)
        if self._is_new:
            inserted = self._copied - left_out
            if not self._is_direct:
                self._run(read_sql("fill", **self._names))
            schema.index(self._connection, self._layer.table, has_key=not self._is_direct)
            return replace(change, inserted=inserted)
        deleted = self._run(read_sql("delete", **self._names)).rowcount
        inserted, updated = self._run(read_sql("upsert", **self._names)).fetchone() or (0, 0)
        if deleted + updated != self._gone:
            raise PublishError(f"Somebody else wrote to layer {self._layer.name}: the next run brings it up to gold.", retryable=True)
        return replace(change, inserted=inserted, updated=updated, deleted=deleted)

    def _looked_at(self, batch: pa.Table) -> pa.Table:
        self._is_inside = self._is_inside and are_inside(batch.column(GEOMETRY))
        return batch

    def _copy(self, name: str, batches: Iterable[pa.Table], columns: list[Column[Any]]) -> int:
        query = sql.SQL("copy {} from stdin (format binary)").format(self._names[name])
        count = 0
        for batch in batches:
            # One statement per batch, so that none runs into the time limit however large the layer is.
            with self._connection.cursor().copy(query) as copy:
                copy.write(HEADER)
                for start in range(0, batch.num_rows, ENCODED_ROWS):
                    copy.write(encode(batch.slice(start, ENCODED_ROWS), columns))
                copy.write(TRAILER)
            count += batch.num_rows
        return count
