"""The bronze rows of an accepted thing, made from its manifest and, for forms, from its object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from services.errors import ContractError
from services.intake.corrections import CorrectionIn
from services.intake.receipts import letter_id
from services.intake.submissions import SubmissionIn
from services.object_store.base import Manifest, ObjectStore

REFUSED = "refused"


class StoredSubmission(BaseModel):
    """The object of a submission."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    submission_id: str
    submission: SubmissionIn


class StoredCorrection(BaseModel):
    """The object of a correction."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    correction_id: str
    reviewer: str
    correction: CorrectionIn


@dataclass(frozen=True)
class BronzeRow:
    """One row for `bronze.<table>`; rows of one table with the same identity are the same row."""

    table: str
    identity: str
    values: dict[str, Any]


@dataclass(frozen=True)
class FollowUp:
    """Work that comes after the registration."""

    kind: str
    key: str
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Registration:
    """All that one accepted thing leaves in bronze and in the queue."""

    rows: tuple[BronzeRow, ...]
    follow_ups: tuple[FollowUp, ...]


def registration_of(manifest: Manifest, objects: ObjectStore) -> Registration:
    """Rows and follow-up work of one manifest; NotFoundError when its object is missing, ContractError when one of the two is damaged."""
    try:
        return _registration_of(manifest, objects)
    except (ValueError, KeyError, TypeError) as cause:  # pydantic's is a ValueError
        name = manifest.object_key or manifest.file_name
        raise ContractError(f"{name} or its manifest is damaged: restore it from a backup. {cause}") from cause


def _registration_of(manifest: Manifest, objects: ObjectStore) -> Registration:
    if manifest.kind == "submission":
        return _submission(manifest, StoredSubmission.model_validate_json(objects.read(manifest.object_key)))
    if manifest.kind == "correction":
        return _correction(manifest, StoredCorrection.model_validate_json(objects.read(manifest.object_key)))
    return _upload(manifest)


def _upload(manifest: Manifest) -> Registration:
    details = manifest.details
    state = REFUSED if details.get("refusal_reason") else "stored"
    upload = {
        "upload_id": manifest.sha256,
        "purpose": manifest.purpose,
        "dataset": manifest.dataset,
        "file_name": manifest.file_name,
        "media_type": manifest.media_type,
        "byte_count": manifest.byte_count,
        "page_count": details.get("page_count", 0),
        "object_key": manifest.object_key,
        "state": state,
        "refusal_reason": details.get("refusal_reason", ""),
        "door": manifest.door,
        "received_at": manifest.received_at,
    }
    rows = [BronzeRow("uploads", f"{state}/{manifest.purpose}/{manifest.sha256}", upload)]
    if state == REFUSED:
        return Registration(tuple(rows), ())
    if manifest.purpose == "dataset":
        load = FollowUp("load", manifest.sha256, load_payload(manifest.dataset, details.get("mode"), manifest.received_at))
        return Registration(tuple(rows), (load,))
    pages = letter_pages(manifest)
    letter = {
        "letter_id": letter_id(pages),
        "pages": pages,
        "file_name": manifest.file_name,
        "door": manifest.door,
        "received_at": manifest.received_at,
    }
    rows.append(BronzeRow("letters", letter_id(pages), letter))
    return Registration(tuple(rows), (FollowUp("extract", letter_id(pages)),))


def load_payload(dataset: str, mode: str | None, asked_at: datetime) -> dict[str, Any]:
    """What a loader must know besides the upload; `asked_at` tells it which of two replacements is the newer one."""
    return {"dataset": dataset, "mode": mode, "asked_at": asked_at.astimezone(UTC).isoformat()}


def letter_pages(manifest: Manifest) -> list[tuple[str, int]]:
    """The ordered pages of a letter that is one file: all pages of its upload."""
    return [(manifest.sha256, number) for number in range(1, int(manifest.details["page_count"]) + 1)]


def _submission(manifest: Manifest, stored: StoredSubmission) -> Registration:
    row = {
        "submission_id": stored.submission_id,
        **stored.submission.model_dump(),
        "object_key": manifest.object_key,
        "received_at": manifest.received_at,
    }
    follow_ups = (FollowUp("geocode", f"submission:{stored.submission_id}"),) if stored.submission.has_address else ()
    return Registration((BronzeRow("submissions", stored.submission_id, row),), follow_ups)


def _correction(manifest: Manifest, stored: StoredCorrection) -> Registration:
    row = {
        "correction_id": stored.correction_id,
        **stored.correction.model_dump(),
        "reviewer": stored.reviewer,
        "object_key": manifest.object_key,
        "corrected_at": manifest.received_at,
    }
    follow_ups = (FollowUp("geocode", f"correction:{stored.correction_id}"),) if stored.correction.needs_place else ()
    return Registration((BronzeRow("corrections", stored.correction_id, row),), follow_ups)


def by_table(rows: Iterable[BronzeRow]) -> Iterator[tuple[str, dict[str, BronzeRow]]]:
    """Rows by table and identity, uploads before the letters that refer to them."""
    tables: dict[str, dict[str, BronzeRow]] = {"uploads": {}, "letters": {}, "submissions": {}, "corrections": {}}
    for row in rows:
        tables[row.table].setdefault(row.identity, row)
    yield from ((table, found) for table, found in tables.items() if found)
