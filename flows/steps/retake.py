"""Letters that a fallback had to read while the chosen reader was away: kept in mind, and read again when it is back."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from flows.steps.record import Clock
from services.extraction.base import OUTAGES
from services.state.locks import this_process
from services.state.work import WorkItem
from services.wiring import Services

logger = logging.getLogger(__name__)

KIND = "retake"
LEASE_SECONDS = 60
# A letter that failed once more waits so long, and after so many failures while others were answered its fallback reading stays.
PAUSE = timedelta(minutes=1)
MAX_RETAKES = 5


def note_fallback(services: Services, letter_id: str, problem: str, now: datetime) -> None:
    """Keep in mind that an outage left the letter to a fallback; what will not pass by itself is left to it for good."""
    if problem in OUTAGES:
        services.state.work.add(KIND, [letter_id], payload={letter_id: {"failures": 0}}, now=now, again=True)
    else:
        forget_retake(services, letter_id)


def forget_retake(services: Services, letter_id: str) -> None:
    """The letter need not be read again."""
    services.state.work.withdraw(KIND, [letter_id])


def is_retake(item: WorkItem) -> bool:
    """Whether a work item of extraction came from here."""
    return "retake" in item.payload


def take_up_again(services: Services, *, clock: Clock) -> int:
    """Queue as many letters for reading as the reader allows: none while it is away, one to see whether it is back, all when it
    answers; returns how many."""
    limit = services.extractor.retakes()
    if not limit:
        return 0
    now = clock()
    items = services.state.work.claim(KIND, limit=limit, owner=this_process(), lease_seconds=LEASE_SECONDS, now=now)
    if not items:
        return 0
    # The attempt makes it another extraction than the fallback's, and the same one after a kill.
    payload = {
        item.key: {"attempt": now.isoformat(), "retake": {"failures": int(item.payload["failures"]), "is_probe": limit == 1}}
        for item in items
    }
    services.state.work.add("extract", list(payload), payload=payload, now=now, again=True)
    services.state.work.done(KIND, list(payload), owner=this_process())
    logger.info("%d letter(s) that had to be read by a fallback are read again", len(items))
    return len(items)


def keep_fallback(services: Services, item: WorkItem, problem: str, now: datetime, *, may_pass: bool | None = None) -> None:
    """The letter could not be read better this time either; it waits for the next, unless it fails where others do not, or for a
    reason that will not pass (`may_pass`: by default, that of an outage)."""
    retake = item.payload["retake"]
    failures = int(retake["failures"]) + (0 if retake["is_probe"] or problem == "circuit_open" else 1)
    if not (problem in OUTAGES if may_pass is None else may_pass) or failures >= MAX_RETAKES:
        logger.warning("Letter %s keeps its fallback reading: %s", item.key, problem)
        return
    services.state.work.add(KIND, [item.key], payload={item.key: {"failures": failures}}, now=now + PAUSE, again=True)
