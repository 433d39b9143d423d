"""What the imitated GeoServer does with each request: REST controllers as its source has them, and who may see what."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from geoserver_state import Refused, State, collapsed, listed, may_read

JSON, XML, SLD = "application/json", "application/xml", "application/vnd.ogc.sld+xml"


@dataclass
class Rest:
    """The REST interface on a state."""

    state: State
    checks_database: bool = False

    def answer(self, method: str, path: str, query: dict[str, str], content_type: str, body: bytes) -> tuple[int, str, bytes]:
        self.method, self.query, self.body = method, query, body
        self.content_type = content_type.split(";")[0]
        for pattern, controller in ROUTES:
            if match := re.fullmatch(pattern, path):
                result = controller(self, *match.groups())
                if isinstance(result, bytes):
                    return 200, "application/octet-stream", result
                if method == "POST" and result is None:
                    return 201, "text/plain", b""
                return (200, JSON, json.dumps(result).encode()) if result is not None else (200, "text/plain", b"")
        raise Refused(404, f"No static resource {path}")

    # -- bodies

    def json(self, key: str) -> Any:
        if self.content_type not in (JSON, "text/json"):
            raise Refused(415, f"Unsupported media type {self.content_type}")
        return json.loads(self.body)[key] if key else json.loads(self.body)

    def get(self, value: Any, what: str) -> Any:
        if value is None:
            raise Refused(404, f"No such {what}")
        return value

    # -- controllers

    def version(self) -> Any:
        return {"about": {"resource": [{"@name": "GeoServer", "Version": "2.28.5"}]}}

    def workspaces(self) -> Any:
        name = self.json("workspace")["name"]
        if name in self.state.workspaces:
            raise Refused(409, f"Workspace '{name}' already exists")
        self.state.workspaces[name] = {"name": name, "isolated": False}

    def workspace(self, name: str) -> Any:
        workspace = self.get(self.state.workspaces.get(name), f"workspace: '{name}'")
        if self.method == "DELETE":
            if self.query.get("recurse") != "true" and any(key[0] == name for key in self.state.stores):
                raise Refused(403, "Workspace not empty")
            del self.state.workspaces[name]
            return None
        return {"workspace": {**workspace, "dataStores": f"http://internal/rest/workspaces/{name}/datastores.json"}}

    def stores(self, workspace: str) -> Any:
        self.get(self.state.workspaces.get(workspace), f"workspace: '{workspace}'")
        store = self.json("dataStore")
        if (workspace, store["name"]) in self.state.stores:
            raise Refused(500, f"Store '{store['name']}' already exists in workspace '{workspace}'")
        self.save_store(workspace, store)

    def save_store(self, workspace: str, given: dict[str, Any]) -> None:
        key = (workspace, given["name"])
        parameters = {entry["@key"]: entry["$"] for entry in listed(given.get("connectionParameters", {}).get("entry"))}
        before = self.state.stores.get(key, {"parameters": {}})
        # A password comes back encrypted and is otherwise unknown to whoever asks.
        self.state.stores[key] = {
            **before,
            **given,
            "enabled": given.get("enabled", False),
            "parameters": parameters or before["parameters"],
        }
        self.state.columns.pop(key, None)

    def store(self, workspace: str, name: str) -> Any:
        store = self.get(self.state.stores.get((workspace, name)), f"datastore: {workspace},{name}")
        if self.method == "PUT":
            self.save_store(workspace, self.json("dataStore") | {"name": name})
            return None
        if self.method == "DELETE":
            if self.query.get("recurse") != "true" and any(key[:2] == (workspace, name) for key in self.state.feature_types):
                raise Refused(403, "datastore not empty")
            del self.state.stores[workspace, name]
            return None
        shown = {**store["parameters"], "namespace": f"http://{workspace}"} | (
            {"passwd": "crypt1:9f0c"} if "passwd" in store["parameters"] else {}
        )
        answer = {key: value for key, value in store.items() if key not in ("parameters", "connectionParameters")}
        entries = [{"@key": key, "$": value} for key, value in shown.items()]
        return {"dataStore": collapsed({**answer, "workspace": {"name": workspace}, "connectionParameters": {"entry": entries}})}

    def reset_store(self, workspace: str, name: str) -> Any:
        self.get(self.state.stores.get((workspace, name)), "datastore")
        self.state.columns.pop((workspace, name), None)

    def columns(self, workspace: str, store: str, table: str) -> list[str] | None:
        """The table's columns as the store saw them first; None when there is no such table, or nobody looks."""
        if not self.checks_database:
            return None
        seen = self.state.columns.setdefault((workspace, store), {})
        if table not in seen:
            seen[table] = read_columns(self.state.stores[workspace, store]["parameters"], table)
        return seen[table]

    def feature_types(self, workspace: str, store: str) -> Any:
        self.get(self.state.stores.get((workspace, store)), f"datastore: {workspace},{store}")
        if self.method == "GET":
            names = [key[2] for key in self.state.feature_types if key[:2] == (workspace, store)]
            return {"featureTypes": {"featureType": [{"name": name} for name in names]} if names else ""}
        given = self.json("featureType")
        name = given["name"]
        if any(key[0] == workspace and key[2] == name for key in self.state.feature_types):
            raise Refused(500, f"Resource named '{name}' already exists in namespace: '{workspace}'")
        if self.columns(workspace, store, name) == []:
            if not listed(given.get("attributes", {}).get("attribute")):
                raise Refused(400, "Trying to create new feature type inside the store, but no attributes were specified")
            raise Refused(500, "Could not create schema: permission denied for schema")  # it would create the table
        self.save_feature_type(workspace, store, {**given, "enabled": True})
        self.state.layers[f"{workspace}:{name}"] = {"name": name, "type": "VECTOR", "defaultStyle": {"name": "polygon"}, "enabled": True}
        self.state.tile_layers.setdefault(f"{workspace}:{name}", b"<GeoServerLayer/>")  # cacheLayersByDefault
        if workspace.endswith("_restricted") and may_read(self.state.rules, workspace, name, set()):
            self.state.exposed.append(f"{workspace}:{name}")
        return None

    def save_feature_type(self, workspace: str, store: str, given: dict[str, Any]) -> None:
        columns = self.columns(workspace, store, given["name"])
        for attribute in listed(given.get("attributes", {}).get("attribute")):
            if columns is not None and attribute["name"] not in columns:
                raise Refused(500, f"Attribute {attribute['name']} is not in the feature type {given['name']}")
        before = self.state.feature_types.get((workspace, store, given["name"]), {})
        # A body without `enabled` disables: the field of an object that was made from it is false.
        self.state.feature_types[workspace, store, given["name"]] = {**before, **given, "enabled": given.get("enabled", False)}

    def feature_type(self, workspace: str, store: str, name: str) -> Any:
        found = self.get(self.state.feature_types.get((workspace, store, name)), f"feature type: {workspace},{store},{name}")
        if self.method == "PUT":
            self.save_feature_type(workspace, store, self.json("featureType") | {"name": name})
            return None
        if self.method == "DELETE":
            if self.query.get("recurse") != "true":
                raise Refused(403, "feature type referenced by layer(s)")
            for group in self.state.groups.values():
                if f"{workspace}:{name}" in [layer["name"] for layer in group["publishables"]["published"]]:
                    raise Refused(500, "layer is part of a layer group")
            del self.state.feature_types[workspace, store, name]
            self.state.layers.pop(f"{workspace}:{name}", None)
            self.state.tile_layers.pop(f"{workspace}:{name}", None)
            return None
        return {"featureType": collapsed({**found, "namespace": {"name": workspace}, "nativeCRS": "GEOGCS[...]", "maxFeatures": 0})}

    def layer(self, name: str) -> Any:
        layer = self.get(self.state.layers.get(name), f"layer: {name}")
        if self.method == "PUT":
            given = self.json("layer")
            for style in [given.get("defaultStyle"), *listed(given.get("styles", {}).get("style"))]:
                workspace, _, style_name = style["name"].partition(":")
                if (workspace, style_name) not in self.state.styles:
                    raise Refused(500, f"No such style: {style['name']}")
            layer.update(given)
            return None
        shown = {
            **layer,
            "styles": {
                **layer.get("styles", {}),
                "style": [{**style, "href": "http://internal"} for style in listed(layer.get("styles", {}).get("style"))],
            },
        }
        return {"layer": collapsed(shown)}

    def groups(self, workspace: str) -> Any:
        given = self.json("layerGroup")
        if (workspace, given["name"]) in self.state.groups:
            raise Refused(500, f"Layer group '{given['name']}' already exists in workspace '{workspace}'")
        self.check_group(given)
        self.state.groups[workspace, given["name"]] = given
        self.state.tile_layers.setdefault(f"{workspace}:{given['name']}", b"<GeoServerLayer/>")

    def check_group(self, given: dict[str, Any]) -> None:
        published = listed(given["publishables"]["published"])
        if not published:
            raise Refused(400, "layer group must not be empty")
        for layer in published:
            self.get(self.state.layers.get(layer["name"]), f"layer: {layer['name']}")

    def group(self, workspace: str, name: str) -> Any:
        group = self.get(self.state.groups.get((workspace, name)), f"layer group {name} in workspace {workspace}")
        if self.method == "PUT":
            given = self.json("layerGroup")
            self.check_group(given)
            group.update(given)
            return None
        if self.method == "DELETE":
            del self.state.groups[workspace, name]
            return None
        return {"layerGroup": collapsed(group)}

    def styles(self, workspace: str) -> Any:
        if self.method == "GET":
            names = sorted(name for owner, name in self.state.styles if owner == workspace)
            return {"styles": {"style": [{"name": name} for name in names]} if names else ""}
        self.get(self.state.workspaces.get(workspace), f"workspace {workspace}")
        if self.content_type != SLD:
            raise Refused(415, f"Unsupported media type {self.content_type}")
        name = self.query["name"]
        check_sld(self.body)
        if (workspace, name) in self.state.styles:
            raise Refused(403, f"Style {name} already exists.")
        if f"workspaces/{workspace}/styles/{name}.sld" in self.state.files:
            raise Refused(403, f"Style resource {name}.sld already exists.")
        self.state.styles.add((workspace, name))
        self.write_style(workspace, name)
        return None

    def write_style(self, workspace: str, name: str) -> None:
        # Without `raw` the document is parsed and written anew, in GeoServer's own words.
        body = self.body if self.query.get("raw") == "true" else b"<!-- GeoServer's own -->" + self.body
        self.state.files[f"workspaces/{workspace}/styles/{name}.sld"] = body

    def style(self, workspace: str, name: str, extension: str | None) -> Any:
        if (workspace, name) not in self.state.styles:
            raise Refused(404, f"No such style {name} in workspace {workspace}")
        file = f"workspaces/{workspace}/styles/{name}.sld"
        if self.method == "PUT":
            check_sld(self.body)
            self.write_style(workspace, name)
            return None
        if self.method == "DELETE":
            used = [layer for layer in self.state.layers.values() if f"{workspace}:{name}" in json.dumps(layer)]
            if used:
                raise Refused(403, "Can't delete style referenced by existing layers.")
            self.state.styles.discard((workspace, name))
            if self.query.get("purge") == "true":
                del self.state.files[file]
            return None
        return self.state.files[file] if extension == ".sld" else {"style": {"name": name, "format": "sld", "filename": f"{name}.sld"}}

    def resource(self, path: str) -> Any:
        if self.method == "PUT":
            self.state.files[path] = self.body
            return None
        if self.method == "DELETE":
            self.get(self.state.files.pop(path, None), f"resource {path}")
            return None
        if path in self.state.files:
            return self.state.files[path]
        children = [{"name": file.removeprefix(f"{path}/")} for file in sorted(self.state.files) if file.startswith(f"{path}/")]
        if not children:
            raise Refused(404, f"Undefined resource path {path}")
        return {"ResourceDirectory": {"name": path, "children": {"child": children}}}

    def roles(self, role: str | None = None) -> Any:
        if role is None:
            return {"roles": self.state.roles}
        if role in self.state.roles:
            raise Refused(404, f"role {role} already exists")
        self.state.roles.append(role)
        return None

    def rules(self, rule: str | None = None) -> Any:
        there = self.state.rules
        if self.method == "GET":
            return there
        if self.method == "DELETE":
            self.get(there.pop(str(rule), None), f"rule {rule}")
            return None
        given = self.json("")
        if self.method == "POST" and given.keys() & there.keys():
            raise Refused(409, "Already existing rules")
        if self.method == "PUT" and given.keys() - there.keys():
            raise Refused(409, "Unknown rules")
        there.update(given)
        return None

    def contact(self) -> Any:
        if self.method == "PUT":
            self.state.contact = self.json("contact")
            return None
        return {"contact": self.state.contact}

    def settings(self) -> Any:
        if self.method == "PUT":
            if self.content_type not in (XML, "text/xml"):
                raise Refused(415, "Unsupported media type")
            ElementTree.fromstring(self.body)
            self.state.settings = self.body
            return None
        return self.state.settings

    def tile_layer(self, name: str) -> Any:
        if self.method == "PUT":
            if self.content_type not in (XML, "text/xml"):
                raise Refused(415, "Unsupported media type")
            if name not in self.state.layers and name.split(":")[-1] not in {key[1] for key in self.state.groups}:
                raise Refused(404, f"Unknown layer {name}")
            ElementTree.fromstring(self.body)
            self.state.tile_layers[name] = self.body
            return None
        found = self.get(self.state.tile_layers.get(name), f"tile layer {name}")
        if self.method == "DELETE":
            del self.state.tile_layers[name]
            return None
        return found

    def truncate(self) -> Any:
        if self.content_type != "text/xml":
            raise Refused(400, "Format extension unknown or not specified")
        layer = ElementTree.fromstring(self.body).findtext("layerName")
        self.get(self.state.tile_layers.get(str(layer)), f"layer {layer}")
        self.state.truncated.append(str(layer))
        return b""


ROUTES: list[tuple[str, Callable[..., Any]]] = [
    (r"/rest/about/version(?:\.json)?", Rest.version),
    (r"/rest/workspaces", Rest.workspaces),
    (r"/rest/workspaces/([^/.]+)(?:\.json)?", Rest.workspace),
    (r"/rest/workspaces/([^/]+)/datastores", Rest.stores),
    (r"/rest/workspaces/([^/]+)/datastores/([^/.]+)(?:\.json)?", Rest.store),
    (r"/rest/workspaces/([^/]+)/datastores/([^/]+)/reset", Rest.reset_store),
    (r"/rest/workspaces/([^/]+)/datastores/([^/]+)/featuretypes(?:\.json)?", Rest.feature_types),
    (r"/rest/workspaces/([^/]+)/datastores/([^/]+)/featuretypes/([^/.]+)(?:\.json)?", Rest.feature_type),
    (r"/rest/workspaces/([^/]+)/layergroups", Rest.groups),
    (r"/rest/workspaces/([^/]+)/layergroups/([^/.]+)(?:\.json)?", Rest.group),
    (r"/rest/workspaces/([^/]+)/styles(?:\.json)?", Rest.styles),
    (r"/rest/workspaces/([^/]+)/styles/([^/.]+)(\.sld|\.json)?", Rest.style),
    (r"/rest/layers/([^/.]+)(?:\.json)?", Rest.layer),
    (r"/rest/resource/(.+)", Rest.resource),
    (r"/rest/security/roles(?:\.json)?", Rest.roles),
    (r"/rest/security/roles/role/([^/]+)", Rest.roles),
    (r"/rest/security/acl/layers(?:\.json)?", Rest.rules),
    (r"/rest/security/acl/layers/(.+)", Rest.rules),
    (r"/rest/settings/contact(?:\.json)?", Rest.contact),
    (r"/rest/settings(?:\.xml)?", Rest.settings),
    (r"/gwc/rest/layers/([^/]+)\.xml", Rest.tile_layer),
    (r"/gwc/rest/masstruncate", Rest.truncate),
]


def check_sld(document: bytes) -> None:
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise Refused(400, f"Invalid style: {error}") from error
    if not root.tag.endswith("StyledLayerDescriptor"):
        raise Refused(400, "Invalid style: no StyledLayerDescriptor")


def read_columns(parameters: dict[str, str], table: str) -> list[str]:
    """The columns that these parameters let us read; empty when there is no such table."""
    import psycopg

    try:
        with psycopg.connect(
            host=parameters["host"],
            port=parameters["port"],
            dbname=parameters["database"],
            user=parameters["user"],
            password=parameters["passwd"],
            connect_timeout=5,
        ) as connection:
            rows = connection.execute(
                "select column_name from information_schema.columns where table_schema = %s and table_name = %s",
                (parameters["schema"], table),
            ).fetchall()
    except psycopg.OperationalError as error:
        raise Refused(500, f"Could not acquire data access: {error}") from error
    return [row[0] for row in rows]
