"""Locks that hold across processes: leases in the state database, renewed while they are held."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import delete, select, update

from services.errors import BusyError, StateError
from services.state.database import Database
from services.state.tables import locks

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]
# While it is held a lease is renewed so many times, so that one missed renewal loses nothing.
RENEWALS = 3
# Time between two attempts at a lock that somebody holds.
POLL_SECONDS = 0.5
# And between two renewals while the database is away: who waits for the lock may be quick when it is back.
AGAIN_SECONDS = 1.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NUMBERING = Path("/proc/self/ns/pid")
# Place of the start among the fields from the state on: starttime is the 22nd of all.
STARTED = 19
UNKNOWN = "0"


def this_process() -> str:
    """The owner's name of a lock that this process holds: its number and machine for people, and what tells it from every other one.

    Containers may share a name and number their processes alike, and after a restart a number is given again.
    """
    return f"process {os.getpid()} on {socket.gethostname()}#{_place()}.{_started(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Whether the owner is a process of this machine and container that is no more; others cannot be known to be dead.

    After the words of `this_process` an owner may say more, as which of its threads it is.
    """
    named = re.fullmatch(r"process (\d+) on (\S+)#(\w+)\.(\d+)( .*)?", owner)
    if named is None or (named[2], named[3]) != (socket.gethostname(), _place()):
        return False
    process, started = int(named[1]), named[4]
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    # Ended ones that only wait for their parent to notice, which in a container may be never, are zombies.
    return _stat(process)[:1] == ["Z"] or _started(process) not in (started, UNKNOWN)


@cache
def _place() -> str:
    """A short name of the system's start and of the numbering of processes (the PID namespace) that this one lives in."""
    try:
        place = f"{BOOT_ID.read_text(encoding='ascii')} {NUMBERING.stat().st_ino}"
    except OSError:  # no Linux
        place = ""
    return hashlib.sha256(place.encode()).hexdigest()[:12]


def _started(process: int) -> str:
    """When it started, in ticks since the system did."""
    stat = _stat(process)
    return stat[STARTED] if len(stat) > STARTED else UNKNOWN


def _stat(process: int) -> list[str]:
    """What Linux says of a process, from its state on (proc(5), from the third field of stat); empty where it may not be known."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return status.rpartition(")")[2].split()


class Lease:
    """A lock that is held. When it could not be renewed in time it counts as lost, until it is renewed after all because nobody took
    it meanwhile; once somebody took it, it is lost for good."""

    def __init__(self, name: str, renew: Callable[[], bool], lease_seconds: float, taken_at: float) -> None:
        self.name = name
        self._renew = renew
        self._lease_seconds = lease_seconds
        # By the clock that nobody sets: the lease in the database began later, and ends later.
        self._held_until = taken_at + lease_seconds
        self._is_taken = False

    @property
    def is_lost(self) -> bool:
        """Whether somebody else may hold the lock by now."""
        return self._is_taken or time.monotonic() >= self._held_until

    @property
    def is_taken(self) -> bool:
        """Whether somebody else took it: it never comes back."""
        return self._is_taken

    def renew(self) -> bool:
        """Lengthen the lease; whether it was still ours."""
        started = time.monotonic()
        if not self._is_taken and self._renew():
            self._held_until = started + self._lease_seconds
        else:
            self._is_taken = True
        return not self._is_taken

    def confirm(self) -> None:
        """Renew it, or raise StateError when it was lost: before a step that two may not do."""
        self.renew()
        self.check()

    def check(self) -> None:
        """Raise StateError when somebody else may hold the lock by now; asks nobody."""
        if self.is_lost:
            raise StateError(f"The lock {self.name!r} was lost, since this process stood still for too long: try again.", retryable=True)


class Locks:
    """Locks by name: who holds one, and until when; the lease of a dead holder ends by itself."""

    def __init__(self, database: Database, new_token: Callable[[], str] = lambda: uuid.uuid4().hex) -> None:
        self._database = database
        self._new_token = new_token

    @contextmanager
    def hold(
        self,
        name: str,
        *,
        owner: str,
        lease_seconds: float,
        wait_seconds: float,
        clock: Clock,
        on_taken: Callable[[], None] = lambda: None,
    ) -> Iterator[Lease]:
        """Hold a lock until the block ends, renewing it in a thread; `owner` says who has it, best in the words of `this_process`:
        then the lock is free as soon as that process is gone, and not only when its lease ends. `on_taken` is called, in that
        thread, when somebody else took the lock.

        Raises BusyError when somebody else still has it after `wait_seconds`.
        """
        token = self._new_token()
        taken_at = self._wait(name, token, owner, lease_seconds, wait_seconds, clock)
        lease = Lease(name, lambda: self._renew(name, token, lease_seconds, clock()), lease_seconds, taken_at)
        stop = threading.Event()
        renewing = threading.Thread(target=_renew_until, args=(stop, lease, lease_seconds, on_taken), name=f"lock {name}", daemon=True)
        renewing.start()
        try:
            yield lease
        finally:
            stop.set()
            renewing.join()
            # Not released now, the lease ends by itself.
            with suppress(StateError):
                self._release(name, token)

    def holders(self, now: datetime) -> dict[str, str]:
        """Name and owner of every lock that is held by somebody who is not known to be dead."""
        with self._database.reading() as connection:
            rows = connection.execute(select(locks.c.name, locks.c.owner).where(locks.c.lease_until >= now)).all()
        return {str(row.name): str(row.owner) for row in rows if not is_gone(row.owner)}

    def abandoned(self, now: datetime) -> set[str]:
        """Names of the locks whose holder died: the lease is over, or the process is gone."""
        with self._database.reading() as connection:
            rows = connection.execute(select(locks.c.name, locks.c.owner, locks.c.lease_until)).all()
        return {str(row.name) for row in rows if row.lease_until < now or is_gone(row.owner)}

    def bury(self, name: str, now: datetime) -> bool:
        """Take a lock away from a holder that died, or seems to: if it lives after all, it finds its lock taken. Whether nobody
        holds it now."""
        with self._database.writing() as connection:
            connection.execute(delete(locks).where(locks.c.name == name, locks.c.lease_until < now))
        return not self._bury_gone(name)

    def forget(self, before: datetime) -> int:
        """Delete leases that ended before that moment, which their dead holders left; returns how many."""
        with self._database.writing() as connection:
            return len(connection.execute(delete(locks).where(locks.c.lease_until < before).returning(locks.c.name)).all())

    def _wait(self, name: str, token: str, owner: str, lease_seconds: float, wait_seconds: float, clock: Clock) -> float:
        """Take the lock as soon as it is free; returns when that was begun, by the monotonic clock."""
        deadline = time.monotonic() + wait_seconds
        while True:
            started = time.monotonic()
            if self._take(name, token, owner, lease_seconds, clock()):
                return started
            holder = self._bury_gone(name)
            if holder and time.monotonic() >= deadline:
                raise BusyError(f"{holder.partition('#')[0]} is at the {name} just now: try again when it is through.")
            if holder:
                time.sleep(min(POLL_SECONDS, wait_seconds))

    def _bury_gone(self, name: str) -> str:
        """Take a lock from a dead process; the owner that it has otherwise, or an empty string."""
        with self._database.reading() as connection:
            row = connection.execute(select(locks.c.token, locks.c.owner).where(locks.c.name == name)).one_or_none()
        if row is None:
            return ""
        if is_gone(row.owner):
            self._release(name, row.token)
            return ""
        return str(row.owner)

    def _take(self, name: str, token: str, owner: str, lease_seconds: float, now: datetime) -> bool:
        mine = {"token": token, "owner": owner[:200], "lease_until": now + timedelta(seconds=lease_seconds)}
        insert = self._database.insert(locks).values(name=name, **mine)
        taken = insert.on_conflict_do_update(index_elements=["name"], set_=mine, where=locks.c.lease_until < now)
        with self._database.writing() as connection:
            return connection.execute(taken.returning(locks.c.name)).one_or_none() is not None

    def _renew(self, name: str, token: str, lease_seconds: float, now: datetime) -> bool:
        statement = update(locks).where(locks.c.name == name, locks.c.token == token)
        with self._database.writing() as connection:
            renewed = connection.execute(statement.values(lease_until=now + timedelta(seconds=lease_seconds)).returning(locks.c.name))
            return renewed.one_or_none() is not None

    def _release(self, name: str, token: str) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(locks).where(locks.c.name == name, locks.c.token == token))


def _renew_until(stop: threading.Event, lease: Lease, lease_seconds: float, on_taken: Callable[[], None]) -> None:
    """Renew it until it is given back or taken: after an outage too, since what nobody took is still ours."""
    pause = lease_seconds / RENEWALS
    while not stop.wait(pause):
        pause = lease_seconds / RENEWALS
        try:
            if not lease.renew():
                logger.warning("The lock %s was lost: somebody else took it.", lease.name)
                on_taken()
                return
        except StateError as error:
            logger.warning("The lock %s could not be renewed: %s", lease.name, error)
            pause = min(pause, AGAIN_SECONDS)
