"""What only one process may do at a time: load, read letters, build, publish."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from flows.steps.record import Clock
from services.state.locks import Lease, this_process
from services.wiring import Services

# Longer than a busy machine lets a thread wait, short enough to wait for after a crash elsewhere.
LEASE_SECONDS = 60.0


@contextmanager
def alone(services: Services, what: str, *, clock: Clock, wait_seconds: float) -> Iterator[Lease]:
    """Do the block while no other process does `what`; BusyError when another one is still at it after `wait_seconds`."""
    locks = services.state.locks
    with locks.hold(what, owner=this_process(), lease_seconds=LEASE_SECONDS, wait_seconds=wait_seconds, clock=clock) as lease:
        yield lease


def running_from(now: datetime) -> Clock:
    """A clock that says `now` now and goes on from there."""
    started = time.monotonic()
    return lambda: now + timedelta(seconds=time.monotonic() - started)
