"""The live state of letters and submissions: what was received, what the machine made of it, and what people decided."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.corrections import CORRECTABLE, fold
from api.gold import table_exists
from api.queries import load
from services.errors import WarehouseError
from services.warehouse.client import Warehouse

Row = Mapping[str, Any]
EVIDENCE = "silver.int_letters__evidence"
# Silver's word for what is not looked up yet; it will not wait for a person, so it is not in review here.
WAITING = "waiting:"
# The reviewer's own note stays in the history of the review: it may name people, and the reason is for everybody with scope read.
REJECTED = "rejected: Rejected by a reviewer."


@dataclass(frozen=True)
class Decision:
    """Where a subject stands, and why; `place` has its position and precision, `geocode_id` is the answer behind it."""

    state: str
    reason: str = ""
    place: Row | None = None
    geocode_id: str = ""

    @property
    def precision(self) -> str:
        """house, street, postcode, city; none without a position."""
        return self.place["precision"] if self.place and self.place["longitude"] is not None else "none"


@dataclass(frozen=True)
class Subject:
    """A letter or submission with everything that is known about it now."""

    kind: str
    subject_id: str
    received: Row
    decision: Decision
    extraction: Row | None
    evidence: Row | None
    corrections: Sequence[Row]
    geocodes: Sequence[Row]

    @property
    def reason_code(self) -> str:
        """The short code at the front of a reason, before its colon."""
        return self.decision.reason.partition(":")[0].strip()

    def position(self) -> dict[str, Any] | None:
        """Longitude and latitude in degrees, precision and uncertainty in metres; None when it has no place."""
        place = self.decision.place
        if place is None or self.decision.precision == "none" or self.decision.state == "rejected":
            return None
        return {name: place[name] for name in ("longitude", "latitude", "precision", "uncertainty_m")}

    def candidates(self) -> list[dict[str, Any]]:
        """The register's best candidates of the geocode that decided, else of the newest one."""
        decided = (geocode for geocode in self.geocodes if geocode["geocode_id"] == self.decision.geocode_id)
        found = next(decided, self.geocodes[0] if self.geocodes else None)
        return list(json.loads(found["candidates"] or "[]")) if found else []

    def fields(self) -> dict[str, Any]:
        """What was read or typed, with the corrections on top."""
        source = self.extraction if self.kind == "letter" else self.received
        return {name: (source or {}).get(name) for name in CORRECTABLE} | dict(fold(self.corrections).fields)


def subjects(warehouse: Warehouse, kind: str, ids: Sequence[str]) -> dict[str, Subject]:
    """The subjects of one kind with these ids, in the order of `ids`; ids that do not exist are left out."""
    if not ids:
        return {}
    parameters = {"ids": list(ids)}
    received = _by(warehouse.query(load("live/letters" if kind == "letter" else "live/submissions"), parameters), f"{kind}_id")
    extractions = _by(warehouse.query(load("live/extractions"), parameters), "letter_id") if kind == "letter" else {}
    evidence = _by(evidence_of(warehouse, ids), "letter_id") if extractions else {}
    geocodes = _grouped(warehouse.query(load("live/geocodes"), parameters), "subject_id")
    corrections = _grouped(warehouse.query(load("live/corrections"), parameters), "subject_id")
    return {
        subject_id: Subject(
            kind=kind,
            subject_id=subject_id,
            received=received[subject_id],
            decision=_decide(
                kind,
                received[subject_id],
                extractions.get(subject_id),
                evidence.get(subject_id),
                geocodes[subject_id],
                corrections[subject_id],
            ),
            extraction=extractions.get(subject_id),
            evidence=evidence.get(subject_id),
            corrections=corrections[subject_id],
            geocodes=geocodes[subject_id],
        )
        for subject_id in ids
        if subject_id in received
    }


def evidence_of(warehouse: Warehouse, ids: Iterable[str]) -> list[dict[str, Any]]:
    """Evidence of the letters that have it; none before the first build has made the view."""
    try:
        return warehouse.query(load("live/evidence"), {"ids": list(ids)})
    except WarehouseError:
        if table_exists(warehouse, EVIDENCE):
            raise
        return []


# The same rules as silver.int_requests__located, which knows nothing of what is not read or placed yet; a test compares the two.
def _decide(
    kind: str, received: Row, extraction: Row | None, evidence: Row | None, geocodes: Sequence[Row], corrections: Sequence[Row]
) -> Decision:
    machine = _letter_decision(extraction, evidence) if kind == "letter" else _submission_decision(received, geocodes)
    folded = fold(corrections)
    if folded.action in ("", "reopen"):
        return machine
    if folded.action == "reject":
        return Decision("rejected", REJECTED)
    if folded.place is None:
        return _by_precision(machine.precision, machine.reason, machine.place, machine.geocode_id)
    if folded.place["action"] == "place":
        return Decision("located", place=_point(folded.place))
    correction_id = folded.place["correction_id"]
    placed = next((geocode for geocode in geocodes if geocode["correction_id"] == correction_id), None)
    if placed is None:
        state = "read" if kind == "letter" else "stored"
        return Decision(state, f"{WAITING} The corrected address has not been looked up yet.")
    unknown = "address_unknown: The address register does not know the corrected address."
    return _by_precision(placed["precision"], unknown, placed, placed["geocode_id"])


def _letter_decision(extraction: Row | None, evidence: Row | None) -> Decision:
    if extraction is None:
        return Decision("stored")
    if evidence is None or evidence["extraction_id"] != extraction["extraction_id"]:
        return Decision("read")
    if evidence["reason"].startswith(WAITING):
        return Decision("read", evidence["reason"])
    return Decision(evidence["state"], evidence["reason"] or "", evidence, evidence["geocode_id"] or "")


def _submission_decision(received: Row, geocodes: Sequence[Row]) -> Decision:
    if received["longitude"] is not None and received["latitude"] is not None:
        return Decision("located", place=_point(received))
    found = next((geocode for geocode in geocodes if not geocode["correction_id"]), None)
    if found is None:
        return Decision("stored", f"{WAITING} The address has not been looked up yet.")
    if found["precision"] == "house" and (found["street_edits"] or not found["is_housenumber_equal"]):
        reason = "address_uncertain: The street typed differs from the nearest one in the address register."
        return Decision("review", reason, found, found["geocode_id"])
    unknown = "address_unknown: The address register knows neither the house nor the street, postcode or city."
    return _by_precision(found["precision"], unknown, found, found["geocode_id"])


def _by_precision(precision: str, reason: str, place: Row | None, geocode_id: str) -> Decision:
    if precision == "none" or place is None or place["longitude"] is None:
        return Decision("review", reason, place, geocode_id)
    return Decision("located" if precision == "house" else "approximate", "", place, geocode_id)


def _point(row: Row) -> Row:
    return {"longitude": row["longitude"], "latitude": row["latitude"], "precision": "house", "uncertainty_m": None}


def _by(rows: Iterable[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in rows}


def _grouped(rows: Iterable[dict[str, Any]], key: str) -> defaultdict[str, list[dict[str, Any]]]:
    groups: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups
