"""Letters, submissions, reviews and uploads as the API gives them: live, before any build."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

LetterState = Literal["stored", "read", "located", "approximate", "review", "rejected"]
Action = Literal["accept", "correct", "place", "reject", "reopen"]


class Position(BaseModel):
    """Degrees (WGS 84); the true place lies within `uncertainty_m` metres if the match is right."""

    longitude: float
    latitude: float
    precision: str
    uncertainty_m: float | None


class Candidate(BaseModel):
    """An entry of the address register that resembles what was read; similarity is 0 to 1."""

    model_config = ConfigDict(extra="allow")

    address_id: str = ""
    street: str = ""
    housenumber: str = ""
    postcode: str = ""
    city: str = ""
    longitude: float | None = None
    latitude: float | None = None
    similarity: float | None = None


class CorrectionOut(BaseModel):
    """A person's decision; fields that are null leave the reader's word."""

    correction_id: str
    action: str
    sender_name: str | None = None
    street: str | None = None
    housenumber: str | None = None
    postcode: str | None = None
    city: str | None = None
    letter_date: date | None = None
    facility_kind: str | None = None
    longitude: float | None = None
    latitude: float | None = None
    reviewer: str
    note: str
    corrected_at: datetime


class Step(BaseModel):
    """One step of a letter's way and when it was done."""

    step: Literal["received", "stored", "read", "placed", "reviewed", "in_gold", "on_map"]
    at: datetime


class LetterItem(BaseModel):
    """A letter in a list."""

    letter_id: str
    file_name: str
    state: LetterState
    reason: str
    received_at: datetime
    facility_kind: str | None
    position: Position | None


class Letter(LetterItem):
    """A letter with everything that is known about it."""

    extraction: dict[str, Any] | None
    evidence: dict[str, Any] | None
    candidates: list[Candidate]
    corrections: list[CorrectionOut]
    page_count: int
    upload_ids: list[str]
    timeline: list[Step]
    links: dict[str, str]


class SubmissionOut(BaseModel):
    """A request that was typed, and where it stands."""

    submission_id: str
    channel: str
    state: LetterState
    reason: str
    street: str
    housenumber: str
    postcode: str
    city: str
    facility_kind: str
    received_at: datetime
    position: Position | None
    corrections: list[CorrectionOut]
    links: dict[str, str]


class Review(BaseModel):
    """Something that a person must decide, with what was read and what it could be."""

    subject_kind: Literal["letter", "submission"]
    subject_id: str
    file_name: str
    state: LetterState
    reason_code: str
    reason: str
    received_at: datetime
    extraction: dict[str, Any]
    evidence: dict[str, Any] | None
    position: Position | None
    candidates: list[Candidate]
    page_count: int
    links: dict[str, str]


class ReviewHistory(Review):
    """A subject of review with all decisions about it, the oldest first."""

    corrections: list[CorrectionOut]


class UploadOut(BaseModel):
    """One file received and where it stands."""

    upload_id: str
    letter_id: str | None
    purpose: str
    dataset: str
    file_name: str
    media_type: str
    byte_count: int
    state: str = Field(description="stored, refused; for data started, loaded, failed; for letters the letter's state")
    reason: str
    received_at: datetime
    landed_rows: int | None
    rejected_rows: int | None
    links: dict[str, str]


class ReceiptOut(BaseModel):
    """What became of one file of an upload request."""

    kind: Literal["letter", "dataset"]
    id: str
    upload_id: str
    file_name: str
    state: Literal["stored", "refused"]
    reason: str
    is_new: bool
    links: dict[str, str]


class Receipts(BaseModel):
    """One receipt per file, in the order of the request."""

    items: list[ReceiptOut]


class SubmissionReceipt(BaseModel):
    """Where the submission can be followed."""

    submission_id: str
    state: str
    links: dict[str, str]


class CorrectionReceipt(BaseModel):
    """The decision as it was stored, and what it made of the subject."""

    correction_id: str
    subject_id: str
    action: Action
    state: LetterState
    links: dict[str, str]


LETTER_ID = "5f0c9b0e6d1a4c56a1f0b8c7d6e5f4a3"
UPLOAD_ID = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SUBMISSION_ID = "018f3c2e9a6b7c3d8e1f2a3b4c5d6e7f"
POSITION_EXAMPLE: dict[str, Any] = {"longitude": 9.5209, "latitude": 47.141, "precision": "house", "uncertainty_m": 10.0}
LETTER_ITEM_EXAMPLE: dict[str, Any] = {
    "letter_id": LETTER_ID,
    "file_name": "letter-07.jpg",
    "state": "located",
    "reason": "",
    "received_at": "2026-03-01T12:00:00Z",
    "facility_kind": "pharmacy",
    "position": POSITION_EXAMPLE,
}
EXTRACTION_EXAMPLE: dict[str, Any] = {
    "sender_name": "A. Sender",
    "street": "Main street",
    "housenumber": "12a",
    "postcode": "7001",
    "city": "Lindenau",
    "letter_date": "2026-02-27",
    "language": "de",
    "facility_kind": "pharmacy",
    "street_score": 0.98,
    "city_score": 0.97,
    "agreement_score": 1.0,
    "sender_score": 0.9,
    "outcome": "read",
    "extractor": "ocr",
    "model": "latin",
}
CANDIDATE_EXAMPLE: dict[str, Any] = {
    "address_id": "node-77",
    "street": "Main street",
    "housenumber": "12a",
    "postcode": "7001",
    "city": "Lindenau",
    "longitude": 9.5209,
    "latitude": 47.141,
    "similarity": 0.96,
}
CORRECTION_EXAMPLE: dict[str, Any] = {
    "correction_id": "7d0d",
    "action": "correct",
    "sender_name": None,
    "street": "Main street",
    "housenumber": "12a",
    "postcode": "7001",
    "city": "Lindenau",
    "letter_date": None,
    "facility_kind": None,
    "longitude": None,
    "latitude": None,
    "reviewer": "portal",
    "note": "",
    "corrected_at": "2026-03-01T12:05:00Z",
}
LETTER_LINKS = {
    "self": f"/v1/letters/{LETTER_ID}",
    "page": f"/v1/letters/{LETTER_ID}/pages/1.jpg",
    "crop": f"/v1/letters/{LETTER_ID}/crop.jpg",
    "review": f"/v1/reviews/{LETTER_ID}",
}
LETTER_EXAMPLE: dict[str, Any] = {
    **LETTER_ITEM_EXAMPLE,
    "extraction": EXTRACTION_EXAMPLE,
    "evidence": {"is_schema_complete": True, "is_house_known": True, "candidate_margin": 0.3, "evidence_score": 93.5},
    "candidates": [CANDIDATE_EXAMPLE],
    "corrections": [CORRECTION_EXAMPLE],
    "page_count": 1,
    "upload_ids": [UPLOAD_ID],
    "timeline": [{"step": "received", "at": "2026-03-01T12:00:00Z"}, {"step": "read", "at": "2026-03-01T12:00:02Z"}],
    "links": LETTER_LINKS,
}
SUBMISSION_EXAMPLE: dict[str, Any] = {
    "submission_id": SUBMISSION_ID,
    "channel": "web",
    "state": "located",
    "reason": "",
    "street": "Main street",
    "housenumber": "12a",
    "postcode": "7001",
    "city": "Lindenau",
    "facility_kind": "pharmacy",
    "received_at": "2026-03-01T12:00:00Z",
    "position": POSITION_EXAMPLE,
    "corrections": [],
    "links": {"self": f"/v1/submissions/{SUBMISSION_ID}", "review": f"/v1/reviews/{SUBMISSION_ID}"},
}
REVIEW_EXAMPLE: dict[str, Any] = {
    "subject_kind": "letter",
    "subject_id": LETTER_ID,
    "file_name": "letter-07.jpg",
    "state": "review",
    "reason_code": "house_unknown",
    "reason": "house_unknown: Main street has no number 12a in the register",
    "received_at": "2026-03-01T12:00:00Z",
    "extraction": EXTRACTION_EXAMPLE,
    "evidence": {"is_schema_complete": True, "is_house_known": False, "candidate_margin": 0.0, "evidence_score": 41.0},
    "position": None,
    "candidates": [CANDIDATE_EXAMPLE],
    "page_count": 1,
    "links": LETTER_LINKS,
}
UPLOAD_EXAMPLE: dict[str, Any] = {
    "upload_id": UPLOAD_ID,
    "letter_id": LETTER_ID,
    "purpose": "letter",
    "dataset": "",
    "file_name": "letter-07.jpg",
    "media_type": "image/jpeg",
    "byte_count": 182044,
    "state": "located",
    "reason": "",
    "received_at": "2026-03-01T12:00:00Z",
    "landed_rows": None,
    "rejected_rows": None,
    "links": {"self": f"/v1/uploads/{UPLOAD_ID}", "letter": f"/v1/letters/{LETTER_ID}"},
}
RECEIPT_EXAMPLE: dict[str, Any] = {
    "kind": "letter",
    "id": LETTER_ID,
    "upload_id": UPLOAD_ID,
    "file_name": "letter-07.jpg",
    "state": "stored",
    "reason": "",
    "is_new": True,
    "links": {"self": f"/v1/letters/{LETTER_ID}", "upload": f"/v1/uploads/{UPLOAD_ID}"},
}
