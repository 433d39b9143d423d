"""How right the reading of letters is: states and positions against a folder's truth.csv."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.errors import ContractError
from services.wiring import Services

SQL = Path(__file__).with_name("sql")
TRUTH = "truth.csv"
RIGHT_METRES = 50.0
EARTH_RADIUS_METRES = 6_371_008.8
OUTCOMES = ("located_right", "located_wrong", "approximate", "in_review", "rejected", "waiting", "refused", "missing")


@dataclass(frozen=True)
class TrueLetter:
    """A row of truth.csv; without a position the address is in no register, and every located answer is wrong."""

    file: str
    upload_id: str
    longitude: float | None
    latitude: float | None
    font: str


@dataclass(frozen=True)
class Outcome:
    """What became of one letter: one of OUTCOMES, why, and how far from the truth it was placed (None without position)."""

    file: str
    font: str
    outcome: str
    reason: str
    distance_m: float | None


def evaluate(services: Services, folder: Path) -> dict[str, Any]:
    """Score the letters of a folder against its truth.csv (columns file, lat, lon, optionally font).

    Returns counts: `letters`, `located_right` (within 50 m of the truth), `located_wrong`, `approximate`, `in_review`,
    `rejected` (by a person), `waiting` (not read or placed yet), `refused`, `missing` (never added); the same counts
    per font below `font`, and one entry per letter below `files`. Letters are known by the content of their file.
    Raises ContractError if the truth or a file of it cannot be read.
    """
    truth = read_truth(folder)
    outcomes = _outcomes(services, truth)
    fonts = sorted({letter.font for letter in truth} - {""})
    return {
        **count_outcomes(outcomes),
        "font": {font: count_outcomes([outcome for outcome in outcomes if outcome.font == font]) for font in fonts},
        "files": [asdict(outcome) for outcome in outcomes],
    }


def count_outcomes(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Letters, and how many of them had each outcome."""
    return {"letters": len(outcomes), **{name: sum(outcome.outcome == name for outcome in outcomes) for name in OUTCOMES}}


def read_truth(folder: Path) -> list[TrueLetter]:
    """Rows of the folder's truth.csv with the content hashes of their files."""
    path = folder / TRUTH
    if not path.is_file():
        raise ContractError(f"{folder} has no {TRUTH}: it needs one with the columns file, lat and lon to be scored.")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        lacking = {"file", "lat", "lon"} - set(reader.fieldnames or ())
        if lacking:
            raise ContractError(f"{path} lacks the column {', '.join(sorted(lacking))}: add it (empty where nothing is known).")
        return [_true_letter(folder, row, reader.line_num) for row in reader]


def _true_letter(folder: Path, row: Mapping[str, str | None], line: int) -> TrueLetter:
    name = row["file"] or ""
    path = folder / name
    if not name or not path.is_file():
        raise ContractError(f"{folder / TRUTH}, line {line}: there is no file {name!r} in the folder.")
    where = f"{folder / TRUTH}, line {line}"
    longitude, latitude = (_degrees(row[column] or "", column, where) for column in ("lon", "lat"))
    if (longitude is None) != (latitude is None):
        raise ContractError(f"{where}: give both lat and lon, or neither.")
    with path.open("rb") as file:
        upload_id = hashlib.file_digest(file, "sha256").hexdigest()
    return TrueLetter(name, upload_id, longitude, latitude, row.get("font") or "")


def _degrees(text: str, column: str, where: str) -> float | None:
    try:
        return float(text) if text.strip() else None
    except ValueError:
        raise ContractError(f"{where}: {column} is a number or empty, not {text!r}.") from None


def _outcomes(services: Services, truth: Sequence[TrueLetter]) -> list[Outcome]:
    uploads = {
        str(row["upload_id"]): row
        for row in services.warehouse.query(_sql("evaluate_uploads"), {"upload_ids": [letter.upload_id for letter in truth]})
    }
    letter_ids = [row["letter_id"] for row in uploads.values() if row["letter_id"]]
    placed = {str(row["letter_id"]): row for row in _placed(services, letter_ids)}
    outcomes = []
    for letter in truth:
        upload = uploads.get(letter.upload_id)
        row = placed.get(str(upload["letter_id"])) if upload else None
        outcomes.append(judge(letter, upload, row))
    return outcomes


def _placed(services: Services, letter_ids: Sequence[object]) -> list[dict[str, Any]]:
    """State and position per letter; none before the first build made the silver layer."""
    exists = services.warehouse.scalar("select count() from system.tables where database = 'silver' and name = 'int_requests__located'")
    return services.warehouse.query(_sql("evaluate_letters"), {"letter_ids": list(letter_ids)}) if exists else []


def judge(letter: TrueLetter, upload: Mapping[str, Any] | None, placed: Mapping[str, Any] | None) -> Outcome:
    """The outcome of one letter from what the door said and where it was put."""
    if upload is None:
        return Outcome(letter.file, letter.font, "missing", "It was never added.", None)
    if not upload["letter_id"]:
        is_refused = upload["state"] == "refused"
        reason = str(upload["refusal_reason"]) if is_refused else "It is not registered yet."
        return Outcome(letter.file, letter.font, "refused" if is_refused else "waiting", reason, None)
    if placed is None:
        return Outcome(letter.file, letter.font, "waiting", "It has not been read yet.", None)
    distance = _distance(letter, placed)
    state = str(placed["state"])
    if state == "located":
        outcome = "located_right" if distance is not None and distance <= RIGHT_METRES else "located_wrong"
    else:
        outcome = {"approximate": "approximate", "review": "in_review", "rejected": "rejected"}.get(state, "waiting")
    return Outcome(letter.file, letter.font, outcome, str(placed["reason"] or ""), None if distance is None else round(distance, 1))


def _distance(letter: TrueLetter, placed: Mapping[str, Any]) -> float | None:
    if letter.longitude is None or letter.latitude is None or placed["longitude"] is None or placed["latitude"] is None:
        return None
    return distance_metres((letter.longitude, letter.latitude), (float(placed["longitude"]), float(placed["latitude"])))


def distance_metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Great-circle distance in metres between two (longitude, latitude) pairs in degrees (haversine formula)."""
    east, north = math.radians(other[0] - one[0]), math.radians(other[1] - one[1])
    chord = math.sin(north / 2) ** 2 + math.cos(math.radians(one[1])) * math.cos(math.radians(other[1])) * math.sin(east / 2) ** 2
    return 2 * EARTH_RADIUS_METRES * math.asin(math.sqrt(chord))


def _sql(name: str) -> str:
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")
