"""Pages of live subjects and uploads, filtered by a state that is only known after looking at each."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from api.gold import Rows
from api.pages import ListQuery, Page, milliseconds
from api.presentation import upload_rows
from api.queries import load
from api.subjects import Subject, subjects
from services.errors import NotFoundError
from services.warehouse.client import Warehouse

SUBJECTS = ListQuery("live/subjects_page", ("received_at", "subject_id"))
UPLOADS = ListQuery("live/uploads_page", ("received_at", "upload_id"))

# A filter by state looks at this many at once and stops after so many seconds: the page may then be short, but its cursor goes on.
LOOK_AT = 1000
LOOK_SECONDS = 2.0

# A row is registered after it was received; a day is left for clocks that were set back.
CLOCK_TOLERANCE_MS = 86_400_000


def browse(warehouse: Warehouse, kind: str, states: Collection[str], page: Page, default_limit: int) -> tuple[list[Subject], str | None]:
    """Letters, submissions or both (`kind` empty), the newest first, in one of `states` (empty: all), and the next cursor."""
    filters = {"subject_kind": kind}
    fingerprint: dict[str, object] = {**filters, "states": sorted(states)}
    after = SUBJECTS.decode(page.cursor, fingerprint) if page.cursor else None
    limit = page.limit or default_limit
    size = max(limit, LOOK_AT) if states else limit
    found: list[Subject] = []
    deadline = time.monotonic() + LOOK_SECONDS
    while True:
        rows = warehouse.query(SUBJECTS.sql, SUBJECTS.parameters(after, filters, limit=size + 1))
        has_more = len(rows) > size
        for row, subject in _with_subjects(warehouse, rows[:size]):
            after = SUBJECTS.key_of(row)
            if subject is None or (states and subject.decision.state not in states):
                continue
            found.append(subject)
            if len(found) == limit:
                has_more = has_more or row is not rows[-1]
                return found, SUBJECTS.encode(after, fingerprint) if has_more else None
        if not has_more:
            return found, None
        if time.monotonic() > deadline and after is not None:
            return found, SUBJECTS.encode(after, fingerprint)


def one_subject(warehouse: Warehouse, subject_id: str, kinds: Sequence[str] = ("letter", "submission")) -> Subject:
    """The letter or submission with this id; NotFoundError when there is none (or it is not registered yet)."""
    for kind in kinds:
        found = subjects(warehouse, kind, [subject_id]).get(subject_id)
        if found is not None:
            return found
    raise NotFoundError(f"There is no {' or '.join(kinds)} {subject_id}; one that was just handed in appears within seconds.")


def browse_uploads(warehouse: Warehouse, filters: Mapping[str, object], page: Page, default_limit: int) -> Rows:
    """Uploads, the newest first, with the state of what each became."""
    after = UPLOADS.decode(page.cursor, filters) if page.cursor else None
    limit = page.limit or default_limit
    keys = warehouse.query(UPLOADS.sql, UPLOADS.parameters(after, filters, limit=limit + 1))
    wanted = {(row["upload_id"], row["received_at"]): None for row in keys[:limit]}
    receipts = {(row["upload_id"], row["received_at"]): row for row in upload_receipts(warehouse, [key[0] for key in wanted])}
    items = _with_states(warehouse, [receipts[key] for key in wanted if key in receipts])
    cursor = UPLOADS.encode(UPLOADS.key_of(keys[limit - 1]), filters) if len(keys) > limit else None
    return Rows(items, cursor)


def one_upload(warehouse: Warehouse, upload_id: str) -> dict[str, Any]:
    """The newest receipt of an upload; NotFoundError when there is none."""
    receipts = upload_receipts(warehouse, [upload_id])
    if not receipts:
        raise NotFoundError(f"There is no upload {upload_id}; one that was just handed in appears within seconds.")
    return _with_states(warehouse, [max(receipts, key=lambda row: row["received_at"])])[0]


def uploads_by_id(warehouse: Warehouse, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The newest receipt of each of these uploads."""
    newest = {row["upload_id"]: row for row in sorted(upload_receipts(warehouse, ids), key=lambda row: row["received_at"])}
    return {row["upload_id"]: row for row in _with_states(warehouse, list(newest.values()))}


def upload_receipts(warehouse: Warehouse, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Every receipt of these uploads, as it was received."""
    return warehouse.query(load("live/uploads"), {"ids": list(ids)}) if ids else []


def _with_states(warehouse: Warehouse, receipts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if not receipts:
        return []
    ids = list({row["upload_id"] for row in receipts})
    loads = {row["upload_id"]: row for row in warehouse.query(load("live/upload_loads"), {"ids": ids})}
    letter_uploads = [row["upload_id"] for row in receipts if row["purpose"] == "letter" and row["state"] != "refused"]
    letters: dict[str, Subject] = {}
    if letter_uploads:
        since = milliseconds(min(row["received_at"] for row in receipts)) - CLOCK_TOLERANCE_MS
        letter_of = {
            row["upload_id"]: row["letter_id"]
            for row in warehouse.query(load("live/letter_uploads"), {"ids": letter_uploads, "since_ms": since})
        }
        found = subjects(warehouse, "letter", list(letter_of.values()))
        letters = {upload_id: found[letter_id] for upload_id, letter_id in letter_of.items() if letter_id in found}
    return upload_rows(receipts, loads, letters)


def _with_subjects(warehouse: Warehouse, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Subject | None]]:
    found: dict[str, Subject] = {}
    for kind in ("letter", "submission"):
        found |= subjects(warehouse, kind, [row["subject_id"] for row in rows if row["subject_kind"] == kind])
    return [(row, found.get(row["subject_id"])) for row in rows]
