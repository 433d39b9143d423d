"""Live subjects and uploads as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.gold import read, table_exists
from api.models.live import CorrectionOut, Letter, LetterItem, Review, ReviewHistory, Step, SubmissionOut
from api.queries import load
from api.subjects import Subject
from services.errors import WarehouseError
from services.warehouse.client import Warehouse

EXTRACTION_FIELDS = (
    "sender_name",
    "street",
    "housenumber",
    "postcode",
    "city",
    "letter_date",
    "language",
    "facility_kind",
    "outcome",
    "extractor",
    "model",
    "street_score",
    "city_score",
    "agreement_score",
    "sender_score",
    "address_page",
    "address_box",
)
EVIDENCE_FLAGS = ("is_schema_complete", "is_postcode_city_agreeing", "is_house_known", "is_street_in_text")
EVIDENCE_NUMBERS = ("candidate_margin", "reader_score", "agreement_score", "sender_score", "street_similarity", "evidence_score")


def letter_links(subject: Subject) -> dict[str, str]:
    """Addresses of the letter, its first page, its address block and its review."""
    letter_id = subject.subject_id
    links = {"self": f"/v1/letters/{letter_id}", "page": f"/v1/letters/{letter_id}/pages/1.jpg", "review": f"/v1/reviews/{letter_id}"}
    if subject.extraction and len(subject.extraction["address_box"]) == 4:
        links["crop"] = f"/v1/letters/{letter_id}/crop.jpg"
    return links


def links(subject: Subject) -> dict[str, str]:
    """Addresses of a letter or a submission."""
    if subject.kind == "letter":
        return letter_links(subject)
    return {"self": f"/v1/submissions/{subject.subject_id}", "review": f"/v1/reviews/{subject.subject_id}"}


def letter_item(subject: Subject, *, with_position: bool) -> LetterItem:
    """A letter in a list; its position is for those who may see exact positions."""
    item = _letter_item(subject)
    return LetterItem.model_validate(item if with_position else {**item, "position": None})


def letter(warehouse: Warehouse, subject: Subject) -> Letter:
    """A letter with everything that is known about it, its timeline included."""
    return Letter.model_validate(
        {
            **_letter_item(subject),
            "extraction": extraction(subject),
            "evidence": evidence(subject),
            "candidates": subject.candidates(),
            "corrections": corrections(subject),
            "page_count": len(subject.received["page_numbers"]),
            "upload_ids": list(dict.fromkeys(subject.received["upload_ids"])),
            "timeline": timeline(warehouse, subject),
            "links": letter_links(subject),
        }
    )


def submission(subject: Subject) -> SubmissionOut:
    """A submission and where it stands; its sender's name and message stay inside."""
    received = subject.received
    return SubmissionOut.model_validate(
        {
            "submission_id": subject.subject_id,
            "state": subject.decision.state,
            "reason": subject.decision.reason,
            **{name: received[name] for name in ("channel", "street", "housenumber", "postcode", "city", "facility_kind", "received_at")},
            "position": subject.position(),
            "corrections": corrections(subject),
            "links": links(subject),
        }
    )


def review(subject: Subject) -> Review:
    """Something that a person must decide."""
    return Review.model_validate(_review(subject))


def review_history(subject: Subject) -> ReviewHistory:
    """A subject of review with all decisions about it."""
    return ReviewHistory.model_validate({**_review(subject), "corrections": corrections(subject)})


def extraction(subject: Subject) -> dict[str, Any] | None:
    """What was read with its scores (0 to 1), corrections on top; None before the letter was read."""
    if subject.kind == "letter" and subject.extraction is None:
        return None
    source: Mapping[str, Any] = subject.extraction or {}
    found = {name: source[name] for name in EXTRACTION_FIELDS if name in source}
    found.update(subject.fields())
    if found.get("letter_date") is not None:
        found["letter_date"] = found["letter_date"].isoformat()
    return found


def evidence(subject: Subject) -> dict[str, Any] | None:
    """The parts of the evidence; None before it was weighed."""
    if subject.evidence is None or subject.decision.state in ("stored", "read"):
        return None
    flags = {name: None if subject.evidence[name] is None else bool(subject.evidence[name]) for name in EVIDENCE_FLAGS}
    return flags | {name: subject.evidence[name] for name in EVIDENCE_NUMBERS}


def corrections(subject: Subject) -> list[CorrectionOut]:
    """All decisions about a subject, the oldest first."""
    return [CorrectionOut.model_validate(dict(row)) for row in subject.corrections]


def timeline(warehouse: Warehouse, subject: Subject) -> list[Step]:
    """The steps of a letter's way that are done, in the order in which they were."""
    at: dict[str, Any] = {"received": subject.received["received_at"], "stored": subject.received["registered_at"]}
    if subject.extraction:
        at["read"] = subject.extraction["finished_at"]
    placed = [geocode["geocoded_at"] for geocode in subject.geocodes]
    if placed:
        at["placed"] = max(placed)
    if subject.corrections:
        at["reviewed"] = subject.corrections[-1]["corrected_at"]
    for row in read(warehouse, "live/gold_requests", "gold.fct_requests", {"ids": [subject.subject_id]}):
        at["in_gold"] = row["in_gold_at"]
        if row["build_count"]:
            at["on_map"] = row["on_map_at"]
    return [Step.model_validate({"step": step, "at": moment}) for step, moment in sorted(at.items(), key=lambda item: item[1])]


def state_counts(warehouse: Warehouse) -> dict[str, int]:
    """Number of letters that the machine put into each state; none before the first build has made the evidence."""
    try:
        rows = warehouse.query(load("live/evidence_counts"))
    except WarehouseError:
        if table_exists(warehouse, "silver.int_letters__evidence"):
            raise
        return {}
    return {row["state"]: row["letter_count"] for row in rows}


def _letter_item(subject: Subject) -> dict[str, Any]:
    return {
        "letter_id": subject.subject_id,
        "file_name": subject.received["file_name"],
        "state": subject.decision.state,
        "reason": subject.decision.reason,
        "received_at": subject.received["received_at"],
        "facility_kind": subject.fields()["facility_kind"],
        "position": subject.position(),
    }


def _review(subject: Subject) -> dict[str, Any]:
    return {
        "subject_kind": subject.kind,
        "subject_id": subject.subject_id,
        "file_name": subject.received.get("file_name", ""),
        "state": subject.decision.state,
        "reason_code": subject.reason_code,
        "reason": subject.decision.reason,
        "received_at": subject.received["received_at"],
        "extraction": extraction(subject) or {},
        "evidence": evidence(subject),
        "position": subject.position(),
        "candidates": subject.candidates(),
        "page_count": len(subject.received.get("page_numbers", [])),
        "links": links(subject),
    }


def upload_rows(
    receipts: Sequence[Mapping[str, Any]], loads: Mapping[str, Mapping[str, Any]], letters: Mapping[str, Subject]
) -> list[dict[str, Any]]:
    """Uploads with the state of what they became: a load by upload_id, a letter by upload_id."""
    return [_upload(row, loads.get(row["upload_id"]), letters.get(row["upload_id"])) for row in receipts]


def _upload(row: Mapping[str, Any], load_row: Mapping[str, Any] | None, letter_subject: Subject | None) -> dict[str, Any]:
    state, reason = row["state"], row["refusal_reason"]
    own = {"self": f"/v1/uploads/{row['upload_id']}"}
    if state != "refused" and letter_subject is not None:
        state, reason = letter_subject.decision.state, letter_subject.decision.reason
        own["letter"] = f"/v1/letters/{letter_subject.subject_id}"
    if state != "refused" and load_row is not None:
        state, reason = load_row["state"], load_row["message"]
        own["dataset"] = f"/v1/datasets/{load_row['dataset']}"
    return {
        "upload_id": row["upload_id"],
        "letter_id": letter_subject.subject_id if letter_subject and row["state"] != "refused" else None,
        **{name: row[name] for name in ("purpose", "dataset", "file_name", "media_type", "byte_count", "received_at")},
        "state": state,
        "reason": reason,
        "landed_rows": load_row["landed_rows"] if load_row else None,
        "rejected_rows": load_row["rejected_rows"] if load_row else None,
        "links": own,
    }
