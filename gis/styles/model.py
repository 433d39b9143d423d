"""A layer's style as its file says it, resolved for the kinds of facilities that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

STYLES_DIR = Path(__file__).parent
KIND = "facility_kind"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Part):
    """Which rows: all of what is given must hold."""

    column: str = ""
    at_least: float | None = None
    below: float | None = None
    equals: str | None = None
    is_null: bool | None = None
    is_empty: bool | None = None


class Scales(_Part):
    """Scale denominators between which something is drawn: `below_scale: 25000` means from 1:25000 inwards."""

    below_scale: int | None = None
    above_scale: int | None = None


class Fill(_Part):
    """The inside of an area, with diagonal lines in the colour `hatch`."""

    colour: str
    opacity: float = 1.0
    hatch: str | None = None


class Stroke(_Part):
    """A line; width and dashes in pixels of 0.28 mm, as OGC counts them."""

    colour: str
    width: float
    opacity: float = 1.0
    dash: tuple[float, ...] = ()


class Mark(_Part):
    """A point's shape; sizes in pixels."""

    shape: Literal["circle", "square", "triangle", "star", "cross"]
    size: float
    colour: str
    outline: str
    outline_width: float = 1.0


class Icon(_Part):
    """A pictogram of the facility's kind, in pixels; `kind` is filled in when the style is resolved."""

    size: float
    kind: str = ""


class Rule(Condition, Scales):
    """Rows that look alike; `is_otherwise` takes what no other rule took."""

    title: str = ""
    is_otherwise: bool = False
    fill: Fill | None = None
    stroke: Stroke | None = None
    mark: Mark | None = None
    icon: Icon | None = None


class Label(Scales):
    """A text beside the rows."""

    column: str
    when: Condition = Condition()
    size: float
    colour: str
    halo: str
    is_bold: bool = False


class Pictogram(_Part):
    """SVG paths on a 24 by 24 grid."""

    fill: str = ""
    stroke: str = ""


class StyleFile(_Part):
    """The file of one layer; `per_kind` makes one style for each kind of facility."""

    title: str
    per_kind: bool = False
    order_by: str = ""
    rules: tuple[Rule, ...]
    labels: tuple[Label, ...] = ()
    pictograms: Mapping[str, Pictogram] = {}


@dataclass(frozen=True)
class Style:
    """A style ready to be written: `kind` is the only kind whose rows it shows, empty for all."""

    name: str
    layer: str
    title: str
    kind: str
    order_by: str
    rules: tuple[Rule, ...]
    labels: tuple[Label, ...]

    def without_kind(self) -> Style:
        """The same for a layer that holds the rows of its kind alone."""
        return replace(self, kind="")


@cache
def palette() -> Mapping[str, str]:
    """The inks by name, as #rrggbb."""
    return dict(_read("palette"))


@cache
def style_file(layer: str) -> StyleFile:
    """The checked file of a layer."""
    return StyleFile.model_validate(_read(layer))


def styles_of(layer: str, kinds: Mapping[str, str]) -> list[Style]:
    """The styles of a layer, its default first; `kinds` are the kinds of facilities and their labels, most important first."""
    file = style_file(layer)
    rules = tuple(_with_icons(file.rules, kinds))
    if not file.per_kind:
        return [Style(layer, layer, file.title, "", file.order_by, rules, file.labels)]
    return [
        Style(f"{layer}_{kind}", layer, file.title.format(kind=label), kind, file.order_by, rules, file.labels)
        for kind, label in kinds.items()
    ]


def _with_icons(rules: Sequence[Rule], kinds: Mapping[str, str]) -> list[Rule]:
    """A rule with an icon becomes one for each kind."""
    found: list[Rule] = []
    for rule in rules:
        if rule.icon is None:
            found.append(rule)
            continue
        for kind, label in kinds.items():
            icon = Icon(size=rule.icon.size, kind=kind)
            found.append(rule.model_copy(update={"title": label, "column": KIND, "equals": kind, "icon": icon}))
    return found


def _read(name: str) -> Any:
    return yaml.safe_load((STYLES_DIR / f"{name}.yml").read_text(encoding="utf-8"))
