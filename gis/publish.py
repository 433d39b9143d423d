"""Publish the map mirror through GeoServer: bring it into the wanted state, whatever state it is in."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Table

from gis.contents import Contents, read_contents, seed_kinds
from gis.geoserver.access import Access
from gis.geoserver.catalog import GROUP, Catalog, Space, spaces
from gis.geoserver.client import GeoServer
from gis.geoserver.server_settings import ServerSettings
from gis.geoserver.styles import StyleShelf
from gis.geoserver.tally import Tally
from gis.geoserver.tiles import TileCache
from gis.styles.model import styles_of
from services.errors import ConfigurationError, PublishError
from services.settings import Settings

GLANCE_SECONDS = 5.0
# From the ground upwards.
GROUP_LAYERS = ("area_coverage", "areas", "request_cells", "facilities")


@dataclass(frozen=True)
class PublishResult:
    """What GeoServer was told: things created, updated, removed and left unchanged, and the layers whose tiles were thrown away."""

    created: int
    updated: int
    removed: int
    unchanged: int
    truncated: tuple[str, ...]


def publish(
    settings: Settings, tables: Iterable[Table], *, changed: Collection[str], sleep: Callable[[float], None] = time.sleep
) -> PublishResult:
    """Bring GeoServer into the state that these tables and settings ask for.

    `changed` names the tables whose rows are others than when this last went well: their tiles are thrown away.
    Raises PublishError, retryable when GeoServer or PostGIS is away; the next call completes what this one began.
    """
    if not settings.geoserver.url:
        raise ConfigurationError("There is no GeoServer: set CARTULARY_GEOSERVER__URL.")
    tables = list(tables)
    contents = read_contents(settings.postgis, tables)
    with GeoServer(settings.geoserver, sleep=sleep) as server:
        server.wait_until_ready()
        publication = _Publication(settings, server, contents, Tally())
        for space in spaces(settings.geoserver):
            publication.publish_space(space, [table for table in tables if table.schema == space.schema], changed)
        tally = publication.tally
        about = ServerSettings(server, tally)
        about.contact(settings.geoserver)
        about.public_address(settings.geoserver)
    return PublishResult(tally.created, tally.updated, tally.removed, tally.unchanged, tuple(tally.truncated))


def is_forgotten(settings: Settings) -> bool:
    """Whether GeoServer answers, but without what it was told: the official image writes its roles anew at each start, and a lost data
    directory takes everything. Four short questions; False when it does not answer at all."""
    with GeoServer(settings.geoserver.model_copy(update={"timeout_seconds": GLANCE_SECONDS})) as server:
        try:
            return not Access(server, Tally()).has_role() or any(
                server.read(f"/rest/workspaces/{space.workspace}.json") is None for space in spaces(settings.geoserver)
            )
        except PublishError as error:
            if not error.retryable:
                raise
            return False


@dataclass(frozen=True)
class _Publication:
    settings: Settings
    server: GeoServer
    contents: Contents
    tally: Tally

    def publish_space(self, space: Space, tables: list[Table], changed: Collection[str]) -> None:
        """Rules before data, styles before layers, tiles last; and what is no more goes after what leaned on it."""
        catalog = Catalog(self.server, self.tally)
        access = Access(self.server, self.tally)
        shelf = StyleShelf(self.server, self.tally, space)
        if space.is_restricted:
            access.role()
        access.rules(space)
        catalog.workspace(space)
        catalog.store(space, self.settings.geoserver)
        kinds = self.contents.kinds or seed_kinds()
        styles = {table.name: styles_of(table.name, kinds) for table in tables}
        wanted = [style for group in styles.values() for style in group]
        if any(table.name == "facilities" for table in tables):
            shelf.icons(kinds)
        for style in wanted:
            shelf.style(style)
        self._layers(catalog, space, tables, {name: [style.name for style in group] for name, group in styles.items()})
        catalog.remove_gone(space, tables)
        if not space.is_restricted:
            self._tiles(space, [table.name for table in tables], changed)
        shelf.remove_gone({style.name for style in wanted})

    def _layers(self, catalog: Catalog, space: Space, tables: list[Table], styles: dict[str, list[str]]) -> None:
        """Feature types, layers and the group."""
        tiles = TileCache(self.server, self.tally)
        for table in tables:
            catalog.feature_type(space, table, self.contents.extent(table.name))
            if space.is_restricted:
                tiles.forbid(space.layer(table.name))
            catalog.layer(space, table, styles[table.name])
        if grouped := [(name, styles[name][0]) for name in GROUP_LAYERS if name in styles]:
            catalog.group(space, "Need and help", grouped, self.contents.extent())

    def _tiles(self, space: Space, names: list[str], changed: Collection[str]) -> None:
        tiles = TileCache(self.server, self.tally)
        stale = [name for name in names if name in changed]
        if set(names) & set(GROUP_LAYERS):
            names = [*names, GROUP]
            stale += [GROUP] if set(stale) & set(GROUP_LAYERS) else []
        for name in names:
            tiles.keep(space.layer(name))
        tiles.truncate(space.layer(name) for name in stale)
