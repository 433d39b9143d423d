"""Data files, clean and nasty, are loaded whole or not at all, and every row is accounted for."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from file_loader import START, Loader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.progress import Progress

from flows.cli import _load_now
from flows.steps import load as load_module
from flows.steps import load_rules
from flows.steps.load import load_outstanding, load_upload
from flows.steps.run import LOADING
from services.contracts import load_contracts
from services.errors import ContractError, NotFoundError, StateError, WarehouseError
from services.object_store.local import LocalObjectStore
from services.settings import Settings
from services.state.state import State
from services.warehouse import landing as landing_module
from services.warehouse import loads
from services.warehouse.client import Warehouse
from services.warehouse.landing import Landing
from services.warehouse.loads import Load

HEADER = "address_id,street,housenumber,postcode,city,lon,lat\n"
GOOD = "A1,Marktgasse,3,04810,Lindenau,12.5,51.2\n"
GOOD_ROW = ("A1", "Marktgasse", "3", "04810", "Lindenau", "12.5", "51.2")
SECOND = "A2,Ulmenweg,8a,04811,Lindenau,12.6,51.3\n"
SECOND_ROW = ("A2", "Ulmenweg", "8a", "04811", "Lindenau", "12.6", "51.3")


@pytest.fixture
def loader(clean_warehouse: Warehouse, tmp_path: Path) -> Iterator[Loader]:
    state = State.open(Settings(_env_file=None, data_dir=tmp_path))
    yield Loader(clean_warehouse, LocalObjectStore(tmp_path / "objects"), state, load_contracts())
    state.close()


# --- 30 nasty files: content, the rows that land, the rejected rows as (row, line, part of the reason) ---

NASTY: dict[str, tuple[str | bytes, list[tuple[str, ...]], list[tuple[int, int, str]]]] = {
    "clean": (HEADER + GOOD + SECOND, [GOOD_ROW, SECOND_ROW], []),
    "byte order mark": (b"\xef\xbb\xbf" + (HEADER + GOOD).encode(), [GOOD_ROW], []),
    "no newline at the end": (HEADER + GOOD + SECOND.rstrip(), [GOOD_ROW, SECOND_ROW], []),
    "windows line ends": ((HEADER + GOOD + SECOND).replace("\n", "\r\n"), [GOOD_ROW, SECOND_ROW], []),
    "old Mac line ends": ((HEADER + GOOD + SECOND).replace("\n", "\r"), [GOOD_ROW, SECOND_ROW], []),
    "mixed line ends": (HEADER + GOOD.replace("\n", "\r\n") + SECOND, [GOOD_ROW, SECOND_ROW], []),
    "semicolons": ((HEADER + GOOD + SECOND).replace(",", ";"), [GOOD_ROW, SECOND_ROW], []),
    "tabs": ((HEADER + GOOD + SECOND).replace(",", "\t"), [GOOD_ROW, SECOND_ROW], []),
    "pipes": ((HEADER + GOOD + SECOND).replace(",", "|"), [GOOD_ROW, SECOND_ROW], []),
    "decimal commas": (
        "address_id;street;housenumber;postcode;city;lon;lat\nA1;Marktgasse;3;04810;Lindenau;12,5;51,2\nA2;Am Hang;1;04810;X;abc;51,2\n",
        [GOOD_ROW],
        [(2, 3, "lon is not a number: abc")],
    ),
    "umlauts in Windows-1252": (
        "id;Straße;Hausnummer;PLZ;Ort;lng;lat\nA1;Mühlgäßchen;3;04810;Köln;12.5;51.2\n".encode("cp1252"),
        [("A1", "Mühlgäßchen", "3", "04810", "Köln", "12.5", "51.2")],
        [],
    ),
    "UTF-16 with mark": ((HEADER + GOOD.replace("Markt", "Müller")).encode("utf-16"), [("A1", "Müllergasse", *GOOD_ROW[2:])], []),
    "UTF-16 without mark": ((HEADER + GOOD).encode("utf-16-le"), [GOOD_ROW], []),
    "one line of another encoding": (
        HEADER.encode() + "A0,Ökoweg,1,1,Ä,1,1\nA3,Überweg,1,1,Ä,1,1\n".encode() * 5 + b"A4,K\xf6hl,1,1,X,1,1\n" + GOOD.encode(),
        [("A0", "Ökoweg", "1", "1", "Ä", "1", "1"), ("A3", "Überweg", "1", "1", "Ä", "1", "1")] * 5 + [GOOD_ROW],
        [(11, 12, "is not valid text")],
    ),
    "newline in quotes": (
        HEADER + 'A1,"Markt\ngasse",3,04810,Lindenau,12.5,51.2\n' + SECOND + ",Nirgends,,,,1,1\n",
        [("A1", "Markt\ngasse", *GOOD_ROW[2:]), SECOND_ROW],
        [(3, 5, "address_id is missing")],
    ),
    "doubled quotes and delimiters in quotes": (
        HEADER + 'A1,"Weg ""Zur Post"", hinten",3,04810,Lindenau,12.5,51.2\n',
        [("A1", 'Weg "Zur Post", hinten', *GOOD_ROW[2:])],
        [],
    ),
    "everything quoted": (
        HEADER + ",".join(f'"{cell}"' for cell in GOOD_ROW) + "\n" + ",".join(f'"{cell}"' for cell in SECOND_ROW) + "\n",
        [GOOD_ROW, SECOND_ROW],
        [],
    ),
    "a quote inside an unquoted field": (
        HEADER + 'A1,5" Rohr,3,04810,Lindenau,12.5,51.2\n' + SECOND,
        [("A1", '5" Rohr', *GOOD_ROW[2:]), SECOND_ROW],
        [],
    ),
    "a quote never closed": (HEADER + 'A1,"Marktgasse,3,04810,Lindenau,12.5,51.2\n' + SECOND, [SECOND_ROW], [(1, 2, "quote is opened")]),
    "text after a closing quote": (HEADER + 'A1,"Markt"gasse,3,04810,L,12.5,51.2\n' + SECOND, [SECOND_ROW], [(1, 2, "quote is opened")]),
    "too few and too many fields": (
        HEADER + "A0,Kurz,1\n" + GOOD + "A3,Lang,1,2,3,4,5,6,7\n" + SECOND + SECOND,
        [GOOD_ROW, SECOND_ROW, SECOND_ROW],
        [(1, 2, "has 3 fields instead of 7"), (3, 4, "has 9 fields instead of 7")],
    ),
    "delimiters too many at the end are forgiven": (
        HEADER + GOOD.replace("\n", ",\n") + SECOND.replace("\n", ",,,\n"),
        [GOOD_ROW, SECOND_ROW],
        [],
    ),
    "a delimiter too many at the end, once": (HEADER + GOOD.replace("\n", ",\n") + SECOND, [GOOD_ROW, SECOND_ROW], []),
    "blanks before quotes": (
        HEADER + 'A1, "Weg, hinten",3,04810,Lindenau,12.5,51.2\n' + SECOND,
        [("A1", "Weg, hinten", *GOOD_ROW[2:]), SECOND_ROW],
        [],
    ),
    "empty lines": ("\n\n" + HEADER + "\n" + GOOD + "\n\n" + SECOND + "\n\n", [GOOD_ROW, SECOND_ROW], []),
    "a zero byte": (HEADER + GOOD + "A3,Mark\0t,1,2,3,4,5\n" + SECOND, [GOOD_ROW, SECOND_ROW], [(2, 3, "zero byte")]),
    "no header": (GOOD + SECOND, [GOOD_ROW, SECOND_ROW], []),
    "titles above the header": ("Adressverzeichnis,,,,,,\nStand 1.3.2026,,,,,,\n" + HEADER + GOOD, [GOOD_ROW], []),
    "columns in another order, some missing": (
        "lat,lon,id,strasse\n51.2,12.5,A1,Marktgasse\n",
        [("A1", "Marktgasse", "", "", "", "12.5", "51.2")],
        [],
    ),
    "unknown and repeated columns": (
        "address_id,street,colour,street,lon,lat\nA1,Marktgasse,red,Nebengasse,12.5,51.2\n",
        [("A1", "Marktgasse", "", "", "", "12.5", "51.2")],
        [],
    ),
    "blanks around positions": (HEADER + "A1,Marktgasse,3,04810,Lindenau, 12.5,51.2 \n" + SECOND, [GOOD_ROW, SECOND_ROW], []),
    "what looks like null": (HEADER + "A1,\\N,NULL,null,None,12.5,51.2\n", [("A1", "\\N", "NULL", "null", "None", "12.5", "51.2")], []),
    "positions out of range, swapped, zero or not finite": (
        HEADER
        + GOOD
        + SECOND
        + GOOD
        + SECOND
        + GOOD
        + SECOND
        + "B1,a,1,1,c,200,1\nB2,a,1,1,c,12,95\nB3,a,1,1,c,0,0.0\nB4,a,1,1,c,nan,inf\n",
        [GOOD_ROW, SECOND_ROW] * 3,
        [(7, 8, "lon is not between"), (8, 9, "lat is not between"), (9, 10, "both 0"), (10, 11, "lon is not between")],
    ),
    "only blanks as a key": (
        HEADER + "  ,Marktgasse,3,04810,Lindenau,12.5,51.2\n" + GOOD + SECOND,
        [GOOD_ROW, SECOND_ROW],
        [(1, 2, "address_id is missing")],
    ),
    "backslashes": (HEADER + "A1,C:\\Weg\\,3,04810,Lindenau,12.5,51.2\n", [("A1", "C:\\Weg\\", *GOOD_ROW[2:])], []),
    "single quotes as quotes": (
        "address_id;street;lon;lat\n'A1';'Weg; hinten';'12.5';'51.2'\n'A2';'Zum ''Hirsch''; vorn';'12.6';'51.3'\n" * 1,
        [("A1", "Weg; hinten", "", "", "", "12.5", "51.2"), ("A2", "Zum 'Hirsch'; vorn", "", "", "", "12.6", "51.3")],
        [],
    ),
}


@pytest.mark.parametrize("name", NASTY)
def test_nasty_files(loader: Loader, name: str) -> None:
    content, rows, rejected = NASTY[name]
    result = loader.load(content)
    assert loader.rows(result) == rows
    found = loader.rejected(result.load_id)
    assert [(row, line) for row, line, *_ in found] == [(row, line) for row, line, _ in rejected]
    for (*_, reason), (_, _, expected) in zip(found, rejected, strict=True):
        assert expected in reason
    assert (result.received, result.landed, result.rejected) == (len(rows) + len(rejected), len(rows), len(rejected))
    assert sorted(loader.numbers(result) + [row for row, *_ in found]) == list(range(1, result.received + 1))
    assert loader.loads()[-1]["state"] == "loaded"


@pytest.mark.parametrize("name", NASTY)
def test_both_ways_of_reading_agree(loader: Loader, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = NASTY[name][0]
    quick = loader.load(content)
    loader.warehouse.command("truncate table bronze.loads")
    monkeypatch.setattr(load_module, "looks_clean", lambda path: False)
    careful = loader.load(content)
    assert careful.load_id != quick.load_id
    assert loader.rows(careful) == loader.rows(quick)
    assert loader.numbers(careful) == loader.numbers(quick)
    assert loader.rejected(careful.load_id) == loader.rejected(quick.load_id)
    assert (careful.received, careful.unknown_columns) == (quick.received, quick.unknown_columns)


@pytest.mark.parametrize("is_quoted", [False, True])
def test_a_long_file_with_some_bad_rows_is_read_by_clickhouse_and_the_careful_reader_together(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, is_quoted: bool
) -> None:
    monkeypatch.setattr(landing_module, "CSV_SETTINGS", {**landing_module.CSV_SETTINGS, "min_chunk_bytes_for_parallel_parsing": 20_000})
    monkeypatch.setattr("services.tabular.records.BLOCK_BYTES", 50_000)
    street = '"Weg\nhinten"' if is_quoted else "Weg"
    lines = [f"A{number},{street},1,1,X,{'x' if number % 500 == 7 else 12.5},51" for number in range(1, 10_001)]
    content = HEADER + "\n".join(lines) + "\n"
    quick = loader.load(content)
    assert (quick.received, quick.landed, quick.rejected) == (10_000, 9980, 20)
    assert all(row[0] == f"A{number}" for row, number in zip(loader.rows(quick), loader.numbers(quick), strict=True))
    assert [(row, line) for row, line, *_ in loader.rejected(quick.load_id)][:2] == (
        [(7, 14), (507, 1014)] if is_quoted else [(7, 8), (507, 508)]
    )
    loader.warehouse.command("truncate table bronze.loads")
    monkeypatch.setattr(load_module, "looks_clean", lambda path: False)
    careful = loader.load(content)
    assert loader.rejected(careful.load_id) == loader.rejected(quick.load_id)
    assert loader.rows(careful) == loader.rows(quick)


def test_clean_files_are_read_by_clickhouse_itself(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the careful reader was used")

    monkeypatch.setattr(Landing, "land_batch", refuse)
    assert loader.load(HEADER + GOOD + SECOND).landed == 2
    with pytest.raises(AssertionError):
        loader.load(HEADER + GOOD + "A3,short\n")


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "empty": (b"", "empty"),
    "blank": (b" \n \r\n", "empty"),
    "only a header": (HEADER, "has a header but no rows"),
    "a required column is missing": ("address_id,street,lon\nA1,Weg,12.5\n", r"needs the column lat \(or latitude"),
    "no header and another number of fields": ("1,2,3\n4,5,6\n", "must have 7 fields in the order address_id, street"),
    "too many rejected": (HEADER + GOOD + "\n".join(f"B{i},Weg,1,1,X,here,there" for i in range(9)), "9 of 10 rows do not fit"),
    "an Excel workbook": (b"PK\x03\x04 and so on", "Excel workbook"),
    "gzip": (b"\x1f\x8b\x08\x00", "compressed with gzip"),
    "GeoJSON cut off": ('{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"id"', "GeoJSON file is broken"),
    "JSON that is no GeoJSON": ('{"type": "invoice", "lines": []}', "no list of features"),
    "GeoJSON without features": ('{"type": "FeatureCollection", "features": []}', "needs the column address_id"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_files_leave_nothing_visible_and_say_why(loader: Loader, name: str) -> None:
    content, said = REFUSED[name]
    with pytest.raises(ContractError, match=said):
        loader.load(content)
    newest = loader.loads()[-1]
    assert (newest["state"], newest["generation"]) == ("failed", 0)
    assert newest["message"]
    assert loader.warehouse.scalar("select count() from bronze.address_points") == 0


def test_a_refused_file_keeps_the_first_rejected_rows(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (load_module, load_rules):
        monkeypatch.setattr(module, "REJECTED_ROWS_KEPT", 3)
    with pytest.raises(ContractError, match="The first 3 are kept"):
        loader.load(HEADER + "\n".join(f"B{i},Weg,1,1,X,here,there" for i in range(9)))
    assert [row for row, *_ in loader.rejected(loader.loads()[-1]["load_id"])] == [1, 2, 3]


def test_warnings_name_what_a_person_should_look_at(loader: Loader) -> None:
    result = loader.load(NASTY["unknown and repeated columns"][0])
    assert result.unknown_columns == ("colour", "street")
    assert any("colour" in warning for warning in result.warnings)
    assert any("more than once" in warning for warning in result.warnings)
    assert any("no header found" in warning for warning in loader.load(GOOD + SECOND).warnings)
    assert any("cp1252" in warning for warning in loader.load(NASTY["umlauts in Windows-1252"][0]).warnings)
    assert any("further down" in warning and "1" in warning for warning in loader.load(HEADER + GOOD + GOOD).warnings)
    assert any("decimal commas" in warning for warning in loader.load(NASTY["decimal commas"][0]).warnings)
    assert loader.loads()[-1]["message"]


# --- areas and GeoJSON ---

SQUARE = "POLYGON ((12 51, 13 51, 13 52, 12 52, 12 51))"
MULTI = "MULTIPOLYGON (((12 51, 13 51, 13 52, 12 52, 12 51)))"


def area_rows(*cells: tuple[str, ...]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([("area_code", "name", "population", "geometry"), *cells])
    return out.getvalue()


@pytest.mark.parametrize(
    ("geometry", "landed"),
    [
        (SQUARE, MULTI),
        (MULTI, MULTI),
        ("SRID=4326;" + SQUARE, MULTI),
        ("POLYGON Z ((12 51 3, 13 51 3, 13 52 3, 12 52 3, 12 51 3))", MULTI),
        (json.dumps({"type": "Polygon", "coordinates": [[[12, 51], [13, 51], [13, 52], [12, 52], [12, 51]]]}), MULTI),
        ("POINT (12 51)", "is a Point, but must be a polygon"),
        ("POLYGON ((2600000 1200000, 2600100 1200000, 2600100 1200100, 2600000 1200000))", "not degrees in WGS84"),
        ("SRID=2056;" + SQUARE, "coordinate system 2056"),
        ("POLYGON ((12 51, 13", "not a readable polygon"),
        ("POLYGON EMPTY", "empty"),
        ("POLYGON ((12 51, 13 51, 12 51, 12 51))", "has no area"),
        ("", "geometry is missing"),
    ],
)
def test_polygons_of_every_kind_become_one(loader: Loader, geometry: str, landed: str) -> None:
    result = loader.load(area_rows(("L", "Left", "10", SQUARE), ("M", "Mine", "n/a", geometry)), "areas")
    if landed.startswith("MULTI"):
        assert [row[-1] for row in loader.rows(result)] == [MULTI, landed]
        assert any("population could not be read in 1 rows" in warning and "n/a" in warning for warning in result.warnings)
    else:
        [(row, line, raw, column, reason)] = loader.rejected(result.load_id)
        assert (row, line, column) == (2, 3, "geometry")
        assert landed in reason
        assert raw.startswith("M,Mine,n/a,")


def test_a_polygon_that_crosses_itself_is_repaired_and_counted(loader: Loader) -> None:
    bow = "POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))"
    result = loader.load(area_rows(("B", "Bow", "", bow)), "areas")
    assert loader.rows(result)[0][-1].startswith("MULTIPOLYGON (((")
    assert any("repaired: 1" in warning for warning in result.warnings)


def feature(properties: dict[str, object], geometry: object, **more: object) -> dict[str, object]:
    return {"type": "Feature", "properties": properties, "geometry": geometry, **more}


POLYGON = {"type": "Polygon", "coordinates": [[[12, 51], [13, 51], [13, 52], [12, 52], [12, 51]]]}


def test_geojson_areas(loader: Loader) -> None:
    features = [
        feature({"code": "A", "name": "Aue", "population": 1200, "mayor": "somebody"}, POLYGON),
        feature({"code": "B", "name": "Berg", "population": None}, {"type": "MultiPolygon", "coordinates": [POLYGON["coordinates"]]}),
        feature({"code": "C", "name": "Punkt"}, {"type": "Point", "coordinates": [12, 51]}),
    ]
    result = loader.load(
        json.dumps({"type": "FeatureCollection", "name": "x", "crs": {"a": [1, "]"]}, "features": features, "z": 1}), "areas"
    )
    assert loader.rows(result) == [("A", "Aue", "1200", "", "", MULTI), ("B", "Berg", "", "", "", MULTI)]
    assert result.unknown_columns == ("mayor",)
    [(row, line, raw, column, reason)] = loader.rejected(result.load_id)
    assert (row, line, column) == (3, 1, "geometry")
    assert json.loads(raw)["properties"]["code"] == "C"
    assert "is a Point" in reason


def test_geojson_points_keep_numbers_as_written_and_outlines_give_a_point_inside(loader: Loader) -> None:
    text = (
        '{"type": "FeatureCollection", "features": [\n'
        '{"type": "Feature", "id": "n1", "properties": {"kind": "school", "postcode": "04810", "housenumber": 7}, '
        '"geometry": {"type": "Point", "coordinates": [12.50, 51.2000, 3]}},\n'
        '{"type": "Feature", "id": 2, "properties": {"kind": "school"}, "geometry": ' + json.dumps(POLYGON) + "},\n"
        '{"type": "Feature", "id": 3, "properties": {"kind": "school", "lon": 9, "lat": 47}, "geometry": null},\n'
        '{"type": "Feature", "id": 4, "properties": {"kind": "school"}, "geometry": null}]}'
    )
    result = loader.load(text, "facilities")
    rows = loader.rows(result)
    assert rows[0] == ("n1", "", "school", "", "7", "04810", "", "12.50", "51.2000")
    assert rows[1][0] == "2"
    assert (float(rows[1][7]), float(rows[1][8])) == (12.5, 51.5)
    assert rows[2][7:] == ("9", "47")
    assert [(row, line, column) for row, line, _, column, _ in loader.rejected(result.load_id)] == [(4, 5, "lon")]


def test_geojson_by_lines_goes_on_after_a_broken_line(loader: Loader) -> None:
    point = {"type": "Point", "coordinates": [12.5, 51.2]}
    lines = [json.dumps(feature({"id": f"F{i}", "kind": "bank"}, point)) for i in range(4)]
    result = loader.load("\n".join([lines[0], lines[1], '{"type": "Feature", broken', "", "\x1e" + lines[2], lines[3]]), "facilities")
    assert [row[0] for row in loader.rows(result)] == ["F0", "F1", "F2", "F3"]
    [(row, line, raw, _, reason)] = loader.rejected(result.load_id)
    assert (row, line, raw) == (3, 3, '{"type": "Feature", broken')
    assert "not a GeoJSON feature" in reason


# --- generations, modes, attempts ---


def test_generations_rise_with_loads_that_succeed(loader: Loader) -> None:
    assert loader.load(HEADER + GOOD).generation == 1
    with pytest.raises(ContractError):
        loader.load(HEADER)
    assert loader.load(HEADER + SECOND).generation == 2
    assert [(row["state"], row["generation"]) for row in loader.loads()] == [
        ("started", 0),
        ("loaded", 1),
        ("started", 0),
        ("failed", 0),
        ("started", 0),
        ("loaded", 2),
    ]


def test_the_same_file_is_loaded_again_only_after_another_one(loader: Loader) -> None:
    first = loader.load(HEADER + GOOD)
    again = loader.load(HEADER + GOOD)
    assert again.was_loaded_before
    assert (again.load_id, again.landed) == (first.load_id, 1)
    loader.load(HEADER + SECOND)
    back = loader.load(HEADER + GOOD)
    assert not back.was_loaded_before
    assert back.generation == 3


def test_appended_the_same_file_counts_once_whatever_came_in_between(loader: Loader) -> None:
    assert loader.load(HEADER + GOOD, mode="append").generation == 1
    assert loader.load(HEADER + SECOND, mode="append").generation == 2
    assert loader.load(HEADER + GOOD, mode="append").was_loaded_before


def test_what_a_replacement_took_away_may_be_appended_again(loader: Loader) -> None:
    loader.load(HEADER + GOOD, mode="append")
    loader.load(HEADER + SECOND)
    again = loader.load(HEADER + GOOD, mode="append")
    assert (again.was_loaded_before, again.generation) == (False, 3)


def asked(loader: Loader, content: str, at: int, mode: str | None = None) -> str:
    upload_id = loader.store(content.encode())
    payload = {upload_id: {"dataset": "address_points", "mode": mode, "asked_at": (START + timedelta(seconds=at)).isoformat()}}
    loader.state.work.add("load", payload, payload=payload, now=START, again=True)
    return upload_id


def test_a_replacement_that_comes_late_does_not_take_the_place_of_one_asked_for_later(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = asked(loader, HEADER + GOOD, at=0)

    def fail(*_: object) -> None:
        raise WarehouseError("gone", retryable=True)

    with monkeypatch.context() as patch:
        patch.setattr(load_module, "_land", fail)
        assert load_outstanding(loader.services, START).counts["failed"] == 1
    second = asked(loader, HEADER + SECOND, at=1)
    assert load_outstanding(loader.services, START + timedelta(seconds=1)).counts["loaded"] == 1
    late = load_outstanding(loader.services, START + timedelta(hours=1))
    assert late.counts["loaded"] == late.counts["failed"] == 0
    assert f"{first[:12]} was not loaded, since a replacement asked for later, {second[:12]}, is loaded already" in late.message
    assert loader.state.work.counts() == {"load": {"done": 2}}
    assert [row["upload_id"] for row in loader.loads() if row["state"] == "loaded"] == [second]
    # Asked for once more it is the newest wish.
    asked(loader, HEADER + GOOD, at=2)
    assert load_outstanding(loader.services, START + timedelta(hours=2)).counts["loaded"] == 1


def test_without_a_moment_in_the_queue_the_moment_of_receipt_counts(loader: Loader) -> None:
    old = HEADER + GOOD
    upload = {"upload_id": loader.store(old.encode()), "purpose": "dataset", "state": "stored", "received_at": START - timedelta(hours=1)}
    loader.warehouse.insert("bronze.uploads", [upload])
    newer = loader.load(HEADER + SECOND)
    late = loader.load(old)
    assert (late.was_loaded_before, late.load_id) == (True, newer.load_id)
    assert "asked for later" in late.warnings[0]


def test_a_replacement_is_compared_with_all_rows_that_count(loader: Loader) -> None:
    loader.contracts["address_points"] = loader.contracts["address_points"].model_copy(update={"min_share_of_previous": 0.5})
    loader.load(HEADER + "".join(f"A{i},Weg,{i},1,X,12,51\n" for i in range(6)))
    loader.load(HEADER + "".join(f"A{i},Weg,{i},1,X,12,51\n" for i in range(4, 12)), mode="append")
    with pytest.raises(ContractError, match="5 rows would replace 12, less than the 50%"):
        loader.load(HEADER + "".join(f"A{i},Weg,{i},1,X,12,51\n" for i in range(5)))
    assert loader.load(HEADER + "".join(f"A{i},Weg,{i},1,X,12,51\n" for i in range(6)), mode="replace").landed == 6


def test_a_mode_that_cannot_be(loader: Loader) -> None:
    with pytest.raises(ContractError, match="cannot be loaded with mode sideways"):
        loader.load(HEADER + GOOD, mode="sideways")
    with pytest.raises(NotFoundError, match="no dataset 'wells'; there are address_points"):
        loader.load(HEADER + GOOD, "wells")


def test_a_replacement_that_shrinks_too_much_fails_if_the_contract_says_so(loader: Loader) -> None:
    loader.contracts["address_points"] = loader.contracts["address_points"].model_copy(update={"min_share_of_previous": 0.5})
    loader.load(HEADER + "".join(f"A{i},Weg,{i},1,X,12,51\n" for i in range(10)))
    with pytest.raises(ContractError, match="4 rows would replace 10, less than the 50%"):
        loader.load(HEADER + "".join(f"A{i},Weg,{i},1,X,12,51\n" for i in range(4)))
    assert loader.load(HEADER + "".join(f"A{i},Weg,{i},1,X,12,51\n" for i in range(5))).generation == 2


def test_too_few_rows_fail_if_the_contract_says_so(loader: Loader) -> None:
    loader.contracts["address_points"] = loader.contracts["address_points"].model_copy(update={"min_rows": 3})
    with pytest.raises(ContractError, match="2 rows fit, but address_points must have at least 3"):
        loader.load(HEADER + GOOD + SECOND)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("place", ["land_clean_csv", "land_batch", "close_batches", "count_rejected", "duplicate_keys", "publish"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_anywhere_and_run_again_nothing_is_lost_or_there_twice(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, place: str, when: str
) -> None:
    content = HEADER + GOOD + SECOND + "A3,Weg,1,1,X,here,51\n"
    owner = loads if place == "publish" else Landing
    original = getattr(owner, place)

    def die(*args: object, **kwargs: object) -> object:
        if when == "after":
            original(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(owner, place, die)
        loader.load(content)
    result = loader.load(content)
    visible = loader.warehouse.query(
        "select load_id from bronze.loads where dataset = 'address_points' group by load_id having argMax(state, _ingested_at) = 'loaded'"
    )
    assert [row["load_id"] for row in visible] == [result.load_id]
    assert (result.received, result.landed, result.rejected, result.generation) == (3, 2, 1, 1)
    assert loader.rows(result) == [GOOD_ROW, SECOND_ROW]
    assert loader.warehouse.scalar("select count() from bronze.address_points") == 2
    assert loader.warehouse.scalar("select count() from bronze.rejected_rows") == 1
    assert loader.warehouse.scalar("select count() from system.tables where database = 'bronze' and startsWith(name, 'incoming_')") == 0


@pytest.mark.parametrize("overtaken_in", ["land", "publish"])
def test_a_load_whose_lock_was_lost_is_not_published_beside_the_next_ones(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, overtaken_in: str
) -> None:
    """The first process stands still until its lease is over; the second takes it for dead and loads the file itself."""
    upload_id = asked(loader, HEADER + GOOD + SECOND, at=0, mode="append")
    owner, place = (load_module, "_land") if overtaken_in == "land" else (loads, "publish")
    original = getattr(owner, place)
    later = START + timedelta(minutes=10)

    def take_over(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.undo()
        landed = original(*args, **kwargs) if overtaken_in == "land" else None
        with monkeypatch.context() as patch:
            patch.setattr(load_module, "_one_at_a_time", threading.Lock())
            with loader.state.locks.hold(LOADING, owner="second", lease_seconds=60, wait_seconds=0, clock=lambda: later) as second:
                loader.state.work.release_leases(("load",))
                assert load_outstanding(loader.services, later, confirm=second.confirm).counts["loaded"] == 1
        return original(*args, **kwargs) if landed is None else landed

    monkeypatch.setattr(owner, place, take_over)
    with loader.state.locks.hold(LOADING, owner="first", lease_seconds=60, wait_seconds=0, clock=lambda: START) as first:
        try:
            load_outstanding(loader.services, START, confirm=first.confirm)
        except StateError as error:
            assert overtaken_in == "land" and error.retryable
    assert [row["upload_id"] for row in loader.loads() if row["state"] == "loaded"] == [upload_id]
    assert loader.warehouse.scalar("select count() from bronze.address_points") == 2


def test_whoever_lost_the_lock_takes_no_living_load_for_dead(loader: Loader) -> None:
    asked(loader, HEADER + GOOD, at=0)
    locks, later = loader.state.locks, START + timedelta(minutes=10)
    first = locks.hold(LOADING, owner="first", lease_seconds=60, wait_seconds=0, clock=lambda: START)
    second = locks.hold(LOADING, owner="second", lease_seconds=60, wait_seconds=0, clock=lambda: later)
    with first as lease, second:
        loads.record(loader.warehouse, Load("l1", "u1", "address_points", "v", "append", START))
        with pytest.raises(StateError, match="was lost"):
            load_outstanding(loader.services, START, confirm=lease.confirm)
    assert [row["state"] for row in loader.loads()] == ["started"]


def test_a_file_that_memory_never_suffices_for_is_left_to_a_person(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise WarehouseError("ClickHouse refused an insert: 241 MEMORY_LIMIT_EXCEEDED", retryable=True)

    monkeypatch.setattr(load_module, "_land", fail)
    asked(loader, HEADER + GOOD, at=0)
    for hour in range(5):
        assert loader.state.work.counts() == {"load": {"pending": 1}}
        load_outstanding(loader.services, START + timedelta(hours=hour))
    assert loader.state.work.counts() == {"load": {"failed": 1}}


def test_a_load_of_the_command_line_strikes_no_older_wish_for_the_same_file(loader: Loader) -> None:
    upload_id = asked(loader, HEADER + GOOD, at=0, mode="append")
    with Progress(disable=True) as progress:
        _load_now(loader.services, upload_id, "address_points", "replace", progress, progress.add_task(""))
        assert loader.state.work.counts() == {"load": {"pending": 1}}
        _load_now(loader.services, upload_id, "address_points", "append", progress, progress.add_task(""))
    assert loader.state.work.counts() == {"load": {"done": 1}}


def test_an_outage_of_the_warehouse_leaves_the_attempt_to_the_next(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise WarehouseError("gone", retryable=True)

    with monkeypatch.context() as patch, pytest.raises(WarehouseError, match="gone"):
        patch.setattr(Landing, "count", fail)
        loader.load(HEADER + GOOD)
    assert loader.load(HEADER + GOOD).generation == 1
    assert loader.warehouse.scalar("select count() from bronze.address_points") == 1


def test_outstanding_loads_are_worked_off_and_a_bad_file_fails_alone(loader: Loader) -> None:
    good, bad = loader.store((HEADER + GOOD + SECOND).encode()), loader.store(HEADER.encode())
    areas = loader.store(area_rows(("L", "Left", "10", SQUARE)).encode())
    payload = {good: {"dataset": "address_points", "mode": None}, bad: {"dataset": "address_points"}, areas: {"dataset": "areas"}}
    loader.state.work.add("load", payload, payload=payload, now=START)
    result = load_outstanding(loader.services, START + timedelta(seconds=1))
    assert result.counts == {"loaded": 2, "landed": 3, "rejected": 0, "failed": 1}
    assert "has a header but no rows" in result.message
    assert loader.state.work.counts() == {"load": {"done": 2, "failed": 1}}
    again = load_outstanding(loader.services, START + timedelta(seconds=2))
    assert not again.did_something
    loader.state.work.add("load", [good], payload=payload, now=START, again=True)
    assert not load_outstanding(loader.services, START + timedelta(seconds=3)).did_something


def test_progress_ends_with_everything(loader: Loader) -> None:
    upload_id = loader.store((HEADER + GOOD).encode())
    seen: list[tuple[int, int]] = []
    load_upload(
        loader.services,
        upload_id=upload_id,
        dataset="address_points",
        mode=None,
        now=START,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (len(HEADER + GOOD),) * 2


def test_the_samples_of_all_datasets_load_with_two_bad_rows(loader: Loader) -> None:
    from services.contracts import STAGING_DIR

    for name in ("facilities", "areas", "address_points"):
        result = loader.load((STAGING_DIR / name / "sample.csv").read_bytes(), name)
        assert 10 <= result.received <= 30
        assert result.rejected == 2


# --- round trips ---

text = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=12)
row = st.tuples(st.text("abcXYZ019-/ä", min_size=1, max_size=8), text, text, text, text, st.floats(-180, 180), st.floats(0.1, 90))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(row, min_size=1, max_size=12), delimiter=st.sampled_from(",;\t|"), line_end=st.sampled_from(["\n", "\r\n"]))
def test_whatever_is_written_as_csv_lands_as_it_was(loader: Loader, rows: list[tuple[object, ...]], delimiter: str, line_end: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(HEADER.strip().split(","))
    writer.writerows(rows)
    loader.warehouse.command("truncate table if exists bronze.loads")
    result = loader.load(out.getvalue())
    assert loader.rows(result) == [tuple(str(cell) for cell in cells) for cells in rows]
    assert result.rejected == 0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text('ab1",;\n\r \\.\0é', max_size=60))
def test_on_any_bytes_both_ways_agree_and_every_row_is_accounted_for(loader: Loader, body: str) -> None:
    loader.contracts["address_points"] = loader.contracts["address_points"].model_copy(update={"max_rejected_share": 1.0, "min_rows": 0})
    content = HEADER + "A1,Weg,1,1,X,12,51\n" + body
    outcomes = []
    for is_quick in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not is_quick:
                patch.setattr(load_module, "looks_clean", lambda path: False)
            loader.warehouse.command("truncate table if exists bronze.loads")
            result = loader.load(content)
        assert result.landed + result.rejected == result.received
        outcomes.append((loader.rows(result), loader.numbers(result), loader.rejected(result.load_id)))
    assert outcomes[0] == outcomes[1]
