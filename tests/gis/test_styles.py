"""One file per layer makes an SLD that GeoServer's schema knows and a .qml that the real QGIS loads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError
from test_qgis import ask_qgis

from gis.contents import seed_kinds
from gis.styles.icons import icon_svg
from gis.styles.model import StyleFile, palette, style_file, styles_of
from gis.styles.qml import to_qml
from gis.styles.sld import OGC, SLD, to_sld
from gis.tables import PUBLIC, RESTRICTED, ROW_HASH

TABLES = [*PUBLIC.tables.values(), *RESTRICTED.tables.values()]
KINDS = {"pharmacy": "Pharmacy", "o'zoo": "O'Zoo"}
STYLES = [style for table in TABLES for style in styles_of(table.name, KINDS)]
PORTAL = Path("services/portal/src/map")
# The order of elements in StyledLayerDescriptor.xsd 1.0.0, for the elements that we use.
ORDER = {
    "NamedLayer": ("Name", "UserStyle"),
    "UserStyle": ("Name", "Title", "Abstract", "FeatureTypeStyle"),
    "FeatureTypeStyle": ("Rule", "VendorOption"),
    "Rule": (
        *("Title", "Filter", "ElseFilter", "MinScaleDenominator", "MaxScaleDenominator"),
        *("PolygonSymbolizer", "PointSymbolizer", "TextSymbolizer"),
    ),
    "PolygonSymbolizer": ("Fill", "Stroke"),
    "PointSymbolizer": ("Graphic",),
    "Graphic": ("ExternalGraphic", "Mark", "Size"),
    "ExternalGraphic": ("OnlineResource", "Format"),
    "Mark": ("WellKnownName", "Fill", "Stroke"),
    "TextSymbolizer": ("Label", "Font", "Halo", "Fill", "VendorOption"),
    "Halo": ("Radius", "Fill"),
    "Fill": ("GraphicFill", "CssParameter"),
    "GraphicFill": ("Graphic",),
    "Stroke": ("CssParameter",),
}


def test_every_table_has_a_style_of_its_own_columns() -> None:
    for table in TABLES:
        file = style_file(table.name)
        parts = [*file.rules, *(label.when for label in file.labels)]
        used = {part.column for part in parts} | {label.column for label in file.labels} | {file.order_by}
        assert used - {""} <= set(table.columns.keys()) - {ROW_HASH}, table.name
        for part in parts:
            # A column that is never null is empty instead, as the code of the area around the outermost one is.
            assert part.is_null is None or table.columns[part.column].nullable, (table.name, part)
            assert part.is_empty is None or not table.columns[part.column].nullable, (table.name, part)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_sld_keeps_the_order_of_its_schema(style: Any) -> None:
    root = ElementTree.fromstring(to_sld(style))
    assert root.tag == f"{{{SLD}}}StyledLayerDescriptor" and root.get("version") == "1.0.0"
    for element in root.iter():
        name = element.tag.split("}")[1]
        if name in ORDER:
            places = [ORDER[name].index(child.tag.split("}")[1]) for child in element]
            assert places == sorted(places), name
    rules = root.findall(f".//{{{SLD}}}Rule")
    assert len(rules) == len(style.rules) + len(style.labels)
    if style.kind:
        for rule in rules:
            assert rule.findtext(f".//{{{OGC}}}Literal") == style.kind


def test_the_real_qgis_loads_both(tmp_path: Path) -> None:
    shapes = {"areas": "MultiPolygon", "area_coverage": "MultiPolygon", "catchments": "MultiPolygon", "request_cells": "Polygon"}
    files = []
    for number, style in enumerate(STYLES):
        for suffix, content in (("sld", to_sld(style)), ("qml", to_qml(style))):
            path = tmp_path / f"{number}.{suffix}"
            path.write_bytes(content)
            files.append((str(path), shapes.get(style.layer, "Point")))
    found = ask_qgis(tmp_path, styles=files)
    assert len(found) == 2 * len(STYLES)
    for path, answer in found.items():
        assert answer["loaded"], (path, answer["message"])
        assert answer["renderer"] == "RuleRenderer" and answer["rules"], path
        assert all(rule["valid"] for rule in answer["rules"]), path
    for number, style in enumerate(STYLES):
        drawn = [rule for rule in found[str(tmp_path / f"{number}.qml")]["rules"] if rule["label"] in {part.title for part in style.rules}]
        assert len(drawn) >= len(style.rules)
        if style.kind:
            assert all(f"\"facility_kind\" = '{style.kind.replace(chr(39), chr(39) * 2)}'" in rule["filter"] for rule in drawn)


def test_inks_and_pictograms_are_the_portals() -> None:
    light = (PORTAL / "colours.ts").read_text(encoding="utf-8").split("export const LIGHT")[1].split("};")[0]
    inks = palette()
    ramp = re.findall(r"#[0-9a-f]{6}", re.search(r"ramp: \[(.*)\]", light).group(1))  # type: ignore[union-attr]
    assert [inks[f"ramp_{step}"] for step in range(5)] == ramp
    named = dict(re.findall(r'(\w+): "(#[0-9a-f]{6})"', light))
    for name, ink in inks.items():
        if not name.startswith("ramp_"):
            camel = re.sub(r"_(\w)", lambda found: found.group(1).upper(), name)
            assert named[camel] == ink, name
    icons = (PORTAL / "icons.ts").read_text(encoding="utf-8")
    drawn = {
        kind: dict(re.findall(r'(fill|stroke): "([^"]+)"', body))
        for kind, body in re.findall(r"^  (\w+): \{ (.*) \},$", icons, re.MULTILINE)
    }
    assert {kind: part.model_dump(exclude_defaults=True) for kind, part in style_file("facilities").pictograms.items()} == drawn


def test_breaks_are_the_portals() -> None:
    breaks = re.search(r"BREAKS = \[(.*)\]", (PORTAL / "colours.ts").read_text(encoding="utf-8")).group(1)  # type: ignore[union-attr]
    found = [rule.below for rule in style_file("area_coverage").rules if rule.below is not None]
    assert found == [float(value) for value in breaks.split(",")]


def test_each_kind_of_the_seed_has_a_drawn_icon() -> None:
    for kind in seed_kinds():
        assert "<path" in icon_svg(kind), kind
    assert ">Z</text>" in icon_svg("zoo")
    ElementTree.fromstring(icon_svg("<"))


def test_a_misspelt_style_is_refused() -> None:
    with pytest.raises(ValidationError):
        StyleFile.model_validate({"title": "x", "rules": [{"title": "y", "colour": "rubric"}]})
