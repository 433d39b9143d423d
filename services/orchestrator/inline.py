"""One worker thread in the process: the orchestrator of the embedded mode."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from services.errors import PlatformError

logger = logging.getLogger(__name__)

# Without a wake-up the worker looks for work this often: for retries that have become due.
IDLE_SECONDS = 30.0
# After runs that failed it waits longer each time. A service that is away may be back any minute; a red build stays red until
# somebody repairs it, and is not tried all day.
LONGEST_IDLE_SECONDS = 60.0
LONGEST_IDLE_AFTER_FAULTS_SECONDS = 3600.0


class InlineOrchestrator:
    """Runs `work` when woken, and now and then; calls that come while it runs make one more run, not many.

    `work` is given a function that says whether to stop at the next good moment.
    """

    def __init__(self, work: Callable[[Callable[[], bool]], object], *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._work = work
        self._idle_seconds = idle_seconds
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
        pause = self._idle_seconds
        while not self._stop.is_set():
            self._wake.wait(pause)
            self._wake.clear()
            if self._stop.is_set():
                return
            try:
                self._work(self._stop.is_set)
                pause = self._idle_seconds
            except PlatformError as error:
                logger.warning("A run stopped; what is outstanding is tried again: %s", error)
                pause = min(2 * pause, LONGEST_IDLE_SECONDS if error.retryable else LONGEST_IDLE_AFTER_FAULTS_SECONDS)
            except Exception:  # the worker must outlive a bug in a step; the bug is logged with its trace
                logger.exception("A run failed; what is outstanding is tried again.")
                pause = min(2 * pause, LONGEST_IDLE_AFTER_FAULTS_SECONDS)
