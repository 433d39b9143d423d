"""What submissions and corrections may say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.intake.corrections import CorrectionIn
from services.intake.receipts import letter_id, plain_file_name, submission_id
from services.intake.submissions import SubmissionIn

ADDRESS = {"street": "Lindenweg", "housenumber": "4a", "postcode": "0123", "city": "Lindenau", "facility_kind": "pharmacy"}
SUBJECT = {"subject_kind": "letter", "subject_id": "5f0c9b0e6d1a4c56a1f0b8c7d6e5f4a3"}


def test_a_submission_is_trimmed_and_kept_as_it_was_said() -> None:
    submission = SubmissionIn.model_validate(
        {**ADDRESS, "street": "  Linden \t weg ", "city": "Zu\u0308rich", "message": " first\r\nsecond\x00 ", "channel": "phone"}
    )
    assert submission.street == "Linden weg"
    assert submission.city == "Zürich"
    assert submission.postcode == "0123"
    assert submission.message == "first\nsecond"
    assert submission.channel == "phone"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"latitude": 47.0}, "go together"),
        ({"longitude": 9.0}, "go together"),
        ({"longitude": 181, "latitude": 0}, "less than or equal to 180"),
        ({"longitude": 0, "latitude": -90.1}, "greater than or equal to -90"),
        ({"longitude": float("nan"), "latitude": 0}, "longitude"),
        ({"longitude": float("inf"), "latitude": 0}, "longitude"),
        ({"facility_kind": "Drop Table"}, "pattern"),
        ({"facility_kind": "a" * 61}, "at most 60"),
        ({"street": "x" * 201}, "at most 200"),
        ({"housenumber": "x" * 41}, "at most 40"),
        ({"message": "x" * 10_001}, "at most 10000"),
        ({"channel": "fax"}, "channel"),
        ({"is_admin": True}, "Extra inputs"),
        ({"street": "", "postcode": " ", "city": ""}, "say where"),
    ],
)
def test_submissions_that_make_no_sense_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        SubmissionIn.model_validate({**ADDRESS, **changes})


def test_a_position_alone_is_enough() -> None:
    submission = SubmissionIn(facility_kind="school", longitude=9.5, latitude=47.1)
    assert not submission.has_address


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "accept"},
        {"action": "accept", "note": "looks right"},
        {"action": "reject", "note": "no request"},
        {"action": "reopen"},
        {"action": "correct", "street": "Lindenweg"},
        {"action": "correct", "sender_name": ""},
        {"action": "correct", "letter_date": "2026-02-27"},
        {"action": "place", "longitude": 9.5, "latitude": 47.1},
        {"action": "place", "longitude": 9.5, "latitude": 47.1, "facility_kind": "school"},
    ],
)
def test_corrections_that_make_sense(fields: dict[str, Any]) -> None:
    CorrectionIn.model_validate({**SUBJECT, **fields})


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"action": "correct"}, "at least one of"),
        ({"action": "correct", "note": "only a note"}, "at least one of"),
        ({"action": "correct", "city": "A", "longitude": 9.5, "latitude": 47.1}, "use place"),
        ({"action": "place"}, "needs longitude and latitude"),
        ({"action": "place", "longitude": 9.5}, "needs longitude and latitude"),
        ({"action": "place", "longitude": 9.5, "latitude": 95}, "latitude"),
        ({"action": "accept", "street": "Lindenweg"}, "changes no fields"),
        ({"action": "accept", "latitude": 1.0}, "use place"),
        ({"action": "reject", "facility_kind": "school"}, "changes no fields"),
        ({"action": "delete"}, "action"),
        ({"action": "correct", "letter_date": "1066-10-14"}, "1900"),
        ({"action": "correct", "street": "A", "state": "located"}, "Extra inputs"),
        ({"action": "accept", "subject_id": "../etc"}, "subject_id"),
        ({"action": "accept", "subject_kind": "request"}, "subject_kind"),
    ],
)
def test_corrections_that_make_no_sense_are_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        CorrectionIn.model_validate({**SUBJECT, **fields})


def test_only_a_corrected_address_is_looked_up_again() -> None:
    assert CorrectionIn.model_validate({**SUBJECT, "action": "correct", "housenumber": "4"}).needs_place
    assert CorrectionIn.model_validate({**SUBJECT, "action": "correct", "facility_kind": "school"}).needs_place
    assert not CorrectionIn.model_validate({**SUBJECT, "action": "accept"}).needs_place


def test_ids_are_what_they_were() -> None:
    """Ids are in stored data: another formula would make every letter a new one."""
    assert letter_id([("ab" * 32, 1), ("ab" * 32, 2)]) == "67305d828ac1a5bf288c72a37203805d"
    assert letter_id([("ab" * 32, 2), ("ab" * 32, 1)]) != letter_id([("ab" * 32, 1), ("ab" * 32, 2)])
    assert submission_id("key") == "e4cd46e1ee30d0afaa408371833bf199"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("letter.jpg", "letter.jpg"),
        ("/etc/passwd", "passwd"),
        ("C:\\scans\\Brief 1.pdf", "Brief 1.pdf"),
        ("../../x", "x"),
        ("a\x00\n\u202eb.csv", "ab.csv"),
        ("Zu\u0308rich.csv", "Zürich.csv"),
        ("broken\udce4.csv", "broken.csv"),
        ("", "unnamed"),
        ("///", "unnamed"),
    ],
)
def test_file_names_are_names_alone(name: str, plain: str) -> None:
    assert plain_file_name(name) == plain


@given(st.text())
def test_any_file_name_becomes_one_that_can_be_stored(name: str) -> None:
    plain = plain_file_name(name)
    assert 0 < len(plain) <= 200
    assert "/" not in plain
    plain.encode()
    assert plain_file_name(plain) == plain
