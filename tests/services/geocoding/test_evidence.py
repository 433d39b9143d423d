"""What speaks for a letter's position, decided by the view int_letters__evidence from its own SQL and seed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.extraction.base import Extraction
from services.geocoding.base import Address
from services.geocoding.register import RegisterGeocoder
from services.warehouse.client import Warehouse
from tests.services.geocoding.register_data import load_register, small_register, street

NOW = datetime(2026, 3, 1, tzinfo=UTC)
READ: dict[str, Any] = {
    "outcome": "read",
    "street": "Dorfstrasse",
    "housenumber": "5",
    "postcode": "9490",
    "city": "Vaduz",
    "text": "Anna Frick\nDorfstrasse 5\n9490 Vaduz",
    "street_score": 0.99,
    "city_score": 0.99,
    "agreement_score": 1.0,
    "sender_score": 1.0,
}


def write(warehouse: Warehouse, letter_id: str, extraction: Extraction, at: datetime = NOW, *, geocode: bool = True) -> None:
    identifier = f"{letter_id}-{at:%H%M%S}"
    head = {"extraction_id": identifier, "letter_id": letter_id, "extractor": "ocr", "extractor_version": "1", "model": "m"}
    warehouse.insert("bronze.extractions", [{**head, **extraction.model_dump(), "started_at": at, "finished_at": at}])
    if not geocode:
        return
    address = Address(extraction.street, extraction.housenumber, extraction.postcode, extraction.city)
    answer = RegisterGeocoder(warehouse).geocode({"it": address})["it"].model_dump()
    answer["candidates"] = json.dumps(answer["candidates"])
    asked = {f"query_{name}": getattr(address, name) for name in ("street", "housenumber", "postcode", "city")}
    head = {"geocode_id": identifier, "subject_kind": "letter", "subject_id": letter_id, "extraction_id": identifier, "correction_id": ""}
    tail = {"geocoder": "register", "geocoder_version": "1", "register_generation": 1, "geocoded_at": at}
    warehouse.insert("bronze.geocodes", [{**head, **tail, **asked, **answer}])


def decide(warehouse: Warehouse, **changes: Any) -> dict[str, Any]:
    write(warehouse, "it", Extraction(**{**READ, **changes}))
    [row] = warehouse.query("select * from silver.int_letters__evidence where letter_id in ('it')")
    return row


def test_a_letter_that_was_read_well_and_is_in_the_register_is_located(evidence: Warehouse) -> None:
    row = decide(evidence)
    assert (row["state"], row["precision"], row["address_id"], row["reason"]) == ("located", "house", "Vaduz/Dorfstrasse/5", "")
    assert row["is_schema_complete"] and row["is_house_known"] and row["is_postcode_city_agreeing"] and row["is_street_in_text"]
    assert 90 < row["evidence_score"] <= 100
    assert row["longitude"] is not None and row["uncertainty_m"] < 50


@pytest.mark.parametrize(
    "changes",
    [
        {"street": "Alvicrueg", "housenumber": "7", "street_score": 0.85, "agreement_score": 0.9},
        {"street": "Alvierweg", "housenumber": "7", "postcode": "9430"},
        {"street": "Alvierweg", "housenumber": "7", "postcode": ""},
        {"street": "Alvierweg", "housenumber": "7", "city": "Vaduz (FL)"},
    ],
)
def test_usual_misreadings_are_located(evidence: Warehouse, changes: dict[str, Any]) -> None:
    assert decide(evidence, **changes)["state"] == "located"


@pytest.mark.parametrize(
    ("changes", "state", "code"),
    [
        ({"housenumber": "99"}, "approximate", "house_unknown"),
        ({"street": "Nirgendgasse"}, "approximate", "street_unknown"),
        ({"street": "", "housenumber": ""}, "approximate", "town_only"),
        ({"sender_score": 0.4}, "review", "sender_unclear"),
        ({"agreement_score": 0.6}, "review", "reading_uncertain"),
        ({"street_score": 0.7}, "review", "reading_uncertain"),
        ({"city": "Triesenberg"}, "review", "ambiguous"),
        ({"postcode": "9497", "city": "Vaduz"}, "review", "ambiguous"),
        ({"city": "Irgendwo"}, "review", "place_contradicts"),
        ({"postcode": "1234", "city": "Anderswo"}, "review", "address_unknown"),
        ({"street": "Darfstrasse", "housenumber": "5"}, "review", "street_uncertain"),
        ({"street": "", "housenumber": "", "postcode": "", "city": ""}, "review", "no_address"),
        ({"outcome": "unreadable", "street": "", "text": ""}, "review", "unreadable"),
        ({"outcome": "failed"}, "review", "failed"),
    ],
)
def test_every_doubt_is_told(evidence: Warehouse, changes: dict[str, Any], state: str, code: str) -> None:
    row = decide(evidence, **changes)
    assert (row["state"], row["reason"].split(":")[0]) == (state, code)
    assert row["reason"].endswith(".") and len(row["reason"]) > len(code) + 10


@pytest.mark.parametrize("removed", [row[0] for row in small_register()])
def test_an_address_that_is_not_in_the_register_is_never_located(evidence: Warehouse, removed: str) -> None:
    [house] = [row for row in small_register() if row[0] == removed]
    load_register(evidence, [row for row in small_register() if row[0] != removed])
    text = f"{house[1]} {house[2]}"
    assert decide(evidence, street=house[1], housenumber=house[2], postcode=house[3], city=house[4], text=text)["state"] != "located"


@pytest.mark.parametrize(
    ("known", "read"),
    [
        ("Buchstrasse", "Bachstrasse"),
        ("Sommerstrasse", "Sonnenstrasse"),
        ("Siedlung B", "Siedlung A"),
        ("rue du 14 Novembre", "rue du 11 Novembre"),
        ("Rotenbodenstrasse", "Rotenboden"),
        ("Station Road", "Stanton Road"),
        ("Rasenweg", "Rosenweg"),
        ("rue du Marlin", "rue du Moulin"),
    ],
)
def test_a_street_that_only_resembles_never_wins(evidence: Warehouse, known: str, read: str) -> None:
    load_register(evidence, street(known, ["5", "7"], "9490", "Vaduz", 9.5, 47.1))
    assert decide(evidence, street=read, text=f"{read} 5")["state"] != "located"


def test_the_same_number_twice_in_places_far_apart_is_ambiguous(evidence: Warehouse) -> None:
    rows = [("a", "Dorfstrasse", "5", "9490", "Vaduz", 9.50, 47.1), ("b", "Dorfstrasse", "5", "9490", "Vaduz", 9.52, 47.1)]
    load_register(evidence, rows)
    row = decide(evidence)
    assert (row["state"], row["reason"].split(":")[0]) == ("review", "ambiguous")


def test_the_newest_reading_counts_and_older_answers_do_not(evidence: Warehouse) -> None:
    write(evidence, "it", Extraction(**READ))
    write(evidence, "it", Extraction(**{**READ, "housenumber": "3"}), NOW + timedelta(hours=1), geocode=False)
    [row] = evidence.query("select * from silver.int_letters__evidence")
    assert (row["state"], row["reason"].split(":")[0], row["longitude"]) == ("review", "waiting", None)


def test_weights_add_up_to_one_hundred(evidence: Warehouse) -> None:
    assert evidence.scalar("select sum(value) from silver.evidence_rules where startsWith(rule, 'weight_')") == 100


def test_a_filter_on_letters_reads_a_few_of_many(evidence: Warehouse) -> None:
    evidence.command(
        "insert into bronze.extractions (extraction_id, letter_id, outcome, street, finished_at) "
        "select toString(number), concat('l', toString(number)), 'read', 'Dorfstrasse', now64(3) from numbers(200000)"
    )
    plan = evidence.query("explain indexes = 1 select * from silver.int_letters__evidence where letter_id in ('l5', 'l77')")
    text = "\n".join(str(next(iter(row.values()))) for row in plan)
    part = text[text.index("bronze.extractions") :]
    granules = next(line for line in part.splitlines() if "Granules:" in line and "PrimaryKey" in part[: part.index(line)])
    few, many = granules.split(":")[1].split("/")
    assert int(few) <= 4 < 20 <= int(many)
