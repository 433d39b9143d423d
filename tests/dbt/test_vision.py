"""Readings by a vision model: what a build makes of them, of their cost, and of answers that nobody can believe."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from dbt_support import START, Bronze

from flows.steps.transform import transform

VISION = {"extractor": "vision", "model": "served", "agreement_score": 0.85}


def attempt(bronze: Bronze, letter_id: str, extraction_id: str, outcome: str, cost: float) -> None:
    number = int(bronze.warehouse.scalar("select count() from bronze.extraction_attempts"))
    row = {
        "attempt_id": f"attempt {number}",
        "extraction_id": extraction_id,
        "letter_id": letter_id,
        "requested_model": "asked",
        "returned_model": "served",
        "outcome": outcome,
        "input_tokens": 1000,
        "output_tokens": 100,
        "cost": cost,
        "raw": "SECRET NAME",
        "started_at": START + timedelta(minutes=number),
    }
    bronze.warehouse.insert("bronze.extraction_attempts", [row])


def test_a_build_weighs_the_models_word_and_counts_its_price(platform: Any, bronze: Bronze, now: datetime) -> None:
    bronze.town()
    letters: dict[str, str] = {}
    readings: dict[str, dict[str, Any]] = {
        "believed": {**VISION},
        "invented": {**VISION, "street": "Avenue", "text": "Dear sirs"},
        "unwitnessed": {**VISION, "postcode": "1001"},
        "unusable": {**VISION, "outcome": "failed", "problem": "wrong_schema"},
        "fallback": {"is_fallback": 1, "problem": "timeout"},
    }
    for name, changes in readings.items():
        letters[name] = bronze.letter()
        extraction_id = bronze.read(letters[name], **changes)
        if name == "unusable":
            attempt(bronze, letters[name], extraction_id, "invalid_json", 0.1)
            attempt(bronze, letters[name], extraction_id, "wrong_schema", 0.2)
        bronze.place("letter", letters[name], extraction_id, is_postcode_equal=int(name != "unwitnessed"))
    transform(platform, now=now)

    rows = bronze.warehouse.query("select letter_id, state, reason from silver.int_letters__evidence")
    decided = {row["letter_id"]: (row["state"], row["reason"].split(":")[0]) for row in rows}
    assert {name: decided[letter] for name, letter in letters.items()} == {
        "believed": ("located", ""),
        "invented": ("review", "not_in_text"),
        "unwitnessed": ("review", "unwitnessed"),
        "unusable": ("review", "answer_unusable"),
        "fallback": ("located", ""),
    }
    requests = bronze.warehouse.query("select request_id, state from gold.fct_requests")
    assert {row["request_id"] for row in requests if row["state"] == "located"} == {letters["believed"], letters["fallback"]}
    facts = {row["letter_id"]: row for row in bronze.warehouse.query("select * from gold.fct_extractions")}
    unusable = facts[letters["unusable"]]
    assert (unusable["attempt_count"], unusable["input_tokens"], unusable["output_tokens"]) == (2, 2000, 200)
    assert unusable["cost"] == pytest.approx(0.3) and unusable["problem"] == "wrong_schema"
    assert facts[letters["fallback"]]["is_fallback"] and facts[letters["fallback"]]["attempt_count"] == 0
    marts = bronze.warehouse.query(
        "select extractor, sum(model_cost) as cost, sum(model_question_count) as questions, max(fallback_share) as share "
        "from gold.mart_extraction_quality group by extractor"
    )
    by_reader = {row["extractor"]: row for row in marts}
    assert by_reader["vision"]["cost"] == pytest.approx(0.3) and by_reader["vision"]["questions"] == 2
    assert by_reader["ocr"]["share"] == 1.0
    # Nothing that the model wrote is in gold.
    for table in bronze.warehouse.query("select name from system.tables where database = 'gold' and engine != 'Dictionary'"):
        count = bronze.warehouse.scalar(f"select count() from gold.`{table['name']}` as t where toString(tuple(t.*)) like '%SECRET NAME%'")
        assert count == 0
