"""Files that are refused, each with a reason for its sender and a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from letter_files import CATALOG, encoded, encrypted_pdf, jpeg_bomb, pdf, pdf_bomb, png_bomb

from services.intake.intake import Intake
from services.object_store.local import LocalObjectStore
from services.state.state import State
from services.warehouse.client import Warehouse

JPEG, PNG, TIFF, PDF = (encoded(name) for name in ("JPEG", "PNG", "TIFF", "PDF"))
LINEARIZED = b"%PDF-1.4\n1 0 obj\n<< /Linearized 1 /L 90000 /H [ 1 2 ] >>\nendobj\n%%EOF\n"

NASTY_LETTERS = {
    "empty.jpg": (b"", "empty: it has no bytes"),
    "blank.pdf": (b" \r\n\t " * 100, "nothing but white space"),
    "text.jpg": (b"Dear Sir or Madam,\nwe need a pharmacy.\n", "This is CSV, no letter"),
    "data.geojson": (b'{"type": "FeatureCollection", "features": []}', "This is GeoJSON, no letter"),
    "cut.jpg": (JPEG[: len(JPEG) // 2], "JPEG is damaged"),
    "start_only.jpg": (JPEG[:20], "JPEG is damaged"),
    "cut.png": (PNG[: len(PNG) // 2], "PNG is damaged"),
    "flipped.png": (PNG[:60] + bytes([PNG[60] ^ 255]) + PNG[61:], "PNG is damaged"),
    "cut.tif": (TIFF[: len(TIFF) // 2], "TIFF is damaged"),
    "cut.pdf": (PDF[: len(PDF) // 2], "PDF was cut off"),
    "cut_web.pdf": (LINEARIZED, "PDF was cut off"),
    "hollow.pdf": (b"%PDF-1.7\nnothing here\n%%EOF\n", "PDF is damaged"),
    "no_page.pdf": (pdf([CATALOG, b"<< /Type /Pages /Kids [] /Count 0 >>"]), "PDF"),
    "locked.pdf": (encrypted_pdf(), "encrypted with a password"),
    "bomb.png": (png_bomb(60_000), "60000 × 60000 pixels, more than 80,000,000"),
    "bomb.jpg": (jpeg_bomb(65_000), "65000 × 65000 pixels"),
    "bomb.pdf": (pdf_bomb(60_000), "picture in the PDF has 60000 × 60000 pixels"),
    "pages.tif": (encoded("TIFF", pages=6), "more than 5 pages"),
    "pages.pdf": (encoded("PDF", pages=6), "6 pages, more than 5"),
    "letters.zip": (b"PK\x03\x04" + bytes(26) + b"letter.jpg", "This is a ZIP archive: letters are JPEG, PNG, TIFF or PDF"),
    "letter.pdf.exe": (b"MZ\x90\x00\x03\x00\x00\x00", "This is a Windows program"),
    "letter.pdf": (b"\x7fELF\x02\x01\x01" + bytes(100), "This is a Linux program"),
    "photo.jpg": (b"\x00\x00\x00\x18ftypheic" + bytes(50), "This is a HEIC photo"),
    "noise.png": (bytes(range(256)) * 100, "This is of no known type"),
    "large.tif": (TIFF + bytes(4_000_000), "larger than 4,000,000 bytes"),
}
NASTY_DATASETS = {
    "empty.csv": (b"", "empty: it has no bytes"),
    "scan.csv": (PNG, "This is PNG: datasets are CSV or GeoJSON"),
    "book.xlsx": (b"PK\x03\x04" + bytes(26) + b"xl/workbook.xml", "This is an Excel workbook: datasets are CSV or GeoJSON. Save it as CSV"),
    "list.json": (b'[{"a": 1}]', "JSON, but no GeoJSON"),
    "download.csv": (b"<!doctype html><title>Not found</title>", "a web page"),
    "large.csv": (b"a,b\n" * 1_100_000, "larger than 4,000,000 bytes"),
}
LIMITS = {"max_letter_bytes": 4_000_000, "max_file_bytes": 4_000_000, "max_pages": 5}


@pytest.fixture
def limited(make_intake: Callable[..., Intake]) -> Intake:
    return make_intake(**LIMITS)


def assert_refused(warehouse: Warehouse, objects: LocalObjectStore, state: State, upload_id: str, reason: str, purpose: str) -> None:
    [row] = warehouse.query("select * from bronze.uploads")
    assert row["upload_id"] == upload_id
    assert (row["state"], row["object_key"], row["purpose"]) == ("refused", "", purpose)
    assert reason in row["refusal_reason"]
    assert warehouse.scalar("select count() from bronze.letters") == 0
    assert [key for key in objects.list("") if not key.startswith("refused/")] == []
    assert set(state.work.counts()) == {"register"}


@pytest.mark.parametrize("name", NASTY_LETTERS)
def test_letters_that_cannot_be_used_are_refused(
    limited: Intake, clean_warehouse: Warehouse, objects: LocalObjectStore, state: State, now: datetime, name: str
) -> None:
    content, reason = NASTY_LETTERS[name]
    receipt = limited.receive_letter([content], name, "cli", now)
    assert receipt.state == "refused"
    assert reason in receipt.reason
    assert receipt.file_name == name
    assert_refused(clean_warehouse, objects, state, receipt.upload_id, reason, "letter")


@pytest.mark.parametrize("name", NASTY_DATASETS)
def test_data_files_that_cannot_be_used_are_refused(
    limited: Intake, clean_warehouse: Warehouse, objects: LocalObjectStore, state: State, now: datetime, name: str
) -> None:
    content, reason = NASTY_DATASETS[name]
    receipt = limited.receive_dataset([content], name, "areas", None, "cli", now)
    assert receipt.state == "refused"
    assert reason in receipt.reason
    assert_refused(clean_warehouse, objects, state, receipt.upload_id, reason, "dataset")


def test_reading_stops_at_the_limit(limited: Intake, now: datetime) -> None:
    """A sender without an end: no more than the limit and a chunk is read, and nothing stays on the disk."""
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield bytes(100_000)

    receipt = limited.receive_letter(endless(), "endless.tif", "api", now)
    assert receipt.state == "refused"
    assert sent == 41


def test_the_same_too_large_file_is_the_same_trace_however_it_is_cut(limited: Intake, now: datetime) -> None:
    content = bytes(4_000_001)
    first = limited.receive_letter([content], "a", "api", now)
    second = limited.receive_letter((content[start : start + 77_777] for start in range(0, len(content), 77_777)), "a", "api", now)
    assert first.upload_id == second.upload_id
    assert (first.is_new, second.is_new) == (True, False)


def test_a_file_of_exactly_the_limit_is_let_in(make_intake: Callable[..., Intake], now: datetime) -> None:
    content = b"a,b\n1,2\n" * 100
    intake = make_intake(max_file_bytes=len(content))
    assert intake.receive_dataset([content], "a.csv", "areas", None, "cli", now).state == "stored"
    assert intake.receive_dataset([content + b"3"], "a.csv", "areas", None, "cli", now).state == "refused"


def test_a_refused_file_is_let_in_once_the_limit_is_raised(
    make_intake: Callable[..., Intake], clean_warehouse: Warehouse, now: datetime
) -> None:
    content = encoded("TIFF", pages=6)
    assert make_intake(max_pages=5).receive_letter([content], "a.tif", "cli", now).state == "refused"
    receipt = make_intake(max_pages=6).receive_letter([content], "a.tif", "cli", now)
    assert (receipt.state, receipt.is_new) == ("stored", True)
    assert clean_warehouse.query("select state, count() as count from bronze.uploads group by state order by state") == [
        {"state": "refused", "count": 1},
        {"state": "stored", "count": 1},
    ]
