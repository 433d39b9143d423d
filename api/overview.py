"""The numbers of /v1/status, counted at most every few seconds however many ask."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from api.gold import read
from api.pages import milliseconds
from api.presentation import state_counts
from api.queries import load
from api.subjects import subjects
from services.metrics import Metrics
from services.wiring import Services

STATES = ("stored", "read", "located", "approximate", "review", "rejected", "refused")
# Counting takes longer with more letters: it may take a twentieth of the time, and is never older than asked more often.
FRESH_SECONDS = 1.0
COST_FACTOR = 20
MAX_BUILDS = 50
MAX_FAILED = 50
AT_ONCE = 5000
# With more changed letters than this, weighing all evidence again is cheaper than looking at each.
CHANGED_AT_MOST = 20_000
# A build may not have seen what was being written when it began.
CLOCK_TOLERANCE_MS = 60_000


class Overview:
    """Counts of everything; safe for any number of threads."""

    def __init__(self, services: Services, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._services, self._metrics, self._clock = services, metrics, clock
        self._lock = threading.Lock()
        self._counted: dict[str, Any] | None = None
        self._fresh_until = 0.0

    def now(self) -> dict[str, Any]:
        """Counts per state, outstanding work and builds; a second old, or older where counting is slow."""
        with self._lock:
            started = time.monotonic()
            if self._counted is None or started >= self._fresh_until:
                self._counted = self._count()
                took = time.monotonic() - started
                self._fresh_until = time.monotonic() + max(FRESH_SECONDS, took * COST_FACTOR)
            return self._counted

    def _count(self) -> dict[str, Any]:
        warehouse, state = self._services.warehouse, self._services.state
        counts = {row["name"]: int(row["row_count"]) for row in warehouse.query(load("live/counts"))}
        builds = [
            {**row, "is_full_refresh": bool(row["is_full_refresh"])} for row in warehouse.query(load("live/builds"), {"limit": MAX_BUILDS})
        ]
        published = next((build for build in builds if build["state"] == "published"), None)
        work = state.work.counts()
        self._metrics.set_work(work, state.work.oldest(), Counter(item.kind for item in state.work.struggling()))
        self._metrics.set_build(published["generation"] if published else 0, published["finished_at"] if published else None)
        failed = next((number for number, build in enumerate(builds) if build["state"] == "published"), len(builds))
        self._metrics.set_debt(failed, warehouse.query(load("live/unseen"))[0]["since"])
        self._metrics.set_backup(warehouse.scalar(load("live/newest_backup")))
        return {
            "letters": self._letters(counts, published),
            "submissions": counts["submissions"],
            "corrections": counts["corrections"],
            "uploads": counts["uploads"],
            "outstanding": _outstanding(work),
            "failed": [
                {"kind": item.kind, "key": item.key, "error": item.error, "attempts": item.attempts}
                for item in state.work.failed()[:MAX_FAILED]
            ],
            "published": published,
            "newest_build": builds[0] if builds else None,
            "at": self._clock(),
        }

    def _letters(self, counts: Mapping[str, int], published: Mapping[str, Any] | None) -> dict[str, int]:
        """Letters per state: as of the newest build, and one by one those that changed since."""
        warehouse = self._services.warehouse
        changed: list[str] | None = None
        if published is not None:
            since = milliseconds(published["started_at"]) - CLOCK_TOLERANCE_MS
            rows = warehouse.query(load("live/changed_letters"), {"since_ms": since, "limit": CHANGED_AT_MOST + 1})
            changed = [row["letter_id"] for row in rows] if len(rows) <= CHANGED_AT_MOST else None
        if changed is not None:
            found = read(warehouse, "live/built_states", "gold.fct_extractions", {"ids": changed})
            states = {row["state"]: int(row["letter_count"]) for row in found}
        else:
            states = state_counts(warehouse)
            changed = [row["letter_id"] for row in warehouse.query(load("live/decided_letters"))] if states.pop("decided", 0) else []
        result = {name: states.get(name, 0) for name in STATES}
        for start in range(0, len(changed), AT_ONCE):
            for subject in subjects(warehouse, "letter", changed[start : start + AT_ONCE]).values():
                result[subject.decision.state] += 1
        result["read"] += max(0, counts["read"] - sum(result.values()))
        result["stored"] = max(0, counts["letters"] - counts["read"])
        result["refused"] = counts["refused"]
        return result


def _outstanding(work: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    found = {kind: {state: count for state, count in states.items() if state != "done" and count} for kind, states in work.items()}
    return {kind: states for kind, states in found.items() if states}
