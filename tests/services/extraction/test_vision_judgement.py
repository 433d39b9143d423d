"""What a model's answer is worth: its form, and its address against the transcription, the rules and the offline reader."""

from __future__ import annotations

import json
from typing import Any

import pytest
from vision_api import ANSWER
from vision_support import SEEN

from services.extraction.base import Extraction
from services.extraction.own_addresses import own_addresses
from services.extraction.vision_answer import UnusableAnswerError, VisionAnswer, answer_schema, parse_answer
from services.extraction.vision_judgement import city_in, judge, street_in

TEXT = ANSWER["transcription"][0]


def judged(offline: Extraction | None = SEEN, own: tuple[str, ...] = (), **changes: Any) -> Extraction:
    return judge(parse_answer(json.dumps({**ANSWER, **changes})), "m", "raw", offline, own_addresses(own))


def sender(**changes: str) -> list[dict[str, str]]:
    return [{**ANSWER["addresses"][0], **changes}]


def test_an_answer_that_everything_bears_out() -> None:
    found = judged()
    assert (found.street_score, found.city_score, found.agreement_score) == (1.0, 1.0, 1.0) and found.sender_score >= 0.9


def test_an_invented_address_is_not_in_the_transcription() -> None:
    found = judged(addresses=sender(street="Palaststrasse", housenumber="99", city="Anderswo", postcode="1111"))
    assert max(found.street_score, found.city_score, found.agreement_score) < 0.8


@pytest.mark.parametrize("housenumber", ["6", "50", "15", "5a"])
def test_a_house_number_that_is_not_written_there_counts_as_invented(housenumber: str) -> None:
    assert judged(addresses=sender(housenumber=housenumber)).street_score <= 0.3


@pytest.mark.parametrize(
    ("changes", "score"),
    [
        ({"addresses": [{**ANSWER["addresses"][1], "role": "sender"}]}, 0.4),  # the office's
        ({"addresses": [{**ANSWER["addresses"][2], "role": "sender"}]}, 0.4),  # a place that the text speaks of
        ({"addresses": [ANSWER["addresses"][0], {**ANSWER["addresses"][2], "role": "sender"}]}, 0.0),  # two senders
        ({"addresses": [ANSWER["addresses"][0], {**ANSWER["addresses"][0], "role": "recipient"}]}, 0.0),  # sent to himself
    ],
)
def test_an_address_that_is_not_the_senders_is_unclear(changes: dict[str, Any], score: float) -> None:
    assert judged(offline=None, **changes).sender_score == score


def test_the_operators_own_address_is_never_a_senders() -> None:
    own = ("Dorfstrasse 5, 9490 Vaduz",)
    assert judged(own=own).street == ""
    two = [ANSWER["addresses"][0], {**ANSWER["addresses"][0], "street": "Aubachstrasse", "housenumber": "7"}]
    assert judged(own=own, addresses=two).street == "Aubachstrasse"


@pytest.mark.parametrize(
    ("offline", "agreement"),
    [
        (SEEN, 1.0),
        (SEEN.model_copy(update={"street": "Darfstrasse", "text": "Anna\nDarfstrasse 5\nVaduz"}), 1.0),
        (None, 0.85),
        (Extraction(outcome="unreadable", text="mm nn"), 0.85),
        (SEEN.model_copy(update={"housenumber": "8", "text": "Anna\nDorfstrasse 8\nVaduz"}), 0.4),
        (SEEN.model_copy(update={"housenumber": "8", "text": "Anna\nDorfstrasse 8\nVaduz", "agreement_score": 0.5}), 0.85),
        (SEEN.model_copy(update={"street": "Seeweg", "text": "Anna\nSeeweg 5\nVaduz"}), 0.4),
    ],
)
def test_the_offline_reader_is_a_witness_where_it_is_sure(offline: Extraction | None, agreement: float) -> None:
    assert judged(offline).agreement_score == agreement


def test_pages_without_words_are_unreadable_and_letters_without_sender_have_no_address() -> None:
    assert judged(transcription=["", " "]).outcome == "unreadable"
    nobody = judged(addresses=ANSWER["addresses"][1:])
    assert (nobody.outcome, nobody.street, nobody.postcode) == ("read", "", "")


@pytest.mark.parametrize(
    ("street", "number", "line", "score"),
    [
        ("Mill Lane", "12", "12 Mill Lane", 1.0),
        ("Feldweg", "12a", "Feldweg 12 a", 1.0),
        ("Feldweg", "1", "Feldweg 12", 0.3),
        ("Feldweg", "", "am Feldweg", 1.0),
        ("Straße des 17. Juni", "4", "Strasse des 17. Juni 4", 1.0),
    ],
)
def test_streets_in_lines(street: str, number: str, line: str, score: float) -> None:
    assert street_in(street, number, ["Anna Frick", line]) == score


def test_towns_in_one_line_or_two() -> None:
    assert city_in("SW1A 1AA", "London", ["London", "SW1A 1AA"]) == 1.0
    assert city_in("9490", "Vaduz", ["9491 Vaduz"]) <= 0.3
    assert city_in("", "", ["x"]) == 1.0


def test_schema_and_model_ask_for_the_same() -> None:
    schema = answer_schema()
    assert set(schema["required"]) == set(VisionAnswer.model_fields) == set(ANSWER)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["addresses"]["items"]["required"] == list(ANSWER["addresses"][0])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"facility_kind": "palace"}, "facility_kind"),
        ({"letter_date": "2026-02-31"}, "letter_date"),
        ({"letter_date": "3026-02-01"}, "letter_date"),
        ({"language": "German"}, "language"),
        ({"addresses": sender(role="boss")}, "addresses.0.role"),
    ],
)
def test_wrong_values_are_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UnusableAnswerError, match=told) as caught:
        parse_answer(json.dumps({**ANSWER, **changes}))
    assert caught.value.outcome == "wrong_schema" and "Dorfstrasse" not in str(caught.value)


def test_a_broken_answer_is_not_replaced_by_an_object_inside_it() -> None:
    with pytest.raises(UnusableAnswerError) as caught:
        parse_answer(json.dumps(ANSWER)[:-1])
    assert caught.value.outcome == "invalid_json"
