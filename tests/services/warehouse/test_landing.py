"""Landing keeps what fits, rejects the rest with reasons, finds gaps, and removes a load without a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from services.contracts import DatasetContract, load_contracts
from services.errors import WarehouseError
from services.tabular.base import batch_table
from services.warehouse import loads
from services.warehouse.client import Warehouse
from services.warehouse.landing import Landing
from services.warehouse.loads import Load

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(params=["in this process", "over HTTP"])
def warehouse(request: pytest.FixtureRequest, warehouse: Warehouse, http_warehouse: Warehouse) -> Warehouse:
    """Every test here twice."""
    return warehouse if request.param == "in this process" else http_warehouse


@pytest.fixture
def contract() -> DatasetContract:
    return load_contracts()["address_points"]


@pytest.fixture
def landing(clean_warehouse: Warehouse, contract: DatasetContract) -> Landing:
    landing = Landing(clean_warehouse, contract)
    landing.ensure_table()
    return landing


def batch(
    contract: DatasetContract, rows: Sequence[tuple[str, str, str]], objections: dict[int, tuple[str, str]] | None = None
) -> pa.Table:
    """A batch of (address_id, lon, lat); other columns are empty."""
    cells = {name: [""] * len(rows) for name in contract.column_names}
    cells |= {name: [row[place] for row in rows] for place, name in enumerate(("address_id", "lon", "lat"))}
    numbers = np.arange(1, len(rows) + 1, dtype=np.uint64)
    raw = pa.array([",".join(row) for row in rows], pa.large_string())
    return batch_table(
        {name: pa.array(values, pa.large_string()) for name, values in cells.items()}, numbers, numbers + 1, raw, objections or {}
    )


def test_a_table_grows_with_its_contract(clean_warehouse: Warehouse, contract: DatasetContract) -> None:
    small = contract.model_copy(update={"name": "growing", "columns": contract.columns[:1], "required": (), "natural_key": ()})
    Landing(clean_warehouse, small).ensure_table()
    Landing(clean_warehouse, contract.model_copy(update={"name": "growing"})).ensure_table()
    columns = clean_warehouse.query(
        "select name, type from system.columns where database = 'bronze' and table = 'growing' order by position"
    )
    assert {row["name"] for row in columns} == {*contract.column_names, "_load_id", "_row_number", "_ingested_at"}
    assert {row["type"] for row in columns if not row["name"].startswith("_")} == {"String"}
    clean_warehouse.command("drop table bronze.growing sync")


def test_a_batch_lands_or_is_rejected_row_by_row(clean_warehouse: Warehouse, landing: Landing, contract: DatasetContract) -> None:
    rows = [
        ("a", "9.5", "47"),
        ("", "9", "47"),
        ("b", "x", "47"),
        ("c", "9", "91"),
        ("d", " 9.5 ", "-47"),
        ("e", "0", "0"),
        ("f", "0", "47"),
        ("g", "1", "1"),
    ]
    landing.land_batch("l1", batch(contract, rows, {7: ("lat", "the reader says no")}))
    landing.close_batches("l1")
    landed = clean_warehouse.query(
        "select address_id, lon, _row_number from bronze.address_points where _load_id = 'l1' order by _row_number"
    )
    assert [(row["address_id"], row["lon"], row["_row_number"]) for row in landed] == [("a", "9.5", 1), ("d", "9.5", 5), ("f", "0", 7)]
    rejected = clean_warehouse.query(
        "select row_number, line_number, line, column_name, reason from bronze.rejected_rows order by row_number"
    )
    assert [tuple(row.values()) for row in rejected] == [
        (2, 3, ",9,47", "address_id", "address_id is missing"),
        (3, 4, "b,x,47", "lon", "lon is not a number: x"),
        (4, 5, "c,9,91", "lat", "lat is not between -90 and 90: 91"),
        (6, 7, "e,0,0", "lon", "lon and lat are both 0, which is in the Atlantic, not a position"),
        (8, 9, "g,1,1", "lat", "the reader says no"),
    ]
    assert (landing.count("l1"), landing.count_rejected("l1")) == (3, 5)


def test_gaps_are_found_at_both_ends_and_within(landing: Landing, contract: DatasetContract) -> None:
    rows = [(name, "1", "1" if name != "-" else "x") for name in "-ab--c-"]
    landing.land_batch("l1", batch(contract, rows))
    assert landing.missing_rows("l1", 1, 8) == [1, 4, 5, 7]
    assert landing.missing_rows("l1", 2, 4) == []
    assert landing.missing_rows("l1", 3, 6) == [4, 5]
    assert landing.missing_rows("other", 1, 3) == [1, 2]


def test_deleting_a_load_leaves_the_others(landing: Landing, contract: DatasetContract) -> None:
    for load_id in ("l1", "l2"):
        landing.land_batch(load_id, batch(contract, [("a", "1", "1"), ("b", "x", "1"), ("c", "y", "1")]))
    landing.delete("l1", keep_rejected=1)
    landing.delete("l1", keep_rejected=1)
    assert (landing.count("l1"), landing.count_rejected("l1")) == (0, 1)
    landing.delete("l1")
    assert landing.count_rejected("l1") == 0
    assert (landing.count("l2"), landing.count_rejected("l2")) == (1, 2)
    landing.land_batch("l1", batch(contract, [("a", "1", "1")]))
    assert landing.count("l1") == 1


def test_every_row_is_there_once_or_it_is_noticed(landing: Landing, contract: DatasetContract) -> None:
    assert landing.has_every_row("l1", 0)
    landing.land_batch("l1", batch(contract, [("a", "1", "1"), ("b", "x", "1"), ("c", "1", "1")]))
    assert landing.has_every_row("l1", 3)
    assert not landing.has_every_row("l1", 4)
    assert not landing.has_every_row("l1", 2)
    landing.land_batch("l1", batch(contract, [("a", "1", "1")]))
    assert not landing.has_every_row("l1", 4)


def test_repeated_keys_are_counted(landing: Landing, contract: DatasetContract, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.land_batch("l1", batch(contract, [(name, "1", "1") for name in "aabca"]))
    assert landing.duplicate_keys("l1") == 2
    monkeypatch.setattr("services.warehouse.landing.EXACT_KEYS", 3)
    assert landing.duplicate_keys("l1") == 2


def test_generations_rise_by_one_and_only_the_newest_state_counts(clean_warehouse: Warehouse) -> None:
    first = Load("l1", "u1", "areas", "v", "replace", NOW)
    loads.record(clean_warehouse, first)
    assert [load.state for load in loads.of_dataset(clean_warehouse, "areas")] == ["started"]
    assert loads.publish(clean_warehouse, first).generation == 1
    second = Load("l2", "u2", "areas", "v", "replace", NOW, unknown_columns=("x",))
    loads.record(clean_warehouse, second)
    assert loads.publish(clean_warehouse, second).generation == 2
    found = loads.of_dataset(clean_warehouse, "areas")
    assert [(load.load_id, load.state, load.generation) for load in found] == [("l2", "loaded", 2), ("l1", "loaded", 1)]
    assert found[0].unknown_columns == ("x",)
    assert loads.of_dataset(clean_warehouse, "facilities") == []


def test_a_load_that_was_taken_for_dead_is_not_published(clean_warehouse: Warehouse) -> None:
    load = Load("l1", "u1", "areas", "v", "append", NOW)
    loads.record(clean_warehouse, load)
    loads.record(clean_warehouse, replace(load, state="failed"))
    with pytest.raises(WarehouseError, match="was taken for dead") as caught:
        loads.publish(clean_warehouse, load)
    assert caught.value.retryable
    assert [load.state for load in loads.of_dataset(clean_warehouse, "areas")] == ["failed"]
