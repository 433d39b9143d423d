"""The record of loads: every attempt, its counts and its generation; only loads whose newest state is loaded are read by anybody."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

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
    finished_at: datetime | None = None


def record(warehouse: Warehouse, load: Load) -> None:
    """Write the state of a load: one small row, whole or not at all."""
    warehouse.insert("bronze.loads", [{**asdict(load), "unknown_columns": list(load.unknown_columns)}])


def publish(warehouse: Warehouse, load: Load) -> Load:
    """Make a load visible under the dataset's next generation: from this one insert on, readers see all of its rows."""
    with _generation_lock:
        newest = warehouse.scalar(statement("newest_generation"), {"dataset": load.dataset})
        loaded = replace(load, state="loaded", generation=int(newest or 0) + 1)
        record(warehouse, loaded)
    return loaded


def of_dataset(warehouse: Warehouse, dataset: str) -> list[Load]:
    """Every load of a dataset in its newest state, newest generation first."""
    return [
        Load(**{**row, "dataset": dataset, "unknown_columns": tuple(row["unknown_columns"])})
        for row in warehouse.query(statement("newest_loads"), {"dataset": dataset})
    ]
