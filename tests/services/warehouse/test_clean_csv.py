"""Clean CSV files are read by the ClickHouse of this process itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.contracts import DatasetContract, load_contracts
from services.warehouse.client import Warehouse
from services.warehouse.landing import CSV_SETTINGS, CleanCsv, Landing


@pytest.fixture
def contract() -> DatasetContract:
    return load_contracts()["address_points"]


@pytest.fixture
def landing(clean_warehouse: Warehouse, contract: DatasetContract) -> Landing:
    landing = Landing(clean_warehouse, contract)
    landing.ensure_table()
    return landing


def test_a_clean_file_is_read_by_clickhouse_and_a_ragged_one_is_not(landing: Landing, contract: DatasetContract, tmp_path: Path) -> None:
    path = tmp_path / "clean.csv"
    fields = {name: {"address_id": 0, "lon": 1, "lat": 2}.get(name) for name in contract.column_names}
    path.write_text("id,lon,lat\na,1,2\n,1,2\nb,1,200\nc,3,4\n", encoding="utf-8")
    assert landing.land_clean_csv("l1", CleanCsv(path, ",", True, 3, fields))
    assert landing.missing_rows("l1", 1, 5) == [2, 3]
    path.write_text("a,1,2\nb,1\nc,3,4\n", encoding="utf-8")
    assert not landing.land_clean_csv("l2", CleanCsv(path, ",", False, 3, fields))


@pytest.mark.parametrize("has_header", [True, False])
def test_rows_are_numbered_right_when_the_file_is_read_in_pieces(
    landing: Landing,
    clean_warehouse: Warehouse,
    contract: DatasetContract,
    tmp_path: Path,
    has_header: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "pieces.csv"
    fields = {name: {"address_id": 0, "lon": 1, "lat": 2}.get(name) for name in contract.column_names}
    lines = [f"{number},1,{'x' if number % 100 == 0 else 2}" for number in range(1, 20_001)]
    path.write_text("\n".join([*(["id,lon,lat"] if has_header else []), *lines]), encoding="utf-8")
    monkeypatch.setattr(
        "services.warehouse.landing.CSV_SETTINGS", {**CSV_SETTINGS, "min_chunk_bytes_for_parallel_parsing": 5000, "max_threads": 4}
    )
    assert landing.land_clean_csv("l1", CleanCsv(path, ",", has_header, 3, fields))
    wrong = "select count() from bronze.address_points where _load_id = 'l1' and toString(_row_number) != address_id"
    assert clean_warehouse.scalar(wrong) == 0
    assert landing.missing_rows("l1", 1, 20_001) == list(range(100, 20_001, 100))


def test_paths_with_patterns_are_not_given_to_clickhouse(landing: Landing, tmp_path: Path) -> None:
    assert landing.can_read(tmp_path / "plain.csv")
    assert not landing.can_read(tmp_path / "all*.csv")
    assert not landing.can_read(tmp_path / "{a,b}.csv")


def test_another_process_cannot_open_our_files(http_warehouse: Warehouse, contract: DatasetContract, tmp_path: Path) -> None:
    assert not Landing(http_warehouse, contract).can_read(tmp_path / "plain.csv")
