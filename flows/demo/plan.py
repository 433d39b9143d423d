"""The plan of the demo region and the phrases of its letters, as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

Point = tuple[float, float]


class Frozen(BaseModel):
    """A part of the plan: no unknown key, no change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Origin(Frozen):
    """Where the local plane touches the earth, in degrees."""

    longitude: float
    latitude: float


class Extent(Frozen):
    """Size of the region in metres; `cell` is the size of the pieces that its areas are made of."""

    width: float
    height: float
    cell: float


class TownHall(Frozen):
    """Where the letters go."""

    street: str
    name: str


class Municipality(Frozen):
    """A town; its area is the union of the settlements that name it as parent, or the settlement with its code."""

    code: str
    name: str
    languages: tuple[str, ...]
    town_hall: TownHall | None = None


class Exclave(Frozen):
    """Land of a settlement inside another one."""

    name: str
    centre: Point
    radius: float
    addresses: int
    angle: float
    streets: tuple[str, ...]


class Settlement(Frozen):
    """A leaf of the area tree: its land, its streets and what stands there. Lengths in metres, `angle` in degrees."""

    code: str
    parent: str = ""
    name: str
    language: str
    postcode: str
    centre: Point
    also: tuple[Point, ...] = ()
    exclave: Exclave | None = None
    radius: float
    angle: float
    addresses: int
    persons_per_address: float
    facilities: Mapping[str, int]
    streets: tuple[str, ...]


class Plan(Frozen):
    """The region before chance bends it."""

    origin: Origin
    extent: Extent
    municipalities: tuple[Municipality, ...]
    settlements: tuple[Settlement, ...]
    roads: tuple[tuple[str, str], ...]
    road_names: Mapping[str, str]
    facility_names: Mapping[str, Mapping[str, str]]

    def city(self, settlement: Settlement) -> str:
        """Name of the municipality that an address of the settlement bears."""
        code = settlement.parent or settlement.code
        return next(town.name for town in self.municipalities if town.code == code)


class Phrases(Frozen):
    """What letters say, by ISO 639-1 code of the language."""

    months: Mapping[str, tuple[str, ...]]
    dates: Mapping[str, tuple[str, ...]]
    recipients: Mapping[str, tuple[str, ...]]
    salutations: Mapping[str, tuple[str, ...]]
    closings: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, Mapping[str, str]]
    bodies: Mapping[str, tuple[str, ...]]
    given_names: Mapping[str, tuple[str, ...]]
    family_names: Mapping[str, tuple[str, ...]]
    messages: Mapping[str, str]


def _read(name: str) -> Any:
    return yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8"))


@cache
def load_plan() -> Plan:
    """The plan of the package, checked."""
    return Plan.model_validate(_read("plan.yaml"))


@cache
def load_phrases() -> Phrases:
    """The phrases of the package, checked."""
    return Phrases.model_validate(_read("phrases.yaml"))
