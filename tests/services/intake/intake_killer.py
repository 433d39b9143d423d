"""A child of test_intake_kill.py: takes in letters one by one, each in a process that kills itself one step later than the last."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from letter_files import encoded

from services.intake.intake import Intake
from services.object_store.local import LocalObjectStore
from services.settings import Settings
from services.state.state import State
from services.state.work import WorkQueue
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate

# Whatever changes something outside the process; it is killed before and after each call.
STEPS: tuple[tuple[type, str], ...] = (
    (LocalObjectStore, "put_file"),
    (LocalObjectStore, "put"),
    (WorkQueue, "add"),
    (WorkQueue, "claim"),
    (WorkQueue, "renew"),
    (WorkQueue, "done"),
    (Warehouse, "insert"),
)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def kill_at(point: int) -> None:
    """Kill this process with SIGKILL at the point-th passage before or after a step."""
    passages = 0

    def pass_by() -> None:
        nonlocal passages
        passages += 1
        if passages == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def deadly(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            pass_by()
            result = step(*args, **kwargs)
            pass_by()
            return result

        return run

    for owner, name in STEPS:
        setattr(owner, name, deadly(getattr(owner, name)))


def take_in(data_dir: Path, point: int) -> None:
    """One life of the platform: it goes on with what the last one left, then takes in a letter and is killed."""
    settings = Settings(_env_file=None, data_dir=data_dir)
    with Warehouse.open(settings) as warehouse:
        migrate(warehouse)
        state = State.open(settings)
        state.work.release_leases()
        intake = Intake(
            settings=settings, objects=LocalObjectStore(data_dir / "objects"), state=state, warehouse=warehouse, contracts=("areas",)
        )
        now = NOW + timedelta(minutes=point)
        intake.register_outstanding(now)
        if point > 1 and point % 2:  # of every second one the sender tries again
            intake.receive_letter([letter(point - 1)], "letter.png", "cli", now)
        kill_at(point)
        intake.receive_letter([letter(point)], "letter.png", "cli", now)


def letter(number: int) -> bytes:
    return encoded("PNG", str(number), size=(60, 40))


def in_a_child(work: Callable[[], None]) -> int:
    """Exit code, or the number of the signal below zero."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(data_dir: Path) -> None:
    point = 0
    code = -signal.SIGKILL
    while code == -signal.SIGKILL:
        point += 1
        code = in_a_child(lambda at=point: take_in(data_dir, at))  # type: ignore[misc]
    print(json.dumps({"points": point, "last_code": code}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
