"""Contracts are read from the dataset folders, and a wrong one says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.contracts import DatasetContract, header_key, load_contracts, read_contract, reserved_names
from services.errors import ContractError


def write_contract(root: Path, name: str = "wells", *, meta: Any = None, columns: Any = None, **source: Any) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    table = {
        "name": source.pop("table", name),
        "description": "Wells. One row per well.",
        "config": {"meta": {"contract": {"required": ["well_id"]} if meta is None else meta}},
        "columns": columns or [{"name": "well_id", "data_type": "String"}, {"name": "depth", "data_type": "Float64"}],
    }
    path = folder / f"_{name}__sources.yml"
    document = {"version": 2, "sources": [{"name": name, "schema": "bronze", "tables": [table], **source}]}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_the_three_datasets_are_discovered_from_their_folders() -> None:
    contracts = load_contracts()
    assert {"facilities", "areas", "address_points"} <= set(contracts)
    assert contracts["areas"].of_type("geometry") == ("geometry",)
    assert contracts["facilities"].of_type("longitude", "latitude") == ("lon", "lat")
    assert all(contract.mode == "replace" and contract.natural_key for contract in contracts.values() if contract.name != "x")


@pytest.mark.parametrize(
    ("dataset", "headers", "expected"),
    [
        ("facilities", ["ID", "Bezeichnung", "Art", "Straße", "Haus-Nr.", "PLZ", "Ort", "Lng", "LAT"], None),
        ("address_points", ["id", "strasse", "hausnummer", "zip", "city", "longitude", "latitude"], None),
        ("areas", ["area_code", "name", "population", "geometry_wkt"], ["area_code", "name", "population", "geometry"]),
        ("areas", ["\ufeffcode", "Name", "Parent", "admin_level", "geom"], ["area_code", "name", "parent_code", "level", "geometry"]),
    ],
)
def test_headers_are_matched_by_alias_without_case_accents_or_punctuation(
    dataset: str, headers: list[str], expected: list[str] | None
) -> None:
    contract = load_contracts()[dataset]
    assert contract.match(headers) == (expected or list(contract.column_names))


def test_a_column_is_given_once_and_its_own_name_wins() -> None:
    contract = load_contracts()["facilities"]
    assert contract.match(["title", "name", "colour", "label"]) == [None, "name", None, None]
    assert contract.match(["title", "label"]) == ["name", None]


def test_header_key_ignores_what_people_vary() -> None:
    assert header_key("Haus-Nr. ") == header_key("HAUSNR") == "hausnr"
    assert header_key("Straße") == header_key("STRASSE")


def test_the_version_changes_with_the_contract(tmp_path: Path) -> None:
    first = read_contract(write_contract(tmp_path / "a"))
    same = read_contract(write_contract(tmp_path / "b"))
    other = read_contract(write_contract(tmp_path / "c", meta={"required": ["well_id"], "mode": "append"}))
    assert first and same and other
    assert first.version == same.version != other.version


def test_sources_without_a_contract_are_no_datasets(tmp_path: Path) -> None:
    write_contract(tmp_path)
    folder = tmp_path / "cartulary"
    folder.mkdir()
    (folder / "_cartulary__sources.yml").write_text("sources: [{name: cartulary, tables: [{name: loads}]}]", encoding="utf-8")
    assert list(load_contracts(tmp_path)) == ["wells"]


def test_a_single_column_may_be_written_without_a_list(tmp_path: Path) -> None:
    contract = read_contract(write_contract(tmp_path, meta={"natural_key": "well_id", "aliases": {"well_id": "brunnen"}}))
    assert contract is not None
    assert contract.natural_key == ("well_id",)
    assert contract.match(["Brunnen"]) == ["well_id"]


@pytest.mark.parametrize(
    ("meta", "columns", "said"),
    [
        ({"mode": "merge"}, None, "mode: Input should be 'replace', 'append' or 'upsert', not 'merge'"),
        ({"mode": "upsert"}, None, "upsert needs a natural_key"),
        ({"required": ["nothing"]}, None, "required names nothing, which is not among the columns well_id, depth"),
        ({"max_rejected_share": 3}, None, "max_rejected_share"),
        ({"max_rejected_shares": 0.1}, None, "max_rejected_shares"),
        ({"aliases": {"well_id": ["Tiefe"], "depth": ["TIEFE"]}}, None, "'TIEFE' stands for both well_id and depth"),
        ({"aliases": {"depth": ["well id"]}}, None, "'well id' stands for both well_id and depth"),
        ({"order": ["depth"], "required": ["well_id"]}, None, "order lacks well_id"),
        ({}, [{"name": "Well Id"}], "'Well Id' is not a name"),
        ({}, [{"name": "_load_id"}], "'_load_id' is not a name"),
        ({}, [{"name": "a"}, {"name": "a"}], "a column is listed twice: a"),
        ({}, [{"name": "a", "data_type": "varchar"}], "data_type"),
        ({"name": "other"}, None, "contract.name"),
        (["mode"], None, "must be a mapping"),
    ],
)
def test_a_wrong_contract_says_what_is_wrong_and_where(tmp_path: Path, meta: Any, columns: Any, said: str) -> None:
    path = write_contract(tmp_path, meta=meta, columns=columns)
    with pytest.raises(ContractError) as error:
        read_contract(path)
    assert said in str(error.value)


@pytest.mark.parametrize(("source", "said"), [({"schema": "raw"}, "schema: bronze"), ({"table": "other"}, "wells.other")])
def test_source_and_table_are_named_as_the_folder(tmp_path: Path, source: dict[str, str], said: str) -> None:
    path = write_contract(tmp_path, **source)
    with pytest.raises(ContractError, match=said):
        read_contract(path)


def test_broken_yaml_names_the_file(tmp_path: Path) -> None:
    path = write_contract(tmp_path)
    path.write_text("sources: [", encoding="utf-8")
    with pytest.raises(ContractError, match=r"_wells__sources\.yml is not a dbt source file"):
        read_contract(path)


def test_contracts_do_not_change() -> None:
    contract: DatasetContract = load_contracts()["areas"]
    with pytest.raises(ValueError, match="frozen"):
        contract.mode = "append"  # type: ignore[misc]


def test_the_names_of_our_own_tables_are_reserved(tmp_path: Path) -> None:
    assert {"uploads", "geocodes", "rejected_rows", "step_outcomes", "build_journal", "schema_migrations", "cartulary"} <= reserved_names()
    for name in sorted(reserved_names()):
        with pytest.raises(ContractError, match=f"'{name}' is the name of a table of Cartulary's own: choose another"):
            load_contracts(write_contract(tmp_path / name, name).parents[1])
