"""The inline worker: wake-ups are merged, faults survived, closing is prompt."""

from __future__ import annotations

import threading
from collections.abc import Callable

from services.errors import WarehouseError
from services.orchestrator.inline import InlineOrchestrator

SOON = 10.0


def test_wake_ups_during_a_run_make_one_more_run() -> None:
    runs: list[int] = []
    started, go_on, second = threading.Event(), threading.Event(), threading.Event()

    def work(_: Callable[[], bool]) -> None:
        runs.append(1)
        if len(runs) == 1:
            started.set()
            go_on.wait(SOON)
        else:
            second.set()

    orchestrator = InlineOrchestrator(work)
    assert started.wait(SOON)
    for _ in range(20):
        orchestrator.wake()
    go_on.set()
    assert second.wait(SOON)
    orchestrator.close()
    assert len(runs) == 2


def test_a_fault_does_not_end_the_worker() -> None:
    faults = [WarehouseError("away"), RuntimeError("a bug")]
    done = threading.Event()

    def work(_: Callable[[], bool]) -> None:
        if faults:
            raise faults.pop()
        done.set()

    orchestrator = InlineOrchestrator(work)
    for _ in range(200):
        orchestrator.wake()
        if done.wait(0.05):
            break
    orchestrator.close()
    assert done.is_set()


def test_closing_tells_the_work_to_stop() -> None:
    started = threading.Event()
    stopped: list[bool] = []

    def work(is_stopping: Callable[[], bool]) -> None:
        started.set()
        while not is_stopping():
            threading.Event().wait(0.01)
        stopped.append(True)

    orchestrator = InlineOrchestrator(work)
    assert started.wait(SOON)
    orchestrator.close()
    assert stopped == [True]


def test_after_an_outage_the_work_goes_on_by_itself() -> None:
    outage = [WarehouseError("away", retryable=True)] * 3
    done = threading.Event()

    def work(_: Callable[[], bool]) -> None:
        if outage:
            raise outage.pop()
        done.set()

    orchestrator = InlineOrchestrator(work, idle_seconds=0.01)
    assert done.wait(SOON)
    orchestrator.close()
