"""A preview says what the loader would do, before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.preview import preview_file
from services.contracts import load_contracts
from services.errors import ContractError, NotFoundError
from services.tabular.base import batch_table
from services.tabular.suspicions import unfit_reason
from services.warehouse.client import Warehouse
from services.warehouse.landing import Landing


def written(tmp_path: Path, text: str | bytes, name: str = "file.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_dialect_columns_and_first_problems(tmp_path: Path) -> None:
    text = "id;Straße;Hausnummer;PLZ;Ort;lng;lat;Farbe\nA1;Mühlweg;3;04810;X;12,5;51,2;rot\nA2;Weg;4;04811;X;hier;51,2;\n".encode("cp1252")
    found = preview_file(written(tmp_path, text))
    assert (found.format, found.dataset, found.encoding, found.delimiter, found.has_header) == (
        "csv",
        "address_points",
        "cp1252",
        "semicolon",
        True,
    )
    assert [(column.header, column.column) for column in found.columns][:2] == [("id", "address_id"), ("Straße", "street")]
    assert found.columns[-1].column is None
    assert list(found.columns[-1].examples) == ["rot"]
    assert (found.rows_seen, found.rows_unfit, list(found.problems)) == (2, 1, ["line 3: lon is not a number: hier"])
    assert any("Farbe" in note for note in found.notes)
    assert "cp1252" in found.as_text()
    assert "line 3: lon is not a number" in found.as_text()


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("postcode", ["1067", "10115"], "leading zeros were lost"),
        ("postcode", ["1067.0", "10115.0"], "store postcodes as text"),
        ("housenumber", ["03. Mai", "3"], "look like dates"),
        ("housenumber", ["03.05.2026", "3"], "look like dates"),
        ("address_id", ["1.2E+05", "3"], "digits are lost"),
        ("street", ["MÃ¼hlweg", "Weg"], "garbled letters"),
        ("city", ["K\ufffdln", "X"], "garbled letters"),
    ],
)
def test_what_a_spreadsheet_spoils_is_noticed(tmp_path: Path, column: str, values: list[str], said: str) -> None:
    names = ["address_id", "street", "housenumber", "postcode", "city", "lon", "lat"]
    rows = [{"address_id": f"A{index}", "street": "Weg", "lon": "1", "lat": "1", column: value} for index, value in enumerate(values)]
    text = "\n".join([",".join(names), *(",".join(row.get(name, "") for name in names) for row in rows)])
    assert any(said in note for note in preview_file(written(tmp_path, text)).notes)


def test_nothing_is_noticed_in_the_samples() -> None:
    from services.contracts import STAGING_DIR

    for name in ("areas", "facilities", "address_points"):
        found = preview_file(STAGING_DIR / name / "sample.csv")
        assert (found.dataset, found.rows_unfit, list(found.notes)) == (name, 2, [])


def test_a_file_that_would_not_be_loaded_says_why(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n1,2\n")
    assert "those of no dataset" in preview_file(path).as_text()
    assert (
        "needs the column facility_id" in preview_file(path, "facilities").refusal
        or "must have 9 fields" in preview_file(path, "facilities").refusal
    )
    with pytest.raises(NotFoundError, match="There is no dataset 'wells'"):
        preview_file(path, "wells")
    with pytest.raises(ContractError, match="empty"):
        preview_file(written(tmp_path, ""))


def test_geojson_finds_its_dataset(tmp_path: Path) -> None:
    feature = {"type": "Feature", "properties": {"id": 1, "kind": "bank"}, "geometry": {"type": "Point", "coordinates": [1, 2]}}
    path = written(tmp_path, json.dumps({"type": "FeatureCollection", "features": [feature]}))
    found = preview_file(path)
    assert (found.format, found.dataset, found.rows_seen, found.rows_unfit) == ("geojson", "facilities", 1, 0)


cells = st.text("0123456789.+-eE naif x", max_size=6)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.sampled_from(["a", "", " "]), cells, cells), min_size=1, max_size=20))
def test_preview_and_warehouse_reject_for_the_same_reason(clean_warehouse: Warehouse, rows: list[tuple[str, str, str]]) -> None:
    contract = load_contracts()["address_points"]
    landing = Landing(clean_warehouse, contract)
    landing.ensure_table()
    landing.delete("p")
    columns = {name: [""] * len(rows) for name in contract.column_names}
    columns |= {name: [row[place] for row in rows] for place, name in enumerate(("address_id", "lon", "lat"))}
    numbers = np.arange(1, len(rows) + 1, dtype=np.uint64)
    raw = pa.array(["line"] * len(rows), pa.large_string())
    landing.land_batch(
        "p", batch_table({name: pa.array(values, pa.large_string()) for name, values in columns.items()}, numbers, numbers, raw, {})
    )
    found = clean_warehouse.query("select row_number, column_name, reason from bronze.rejected_rows where load_id = 'p'")
    by_warehouse = {int(row["row_number"]): (row["column_name"], row["reason"]) for row in found}
    by_preview = {
        index + 1: reason
        for index in range(len(rows))
        if (reason := unfit_reason(contract, {name: values[index] for name, values in columns.items()}))
    }
    assert by_preview == by_warehouse
