"""Adding, asking again, claiming and finishing at once: nothing twice, nothing lost, nobody stuck."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from services.settings import Settings
from services.state.state import State

KEYS = [f"letter-{number}" for number in range(40)]


def at_once(*actions: Callable[[], None]) -> None:
    """Run all in threads of their own; raises the first error."""
    errors: list[BaseException] = []

    def run(action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_what_is_asked_for_again_at_any_moment_is_done_afterwards(state: State, now: datetime) -> None:
    """Three ask again with new payloads in any order of keys while three work: the last payload of each is the last one done."""
    asked: dict[str, int] = {}
    seen: dict[str, int] = {}
    holders: Counter[str] = Counter()
    lock = threading.Lock()
    turn = iter(range(1, 10_000))
    asking = threading.Event()
    later = now + timedelta(hours=1)

    def ask(seed: int) -> None:
        order = random.Random(seed)
        for _ in range(25):
            with lock:  # who asks later has the higher number
                number = next(turn)
            keys = order.sample(KEYS, 15)
            state.work.add("load", keys, payload={key: {"asked": number} for key in keys}, now=now, again=True, in_turn=True)
            with lock:
                asked.update({key: max(number, asked.get(key, 0)) for key in keys})

    def do(owner: str) -> None:
        while True:
            was_asking = asking.is_set()
            items = state.work.claim("load", limit=12, owner=owner, lease_seconds=60, now=later)
            with lock:
                for item in items:
                    holders[item.key] += 1
                    assert holders[item.key] == 1, "held by two"
                    seen[item.key] = max(seen.get(item.key, 0), item.payload["asked"])
            state.work.renew("load", [item.key for item in items], owner=owner, lease_seconds=60, now=later)
            with lock:
                holders.subtract(item.key for item in items)
            state.work.done("load", [item.key for item in reversed(items)], owner=owner)
            if not items and not was_asking:
                return

    asking.set()

    def ask_all() -> None:
        try:
            at_once(*(lambda seed=seed: ask(seed) for seed in range(3)))  # type: ignore[misc]
        finally:
            asking.clear()

    at_once(ask_all, *(lambda owner=owner: do(f"worker {owner}") for owner in range(3)))  # type: ignore[misc]
    assert state.work.outstanding() == 0
    assert seen == asked


def test_many_who_change_the_same_rows_never_wait_for_each_other(state: State, now: datetime) -> None:
    """Every way to change many items, each in another order of keys: a deadlock would be an error here."""
    state.work.add("extract", KEYS, now=now)

    def change(seed: int) -> None:
        order = random.Random(seed)
        owner = f"owner {seed}"
        for round_number in range(12):
            keys = order.sample(KEYS, len(KEYS))
            moment = now + timedelta(hours=round_number)
            state.work.add("extract", [*keys, f"new-{round_number}", f"new-{round_number + 1}"][:: order.choice((1, -1))], now=now)
            state.work.add("extract", keys, now=now, again=True)
            state.work.claim("extract", limit=20, owner=owner, lease_seconds=1, now=moment)
            state.work.renew("extract", keys, owner=owner, lease_seconds=1, now=moment)
            state.work.fail("extract", keys[0], "no", False, now, owner=owner)
            state.work.release("extract", keys[:10], owner=owner)
            state.work.done("extract", keys[10:50], owner=owner)
            state.work.withdraw("extract", keys[50:])
            state.work.retry_failed()
            state.work.release_leases()
            state.idempotency.begin(f"key {round_number}", "hash", now)
            state.idempotency.forget(now + timedelta(seconds=1))
            state.sessions.create_one_time_token(moment)

    at_once(*(lambda seed=seed: change(seed) for seed in range(4)))  # type: ignore[misc]


def test_errors_of_any_text_are_kept(state: State, now: datetime) -> None:
    state.work.add("extract", ["a"], payload={"a": {"name": "a\0b"}}, now=now)
    state.work.claim("extract", limit=1, owner="me", lease_seconds=60, now=now)
    state.work.fail("extract", "a", "unreadable: \0\0 Ünicode", False, now, owner="me")
    [failed] = state.work.failed()
    assert failed.error == "unreadable:  Ünicode"
    assert failed.payload == {"name": "a\0b"}


def test_the_oldest_of_what_is_outstanding(state: State, now: datetime) -> None:
    assert state.work.oldest() == {}
    state.work.add("extract", ["a"], now=now - timedelta(days=2))
    state.work.add("extract", ["b"], now=now - timedelta(days=1))
    state.work.add("load", ["c"], now=now)
    state.work.withdraw("extract", ["a"])
    assert state.work.oldest() == {"extract": now - timedelta(days=1), "load": now}


WORKER = """
import json, os, sys
from datetime import UTC, datetime
from pathlib import Path
from services.settings import Settings
from services.state.state import State

state = State.open(Settings(_env_file=None, data_dir=Path(sys.argv[1]), state={"url": sys.argv[2]}))
now = datetime(2026, 3, 2, tzinfo=UTC)
own = [f"{sys.argv[3]}-{number}" for number in range(150)]
print("ready", flush=True)
sys.stdin.readline()
done = []
state.work.add("extract", own + [f"shared-{number}" for number in range(50)], now=datetime(2026, 3, 1, tzinfo=UTC))
while items := state.work.claim("extract", limit=7, owner=f"process {os.getpid()}", lease_seconds=600, now=now):
    done += [item.key for item in items]
    state.work.done("extract", [item.key for item in items], owner=f"process {os.getpid()}")
print(json.dumps(done))
"""


def test_processes_that_start_and_claim_at_once_get_each_item_once(state_settings: Settings) -> None:
    """Four processes open an empty database together, add 150 items each and 50 that all share, and work them off."""
    arguments = [str(state_settings.data_dir), state_settings.state.url.get_secret_value()]
    processes = [
        subprocess.Popen([sys.executable, "-c", WORKER, *arguments, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    outputs = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        outputs.append(process.communicate(timeout=60)[0])
    done: Counter[str] = Counter()
    for output in outputs:
        done.update(json.loads(output))
    assert set(done.values()) == {1}
    assert len(done) == 4 * 150 + 50
