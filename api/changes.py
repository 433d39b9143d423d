"""What changed after a moment, as the events say it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from api.browsing import uploads_by_id
from api.pages import ListQuery, milliseconds
from api.queries import load
from api.subjects import Subject, subjects
from services.warehouse.client import Warehouse

CHANGES = ListQuery("live/changes", ("last_changed_at", "kind", "id"))
AT_ONCE = 2000
# A client that was away for more than this many changes gets the first of them and reloads its lists.
MISSED_AT_MOST = 20_000
POSITION = ("longitude", "latitude", "precision")


@dataclass(frozen=True)
class Change:
    """One subject's newest state; `public` is without its exact position."""

    name: str
    subject_id: str
    changed_ms: int
    data: dict[str, Any]
    public: dict[str, Any]


class Changes:
    """Asks the live queries what changed."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def since(self, since_ms: int, unsettled: Sequence[str] = ()) -> Iterator[list[Change]]:
        """Changes after a moment (milliseconds since 1970), the oldest first, in pages; after a build also the unsettled letters."""
        after: list[object] | None = None
        while True:
            rows = self._warehouse.query(CHANGES.sql, CHANGES.parameters(after, {"since_ms": since_ms}, limit=AT_ONCE))
            is_last = len(rows) < AT_ONCE
            if rows:
                after = CHANGES.key_of(rows[-1])
            builds = [row for row in rows if row["kind"] == "build"]
            if builds and unsettled:
                last, known = builds[-1]["last_changed_at"], {row["id"] for row in rows}
                waiting = [letter_id for letter_id in unsettled[:AT_ONCE] if letter_id not in known]
                rows += [{"kind": "letter", "id": letter_id, "last_changed_at": last} for letter_id in waiting]
                unsettled = ()
            yield self._described(rows)
            if is_last:
                return

    def all_since(self, since_ms: int) -> list[Change]:
        """All changes after a moment, the oldest first, at most 20,000."""
        found: list[Change] = []
        for page in self.since(since_ms):
            found += page
            if len(found) >= MISSED_AT_MOST:
                break
        return found[:MISSED_AT_MOST]

    def _described(self, rows: Sequence[dict[str, Any]]) -> list[Change]:
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for row in rows:
            ids[row["kind"]].append(row["id"])
        letters = subjects(self._warehouse, "letter", ids["letter"])
        submissions = subjects(self._warehouse, "submission", ids["submission"])
        uploads = uploads_by_id(self._warehouse, ids["upload"])
        builds = {str(row["generation"]): row for row in self._builds(len(ids["build"]))}
        found: list[Change] = []
        for row in rows:
            kind, subject_id, changed = row["kind"], row["id"], row["last_changed_at"]
            data: dict[str, Any] | None = None
            if kind == "letter" and subject_id in letters:
                data = {"letter_id": subject_id, "file_name": letters[subject_id].received["file_name"], **_state(letters[subject_id])}
            elif kind == "submission" and subject_id in submissions:
                data = {
                    "submission_id": subject_id,
                    "channel": submissions[subject_id].received["channel"],
                    **_state(submissions[subject_id]),
                }
            elif kind == "upload" and subject_id in uploads:
                data = {name: value for name, value in uploads[subject_id].items() if name not in ("links", "media_type", "byte_count")}
            elif kind == "build" and subject_id in builds:
                data = {name: builds[subject_id][name] for name in ("generation", "state", "message")}
            if data is not None:
                data["at"] = changed
                public = {**data, **{name: None for name in POSITION if name in data}}
                found.append(Change(kind, subject_id, milliseconds(changed), data, public))
        return found

    def _builds(self, count: int) -> list[dict[str, Any]]:
        return self._warehouse.query(load("live/builds"), {"limit": count}) if count else []


def _state(subject: Subject) -> dict[str, Any]:
    position = subject.position() or {}
    return {
        "state": subject.decision.state,
        "reason": subject.decision.reason,
        "facility_kind": subject.fields()["facility_kind"],
        **{name: position.get(name) for name in POSITION},
    }
