"""An intake on an empty warehouse, store and queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from services.intake.intake import Intake
from services.object_store.local import LocalObjectStore
from services.settings import IntakeSettings, Settings
from services.state.state import State
from services.warehouse.client import Warehouse

DATASETS = ("address_points", "areas", "facilities")


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    opened = State.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def objects(settings: Settings) -> LocalObjectStore:
    return LocalObjectStore(settings.data_dir / "objects")


@pytest.fixture
def make_intake(settings: Settings, objects: LocalObjectStore, state: State, clean_warehouse: Warehouse) -> Callable[..., Intake]:
    """An intake with other limits or another warehouse."""

    def make(warehouse: Warehouse | None = None, **limits: int) -> Intake:
        limited = settings.model_copy(update={"intake": IntakeSettings(**limits)})
        return Intake(settings=limited, objects=objects, state=state, warehouse=warehouse or clean_warehouse, contracts=DATASETS)

    return make


@pytest.fixture
def intake(make_intake: Callable[..., Intake]) -> Intake:
    return make_intake()
