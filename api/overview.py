"""The numbers of /v1/status, counted at most every few seconds however many ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

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
DECIDED_AT_ONCE = 5000


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
        builds = warehouse.query(load("live/builds"), {"limit": MAX_BUILDS})
        published = next((build for build in builds if build["state"] == "published"), None)
        work = state.work.counts()
        self._metrics.set_work(work)
        self._metrics.generation.set(published["generation"] if published else 0)
        return {
            "letters": self._letters(counts),
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

    def _letters(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Letters per state: the machine's, then those about which somebody decided, one by one."""
        states = dict.fromkeys(STATES, 0)
        machine = state_counts(self._services.warehouse)
        for name, count in machine.items():
            if name != "decided":
                states[name] = states.get(name, 0) + count
        states["read"] += max(0, counts["read"] - sum(machine.values()))
        states["stored"] = max(0, counts["letters"] - counts["read"])
        states["refused"] = counts["refused"]
        if machine.get("decided"):
            ids = [row["letter_id"] for row in self._services.warehouse.query(load("live/decided_letters"))]
            for start in range(0, len(ids), DECIDED_AT_ONCE):
                for subject in subjects(self._services.warehouse, "letter", ids[start : start + DECIDED_AT_ONCE]).values():
                    states[subject.decision.state] += 1
        return states


def _outstanding(work: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    found = {kind: {state: count for state, count in states.items() if state != "done" and count} for kind, states in work.items()}
    return {kind: states for kind, states in found.items() if states}
