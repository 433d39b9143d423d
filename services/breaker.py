"""A circuit breaker: after several failures in a row nobody asks for a while, then one tries, and who succeeds opens the way again."""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import Lock
from typing import Literal

FAILURES = 3
FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 900.0

BreakerState = Literal["closed", "half_open", "open"]


class CircuitBreaker:
    """Closed: all may ask. Open: nobody may, for a pause that doubles each time. Half-open: one may, and decides.

    It knows what its own process has seen: another one, a run of Prefect for example, begins closed.
    """

    def __init__(self, monotonic: Callable[[], float], on_change: Callable[[BreakerState], None] = lambda state: None) -> None:
        self._monotonic, self._on_change = monotonic, on_change
        self._lock = Lock()
        self._failures = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._open_until = -math.inf
        self._is_open = self._is_trying = self._has_succeeded = False

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        if not self._is_open:
            return "closed"
        return "open" if self._monotonic() < self._open_until else "half_open"

    @property
    def is_proven(self) -> bool:
        """Whether the way is open and somebody has succeeded since it last was not; a failure or two among others prove nothing."""
        return not self._is_open and self._has_succeeded

    def allows(self) -> bool:
        """Whether the caller may ask now; who may must tell how it went, by `succeeded`, `failed` or `left`."""
        with self._lock:
            state = self.state
            if state == "half_open" and not self._is_trying:
                self._is_trying = True
                self._on_change("half_open")
                return True
            return state == "closed"

    def succeeded(self) -> None:
        """An answer came."""
        with self._lock:
            self._failures, self._pause, self._has_succeeded = 0, FIRST_PAUSE_SECONDS, True
            self._is_open = self._is_trying = False
            self._on_change("closed")

    def failed(self, *, at_once: bool = False) -> None:
        """No answer came; `at_once` where nobody else's question could fare better."""
        with self._lock:
            self._failures += 1
            if not (self._is_trying or at_once or self._failures >= FAILURES) or (self._is_open and not self._is_trying):
                return
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS) if self._is_open else FIRST_PAUSE_SECONDS
            self._open_until = self._monotonic() + self._pause
            self._is_open, self._is_trying, self._has_succeeded = True, False, False
            self._on_change("open")

    def left(self) -> None:
        """The question was not asked after all, or its end says nothing about others."""
        with self._lock:
            self._is_trying = False
