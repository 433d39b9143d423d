"""Read the letters that nobody has read yet."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.steps.record import Clock
from flows.steps.retake import forget_retake, is_retake, keep_fallback, note_fallback, take_up_again
from services.errors import ExtractionError, NotFoundError, PlatformError
from services.extraction.base import Attempt, Extraction, LetterFile, Reader
from services.state.locks import this_process
from services.state.work import WorkItem
from services.tracing import current_run_id
from services.wiring import Services

logger = logging.getLogger(__name__)

LEASE_SECONDS = 900
# A letter at which the reader breaks off each time is left to a person.
MAX_ATTEMPTS = 5
SQL = Path(__file__).with_name("sql")


def extraction_id(letter_id: str, services: Services, attempt: str = "") -> str:
    """The same letter read by the same version of the same reader is the same extraction, however often a run is killed."""
    extractor = services.extractor
    text = "\x1f".join((letter_id, extractor.name, extractor.version, extractor.model, attempt))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def extract_outstanding(services: Services, *, clock: Clock, batch: int = 64) -> Iterator[str]:
    """Read up to `batch` outstanding letters, one after the other as each is done; yields the letter_id once its extraction
    is in bronze and its geocoding is queued. A letter that cannot be read now is put back with its reason; when the reading
    itself ends early, whatever was not read is free again. What an outage left to a fallback is taken up again when it is over."""
    take_up_again(services, clock=clock)
    claimed = services.state.work.claim("extract", limit=batch, owner=this_process(), lease_seconds=LEASE_SECONDS, now=clock())
    items = {item.key: item for item in claimed}
    if not items:
        return
    unsettled = dict(items)
    renewed_at = clock()
    try:
        for letter_id, is_extracted in _extract(services, items, clock):
            del unsettled[letter_id]
            if (clock() - renewed_at).total_seconds() > LEASE_SECONDS / 3:
                renewed_at = clock()
                services.state.work.renew("extract", list(unsettled), owner=this_process(), lease_seconds=LEASE_SECONDS, now=renewed_at)
            if is_extracted:
                yield letter_id
    finally:
        services.state.work.release("extract", unsettled, owner=this_process())


def _extract(services: Services, items: Mapping[str, WorkItem], clock: Clock) -> Iterator[tuple[str, bool]]:
    """Settle each claimed letter: whether there is an extraction of it now."""
    ids = {letter_id: extraction_id(letter_id, services, str(item.payload.get("attempt", ""))) for letter_id, item in items.items()}
    known = _known(services, ids)
    for letter_id in sorted(known):
        _finish(services, letter_id, clock())
        yield letter_id, True
    todo = [letter_id for letter_id in items if letter_id not in known]
    with ExitStack() as stack:
        files = _files(services, todo, stack, clock)
        for letter_id in set(todo) - {file.letter_id for file in files}:
            yield letter_id, False
        started_at = clock()
        for letter_id, answer in services.extractor.extract(files):
            if isinstance(answer, ExtractionError):
                yield letter_id, _failed(services, items[letter_id], ids[letter_id], answer, started_at, clock())
                continue
            yield letter_id, _read(services, items[letter_id], ids[letter_id], answer, started_at, clock())


def _known(services: Services, ids: Mapping[str, str]) -> set[str]:
    rows = services.warehouse.query(
        (SQL / "known_extractions.sql").read_text(encoding="utf-8"),
        {"letter_ids": list(ids), "extraction_ids": list(ids.values())},
    )
    return {str(row["letter_id"]) for row in rows}


def _files(services: Services, letter_ids: Sequence[str], stack: ExitStack, clock: Clock) -> list[LetterFile]:
    """The letters' files, as long as `stack` is open; a letter without its file fails alone."""
    if not letter_ids:
        return []
    rows = services.warehouse.query((SQL / "letter_files.sql").read_text(encoding="utf-8"), {"letter_ids": list(letter_ids)})
    by_letter = {row["letter_id"]: row for row in rows}
    files = []
    for letter_id in letter_ids:
        try:
            if letter_id not in by_letter:
                raise NotFoundError(f"Letter {letter_id} has no stored upload in bronze: run `cartulary reprocess`.")
            row = by_letter[letter_id]
            path = stack.enter_context(services.objects.local_path(row["object_key"]))
        except PlatformError as error:
            logger.warning("Letter %s cannot be read: %s", letter_id, error)
            if error.retryable:
                # The store is away, which is no fault of the letter: its attempts are for the reader.
                services.state.work.release("extract", [letter_id], owner=this_process(), error=str(error))
            else:
                services.state.work.fail("extract", letter_id, str(error), False, clock(), owner=this_process())
            continue
        files.append(LetterFile(letter_id=letter_id, path=path, media_type=row["media_type"], pages=row["page_count"]))
    return files


def _read(services: Services, item: WorkItem, identifier: str, answer: Extraction, started_at: datetime, now: datetime) -> bool:
    """Keep a reading; a fallback's second one adds nothing to its first. Returns whether there is a new extraction."""
    _record_attempts(services, item.key, identifier, answer.attempts)
    if answer.is_fallback and is_retake(item):
        keep_fallback(services, item, answer.problem, now)
        services.state.work.done("extract", [item.key], owner=this_process())
        return False
    # Noted before the reading is kept: killed in between, the letter is read again, and the note goes or stays by how that ends.
    if answer.is_fallback:
        note_fallback(services, item.key, answer.problem, now)
    else:
        forget_retake(services, item.key)
    services.warehouse.insert("bronze.extractions", [_row(services, item.key, identifier, answer, started_at, now)])
    _finish(services, item.key, now)
    return True


def _record_attempts(services: Services, letter_id: str, identifier: str, attempts: Sequence[Attempt]) -> None:
    """Each question to a model is a row, before the extraction that came of it: gold adds them up when that appears."""
    rows = [
        {
            "attempt_id": hashlib.sha256("\x1f".join((identifier, attempt.started_at.isoformat(), str(number))).encode()).hexdigest()[:32],
            "extraction_id": identifier,
            "letter_id": letter_id,
            "run_id": current_run_id(),
            **asdict(attempt),
        }
        for number, attempt in enumerate(attempts)
    ]
    if rows:
        services.warehouse.insert("bronze.extraction_attempts", rows)


def _finish(services: Services, letter_id: str, now: datetime) -> None:
    services.state.work.add("geocode", [f"letter:{letter_id}"], now=now, again=True)
    services.state.work.done("extract", [letter_id], owner=this_process())


def _failed(services: Services, item: WorkItem, identifier: str, error: ExtractionError, started_at: datetime, now: datetime) -> bool:
    """A passing fault is tried again; a lasting one, or one that comes each time, becomes an extraction with the outcome
    `failed`, which a person reviews. Returns whether there is an extraction."""
    _record_attempts(services, item.key, identifier, error.attempts)
    if is_retake(item):
        keep_fallback(services, item, str(error), now, may_pass=error.retryable)
        services.state.work.done("extract", [item.key], owner=this_process())
        return False
    if error.retryable and item.attempts + 1 < MAX_ATTEMPTS:
        services.state.work.fail("extract", item.key, str(error), True, now, owner=this_process())
        logger.warning("Letter %s is put back: %s", item.key, error)
        return False
    row = _row(services, item.key, identifier, Extraction(outcome="failed", raw=str(error)), started_at, now)
    services.warehouse.insert("bronze.extractions", [row])
    _finish(services, item.key, now)
    return True


def _row(
    services: Services, letter_id: str, identifier: str, extraction: Extraction, started_at: datetime, finished_at: datetime
) -> dict[str, Any]:
    extractor = services.extractor
    reader = extraction.reader or Reader(extractor.name, extractor.version, extractor.model)
    return {
        "extraction_id": identifier,
        "letter_id": letter_id,
        "extractor": reader.name,
        "extractor_version": reader.version,
        "model": reader.model,
        **extraction.model_dump(),
        "started_at": started_at,
        "finished_at": finished_at,
    }
