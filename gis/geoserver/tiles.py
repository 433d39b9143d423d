"""The tile cache: thrown away where rows changed, and none at all for what is restricted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from gis.geoserver.client import GeoServer
from gis.geoserver.tally import Tally

XML = "application/xml"
TILE_LAYER = """<GeoServerLayer>
  <enabled>true</enabled>
  <name>{layer}</name>
  <mimeFormats><string>image/png</string></mimeFormats>
  <gridSubsets>
    <gridSubset><gridSetName>EPSG:900913</gridSetName></gridSubset>
    <gridSubset><gridSetName>EPSG:4326</gridSetName></gridSubset>
  </gridSubsets>
  <metaWidthHeight><int>4</int><int>4</int></metaWidthHeight>
  <expireCache>0</expireCache>
  <expireClients>0</expireClients>
  <parameterFilters><styleParameterFilter><key>STYLES</key><defaultValue></defaultValue></styleParameterFilter></parameterFilters>
  <gutter>20</gutter>
</GeoServerLayer>
"""


@dataclass(frozen=True)
class TileCache:
    """GeoWebCache inside GeoServer."""

    server: GeoServer
    tally: Tally

    def keep(self, layer: str) -> None:
        """A tile layer, which GeoServer makes by itself unless somebody told it not to."""
        wanted = TILE_LAYER.format(layer=escape(layer)).encode()
        path = f"/gwc/rest/layers/{layer}.xml"
        there = self.server.read_bytes(path)
        # Formats and grids are the operator's to change: only that there is one is ours.
        self.tally.settle(
            None if there is None else True,
            True,
            create=lambda: self.server.write("PUT", path, wanted, content_type=XML),
            update=lambda: None,
        )

    def forbid(self, layer: str) -> None:
        """No tile layer: by default the cache gives its tiles to anybody, whatever the rules of the layer are."""
        path = f"/gwc/rest/layers/{layer}.xml"
        if self.server.read_bytes(path) is not None:
            self.server.delete(path)
            self.tally.removed += 1

    def truncate(self, layers: Iterable[str]) -> None:
        """Throw away all tiles of these layers, in every grid, format and style."""
        for layer in layers:
            body = f"<truncateLayer><layerName>{escape(layer)}</layerName></truncateLayer>".encode()
            # The one address of GeoServer that refuses application/xml.
            self.server.write("POST", "/gwc/rest/masstruncate", body, content_type="text/xml")
            self.tally.truncated.append(layer)
