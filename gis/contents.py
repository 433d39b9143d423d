"""What the mirror's tables hold just now: where, and for which kinds of facilities."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from psycopg import sql
from sqlalchemy import Table

from gis.mirror import Connection, open_mirror
from gis.schema import identifier, is_there
from gis.tables import GEOMETRY
from services.errors import ConfigurationError, PublishError
from services.settings import DBT_PROJECT_DIR, PostgisSettings

KIND = "facility_kind"
# The table whose extent is that of the map.
LAND = "areas"
KINDS_SEED = DBT_PROJECT_DIR / "seeds" / "facility_kinds.csv"

Extent = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

WORLD: Extent = (-180.0, -90.0, 180.0, 90.0)


@dataclass(frozen=True)
class Contents:
    """The extent of each table by name (None when it is empty), and the kinds in use with their labels in the seed's order."""

    extents: Mapping[str, Extent | None]
    kinds: Mapping[str, str]

    def extent(self, table: str = "") -> Extent:
        """Around a table, or around the land where it is empty or none is named; the world while there is nothing at all.

        Not around everything: one merged cell of a few requests may be larger than the country.
        """
        return self.extents.get(table) or self.extents.get(LAND) or union(self.extents.values()) or WORLD


def read_contents(settings: PostgisSettings, tables: Iterable[Table]) -> Contents:
    """Ask all tables; PublishError, retryable when PostGIS is away, and one that says what to do before the first sync."""
    if not settings.url.get_secret_value():
        raise ConfigurationError("There is no map mirror: set CARTULARY_POSTGIS__URL, then `cartulary run` fills it.")
    tables = list(tables)
    with open_mirror(settings) as connection:
        for table in tables:
            if not is_there(connection, table):
                raise PublishError(f"The map mirror has no {table.fullname} yet: `cartulary run` makes it.")
        extents = {table.name: _extent(connection, table) for table in tables}
        used = {kind for table in tables if KIND in table.columns for kind in _kinds(connection, table)}
    labels = seed_kinds()
    ordered = [kind for kind in labels if kind in used] + sorted(used - labels.keys())
    return Contents(extents, {kind: labels.get(kind, kind.replace("_", " ").capitalize()) for kind in ordered})


def union(extents: Iterable[Extent | None]) -> Extent | None:
    """The smallest box around all boxes."""
    boxes = [extent for extent in extents if extent]
    if not boxes:
        return None
    west, south, east, north = zip(*boxes, strict=True)
    return (min(west), min(south), max(east), max(north))


def seed_kinds() -> Mapping[str, str]:
    """Kinds and labels of dbt's seed, in its order."""
    with KINDS_SEED.open(encoding="utf-8", newline="") as file:
        return {row[KIND]: row["label"] for row in csv.DictReader(file)}


def _extent(connection: Connection, table: Table) -> Extent | None:
    query = sql.SQL("select st_xmin(box), st_ymin(box), st_xmax(box), st_ymax(box) from (select st_extent({}) as box from {}) as boxes")
    row = connection.execute(query.format(sql.Identifier(GEOMETRY), identifier(table))).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1], row[2], row[3])


def _kinds(connection: Connection, table: Table) -> list[str]:
    # Requests whose topic nobody could tell have an empty one.
    query = sql.SQL("select distinct {kind} from {table} where {kind} <> ''").format(kind=sql.Identifier(KIND), table=identifier(table))
    return [row[0] for row in connection.execute(query)]
