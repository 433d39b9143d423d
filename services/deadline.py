"""Questions to servers that end in time wherever they hang: timeouts of sockets hold for one read each, and a server that sends a byte now
and then would keep a thread for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import cache
from threading import RLock, Thread
from typing import Any, TypeVar

Answer = TypeVar("Answer")

# Reentrant: a client may be forgotten, and so closed, anywhere, also here.
_lock = RLock()


def within(seconds: float, question: Coroutine[Any, Any, Answer]) -> Answer:
    """The answer, from any thread; TimeoutError after so many seconds in all, with the question's connection closed.

    All questions run on one event loop, so that an asynchronous client may be asked by many threads.
    """

    async def timed() -> Answer:
        async with asyncio.timeout(seconds):
            return await question

    return asyncio.run_coroutine_threadsafe(timed(), _loop()).result()


def soon(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Have it done without waiting, also from the loop's own thread: a client is closed wherever it happens to be forgotten."""
    asyncio.run_coroutine_threadsafe(work(), _loop())


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        return _started()


@cache
def _started() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="questions", daemon=True).start()
    return loop
