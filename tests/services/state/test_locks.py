"""Locks between processes: one holder, leases that end by themselves, on SQLite and on Postgres."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from services.errors import StateError
from services.settings import Settings, StateSettings
from services.state import tables
from services.state.locks import Lease, is_gone, this_process
from services.state.state import State

LEASE = 4.0
HOLDER = """
import sys, time
from datetime import UTC, datetime
from services.state.database import Database
from services.state.locks import Locks

with Locks(Database(sys.argv[1])).hold("build", owner="other", lease_seconds={lease}, wait_seconds=0, clock=lambda: datetime.now(UTC)):
    print("held", flush=True)
    time.sleep(60)
"""


def clock() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def state(request: pytest.FixtureRequest, settings: Settings) -> Iterator[State]:
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_database").replace("postgresql://", "postgresql+psycopg://")
        settings = settings.model_copy(update={"state": StateSettings(url=SecretStr(url))})
    opened = State.open(settings)
    yield opened
    opened.close()


def test_one_holds_it_at_a_time(state: State) -> None:
    inside, together, errors = [0], [0], []

    def work() -> None:
        try:
            with state.locks.hold("build", owner="thread", lease_seconds=30, wait_seconds=30, clock=clock):
                inside[0] += 1
                together[0] = max(together[0], inside[0])
                time.sleep(0.05)
                inside[0] -= 1
        except StateError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (together, errors) == ([1], [])
    assert state.locks.holders(clock()) == {}


def test_another_name_is_another_lock(state: State) -> None:
    with (
        state.locks.hold("build", owner="one", lease_seconds=30, wait_seconds=0, clock=clock),
        state.locks.hold("load", owner="two", lease_seconds=30, wait_seconds=0, clock=clock),
    ):
        assert state.locks.holders(clock()) == {"build": "one", "load": "two"}


def test_who_waits_in_vain_learns_who_has_it(state: State) -> None:
    with (
        state.locks.hold("build", owner="process 7 on town", lease_seconds=30, wait_seconds=0, clock=clock),
        pytest.raises(StateError, match="process 7 on town") as error,
        state.locks.hold("build", owner="another", lease_seconds=30, wait_seconds=0.1, clock=clock),
    ):
        pass
    assert error.value.retryable


def lease_until(state: State) -> datetime:
    with state.database.reading() as connection:
        found: datetime = connection.execute(select(tables.locks.c.lease_until).where(tables.locks.c.name == "build")).scalar_one()
        return found


def test_it_is_renewed_for_as_long_as_it_is_held(state: State) -> None:
    with state.locks.hold("build", owner="one", lease_seconds=LEASE, wait_seconds=0, clock=clock) as lease:
        first = lease_until(state)
        until(lambda: lease_until(state) > first)
        second = lease_until(state)
        until(lambda: lease_until(state) > second)
        lease.confirm()
        with (
            pytest.raises(StateError),
            # At the moment when it would have ended without the last renewal, however late this process comes to ask.
            state.locks.hold("build", owner="another", lease_seconds=LEASE, wait_seconds=0, clock=lambda: second),
        ):
            pass


def test_the_lease_of_a_killed_process_ends_by_itself(state: State) -> None:
    url = state.database.url.render_as_string(hide_password=False)
    started = clock()
    holder = subprocess.Popen([sys.executable, "-c", HOLDER.format(lease=LEASE), url], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    # Of a moment when it surely had it, however late this process comes to it.
    with pytest.raises(StateError), state.locks.hold("build", owner="me", lease_seconds=LEASE, wait_seconds=0, clock=lambda: started):
        pass
    holder.kill()
    holder.communicate()
    with state.locks.hold("build", owner="me", lease_seconds=60, wait_seconds=LEASE + 20, clock=clock):
        assert state.locks.holders(clock()) == {"build": "me"}


def test_a_process_of_this_machine_that_is_gone_holds_nothing_up(state: State) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    # Ended, but nobody has looked yet: a zombie, as a container without an init process keeps them.
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
    owner = this_process().replace(f"process {os.getpid()} ", f"process {dead.pid} ")
    state.locks._take("build", "token", owner, 3600, clock())
    assert state.locks.holders(clock()) == {}
    assert state.locks.abandoned(clock()) == {"build"}
    with state.locks.hold("build", owner=this_process(), lease_seconds=30, wait_seconds=0, clock=clock):
        assert state.locks.holders(clock()) == {"build": this_process()}
    dead.wait()
    assert is_gone(owner)


def test_a_process_that_has_the_number_of_a_dead_one_is_another_one() -> None:
    head, _, started = this_process().rpartition(".")
    assert not is_gone(this_process())
    assert is_gone(f"{head}.{int(started) - 1}"), "as after kill -9 in a container, where the next process has the same number"
    assert is_gone(f"{head}.{int(started) - 1} registrar 1")


def test_a_container_of_the_same_name_is_another_machine() -> None:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True).stdout
    head, _, started = this_process().rpartition(".")
    named, _, place = head.partition("#")
    assert is_gone(f"{named.replace(str(os.getpid()), dead.strip())}#{place}.{started}")
    assert not is_gone(f"{named.replace(str(os.getpid()), dead.strip())}#{place[::-1]}.{started}")


def away(monkeypatch: pytest.MonkeyPatch, state: State) -> None:
    """From now on the state database does not answer."""

    def refuse() -> None:
        raise StateError("away", retryable=True)

    monkeypatch.setattr(state.database, "writing", refuse)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_confirmed(lease: Lease) -> bool:
    try:
        lease.confirm()
    except StateError:
        return False
    return True


def test_a_lapsed_lease_that_nobody_took_is_ours_again(state: State) -> None:
    with state.locks.hold("build", owner="one", lease_seconds=0.6, wait_seconds=0, clock=clock) as lease:
        with pytest.MonkeyPatch.context() as patch:
            away(patch, state)
            until(lambda: lease.is_lost)
            time.sleep(0.4)
            assert not lease.is_taken
        until(lambda: not lease.is_lost)
        moment = clock()
        # On a busy machine it may have lapsed once more.
        until(lambda: is_confirmed(lease))
        assert state.locks.holders(moment) == {"build": "one"}


def test_who_is_buried_alive_learns_it(state: State) -> None:
    told, moment = threading.Event(), clock()
    with state.locks.hold("run", owner="one", lease_seconds=0.6, wait_seconds=0, clock=clock, on_taken=told.set) as lease:
        assert not state.locks.bury("run", moment), "it lives"
        assert state.locks.bury("run", clock() + timedelta(minutes=1))
        assert told.wait(20)
        assert lease.is_lost
    assert state.locks.bury("run", clock()), "nobody has it"


def test_a_lapsed_lease_that_somebody_took_stays_lost(state: State) -> None:
    with state.locks.hold("build", owner="one", lease_seconds=0.6, wait_seconds=0, clock=clock) as lease:
        with pytest.MonkeyPatch.context() as patch:
            away(patch, state)
            until(lambda: lease.is_lost)
        # It ends before the first one looks: that it is free again changes nothing, since its holder has worked.
        with state.locks.hold("build", owner="two", lease_seconds=0.6, wait_seconds=0, clock=lambda: clock() + timedelta(minutes=1)):
            pass
        until(lambda: lease.is_taken)
        assert lease.is_lost
        with pytest.raises(StateError, match="stood still"):
            lease.confirm()


def test_who_stood_still_for_too_long_learns_that_it_is_lost(state: State) -> None:
    late = clock() + timedelta(hours=1)
    with state.locks.hold("build", owner="sleeper", lease_seconds=60, wait_seconds=0, clock=clock) as lease:
        with state.locks.hold("build", owner="next", lease_seconds=60, wait_seconds=0, clock=lambda: late):
            with pytest.raises(StateError, match="stood still"):
                lease.confirm()
            assert lease.is_lost
        assert state.locks.holders(late) == {}


def test_a_holder_that_lost_it_leaves_the_next_ones_lock_alone(state: State) -> None:
    late = clock() + timedelta(hours=1)
    sleeper = state.locks.hold("build", owner="sleeper", lease_seconds=60, wait_seconds=0, clock=clock)
    with sleeper:
        following = state.locks.hold("build", owner="next", lease_seconds=60, wait_seconds=0, clock=lambda: late)
        following.__enter__()
    assert state.locks.holders(late) == {"build": "next"}
    following.__exit__(None, None, None)


def test_leases_of_the_dead_are_forgotten(state: State) -> None:
    locks = state.locks
    locks._take("old", "token", "dead", 1, clock() - timedelta(days=2))
    with locks.hold("build", owner="one", lease_seconds=30, wait_seconds=0, clock=clock):
        assert locks.forget(clock() - timedelta(days=1)) == 1
        assert locks.holders(clock() - timedelta(days=3)) == {"build": "one"}
