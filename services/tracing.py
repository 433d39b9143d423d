"""One run id through everything that happens for one reason: logs, ClickHouse's query log, the questions to other services."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_RUN_ID: ContextVar[str] = ContextVar("run_id", default="")

# The header under which other services are told the run id; they log it, and so their lines can be found.
RUN_ID_HEADER = "X-Request-ID"


def current_run_id() -> str:
    """The id of the run or request that this code works for; empty outside of any."""
    return _RUN_ID.get()


@contextmanager
def run_scope(run_id: str) -> Iterator[None]:
    """Everything in this block (and in threads started with a copy of the context) works for `run_id`."""
    token = _RUN_ID.set(run_id)
    try:
        yield
    finally:
        _RUN_ID.reset(token)


class RunIdFilter(logging.Filter):
    """Gives every log record a `run_id`, so that a format may name it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the id; every record passes."""
        record.run_id = current_run_id() or "-"
        return True
