"""Workspaces, the PostGIS store of each, feature types, layers and the layer group."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import Table

from gis.contents import Extent
from gis.geoserver.client import GeoServer
from gis.geoserver.tally import Tally, holds, inner
from gis.tables import ROW_HASH
from services.settings import GeoserverSettings

PUBLIC_WORKSPACE = "cartulary"
RESTRICTED_WORKSPACE = "cartulary_restricted"
STORE = "mirror"
GROUP = "map"
CRS = "EPSG:4326"
# At each feature type: a hash of the columns that it was told of. A layer without it was made by somebody else.
TOLD_COLUMNS = "cartulary.columns"
BINDINGS: Mapping[str, str] = {
    "Text": "java.lang.String",
    "SmallInteger": "java.lang.Short",
    "BigInteger": "java.lang.Long",
    "Double": "java.lang.Double",
    "Date": "java.sql.Date",
}
SHAPES = {"POINT": "Point", "POLYGON": "Polygon", "MULTIPOLYGON": "MultiPolygon"}


@dataclass(frozen=True)
class Space:
    """A workspace and what its store connects with."""

    workspace: str
    schema: str
    username: str
    password: str
    is_restricted: bool

    @property
    def store_path(self) -> str:
        """Where the store lies."""
        return f"/rest/workspaces/{self.workspace}/datastores/{STORE}"

    def layer(self, name: str) -> str:
        """The name of a layer for everybody outside of the workspace."""
        return f"{self.workspace}:{name}"


def spaces(settings: GeoserverSettings) -> tuple[Space, Space]:
    """What anybody may see, and what only its own role may."""
    public = (settings.public_username, settings.public_password.get_secret_value())
    restricted = (settings.restricted_username, settings.restricted_password.get_secret_value())
    return (
        Space(PUBLIC_WORKSPACE, "public_map", *public, is_restricted=False),
        Space(RESTRICTED_WORKSPACE, "restricted_map", *restricted, is_restricted=True),
    )


@dataclass(frozen=True)
class Catalog:
    """The nouns of GeoServer's catalog, each settled into what is wanted."""

    server: GeoServer
    tally: Tally

    def workspace(self, space: Space) -> None:
        """The workspace; GeoServer makes the namespace of the same name with it."""
        current = self.server.read(f"/rest/workspaces/{space.workspace}.json")
        body = {"workspace": {"name": space.workspace}}
        self.tally.settle(current, body, create=lambda: self.server.write("POST", "/rest/workspaces", body), update=lambda: None)

    def store(self, space: Space, settings: GeoserverSettings) -> None:
        """The PostGIS store; the password itself is sent only when something differs."""
        parameters = {
            "dbtype": "postgis",
            "host": settings.database_host,
            "port": str(settings.database_port),
            "database": settings.database_name,
            "schema": space.schema,
            "user": space.username,
            "Expose primary keys": "true",
            "validate connections": "true",
            "Connection timeout": "20",
        }
        wanted: dict[str, Any] = {"name": STORE, "description": _description(space, settings), "enabled": True}
        secret = {**parameters, "passwd": space.password}
        body = {"dataStore": {**wanted, "type": "PostGIS", "connectionParameters": {"entry": _entries(secret)}}}
        current = (self.server.read(f"{space.store_path}.json") or {}).get("dataStore")
        if current is not None:
            current = {**current, "connectionParameters": _as_mapping(inner(current, "connectionParameters", "entry"))}
        self.tally.settle(
            current,
            {**wanted, "connectionParameters": parameters},
            create=lambda: self.server.write("POST", f"/rest/workspaces/{space.workspace}/datastores", body),
            update=lambda: self.server.write("PUT", space.store_path, body),
        )

    def feature_type(self, space: Space, table: Table, extent: Extent) -> None:
        """The feature type of a table, with all its columns but the sync's own hash, and as large as its rows reach."""
        attributes = _attributes(table)
        names = [attribute["name"] for attribute in attributes]
        told = {TOLD_COLUMNS: hashlib.sha256(repr(attributes).encode()).hexdigest()[:16]}
        box = dict(zip(("minx", "miny", "maxx", "maxy"), map(float, extent), strict=True)) | {"crs": CRS}
        wanted: dict[str, Any] = {
            "name": table.name,
            "nativeName": table.name,
            "title": table.name.replace("_", " ").capitalize(),
            "abstract": table.comment or "",
            "srs": CRS,
            "projectionPolicy": "FORCE_DECLARED",
            "enabled": True,
            "nativeBoundingBox": box,
            "latLonBoundingBox": box,
        }
        body = {"featureType": {**wanted, "attributes": {"attribute": attributes}, "metadata": {"entry": _entries(told)}}}
        path = f"{space.store_path}/featuretypes"
        current = (self.server.read(f"{path}/{table.name}.json") or {}).get("featureType")
        columns = {"metadata": told, "attributes": names}
        if current is not None:
            found = [attribute["name"] for attribute in inner(current, "attributes", "attribute")]
            current = {**current, "metadata": _as_mapping(inner(current, "metadata", "entry")), "attributes": found}

        def update() -> None:
            if not holds(current, columns):
                # GeoServer keeps what it knows of a table's columns until it is told to look again.
                self.server.write("PUT", f"{space.store_path}/reset")
            self.server.write("PUT", f"{path}/{table.name}", body)

        self.tally.settle(current, {**wanted, **columns}, create=lambda: self.server.write("POST", path, body), update=update)

    def layer(self, space: Space, table: Table, styles: Sequence[str]) -> None:
        """The layer of a feature type with its styles, the default first."""
        names = [{"name": space.layer(style)} for style in styles]
        path = f"/rest/layers/{space.layer(table.name)}"
        current = (self.server.read(f"{path}.json") or {}).get("layer")
        if current is not None:
            current = {**current, "styles": {"style": sorted(inner(current, "styles", "style"), key=lambda style: str(style["name"]))}}
        wanted = {"enabled": True, "defaultStyle": names[0], "styles": {"style": sorted(names, key=lambda style: style["name"])}}
        body = {"layer": {**wanted, "name": table.name, "styles": {"@class": "linked-hash-set", "style": names}}}
        # GeoServer made the layer with the feature type; without one it would be for nobody to find.
        self.tally.settle(
            current or {}, wanted, create=lambda: self.server.write("PUT", path, body), update=lambda: self.server.write("PUT", path, body)
        )

    def group(self, space: Space, title: str, layers: Sequence[tuple[str, str]], extent: Extent) -> None:
        """The layer group: (layer, style) from the ground upwards."""
        published = [{"@type": "layer", "name": space.layer(layer)} for layer, _ in layers]
        styles = [{"name": space.layer(style)} for _, style in layers]
        west, south, east, north = map(float, extent)
        wanted = {
            "name": GROUP,
            "mode": "SINGLE",
            "title": title,
            "workspace": {"name": space.workspace},
            "publishables": {"published": published},
            "styles": {"style": styles},
            "bounds": {"minx": west, "miny": south, "maxx": east, "maxy": north, "crs": CRS},
        }
        path = f"/rest/workspaces/{space.workspace}/layergroups"
        self.tally.settle(
            (self.server.read(f"{path}/{GROUP}.json") or {}).get("layerGroup"),
            wanted,
            create=lambda: self.server.write("POST", path, {"layerGroup": wanted}),
            update=lambda: self.server.write("PUT", f"{path}/{GROUP}", {"layerGroup": wanted}),
        )

    def remove_gone(self, space: Space, tables: Sequence[Table]) -> list[str]:
        """Remove the layers that we made for tables that are no more; returns their names."""
        path = f"{space.store_path}/featuretypes"
        there = [entry["name"] for entry in inner(self.server.read(f"{path}.json"), "featureTypes", "featureType")]
        gone = []
        for name in sorted(set(there) - {table.name for table in tables}):
            found = (self.server.read(f"{path}/{name}.json") or {}).get("featureType", {})
            if TOLD_COLUMNS in _as_mapping(inner(found, "metadata", "entry")):
                self.server.delete(f"{path}/{name}", recurse="true")
                self.tally.removed += 1
                gone.append(name)
        return gone


def _attributes(table: Table) -> list[dict[str, Any]]:
    """All columns but the hash, which is the sync's own."""
    found = []
    for column in table.columns:
        if column.name == ROW_HASH:
            continue
        if isinstance(column.type, Geometry):
            binding = f"org.locationtech.jts.geom.{SHAPES[str(column.type.geometry_type)]}"
        else:
            binding = BINDINGS[type(column.type).__name__]
        nillable = bool(column.nullable)
        found.append({"name": column.name, "minOccurs": 0 if nillable else 1, "maxOccurs": 1, "nillable": nillable, "binding": binding})
    return found


def _description(space: Space, settings: GeoserverSettings) -> str:
    """GeoServer never gives a password back, so that a hash of it beside the store tells whether it is still ours.

    Slow and salted, since the store's description is written down where administrators look.
    """
    salt = f"{settings.database_host}/{settings.database_name}/{space.username}".encode()
    digest = hashlib.scrypt(space.password.encode(), salt=salt, n=2**14, r=8, p=1, dklen=8).hex()
    return f"Cartulary's map mirror (password {digest})"


def _entries(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"@key": key, "$": value} for key, value in values.items()]


def _as_mapping(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {str(entry["@key"]): str(entry.get("$", "")) for entry in entries}
