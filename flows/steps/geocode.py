"""Place every letter, submission and correction that has no answer from the present address register."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.steps.record import Clock, StepResult, never
from services.errors import PlatformError
from services.geocoding.base import Address, Geocode
from services.state.locks import this_process
from services.wiring import Services

logger = logging.getLogger(__name__)

BATCH = 1000
LEASE_SECONDS = 300
SQL = Path(__file__).with_name("sql")
REQUEUE = "register_generation"


def register_generation(services: Services) -> int:
    """Generation of the newest address register that is loaded; 0 when there is none."""
    return int(
        services.warehouse.scalar("select max(generation) from bronze.loads where dataset = 'address_points' and state = 'loaded'") or 0
    )


def requeue_after_new_register(services: Services, *, clock: Clock) -> StepResult:
    """A new address register asks the old questions again; once per generation, wherever the last run was killed."""
    generation = register_generation(services)
    if generation == 0:
        return StepResult("requeue")
    services.state.work.add(REQUEUE, [str(generation)], now=clock())
    markers = services.state.work.claim(REQUEUE, limit=BATCH, owner=this_process(), lease_seconds=LEASE_SECONDS, now=clock())
    if not markers:
        return StepResult("requeue")
    count = 0
    for row in services.warehouse.query(_sql("stale_subjects"), {"generation": generation}):
        count += services.state.work.add("geocode", row["subjects"], now=clock(), again=True)
    services.state.work.done(REQUEUE, [marker.key for marker in markers], owner=this_process())
    return StepResult("requeue", {"requeued": count})


def requeue_provisional(services: Services, *, clock: Clock) -> StepResult:
    """What the register answered while Nominatim was away is asked again as soon as it is back; until then this costs one look into
    bronze and one question. Bronze itself is the list, so that no kill loses one."""
    rows = services.warehouse.query(_sql("provisional_subjects"))
    if not rows or not services.geocoder.answers_for_good():
        return StepResult("requeue")
    count = sum(services.state.work.add("geocode", row["subjects"], now=clock(), again=True) for row in rows)
    return StepResult("requeue", {"requeued": count})


def geocode_outstanding(services: Services, *, clock: Clock, is_stopping: Callable[[], bool] = never) -> StepResult:
    """Ask the geocoder for all outstanding subjects, in batches, until `is_stopping` says no more; each answer lands once."""
    placed: Counter[str] = Counter()
    while not is_stopping():
        items = services.state.work.claim("geocode", limit=BATCH, owner=this_process(), lease_seconds=LEASE_SECONDS, now=clock())
        if not items:
            break
        placed += _place([item.key for item in items], services, clock)
    return StepResult("geocode", placed)


def _place(keys: Sequence[str], services: Services, clock: Clock) -> Counter[str]:
    """Place claimed subjects together. Where that fails for good, halves are tried, so that one address holds up no other;
    where it fails for now, all are free again."""
    try:
        # Asked before the answer: a register that comes in between asks again.
        generation = register_generation(services)
        subjects = _subjects(services, keys)
        answers = services.geocoder.geocode({key: subject["address"] for key, subject in subjects.items()})
        rows = _rows(services, subjects, answers, generation, clock())
        services.warehouse.insert("bronze.geocodes", rows)
    except PlatformError as error:
        if error.retryable:
            services.state.work.release("geocode", keys, owner=this_process(), error=str(error))
            raise
        if len(keys) == 1:
            logger.warning("%s cannot be placed: %s", keys[0], error)
            services.state.work.fail("geocode", keys[0], str(error), False, clock(), owner=this_process())
            return Counter(failed=1)
        middle = len(keys) // 2
        return _place(keys[:middle], services, clock) + _place(keys[middle:], services, clock)
    services.state.work.done("geocode", keys, owner=this_process())
    return Counter(row["precision"] for row in rows)


def _subjects(services: Services, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What to place, by work key: subject_kind, subject_id, extraction_id, correction_id and the address."""
    by_kind: dict[str, list[str]] = {"letter": [], "submission": [], "correction": []}
    for key in keys:
        kind, _, identifier = key.partition(":")
        by_kind[kind].append(identifier)
    rows = services.warehouse.query(
        _sql("subjects_to_geocode"),
        {"letter_ids": by_kind["letter"], "submission_ids": by_kind["submission"], "correction_ids": by_kind["correction"]},
    )
    return {
        row["work_key"]: {
            **{name: row[name] for name in ("subject_kind", "subject_id", "extraction_id", "correction_id")},
            "address": Address(row["street"], row["housenumber"], row["postcode"], row["city"]),
        }
        for row in rows
    }


def _rows(
    services: Services, subjects: Mapping[str, dict[str, Any]], answers: Mapping[str, Geocode], generation: int, now: datetime
) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for key, answer in answers.items():
        subject, address = subjects[key], subjects[key]["address"]
        fields = answer.model_dump()
        fields["candidates"] = json.dumps(fields["candidates"], ensure_ascii=False)
        identifier = _identifier(subject, answer, generation)
        rows[identifier] = {
            "geocode_id": identifier,
            **{name: subject[name] for name in ("subject_kind", "subject_id", "extraction_id", "correction_id")},
            "register_generation": generation,
            "query_street": address.street,
            "query_housenumber": address.housenumber,
            "query_postcode": address.postcode,
            "query_city": address.city,
            **fields,
            "geocoded_at": now,
        }
    asked = {"subject_ids": sorted({row["subject_id"] for row in rows.values()}), "generation": generation}
    known = services.warehouse.query(_sql("known_geocodes"), {**asked, "geocode_ids": list(rows)})
    answered = {(row["subject_id"], row["extraction_id"], row["correction_id"]) for row in known if row["is_standing"]}
    known_ids = {row["geocode_id"] for row in known}
    # What was answered for good is not taken back because Nominatim is away just now, a house of its own not by a new register either.
    return [
        row
        for identifier, row in rows.items()
        if identifier not in known_ids
        and not (row["is_provisional"] and (row["subject_id"], row["extraction_id"], row["correction_id"]) in answered)
    ]


def _identifier(subject: Mapping[str, str], answer: Geocode, generation: int) -> str:
    """The same for the same answer to the same question, so that it lands once. The register's answers are told apart by its generation,
    Nominatim's, which has none, by what they say; a provisional answer is another one than the same given for good."""
    identity = [
        *(subject[name] for name in ("subject_id", "extraction_id", "correction_id")),
        answer.geocoder,
        answer.geocoder_version,
        str(generation),
    ]
    if answer.geocoder != "register":
        identity += [answer.precision, answer.address_id, str(answer.longitude), str(answer.latitude)]
    if answer.is_provisional:
        identity.append("provisional")
    return hashlib.sha256("\x1f".join(identity).encode()).hexdigest()[:32]


def _sql(name: str) -> str:
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")
