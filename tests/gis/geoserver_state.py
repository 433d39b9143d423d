"""What the imitated GeoServer keeps, and what of it everybody sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

GLOBAL = (
    "<global><settings><id>SettingsInfoImpl--1</id><charset>UTF-8</charset><numDecimals>8</numDecimals></settings>"
    "<featureTypeCacheSize>0</featureTypeCacheSize></global>"
)


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class State:
    """What a GeoServer keeps in its data directory: it outlives a restart."""

    workspaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    stores: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    feature_types: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    layers: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    styles: set[tuple[str, str]] = field(default_factory=set)
    files: dict[str, bytes] = field(default_factory=dict)
    roles: list[str] = field(default_factory=lambda: ["ADMIN", "GROUP_ADMIN"])
    rules: dict[str, str] = field(default_factory=lambda: {"*.*.r": "*", "*.*.w": "GROUP_ADMIN,ADMIN"})
    tile_layers: dict[str, bytes] = field(default_factory=dict)
    contact: dict[str, Any] = field(default_factory=lambda: {"contactPerson": "Claudius Ptolomaeus", "contactOrganization": "Unknown"})
    settings: bytes = GLOBAL.encode()
    # The columns that a store has seen; looked at again only after a reset.
    columns: dict[tuple[str, str], dict[str, list[str]]] = field(default_factory=dict)
    truncated: list[str] = field(default_factory=list)
    # Layers that anybody could have read for a moment although their workspace is to be closed.
    exposed: list[str] = field(default_factory=list)


def collapsed(value: Any) -> Any:
    """XStream's JSON: an empty collection is "", and inside of objects a collection of one is the thing itself."""
    if isinstance(value, dict):
        return {key: collapsed(item) for key, item in value.items()}
    if isinstance(value, list):
        return "" if not value else collapsed(value[0]) if len(value) == 1 else [collapsed(item) for item in value]
    return value


def listed(value: Any) -> list[Any]:
    return [] if value in ("", None) else value if isinstance(value, list) else [value]


def may_read(rules: dict[str, str], workspace: str, layer: str, roles: set[str]) -> bool:
    """The most specific rule decides; administrators may read everything."""
    for rule in (f"{workspace}.{layer}.r", f"{workspace}.*.r", "*.*.r"):
        if rule in rules:
            return "ADMIN" in roles or "*" in rules[rule].split(",") or bool(roles & set(rules[rule].split(",")))
    return True


@dataclass
class Services:
    """What everybody reaches: capabilities that hide what may not be read, and the tile cache, which hides nothing."""

    state: State
    roles: set[str]

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        if path == "/gwc/service/wms":
            cached = query.get("layers", "") in self.state.tile_layers
            return (200, "image/png", b"tile") if cached else (400, "text/plain", b"Unknown layer")
        names = [f"{key[0]}:{key[2]}" for key in self.state.feature_types if may_read(self.state.rules, key[0], key[2], self.roles)]
        root = ElementTree.Element("WMS_Capabilities", {"version": "1.3.0"})
        for name in names:
            ElementTree.SubElement(ElementTree.SubElement(root, "Layer"), "Name").text = name
        return 200, "text/xml", ElementTree.tostring(root)
