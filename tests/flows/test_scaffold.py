"""A dataset made from a sample loads that sample with nothing else edited."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from file_loader import Loader

from flows.scaffold import scaffold_dataset
from services.contracts import load_contracts
from services.errors import ConflictError, ContractError
from services.object_store.local import LocalObjectStore
from services.settings import Settings
from services.state.state import State
from services.warehouse.client import Warehouse

WELLS = "Brunnen-Nr.;Straße;PLZ;Tiefe (m);Baujahr;Datum;Längengrad;Breitengrad\n" + "".join(
    f"B{i:03};Weg {i % 2};0{4810 + i};{i}.5;19{50 + i};2026-03-{i + 1:02};12.{i};51.{i}\n" for i in range(12)
)


@pytest.fixture
def wells(tmp_path: Path) -> Path:
    path = tmp_path / "wells in town.csv"
    path.write_text(WELLS, encoding="utf-8")
    return path


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    return tmp_path / "staging"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(Settings(_env_file=None, data_dir=tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def loaded_tables(clean_warehouse: Warehouse) -> Iterator[Warehouse]:
    yield clean_warehouse
    for name in ("wells", "plots"):
        clean_warehouse.command(f"drop table if exists bronze.{name} sync")


def test_columns_types_key_and_aliases_are_inferred(wells: Path, staging: Path) -> None:
    paths = scaffold_dataset("wells", wells, staging)
    assert [path.name for path in paths] == ["_wells__sources.yml", "stg_wells__wells.sql", "_wells__models.yml", "sample.csv"]
    contract = load_contracts(staging)["wells"]
    assert [(column.name, column.data_type) for column in contract.columns] == [
        ("brunnen_nr", "String"),
        ("strasse", "String"),
        ("plz", "String"),
        ("tiefe_m", "Float64"),
        ("baujahr", "Int64"),
        ("datum", "Date"),
        ("lon", "longitude"),
        ("lat", "latitude"),
    ]
    assert contract.natural_key == ("brunnen_nr",)
    assert contract.required == ("brunnen_nr", "lon", "lat")
    assert contract.match(WELLS.splitlines()[0].split(";")) == list(contract.column_names)


def test_the_sample_loads_and_its_model_casts_every_column(
    wells: Path, staging: Path, tmp_path: Path, loaded_tables: Warehouse, state: State
) -> None:
    scaffold_dataset("wells", wells, staging)
    loader = Loader(loaded_tables, LocalObjectStore(tmp_path / "objects"), state, load_contracts(staging))
    result = loader.load(wells.read_bytes(), "wells")
    assert (result.landed, result.rejected, result.unknown_columns) == (12, 0, ())
    again = loader.load((staging / "wells" / "sample.csv").read_bytes(), "wells")
    assert loader.rows(again) == loader.rows(result)
    sql = (staging / "wells" / "stg_wells__wells.sql").read_text(encoding="utf-8").replace("{{ loaded_rows('wells') }}", "bronze.wells")
    row = loaded_tables.query(sql + " order by _ingested_at, _row_number limit 1")[0]
    assert (row["brunnen_nr"], row["plz"], row["tiefe_m"], row["baujahr"], str(row["datum"])) == ("B000", "04810", 0.5, 1950, "2026-03-01")
    assert (row["longitude"], row["latitude"]) == (12.0, 51.0)


def test_models_have_a_grain_and_tests(wells: Path, staging: Path) -> None:
    scaffold_dataset("wells", wells, staging)
    model = yaml.safe_load((staging / "wells" / "_wells__models.yml").read_text(encoding="utf-8"))["models"][0]
    assert model["name"] == "stg_wells__wells"
    assert model["description"].endswith("One row per brunnen_nr.")
    assert model["columns"][0]["data_tests"] == ["not_null", "unique"]
    with (staging / "wells" / "sample.csv").open(encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 13


def test_a_geojson_sample_with_outlines(tmp_path: Path, staging: Path, loaded_tables: Warehouse, state: State) -> None:
    square = {"type": "Polygon", "coordinates": [[[12, 51], [13, 51], [13, 52], [12, 51]]]}
    rows = [{"type": "Feature", "properties": {"Plot Code": f"P{i}", "use": "garden"}, "geometry": square} for i in range(3)]
    path = tmp_path / "plots.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": rows}), encoding="utf-8")
    scaffold_dataset("plots", path, staging)
    loader = Loader(loaded_tables, LocalObjectStore(tmp_path / "objects"), state, load_contracts(staging))
    result = loader.load(path.read_bytes(), "plots")
    assert loader.rows(result)[0] == ("P0", "garden", "MULTIPOLYGON (((12 51, 13 51, 13 52, 12 51)))")


def test_what_cannot_be_a_dataset(wells: Path, staging: Path, tmp_path: Path) -> None:
    for name in ("Wells", "1wells", "my wells", "letters", "geocodes", "rejected_rows", "build_journal", "schema_migrations", "cartulary"):
        with pytest.raises(ContractError, match="cannot name a dataset"):
            scaffold_dataset(name, wells, staging)
    scaffold_dataset("wells", wells, staging)
    with pytest.raises(ConflictError, match="There is a dataset wells already"):
        scaffold_dataset("wells", wells, staging)
    bare = tmp_path / "bare.csv"
    bare.write_text("1,2\n3,4\n", encoding="utf-8")
    with pytest.raises(ContractError, match="has no header line"):
        scaffold_dataset("bare", bare, staging)
    assert not (staging / "bare").exists()
    shutil.rmtree(staging)
