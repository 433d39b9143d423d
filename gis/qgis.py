"""A QGIS project of the map mirror, written as QGIS reads it: no QGIS is needed here, and no password is inside."""

from __future__ import annotations

import io
import math
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from geoalchemy2 import Geometry
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Table

from gis.contents import Contents, Extent, read_contents
from gis.styles.model import Style, palette, styles_of
from gis.styles.qml import VERSION, style_elements
from gis.tables import AREA_COVERAGE, AREAS, CATCHMENTS, FACILITIES, GEOMETRY, PUBLIC, REQUEST_CELLS, REQUESTS, ROW_HASH, SRID
from services.settings import Settings

TITLE = "Need and help"
NAME = "cartulary"
EARTH_RADIUS_M = 6378137.0
MERCATOR_LIMIT = 85.05
QGIS_SYSTEMS = {3857: 3857, SRID: 3452}
SHAPES = {"POINT": ("Point", "Point"), "POLYGON": ("Polygon", "Polygon"), "MULTIPOLYGON": ("MultiPolygon", "Polygon")}

Element = ElementTree.Element


@dataclass(frozen=True)
class QgisExport:
    """What was written: the file and the names of its layers, the uppermost first."""

    path: Path
    layers: tuple[str, ...]


@dataclass(frozen=True)
class ProjectLayer:
    """One layer of the project; `table` and `style` only where it is a table of the mirror."""

    name: str
    provider: str
    source: str
    abstract: str
    extent: Extent
    is_shown: bool = False
    table: Table | None = None
    style: Style | None = None

    @property
    def key(self) -> str:
        """An id that is the same in each export, so that what a user builds on it holds."""
        return f"{NAME}_{uuid.uuid5(uuid.NAMESPACE_URL, f'{self.provider}:{self.name}').hex}"


@dataclass(frozen=True)
class Branch:
    """A group of layers in the legend; in a choice only one is shown at a time."""

    name: str
    layers: tuple[ProjectLayer, ...]
    is_choice: bool = False
    is_open: bool = True


@dataclass(frozen=True)
class Database:
    """PostGIS as the reader of the project reaches it."""

    host: str
    port: str
    name: str

    def source(self, table: Table, user: str, kind: str = "") -> str:
        """QGIS's address of a table; QGIS asks for the password once, and keeps it where the user wants it."""
        shape = SHAPES[_shape(table)][0]
        chosen = " sql=\"facility_kind\" = '{}'".format(kind.replace("'", "''")) if kind else ""
        return (
            f"dbname='{_quoted(self.name)}' host={self.host} port={self.port} user='{_quoted(user)}' sslmode=prefer "
            f'estimatedmetadata=false srid={SRID} type={shape} table="{table.schema}"."{table.name}" ({GEOMETRY}){chosen}'
        )


def export_qgis(settings: Settings, path: Path, *, now: datetime, restricted: bool = False, host: str = "", port: int = 0) -> QgisExport:
    """Write the project; `host` and `port` say how its readers reach PostGIS where that is not how this process does.

    Raises ConfigurationError without a mirror, PublishError (retryable) when it is away.
    """
    tables = [*PUBLIC.tables.values(), *([REQUESTS] if restricted else [])]
    contents = read_contents(settings.postgis, tables)
    address = conninfo_to_dict(settings.postgis.url.get_secret_value())
    database = Database(
        host or str(address.get("host") or "localhost"), str(port or address.get("port") or 5432), str(address.get("dbname") or "")
    )
    branches = _branches(settings, contents, database, restricted=restricted)
    document = _document(branches, contents.extent(), now)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{NAME}.qgs", now.timetuple()[:6]), document, zipfile.ZIP_DEFLATED)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed.getvalue())
    return QgisExport(path, tuple(layer.name for branch in branches for layer in branch.layers))


def _branches(settings: Settings, contents: Contents, database: Database, *, restricted: bool) -> list[Branch]:
    """The legend from top to bottom: points over cells over outlines over shades."""
    user, kinds = settings.geoserver.public_username, contents.kinds

    def layers(table: Table, *, of: str = user, is_shown: bool = False) -> tuple[ProjectLayer, ...]:
        return tuple(
            ProjectLayer(
                name=style.title,
                provider="postgres",
                source=database.source(table, of, style.kind),
                abstract=table.comment or "",
                extent=contents.extent(table.name),
                is_shown=is_shown and number == 0,
                table=table,
                style=style.without_kind(),
            )
            for number, style in enumerate(styles_of(table.name, kinds))
        )

    branches = []
    if restricted:
        branches.append(Branch("Exact requests", layers(REQUESTS, of=settings.geoserver.restricted_username, is_shown=True)))
    branches += [
        Branch("", layers(FACILITIES, is_shown=True)),
        Branch("", layers(REQUEST_CELLS, is_shown=True)),
        Branch("", layers(AREAS, is_shown=True)),
        Branch("Catchments", layers(CATCHMENTS), is_choice=True, is_open=False),
        Branch("Coverage", layers(AREA_COVERAGE, is_shown=True), is_choice=True),
    ]
    if settings.geoserver.public_url:
        branches.append(_web(settings.geoserver.public_url.rstrip("/"), contents))
    return [branch for branch in branches if branch.layers]


def _web(url: str, contents: Contents) -> Branch:
    """The same layers from GeoServer, for whoever may not reach the database."""
    found = [
        ProjectLayer(
            f"{TITLE} (WMS)",
            "wms",
            "contextualWMSLegend=0&crs=EPSG:3857&dpiMode=7&featureCount=10&format=image/png&layers=cartulary:map&styles&url="
            + quote(f"{url}/wms", safe=":/"),
            "The whole map as GeoServer draws it.",
            contents.extent(),
        )
    ]
    for table in PUBLIC.tables.values():
        found.append(
            ProjectLayer(
                f"{table.name.replace('_', ' ').capitalize()} (WFS)",
                "WFS",
                f"pagingEnabled='true' restrictToRequestBBOX='1' srsname='EPSG:{SRID}' typename='cartulary:{table.name}' "
                f"url='{url}/wfs' version='auto'",
                table.comment or "",
                contents.extent(table.name),
            )
        )
    return Branch("From the web (WMS, WFS)", tuple(found), is_open=False)


def _document(branches: Sequence[Branch], extent: Extent, now: datetime) -> bytes:
    root = Element("qgis", projectname=TITLE, version=VERSION, saveDateTime=now.strftime("%Y-%m-%dT%H:%M:%S"))
    _add(root, "title", TITLE)
    _add_crs(_add(root, "projectCrs"), 3857)
    tree = _add(root, "layer-tree-group")
    for branch in branches:
        _add_branch(tree, branch)
    shown = [layer for branch in branches for layer in branch.layers]
    _add_canvas(root, extent)
    project_layers = _add(root, "projectlayers")
    for layer in shown:
        project_layers.append(_map_layer(layer))
    order = _add(root, "layerorder")
    for layer in shown:
        _add(order, "layer", id=layer.key)
    _add_properties(root)
    metadata = _add(root, "projectMetadata")
    _add(metadata, "identifier", NAME)
    _add(metadata, "title", TITLE)
    _add(metadata, "abstract", "Where the need is and how far it is from help: the map mirror of Cartulary.")
    _add(metadata, "creation", now.strftime("%Y-%m-%dT%H:%M:%S"))
    west, south, east, north = _mercator(extent)
    settings = _add(root, "ProjectViewSettings", UseProjectScales="0", rotation="0")
    _add_crs(_add(settings, "DefaultViewExtent", xmin=west, ymin=south, xmax=east, ymax=north), 3857)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8")
    return b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + document


def _add_branch(tree: Element, branch: Branch) -> None:
    parent = tree
    if branch.name:
        shown = [number for number, layer in enumerate(branch.layers) if layer.is_shown]
        parent = _add(tree, "layer-tree-group", name=branch.name, expanded=_flag(branch.is_open), checked=_checked(bool(shown)))
        if branch.is_choice:
            parent.set("mutually-exclusive", "1")
            parent.set("mutually-exclusive-child", str(shown[0] if shown else -1))
    for layer in branch.layers:
        _add(
            parent,
            "layer-tree-layer",
            id=layer.key,
            name=layer.name,
            source=layer.source,
            providerKey=layer.provider,
            checked=_checked(layer.is_shown),
            # Facilities have a line for each kind and range of scales: that is for whoever opens it.
            expanded=_flag(layer.is_shown and layer.table is not FACILITIES),
        )


def _map_layer(layer: ProjectLayer) -> Element:
    element = Element("maplayer", {"type": "raster" if layer.provider == "wms" else "vector", "refreshOnNotifyEnabled": "0"})
    _add_box(_add(element, "extent"), layer.extent)
    _add(element, "id", layer.key)
    _add(element, "datasource", layer.source)
    _add(element, "layername", layer.name)
    _add_crs(_add(element, "srs"), 3857 if layer.provider == "wms" else SRID)
    metadata = _add(element, "resourceMetadata")
    _add(metadata, "title", layer.name)
    _add(metadata, "abstract", layer.abstract)
    _add(element, "provider", layer.provider, encoding="UTF-8")
    if layer.table is not None and layer.style is not None:
        _, geometry = SHAPES[_shape(layer.table)]
        element.set("geometry", geometry)
        element.set("labelsEnabled", _flag(layer.style.labels))
        element.set("readOnly", "1")
        element.extend(style_elements(layer.style))
        columns = _add(_add(element, "attributetableconfig"), "columns")
        _add(columns, "column", type="field", name=ROW_HASH, hidden="1", width="-1")
    return element


def _add_canvas(root: Element, extent: Extent) -> None:
    canvas = _add(root, "mapcanvas", name="theMapCanvas")
    _add(canvas, "units", "meters")
    west, south, east, north = _mercator(extent)
    _add_box(_add(canvas, "extent"), (west, south, east, north))
    _add_crs(_add(canvas, "destinationsrs"), 3857)


def _add_properties(root: Element) -> None:
    properties = _add(root, "properties")
    gui = _add(properties, "Gui")
    paper = palette()["paper"]
    for name, at in (("Red", 1), ("Green", 3), ("Blue", 5)):
        _add(gui, f"CanvasColor{name}Part", str(int(paper[at : at + 2], 16)), type="int")
    _add(_add(properties, "SpatialRefSys"), "ProjectionsEnabled", "1", type="int")


def _add_box(parent: Element, box: tuple[float | str, ...]) -> None:
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
        _add(parent, name, str(value))


def _add_crs(parent: Element, srid: int) -> None:
    system = _add(parent, "spatialrefsys")
    # Without its own number QGIS 3.22 reads no project's system, although a layer's.
    _add(system, "srsid", str(QGIS_SYSTEMS[srid]))
    _add(system, "srid", str(srid))
    _add(system, "authid", f"EPSG:{srid}")


def _add(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    child = ElementTree.SubElement(parent, tag, attributes)
    child.text = text
    return child


def _mercator(extent: Extent) -> tuple[str, str, str, str]:
    """A box in metres of EPSG:3857 with a margin of 5 %; formula: EPSG guidance note 7-2, method 1024."""
    west, south, east, north = extent

    def y(latitude: float) -> float:
        bounded = max(-MERCATOR_LIMIT, min(MERCATOR_LIMIT, latitude))
        return EARTH_RADIUS_M * math.log(math.tan(math.pi / 4 + math.radians(bounded) / 2))

    x_min, x_max = (EARTH_RADIUS_M * math.radians(longitude) for longitude in (west, east))
    y_min, y_max = y(south), y(north)
    x_margin, y_margin = (x_max - x_min) * 0.05, (y_max - y_min) * 0.05
    return (f"{x_min - x_margin:.1f}", f"{y_min - y_margin:.1f}", f"{x_max + x_margin:.1f}", f"{y_max + y_margin:.1f}")


def _shape(table: Table) -> str:
    kind = table.columns[GEOMETRY].type
    assert isinstance(kind, Geometry)  # noqa: S101  (each table of the mirror has one)
    return str(kind.geometry_type)


def _checked(value: bool) -> str:
    return "Qt::Checked" if value else "Qt::Unchecked"


def _flag(value: object) -> str:
    return "1" if value else "0"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
