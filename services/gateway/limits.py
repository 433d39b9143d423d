"""How often one key may ask: a moving window, kept in the memory of this process."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from services.errors import RateLimitError


@dataclass(frozen=True)
class RateStatus:
    """What is left to a key: `remaining` requests now, and one more after `reset_seconds`."""

    limit: int
    remaining: int
    reset_seconds: int


class RateLimiter:
    """At most `limit` requests of one key within any `seconds`; safe for any number of threads."""

    def __init__(self, limit: int = 100, seconds: int = 60) -> None:
        self.limit, self.seconds = limit, seconds
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        # The library forgets a key's own lock while others may wait for it; one lock around it costs a microsecond.
        self._lock = threading.Lock()

    def hit(self, key: str, limit: int | None = None) -> RateStatus:
        """Count one request of this key; RateLimitError with `retry_after` (seconds) when it is one too many.

        `limit` is for callers with another limit than the usual one.
        """
        item = RateLimitItemPerSecond(limit or self.limit, self.seconds)
        with self._lock:
            is_allowed = self._limiter.hit(item, key)
            window = self._limiter.get_window_stats(item, key)
        reset_seconds = max(math.ceil(window.reset_time - time.time()), 1)
        if not is_allowed:
            raise RateLimitError(
                f"More than {item.amount} requests in {self.seconds} s: try again in {reset_seconds} s.", retry_after=reset_seconds
            )
        return RateStatus(item.amount, window.remaining, reset_seconds)
