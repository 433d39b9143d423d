"""The work queue: exactly one holder per item, leases, retries, restarts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from services.settings import Settings
from services.state.locks import this_process
from services.state.state import State
from services.state.work import WorkQueue


@pytest.fixture
def queue(state: State) -> WorkQueue:
    return state.work


def claim(queue: WorkQueue, now: datetime, limit: int = 100, owner: str = "me", lease_seconds: float = 60) -> list[str]:
    return [item.key for item in queue.claim("extract", limit=limit, owner=owner, lease_seconds=lease_seconds, now=now)]


def test_work_comes_in_the_order_in_which_it_was_added(queue: WorkQueue, now: datetime) -> None:
    assert queue.add("extract", ["z", "a", "m"], now=now) == 3
    assert queue.add("extract", ["b"], now=now + timedelta(seconds=1)) == 1
    assert queue.add("geocode", ["a"], now=now) == 1
    assert claim(queue, now, limit=2) == ["z", "a"]
    assert claim(queue, now + timedelta(seconds=2)) == ["m", "b"]
    assert claim(queue, now + timedelta(seconds=2)) == []


def test_adding_twice_is_adding_once(queue: WorkQueue, now: datetime) -> None:
    assert queue.add("load", ["a", "a", "b"], payload={"a": {"dataset": "areas"}}, now=now) == 2
    assert queue.add("load", ["a"], payload={"a": {"dataset": "other"}}, now=now) == 0
    item = queue.get("load", "a")
    assert item is not None
    assert item.payload == {"dataset": "areas"}
    assert queue.counts() == {"load": {"pending": 2}}


def test_what_is_asked_for_again_goes_to_the_end(queue: WorkQueue, now: datetime) -> None:
    """File a, then b, then a again: a is loaded last, as it was asked for last."""
    queue.add("extract", ["a", "b"], now=now)
    assert queue.add("extract", ["a"], payload={"a": {"n": 2}}, now=now + timedelta(seconds=1), again=True) == 1
    items = queue.claim("extract", limit=9, owner="me", lease_seconds=60, now=now + timedelta(seconds=2))
    assert [(item.key, item.payload) for item in items] == [("b", {}), ("a", {"n": 2})]


def test_done_work_comes_back_only_when_asked_for_again(queue: WorkQueue, now: datetime) -> None:
    queue.add("extract", ["a"], payload={"a": {"n": 1}}, now=now)
    claim(queue, now)
    queue.done("extract", ["a"], owner="me")
    assert queue.add("extract", ["a"], now=now) == 0
    assert claim(queue, now) == []
    assert queue.add("extract", ["a"], payload={"a": {"n": 2}}, now=now, again=True) == 1
    [item] = queue.claim("extract", limit=1, owner="me", lease_seconds=60, now=now)
    assert item.payload == {"n": 2}


def test_what_is_asked_for_again_while_claimed_is_done_once_more(queue: WorkQueue, now: datetime) -> None:
    queue.add("geocode", ["letter:1"], now=now)
    queue.claim("geocode", limit=1, owner="me", lease_seconds=60, now=now)
    queue.add("geocode", ["letter:1"], now=now, again=True)
    queue.done("geocode", ["letter:1"], owner="me")
    assert queue.outstanding("geocode") == 1
    queue.claim("geocode", limit=1, owner="me", lease_seconds=60, now=now)
    queue.done("geocode", ["letter:1"], owner="me")
    assert queue.outstanding() == 0


def payloads(queue: WorkQueue, now: datetime) -> list[object]:
    """Payloads of the load "a" as its rounds come, each of them done."""
    found: list[object] = []
    while items := queue.claim("load", limit=1, owner="me", lease_seconds=60, now=now):
        found.append(items[0].payload)
        queue.done("load", ["a"], owner="me")
    return found


def test_the_payload_that_comes_while_the_item_is_claimed_is_the_next_ones(queue: WorkQueue, now: datetime) -> None:
    queue.add("load", ["a"], payload={"a": {"n": 1}}, now=now)
    queue.claim("load", limit=1, owner="me", lease_seconds=60, now=now)
    for number in (2, 3):
        assert queue.add("load", ["a"], payload={"a": {"n": number}}, now=now, again=True) == 1
    item = queue.get("load", "a")
    assert item is not None and item.payload == {"n": 1}, "its holder may ask for it once more"
    queue.done("load", ["a"], owner="me")
    assert payloads(queue, now) == [{"n": 3}]
    assert queue.counts() == {"load": {"done": 1}}


def test_what_is_asked_for_in_turn_replaces_nothing(queue: WorkQueue, now: datetime) -> None:
    for number in (1, 2, 3, 2, 1):
        queue.add("load", ["a"], payload={"a": {"n": number}}, now=now, again=True, in_turn=True)
    queue.add("load", ["b"], now=now)
    assert queue.outstanding() == 2
    queue.claim("load", limit=1, owner="dead", lease_seconds=60, now=now)
    assert queue.release_leases() == 1
    queue.withdraw("load", ["b"])
    assert payloads(queue, now) == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert queue.outstanding() == 0


@pytest.mark.parametrize("retryable", [True, False])
def test_a_failure_does_not_delay_what_was_asked_for_again(queue: WorkQueue, now: datetime, retryable: bool) -> None:
    queue.add("geocode", ["a"], now=now)
    queue.claim("geocode", limit=1, owner="me", lease_seconds=60, now=now)
    queue.add("geocode", ["a"], now=now, again=True)
    queue.fail("geocode", "a", "broken", retryable, now, owner="me")
    [item] = queue.claim("geocode", limit=1, owner="me", lease_seconds=60, now=now)
    assert item.attempts == 0
    queue.fail("geocode", "a", "broken", False, now, owner="me")
    assert queue.counts() == {"geocode": {"failed": 1}}


def test_a_failure_that_is_tried_again_keeps_its_turn(queue: WorkQueue, now: datetime) -> None:
    for number in (1, 2):
        queue.add("load", ["a"], payload={"a": {"n": number}}, now=now, again=True, in_turn=True)
    queue.claim("load", limit=1, owner="me", lease_seconds=60, now=now)
    queue.fail("load", "a", "the warehouse is down", True, now, owner="me")
    assert payloads(queue, now) == []
    assert payloads(queue, now + timedelta(seconds=10)) == [{"n": 1}, {"n": 2}]


def test_who_keeps_failing_lets_what_was_asked_for_meanwhile_pass(queue: WorkQueue, now: datetime) -> None:
    for number in (1, 2):
        queue.add("load", ["a"], payload={"a": {"n": number}}, now=now, again=True, in_turn=True)
    tried = []
    for hour in range(6):
        moment = now + timedelta(hours=hour)
        [item] = queue.claim("load", limit=1, owner="me", lease_seconds=60, now=moment)
        tried.append(item.payload["n"])
        queue.fail("load", "a", "MEMORY_LIMIT_EXCEEDED", True, moment, owner="me")
    assert tried == [1, 1, 1, 1, 1, 2]
    assert payloads(queue, now + timedelta(days=1)) == [{"n": 2}, {"n": 1}]


def test_what_keeps_failing_is_told(queue: WorkQueue, now: datetime) -> None:
    queue.add("extract", ["a", "b"], now=now)
    for hour in range(3):
        assert queue.struggling() == []
        moment = now + timedelta(hours=hour)
        assert "a" in claim(queue, moment)
        queue.fail("extract", "a", f"broken {hour}", True, moment, owner="me")
    assert [(item.key, item.attempts, item.error) for item in queue.struggling()] == [("a", 3, "broken 2")]
    assert "a" in claim(queue, now + timedelta(days=1))
    queue.done("extract", ["a"], owner="me")
    assert queue.struggling() == []


def test_a_lease_that_ends_makes_the_item_free(queue: WorkQueue, now: datetime) -> None:
    queue.add("extract", ["a"], now=now)
    assert claim(queue, now, owner="dead", lease_seconds=60) == ["a"]
    assert claim(queue, now + timedelta(seconds=59)) == []
    assert claim(queue, now + timedelta(seconds=61), owner="next") == ["a"]
    assert queue.renew("extract", ["a"], owner="dead", lease_seconds=60, now=now) == set()
    assert queue.renew("extract", ["a"], owner="next", lease_seconds=600, now=now + timedelta(seconds=61)) == {"a"}
    assert claim(queue, now + timedelta(seconds=600)) == []


def test_who_lost_an_item_settles_it_no_more(queue: WorkQueue, now: datetime) -> None:
    queue.add("extract", ["a", "b"], now=now)
    claim(queue, now, owner="slow", lease_seconds=60)
    later = now + timedelta(seconds=61)
    assert claim(queue, later, owner="next") == ["a", "b"]
    queue.add("extract", ["b"], payload={"b": {"n": 2}}, now=later, again=True)
    queue.done("extract", ["a", "b"], owner="slow")
    queue.fail("extract", "a", "broken", False, later, owner="slow")
    assert queue.counts() == {"extract": {"claimed": 2}}
    assert queue.renew("extract", ["a", "b"], owner="next", lease_seconds=60, now=later) == {"a", "b"}
    queue.done("extract", ["a", "b"], owner="next")
    queue.done("extract", ["b"], owner="next")
    assert queue.counts() == {"extract": {"done": 1, "pending": 1}}


def test_what_nobody_need_do_is_withdrawn_from_whoever_has_it(queue: WorkQueue, now: datetime) -> None:
    queue.add("extract", ["a", "b", "c"], now=now)
    assert claim(queue, now, limit=1) == ["a"]
    queue.add("extract", ["a"], payload={"a": {"n": 2}}, now=now, again=True)
    queue.withdraw("extract", ["a", "b", "unknown"])
    assert queue.counts() == {"extract": {"done": 2, "pending": 1}}
    queue.fail("extract", "a", "broken", True, now, owner="me")
    assert claim(queue, now + timedelta(hours=1)) == ["c"]


def test_claims_may_name_their_keys(queue: WorkQueue, now: datetime) -> None:
    queue.add("register", ["a", "b", "c"], now=now)
    items = queue.claim("register", keys=["b", "nothing"], limit=5, owner="me", lease_seconds=60, now=now)
    assert [item.key for item in items] == ["b"]
    assert queue.claim("register", keys=["b"], limit=5, owner="other", lease_seconds=60, now=now) == []
    assert queue.claim("register", keys=[], limit=5, owner="other", lease_seconds=60, now=now) == []


def test_what_may_succeed_later_is_tried_for_ever(queue: WorkQueue, now: datetime) -> None:
    queue.add("extract", ["a"], now=now)
    waits = []
    for attempt in range(1, 10):
        assert claim(queue, now) == ["a"]
        queue.fail("extract", "a", f"broken {attempt}", True, now, owner="me")
        item = queue.get("extract", "a")
        assert item is not None
        assert (item.state, item.attempts, item.error) == ("pending", attempt, f"broken {attempt}")
        wait = next(seconds for seconds in range(10, 2000, 10) if claim(queue, now + timedelta(seconds=seconds)))
        queue.release("extract", ["a"], owner="me")
        waits.append(wait)
        now += timedelta(seconds=wait)
    assert waits == [10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert queue.failed() == []


def test_what_cannot_succeed_waits_for_a_person(queue: WorkQueue, now: datetime) -> None:
    queue.add("extract", ["a"], now=now)
    assert claim(queue, now) == ["a"]
    queue.fail("extract", "a", "broken", False, now, owner="me")
    assert claim(queue, now + timedelta(days=1)) == []
    [failed] = queue.failed()
    assert (failed.key, failed.error, failed.attempts) == ("a", "broken", 1)
    assert queue.outstanding() == 0
    assert queue.retry_failed() == 1
    assert claim(queue, now) == ["a"]


def test_a_lasting_fault_is_not_tried_again(queue: WorkQueue, now: datetime) -> None:
    queue.add("load", ["a", "b"], now=now)
    queue.claim("load", limit=1, owner="me", lease_seconds=60, now=now)
    queue.fail("load", "a", "no such column", False, now, owner="me")
    queue.fail("load", "unknown", "nothing happens", False, now, owner="me")
    assert [item.key for item in queue.failed("load")] == ["a"]
    assert queue.failed("extract") == []
    assert queue.counts() == {"load": {"failed": 1, "pending": 1}}
    assert queue.retry_failed("extract") == 0


def test_released_work_is_free_at_once_and_loses_no_attempt(queue: WorkQueue, now: datetime) -> None:
    queue.add("register", ["a"], now=now)
    queue.claim("register", limit=1, owner="me", lease_seconds=60, now=now)
    queue.release("register", ["a"], owner="other", error="not his")
    assert queue.claim("register", limit=1, owner="me", lease_seconds=60, now=now) == []
    queue.release("register", ["a"], owner="me", error="the warehouse is down")
    [item] = queue.claim("register", limit=1, owner="me", lease_seconds=60, now=now)
    assert (item.attempts, item.error) == (0, "the warehouse is down")


def test_work_survives_a_restart(state_settings: Settings, now: datetime) -> None:
    first = State.open(state_settings)
    first.work.add("extract", ["a", "b", "c"], payload={"b": {"x": [1, {"ü": None}]}}, now=now)
    claim(first.work, now, limit=1)
    first.work.done("extract", ["a"], owner="me")
    claim(first.work, now, limit=1)
    first.close()
    second = State.open(state_settings)
    assert second.work.counts() == {"extract": {"done": 1, "claimed": 1, "pending": 1}}
    assert second.work.release_leases() == 1
    items = second.work.claim("extract", limit=9, owner="me", lease_seconds=60, now=now)
    assert [(item.key, item.payload) for item in items] == [("b", {"x": [1, {"ü": None}]}), ("c", {})]
    second.close()


def test_many_keys_in_one_call(queue: WorkQueue, now: datetime) -> None:
    keys = [f"letter-{number}" for number in range(5_500)]
    assert queue.add("extract", iter(keys), now=now) == 5_500
    assert queue.add("extract", keys, now=now) == 0
    assert claim(queue, now + timedelta(seconds=1), limit=5_000) == keys[:5_000]
    queue.done("extract", keys, owner="me")
    assert queue.add("extract", keys, now=now, again=True) == 5_500


def test_racing_threads_get_every_item_once(queue: WorkQueue, now: datetime) -> None:
    queue.add("extract", [str(number) for number in range(300)], now=now)
    got: Counter[str] = Counter()
    errors: list[Exception] = []

    def work(owner: str) -> None:
        try:
            while keys := claim(queue, now + timedelta(seconds=1), limit=7, owner=owner):
                got.update(keys)
                queue.done("extract", keys, owner=owner)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"thread {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(got) == 300
    assert set(got.values()) == {1}
    assert queue.counts() == {"extract": {"done": 300}}


CLAIM_ALL = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from services.settings import Settings
from services.state.locks import this_process
from services.state.state import State

state = State.open(Settings(_env_file=None, data_dir=Path(sys.argv[1]), state={"url": sys.argv[3]}))
now = datetime(2026, 3, 1, 13, tzinfo=UTC)
while items := state.work.claim("extract", limit=3, owner=sys.argv[2], lease_seconds=600, now=now):
    for item in items:
        print(item.key, flush=True)
    if sys.argv[2] == "process 0":
        sys.stdin.read()  # holds its items until it is killed
    state.work.done("extract", [item.key for item in items], owner=sys.argv[2])
"""


def start_claiming(settings: Settings, owner: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CLAIM_ALL, str(settings.data_dir), owner, settings.state.url.get_secret_value()]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_racing_processes_get_every_item_once_even_when_one_is_killed(state_settings: Settings, queue: WorkQueue, now: datetime) -> None:
    queue.add("extract", [str(number) for number in range(240)], now=now)
    killed = start_claiming(state_settings, "process 0")
    assert killed.stdout is not None
    assert killed.stdout.readline() == "0\n"
    others = [start_claiming(state_settings, f"process {number}") for number in (1, 2)]
    outputs = [process.communicate(timeout=60)[0].split() for process in others]
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=20)
    assert [process.returncode for process in (killed, *others)] == [-signal.SIGKILL, 0, 0]
    assert Counter(outputs[0] + outputs[1]) == Counter(str(number) for number in range(3, 240))
    assert queue.counts() == {"extract": {"done": 237, "claimed": 3}}
    assert claim(queue, now + timedelta(hours=3)) == ["0", "1", "2"]


def test_accepted_work_is_synced_to_disk(sqlite_state: State) -> None:
    """What a receipt was given for may not vanish in a power cut: WAL with synchronous = full (2)."""
    with sqlite_state.database.reading() as connection:
        assert connection.execute(text("pragma journal_mode")).scalar() == "wal"
        assert connection.execute(text("pragma synchronous")).scalar() == 2


def test_claims_do_not_slow_down_with_what_is_done(sqlite_state: State, now: datetime) -> None:
    """300,000 done items: twenty claims take 26 ms through the index and 1.9 s without it, of this thread alone: how long the disk takes
    to sync them says nothing."""
    with sqlite_state.database.writing() as connection:
        connection.execute(
            text(
                "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000) "
                "insert into work select 'extract', 'letter-' || i, 'done', '{}', 0, '', '', 0, "
                "'2026-02-01 00:00:00.000000', '2026-02-01 00:00:00.000000', null from n"
            )
        )
    sqlite_state.work.add("extract", [str(number) for number in range(20)], now=now)
    started = time.thread_time()
    for _ in range(20):
        assert len(claim(sqlite_state.work, now + timedelta(seconds=1), limit=1)) == 1
    assert time.thread_time() - started < 1.0


def test_what_a_dead_process_claimed_is_free_and_nothing_else(queue: WorkQueue, now: datetime) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    owners = {
        "a": this_process().replace(f"process {os.getpid()} ", f"process {dead.pid} ") + " registrar 1",
        "b": f"{this_process()} registrar 2",
        "c": "process 1 on another-machine",
        "d": "somebody",
    }
    queue.add("load", owners, now=now)
    for key, owner in owners.items():
        queue.claim("load", keys=[key], limit=1, owner=owner, lease_seconds=60, now=now)
    assert queue.release_dead() == 1
    assert [item.key for item in queue.claim("load", limit=9, owner="next", lease_seconds=60, now=now)] == ["a"]
    assert queue.release_dead() == 0
