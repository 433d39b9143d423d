"""One layer's changes on their way into the mirror: copied beside it, checked there, merged in the transaction of the sync."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from psycopg import sql
from sqlalchemy import Column

from gis.layers import Hashes, Layer
from gis.mirror import Connection, read_sql
from gis.rows import HEADER, TRAILER, decode_hashes, encode
from gis.schema import identifier, type_of
from gis.tables import GEOMETRY


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


def known_hashes(connection: Connection, layer: Layer) -> Hashes:
    """The hashes of all rows that the mirror has or left out, sorted."""
    query = sql.SQL(
        "copy (select row_hash from {} union all select row_hash from map_mirror.problems where is_left_out and layer = {}) "
        "to stdout (format binary)"
    ).format(identifier(layer.table), sql.Literal(layer.name))
    with connection.cursor().copy(query) as copy:
        return decode_hashes(b"".join(copy))


class Staging:
    """Temporary tables of this connection for one layer: what comes and what goes."""

    def __init__(self, connection: Connection, layer: Layer) -> None:
        self._connection, self._layer = connection, layer
        self._incoming, self._gone = sql.Identifier("pg_temp", f"incoming_{layer.name}"), sql.Identifier("pg_temp", f"gone_{layer.name}")
        self._columns = [column.name for column in layer.table.columns]
        self._key = [column.name for column in layer.table.primary_key.columns]
        self._make()

    def _make(self) -> None:
        # The geometry without a type: whatever comes is to be judged, not refused.
        definitions = [
            f'"{column.name}" {"geometry" if column.name == GEOMETRY else type_of(column)}' for column in self._layer.table.columns
        ]
        definitions += ["problem text", "is_left_out boolean not null default false"]
        self._connection.execute(sql.SQL("drop table if exists {}, {}").format(self._incoming, self._gone))
        self._connection.execute(sql.SQL("create temporary table {} ({})").format(self._incoming, sql.SQL(", ".join(definitions))))
        self._connection.execute(sql.SQL("create temporary table {} (row_hash bigint)").format(self._gone))

    def fill(self, batches: Iterable[pa.Table], gone: Hashes) -> None:
        """Copy the rows that come and the hashes of those that go."""
        columns = sql.SQL(", ").join(map(sql.Identifier, self._columns))
        self._copy(sql.SQL("{} ({})").format(self._incoming, columns), batches, list(self._layer.table.columns))
        hashes = self._layer.table.c.row_hash
        self._copy(self._gone, [pa.table({hashes.name: pa.array(gone)})] if len(gone) else [], [hashes])

    def check(self) -> None:
        """Repair what can be repaired and mark what has to be left out; both are noted in the rows."""
        dimension = sql.Literal(1 if self._layer.shape == "POINT" else 3)
        repaired = sql.SQL("st_collectionextract(st_makevalid(geometry), {})").format(dimension)
        if self._layer.shape.startswith("MULTI"):
            repaired = sql.SQL("st_multi({})").format(repaired)
        self._connection.execute(read_sql("repair", incoming=self._incoming, repaired=repaired))
        self._connection.execute(read_sql("leave_out", incoming=self._incoming, shape=sql.Literal(self._layer.shape)))
        self._connection.execute(sql.SQL("analyze {}").format(self._incoming))

    def merge(self, *, is_new: bool) -> LayerChange:
        """Bring the layer's table to what gold has, in the transaction of the caller."""
        names, run = self._names(), self._connection.execute
        layer = {"layer": self._layer.name}
        run(read_sql("forget_problems", gone=self._gone), layer)
        noted = run(read_sql("note_problems", incoming=self._incoming, key=names["key"]), layer).fetchall()
        left_out = sum(is_left_out for _, _, is_left_out in noted)
        change = LayerChange(
            repaired=len(noted) - left_out, left_out=left_out, problems=tuple(sorted((key, problem) for key, problem, _ in noted))
        )
        if is_new:
            return replace(change, inserted=run(read_sql("fill", **names)).rowcount)
        deleted = run(read_sql("delete", **names)).rowcount
        row = run(read_sql("upsert", **names)).fetchone()
        inserted, updated = row or (0, 0)
        return replace(change, inserted=inserted, updated=updated, deleted=deleted)

    def _names(self) -> dict[str, sql.Composable]:
        others = [name for name in self._columns if name not in self._key]
        return {
            "table": identifier(self._layer.table),
            "incoming": self._incoming,
            "gone": self._gone,
            "columns": sql.SQL(", ").join(map(sql.Identifier, self._columns)),
            "key": sql.SQL(", ").join(map(sql.Identifier, self._key)),
            "target_key": sql.SQL(", ").join(sql.Identifier("target", name) for name in self._key),
            "incoming_key": sql.SQL(", ").join(sql.Identifier("incoming", name) for name in self._key),
            "assignments": sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in others),
        }

    def _copy(self, target: sql.Composable, batches: Iterable[pa.Table], columns: list[Column[Any]]) -> None:
        # One statement per batch, so that none runs into the time limit however large the layer is.
        for batch in batches:
            with self._connection.cursor().copy(sql.SQL("copy {} from stdin (format binary)").format(target)) as copy:
                copy.write(HEADER)
                copy.write(encode(batch, columns))
                copy.write(TRAILER)
