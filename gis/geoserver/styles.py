"""SLD styles and their icons in a workspace."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from xml.etree import ElementTree

from gis.geoserver.catalog import Space
from gis.geoserver.client import GeoServer
from gis.geoserver.tally import Tally, inner
from gis.styles.icons import icon_name, icon_svg
from gis.styles.model import Style
from gis.styles.sld import CONTENT_TYPE, MARK, to_sld

ICON = "image/svg+xml"


@dataclass(frozen=True)
class StyleShelf:
    """The styles of one workspace; what others put there stays."""

    server: GeoServer
    tally: Tally
    space: Space

    def style(self, style: Style) -> None:
        """A style as we write it, to the letter: with `raw` GeoServer keeps and returns our document."""
        wanted = to_sld(style)
        path = self._path(style.name)
        current = self.server.read_bytes(f"{path}.sld")
        self.tally.settle(
            None if current is None else _canonical(current),
            _canonical(wanted),
            create=lambda: self._create(style.name, wanted),
            update=lambda: self.server.write("PUT", path, wanted, content_type=CONTENT_TYPE, params={"raw": "true"}),
        )

    def icons(self, kinds: Mapping[str, str]) -> None:
        """One pictogram for each kind of facility, beside the styles that name it; those of kinds that are no more go."""
        folder = f"/rest/resource/workspaces/{self.space.workspace}/styles"
        for kind in kinds:
            wanted, path = icon_svg(kind).encode(), f"{folder}/{icon_name(kind)}"
            write = partial(self.server.write, "PUT", path, wanted, content_type=ICON)
            self.tally.settle(self.server.read_bytes(path), wanted, create=write, update=write)
        listing = self.server.read(folder, format="json")
        for entry in inner(listing, "ResourceDirectory", "children", "child"):
            name = str(entry["name"])
            if name.startswith("kind_") and name.endswith(".svg") and name not in {icon_name(kind) for kind in kinds}:
                self.server.delete(f"{folder}/{name}")
                self.tally.removed += 1

    def remove_gone(self, names: Collection[str]) -> None:
        """Remove the styles that we wrote and want no more, with their files."""
        listing = self.server.read(f"/rest/workspaces/{self.space.workspace}/styles.json")
        for name in sorted({str(entry["name"]) for entry in inner(listing, "styles", "style")} - set(names)):
            if MARK.encode() in (self.server.read_bytes(f"{self._path(name)}.sld") or b""):
                self.server.delete(self._path(name), purge="true")
                self.tally.removed += 1

    def _path(self, name: str) -> str:
        return f"/rest/workspaces/{self.space.workspace}/styles/{name}"

    def _create(self, name: str, document: bytes) -> None:
        # What a DELETE without `purge` left on disk would make GeoServer refuse the new style: it goes first.
        self.server.delete(f"/rest/resource/workspaces/{self.space.workspace}/styles/{name}.sld")
        self.server.write(
            "POST",
            f"/rest/workspaces/{self.space.workspace}/styles",
            document,
            content_type=CONTENT_TYPE,
            params={"name": name, "raw": "true"},
        )


def _canonical(document: bytes) -> str:
    """The same for documents that differ in spaces and prefixes alone."""
    try:
        return ElementTree.canonicalize(document.decode("utf-8"), strip_text=True, rewrite_prefixes=True)
    except (ElementTree.ParseError, UnicodeDecodeError):
        return ""
