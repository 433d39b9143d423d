"""Questions to servers that end in time wherever they hang: timeouts of sockets hold for one read each, and a server that sends a byte now
and then would keep a thread for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import cache
from threading import Lock, Thread
from typing import Any, TypeVar

Answer = TypeVar("Answer")

_lock = Lock()


def within(seconds: float, question: Coroutine[Any, Any, Answer]) -> Answer:
    """The answer, from any thread; TimeoutError after so many seconds in all, with the question's connection closed.

    All questions run on one event loop, so that an asynchronous client may be asked by many threads.
    """

    async def timed() -> Answer:
        async with asyncio.timeout(seconds):
            return await question

    with _lock:
        loop = _loop()
    return asyncio.run_coroutine_threadsafe(timed(), loop).result()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="questions", daemon=True).start()
    return loop
