"""The record of loads: every attempt, its counts and its generation; only loads whose newest state is loaded are read by anybody."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from services.errors import WarehouseError
from services.warehouse.client import Warehouse
from services.warehouse.statements import statement

# Two loads of a dataset that end at once in this process must not take the same generation.
_generation_lock = threading.Lock()


@dataclass(frozen=True)
class Load:
    """One attempt to bring an upload into a dataset."""

    load_id: str
    upload_id: str
    dataset: str
    contract_version: str
    mode: str
    started_at: datetime
    generation: int = 0
    state: str = "started"
    received_rows: int = 0
    landed_rows: int = 0
    rejected_rows: int = 0
    unknown_columns: Sequence[str] = ()
    message: str = ""
    asked_at: datetime | None = None
    finished_at: datetime | None = None


def record(warehouse: Warehouse, load: Load) -> None:
    """Write the state of a load: one small row, whole or not at all."""
    own = {"unknown_columns": list(load.unknown_columns), "asked_at": load.asked_at or load.started_at}
    warehouse.insert("bronze.loads", [{**asdict(load), **own}])


def publish(warehouse: Warehouse, load: Load) -> Load:
    """Make a load visible under the dataset's next generation: from this one insert on, readers see all of its rows.

    Raises WarehouseError, retryable by another load, when this one was taken for dead meanwhile: its rows are deleted then.
    """
    with _generation_lock:
        [found] = warehouse.query(statement("newest_generation"), {"dataset": load.dataset, "load_id": load.load_id})
        if found["is_buried"]:
            raise WarehouseError(
                f"The load {load.load_id} of {load.dataset} was taken for dead while it went on: the next run loads the file again.",
                retryable=True,
            )
        loaded = replace(load, state="loaded", generation=int(found["generation"]) + 1)
        record(warehouse, loaded)
    return loaded


def effective(attempts: Sequence[Load]) -> list[Load]:
    """The loads whose rows count, the one asked for last first: the newest replacement and what was asked for after it.

    Equal to the macro loaded_loads in dbt_project/macros/loaded_rows.sql.
    """
    loaded = sorted((load for load in attempts if load.state == "loaded"), key=_place, reverse=True)
    last = next((index for index, load in enumerate(loaded) if load.mode == "replace"), len(loaded))
    return loaded[: last + 1]


def _place(load: Load) -> tuple[datetime, int, str]:
    return (load.asked_at or load.started_at, load.generation, load.load_id)


def received_at(warehouse: Warehouse, upload_id: str) -> datetime | None:
    """When the bytes of an upload were last received; None when bronze does not know it."""
    rows = warehouse.query(statement("received_at"), {"upload_id": upload_id})
    return rows[0]["received_at"] if rows else None


def of_dataset(warehouse: Warehouse, dataset: str) -> list[Load]:
    """Every load of a dataset in its newest state, newest generation first."""
    return [
        Load(**{**row, "dataset": dataset, "unknown_columns": tuple(row["unknown_columns"])})
        for row in warehouse.query(statement("newest_loads"), {"dataset": dataset})
    ]
