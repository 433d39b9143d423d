"""Scores against a truth: what is right, wrong, undecided, refused and missing."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flows.evaluate import TrueLetter, distance_metres, evaluate, judge, read_truth
from services.errors import ContractError
from services.warehouse.client import Warehouse
from services.wiring import Services

HEADER = "file,lat,lon,font\n"


def folder_with(tmp_path: Path, truth: str, **files: str) -> Path:
    (tmp_path / "truth.csv").write_text(truth, encoding="utf-8")
    for name, content in files.items():
        (tmp_path / f"{name}.jpg").write_text(content, encoding="utf-8")
    return tmp_path


def upload_id(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def test_a_degree_of_latitude_is_111_km() -> None:
    assert distance_metres((9.5, 47.0), (9.5, 48.0)) == pytest.approx(111_195, abs=1)
    assert distance_metres((9.5, 60.0), (10.5, 60.0)) == pytest.approx(111_195 / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("state", "metres_north", "outcome"),
    [
        ("located", 49.0, "located_right"),
        ("located", 51.0, "located_wrong"),
        ("approximate", 0.0, "approximate"),
        ("review", 0.0, "in_review"),
        ("rejected", 0.0, "rejected"),
        ("stored", 0.0, "waiting"),
    ],
)
def test_state_and_distance_make_the_outcome(state: str, metres_north: float, outcome: str) -> None:
    letter = TrueLetter("a.jpg", "u", 9.5, 47.0, "")
    placed = {"state": state, "reason": "", "longitude": 9.5, "latitude": 47.0 + metres_north / 111_195}
    assert judge(letter, {"state": "stored", "letter_id": "l"}, placed).outcome == outcome


def test_an_address_that_is_in_no_register_is_never_located_right() -> None:
    placed = {"state": "located", "reason": "", "longitude": 9.5, "latitude": 47.0}
    assert judge(TrueLetter("a.jpg", "u", None, None, ""), {"state": "stored", "letter_id": "l"}, placed).outcome == "located_wrong"


def test_letters_are_known_by_their_content(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, HEADER + "a.jpg,47.5,9.5,print\n", a="first")
    assert read_truth(folder) == [TrueLetter("a.jpg", upload_id("first"), 9.5, 47.5, "print")]


@pytest.mark.parametrize(
    ("truth", "sentence"),
    [
        ("file,lat\na.jpg,1\n", "lacks the column lon"),
        (HEADER + "b.jpg,1,1,\n", "line 2: there is no file 'b.jpg'"),
        (HEADER + "a.jpg,1,east,\n", "line 2: lon is a number or empty, not 'east'"),
        (HEADER + "a.jpg,1,,\n", "line 2: give both lat and lon, or neither"),
    ],
)
def test_a_wrong_truth_is_told_with_its_line(tmp_path: Path, truth: str, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        read_truth(folder_with(tmp_path, truth, a="first"))


def test_a_folder_without_truth_is_told(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"has no truth\.csv"):
        read_truth(tmp_path)


@pytest.fixture
def received(clean_warehouse: Warehouse, now: datetime) -> Services:
    """Five letters at the door: two placed, one waiting, one refused, one refused first and then taken in."""

    def upload(content: str, state: str, **more: Any) -> dict[str, Any]:
        return {"upload_id": upload_id(content), "purpose": "letter", "state": state, "received_at": now, "refusal_reason": "", **more}

    clean_warehouse.insert(
        "bronze.uploads",
        [
            upload("near", "stored"),
            upload("far", "stored"),
            upload("unread", "stored"),
            upload("broken", "refused", refusal_reason="It is empty."),
        ],
    )
    letters = {"near": "letter-near", "far": "letter-far", "unread": "letter-unread"}
    clean_warehouse.insert(
        "bronze.letters",
        [{"letter_id": identifier, "pages": [(upload_id(content), 1)], "received_at": now} for content, identifier in letters.items()],
    )
    return cast(Services, SimpleNamespace(warehouse=clean_warehouse))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    truth = (
        HEADER
        + "near.jpg,47.0,9.5,print\nfar.jpg,47.0,9.5,hand\nunread.jpg,47.0,9.5,hand\nbroken.jpg,47.0,9.5,hand\nnever.jpg,47.0,9.5,hand\n"
    )
    return folder_with(tmp_path, truth, near="near", far="far", unread="unread", broken="broken", never="never")


def test_before_the_first_build_everything_waits(received: Services, folder: Path) -> None:
    result = evaluate(received, folder)
    assert (result["letters"], result["waiting"], result["refused"], result["missing"]) == (5, 3, 1, 1)


def test_scores_are_counted_in_all_and_per_font(received: Services, folder: Path) -> None:
    received.warehouse.command("create database if not exists silver")
    # Stands for the view of the same name, of which only these columns are read.
    received.warehouse.command(
        "create table silver.int_requests__located (request_id String, state String, reason String, precision String, "
        "longitude Nullable(Float64), latitude Nullable(Float64)) engine = Memory"
    )
    received.warehouse.insert(
        "silver.int_requests__located",
        [
            {"request_id": "letter-near", "state": "located", "reason": "", "precision": "house", "longitude": 9.5001, "latitude": 47.0},
            {"request_id": "letter-far", "state": "located", "reason": "", "precision": "house", "longitude": 9.51, "latitude": 47.0},
        ],
    )
    result = evaluate(received, folder)
    counts = {name: count for name, count in result.items() if isinstance(count, int)}
    assert counts == {
        "letters": 5,
        "located_right": 1,
        "located_wrong": 1,
        "approximate": 0,
        "in_review": 0,
        "rejected": 0,
        "waiting": 1,
        "refused": 1,
        "missing": 1,
    }
    assert result["font"]["print"]["located_right"] == 1
    assert result["font"]["hand"] == {**counts, "letters": 4, "located_right": 0}
    assert {file["file"]: file["outcome"] for file in result["files"]}["far.jpg"] == "located_wrong"
    assert next(file for file in result["files"] if file["file"] == "broken.jpg")["reason"] == "It is empty."
    assert next(file for file in result["files"] if file["file"] == "near.jpg")["distance_m"] == pytest.approx(7.6, abs=0.1)
