"""A style as QGIS writes it: the same rules as the SLD, in the elements that a .qml file and a project share."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from gis.styles.icons import icon_svg
from gis.styles.model import KIND, Condition, Fill, Icon, Label, Mark, Rule, Scales, Stroke, Style, palette

VERSION = "3.22.0"
# OGC's pixel; QGIS draws in millimetres, so that a print looks as the screen does.
PIXEL_MM = 0.28
HATCH_PIXELS = 6
# Where a text goes: around a point; horizontally within an area.
AROUND_POINT, WITHIN_AREA = "0", "4"

Element = ElementTree.Element


def to_qml(style: Style) -> bytes:
    """The style as a .qml file."""
    root = Element("qgis", {"version": VERSION, "styleCategories": "Symbology|Labeling", "labelsEnabled": _flag(style.labels)})
    root.extend(style_elements(style))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8")
    return b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + document


def style_elements(style: Style) -> list[Element]:
    """Renderer and labels of a style, as they stand in a .qml file and in a project's layer."""
    return [_renderer(style), *([_labeling(style)] if style.labels else [])]


def _renderer(style: Style) -> Element:
    renderer = Element("renderer-v2", {"type": "RuleRenderer", "symbollevels": "0", "enableorderby": _flag(style.order_by)})
    rules = ElementTree.SubElement(renderer, "rules", key=_key(style.name))
    symbols = ElementTree.SubElement(renderer, "symbols")
    number = 0
    for scales, band in groupby(style.rules, key=lambda rule: (rule.above_scale, rule.below_scale)):
        members = list(band)
        parent = rules
        if len(members) > 1 and any(scales):
            # A branch of its own for each range of scales: the legend stays readable.
            parent = _add_rule(rules, Scales(above_scale=scales[0], below_scale=scales[1]), f"{style.name}/{scales}", label=_band(*scales))
        for rule in members:
            _add_rule(
                parent,
                rule,
                f"{style.name}/{number}",
                label=rule.title,
                symbol=str(number),
                **_filtered(rule, style.kind, rule.is_otherwise),
            )
            symbols.append(_symbol(rule, str(number)))
            number += 1
    if style.order_by:
        clause = ElementTree.SubElement(ElementTree.SubElement(renderer, "orderby"), "orderByClause", asc="1", nullsFirst="1")
        clause.text = f'"{style.order_by}"'
    return renderer


def _add_rule(parent: Element, scales: Scales, name: str, **attributes: str) -> Element:
    rule = ElementTree.SubElement(parent, "rule", {"key": _key(name), **attributes})
    if scales.above_scale is not None:
        rule.set("scalemindenom", str(scales.above_scale))
    if scales.below_scale is not None:
        rule.set("scalemaxdenom", str(scales.below_scale))
    return rule


def _band(above: int | None, below: int | None) -> str:
    nearer, farther = (f"1:{scale:,}".replace(",", " ") if scale else "" for scale in (above, below))
    if nearer and farther:
        return f"{nearer} to {farther}"
    return f"from {farther} inwards" if farther else f"from {nearer} outwards"


def _filtered(condition: Condition, kind: str, is_otherwise: bool = False) -> dict[str, str]:
    if is_otherwise:
        return {"filter": "ELSE"}
    tests = [f"\"{KIND}\" = '{_quoted(kind)}'"] if kind else []
    column = f'"{condition.column}"'
    if condition.equals is not None:
        tests.append(f"{column} = '{_quoted(condition.equals)}'")
    if condition.at_least is not None:
        tests.append(f"{column} >= {condition.at_least:g}")
    if condition.below is not None:
        tests.append(f"{column} < {condition.below:g}")
    if condition.is_null is not None:
        tests.append(f"{column} is {'' if condition.is_null else 'not '}null")
    if condition.is_empty is not None:
        tests.append(f"{column} {'=' if condition.is_empty else '<>'} ''")
    return {"filter": " and ".join(tests)} if tests else {}


def _symbol(rule: Rule, name: str) -> Element:
    if rule.mark or rule.icon:
        symbol = _new_symbol("marker", name)
        symbol.append(_marker(rule.mark) if rule.mark else _svg(rule.icon or Icon(size=0)))
        return symbol
    symbol = _new_symbol("fill", name)
    symbol.append(_ground(rule.fill, rule.stroke))
    if rule.fill and rule.fill.hatch:
        symbol.append(_hatch(rule.fill.hatch, name))
    return symbol


def _new_symbol(kind: str, name: str) -> Element:
    return Element("symbol", {"type": kind, "name": name, "alpha": "1", "clip_to_extent": "1", "force_rhr": "0"})


def _layer(kind: str, **options: str) -> Element:
    layer = Element("layer", {"class": kind, "enabled": "1", "locked": "0", "pass": "0"})
    listed = ElementTree.SubElement(layer, "Option", type="Map")
    for name, value in options.items():
        ElementTree.SubElement(listed, "Option", type="QString", name=name, value=value)
    return layer


def _ground(fill: Fill | None, stroke: Stroke | None) -> Element:
    return _layer(
        "SimpleFill",
        style="solid" if fill else "no",
        color=_rgba(fill.colour, fill.opacity) if fill else "0,0,0,0",
        outline_style=("dash" if stroke.dash else "solid") if stroke else "no",
        outline_color=_rgba(stroke.colour, stroke.opacity) if stroke else "0,0,0,0",
        outline_width=_mm(stroke.width) if stroke else "0",
        outline_width_unit="MM",
        joinstyle="round",
    )


def _hatch(colour: str, name: str) -> Element:
    pattern = _layer("LinePatternFill", angle="45", distance=_mm(HATCH_PIXELS), distance_unit="MM")
    line = _new_symbol("line", f"@{name}@1")
    line.append(_layer("SimpleLine", line_color=_rgba(colour), line_style="solid", line_width=_mm(1), line_width_unit="MM"))
    pattern.append(line)
    return pattern


def _marker(mark: Mark) -> Element:
    return _layer(
        "SimpleMarker",
        name=mark.shape,
        size=_mm(mark.size),
        size_unit="MM",
        color=_rgba(mark.colour),
        outline_color=_rgba(mark.outline),
        outline_width=_mm(mark.outline_width),
        outline_width_unit="MM",
        outline_style="solid",
    )


def _svg(icon: Icon) -> Element:
    # Inside of the file: nothing has to lie beside it.
    drawing = base64.b64encode(icon_svg(icon.kind).encode()).decode()
    return _layer("SvgMarker", name=f"base64:{drawing}", size=_mm(icon.size), size_unit="MM", scale_method="diameter")


def _labeling(style: Style) -> Element:
    labeling = Element("labeling", type="rule-based")
    rules = ElementTree.SubElement(labeling, "rules", key=_key(f"{style.name}/labels"))
    is_point = any(rule.mark or rule.icon for rule in style.rules)
    for number, label in enumerate(style.labels):
        name = f"{style.name}/label/{number}"
        rule = _add_rule(rules, label, name, description=label.column, **_filtered(label.when, style.kind))
        rule.append(_label_settings(label, AROUND_POINT if is_point else WITHIN_AREA))
    return labeling


def _label_settings(label: Label, placement: str) -> Element:
    settings = Element("settings", calloutType="simple")
    text = ElementTree.SubElement(
        settings,
        "text-style",
        fieldName=label.column,
        isExpression="0",
        fontFamily="Open Sans",
        namedStyle="Bold" if label.is_bold else "Regular",
        fontWeight="75" if label.is_bold else "50",
        fontSize=_mm(label.size),
        fontSizeUnit="MM",
        textColor=_rgba(label.colour),
        textOpacity="1",
    )
    families = ElementTree.SubElement(text, "families")
    for family in ("Open Sans", "DejaVu Sans", "Arial", "Sans Serif"):
        ElementTree.SubElement(families, "family", name=family)
    ElementTree.SubElement(
        text, "text-buffer", bufferDraw="1", bufferSize=_mm(2), bufferSizeUnits="MM", bufferColor=_rgba(label.halo), bufferOpacity="0.9"
    )
    ElementTree.SubElement(settings, "placement", placement=placement, dist=_mm(12) if placement == AROUND_POINT else "0", distUnits="MM")
    ElementTree.SubElement(settings, "rendering", drawLabels="1", obstacle="0", upsidedownLabels="0")
    return settings


def _rgba(colour: str, opacity: float = 1.0) -> str:
    ink = palette()[colour]
    red, green, blue = (int(ink[at : at + 2], 16) for at in (1, 3, 5))
    return f"{red},{green},{blue},{round(opacity * 255)}"


def _mm(pixels: float) -> str:
    return f"{pixels * PIXEL_MM:.4g}"


def _flag(value: str | Sequence[object]) -> str:
    return "1" if value else "0"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _key(name: str) -> str:
    """QGIS tells rules apart by such keys; made from names, so that the same style is the same file."""
    return f"{{{uuid.uuid5(uuid.NAMESPACE_URL, f'cartulary:{name}')}}}"
