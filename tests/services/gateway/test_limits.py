"""A hundred requests of one key within any minute, and not one more."""

from __future__ import annotations

import threading
import time
from unittest.mock import patch

import pytest

from services.errors import RateLimitError
from services.gateway.limits import RateLimiter


def test_the_hundred_and_first_request_waits() -> None:
    limiter = RateLimiter()
    assert [limiter.hit("a").remaining for _ in range(100)] == list(range(99, -1, -1))
    with pytest.raises(RateLimitError, match="More than 100 requests in 60 s") as caught:
        limiter.hit("a")
    assert 50 <= caught.value.retry_after <= 60
    assert caught.value.retryable
    assert limiter.hit("b").remaining == 99


def test_the_window_moves() -> None:
    """Two requests, 30 s between them: a third one fits as soon as the first is a minute old, and only one."""
    start = time.time()
    with patch("time.time", return_value=start) as clock:
        limiter = RateLimiter(limit=2, seconds=60)
        for seconds, is_allowed in ((0, True), (30, True), (59, False), (61, True), (62, False), (91, True), (92, False)):
            clock.return_value = start + seconds
            if is_allowed:
                limiter.hit("a")
                continue
            with pytest.raises(RateLimitError):
                limiter.hit("a")


def test_after_the_wait_that_was_told_the_request_is_let_in() -> None:
    start = time.time()
    with patch("time.time", return_value=start) as clock:
        clock.return_value = start
        limiter = RateLimiter(limit=3, seconds=10)
        for _ in range(3):
            limiter.hit("a")
        clock.return_value = start + 4.3
        with pytest.raises(RateLimitError) as caught:
            limiter.hit("a")
        clock.return_value = start + 4.3 + caught.value.retry_after + 0.01
        assert limiter.hit("a").remaining == 2


def test_callers_may_have_another_limit() -> None:
    limiter = RateLimiter(limit=1)
    assert limiter.hit("session", limit=600).limit == 600
    assert limiter.hit("session", limit=600).remaining == 598


def test_racing_threads_get_exactly_the_limit() -> None:
    limiter = RateLimiter(limit=100, seconds=60)
    allowed, refused = [], []

    def ask() -> None:
        for _ in range(40):
            try:
                allowed.append(limiter.hit("a"))
            except RateLimitError as error:
                refused.append(error)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(allowed), len(refused)) == (100, 140)
