"""One worker thread in the process: the orchestrator of the embedded mode."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from services.errors import PlatformError

logger = logging.getLogger(__name__)

# Without a wake-up the worker looks for work this often: for retries that have become due. After runs that failed it waits longer
# each time, so that a red build is not tried all day.
IDLE_SECONDS = 30.0
LONGEST_IDLE_SECONDS = 3600.0


class InlineOrchestrator:
    """Runs `work` when woken, and now and then; calls that come while it runs make one more run, not many.

    `work` is given a function that says whether to stop at the next good moment.
    """

    def __init__(self, work: Callable[[Callable[[], bool]], object]) -> None:
        self._work = work
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="worker", daemon=True)
        self._wake.set()
        self._thread.start()

    def wake(self) -> None:
        """Say that there is work; returns at once."""
        self._wake.set()

    def close(self) -> None:
        """Stop at the next good moment; what is outstanding then waits for the next start."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def _loop(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self._wake.wait(min(IDLE_SECONDS * 2**failures, LONGEST_IDLE_SECONDS))
            self._wake.clear()
            if self._stop.is_set():
                return
            # Ten doublings are beyond the longest pause.
            failures = min(failures + 1, 10)
            try:
                self._work(self._stop.is_set)
                failures = 0
            except PlatformError as error:
                logger.warning("A run stopped; what is outstanding is tried again: %s", error)
            except Exception:  # the worker must outlive a bug in a step; the bug is logged with its trace
                logger.exception("A run failed; what is outstanding is tried again.")
