"""Everything that is outstanding, in order: register, load, read, place, build, publish."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flows.steps.extract import extract_outstanding
from flows.steps.geocode import geocode_outstanding, requeue_after_new_register
from flows.steps.load import load_outstanding
from flows.steps.publish import publish
from flows.steps.record import Clock, StepResult, recorded
from flows.steps.transform import needs_build, transform
from services.errors import PublishError
from services.tracing import current_run_id, run_scope
from services.wiring import Services

logger = logging.getLogger(__name__)

# After so many letters the map is built again, although more are waiting.
LETTERS_PER_BUILD = 500
# Time between two rounds of placing, as a multiple of what the last one took.
PLACING_PAUSE = 4
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class RunResult:
    """What one run did: the counts of each step, added up."""

    run_id: str
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class _Run:
    def __init__(self, services: Services, clock: Clock, progress: Progress, is_stopping: Callable[[], bool]) -> None:
        self.services, self.clock, self.progress, self.is_stopping = services, clock, progress, is_stopping
        self.run_id = current_run_id() or uuid.uuid4().hex
        self.counts: dict[str, dict[str, int]] = {}
        self.red_build: PublishError | None = None

    def step(self, name: str, action: Callable[[], StepResult]) -> StepResult:
        result = recorded(self.services, self.run_id, name, action, self.clock)
        total = self.counts.setdefault(name, {})
        for key, value in result.counts.items():
            total[key] = total.get(key, 0) + value
        self.progress(name, sum(result.counts.values()))
        return result

    def build_if_needed(self) -> None:
        """Build what changed. A red build does not stop the reading: letters are placed by the register that is there, and the
        reason is raised at the end of the run."""
        if self.red_build or self.is_stopping() or not needs_build(self.services):
            return
        try:
            self.step("transform", lambda: transform(self.services, now=self.clock()))
        except PublishError as error:
            self.red_build = error

    def take_in(self) -> None:
        """Register what was accepted while the warehouse was away, load data files, and look at a new register with new eyes."""
        self.step(
            "register", lambda: StepResult("register", {"registered": self.services.intake.register_outstanding(self.clock()).registered})
        )
        self.step("load", lambda: load_outstanding(self.services, now=self.clock()))

    def read_and_place(self) -> int:
        """Read outstanding letters and place each as soon as it is read; returns how many were read."""

        def read() -> StepResult:
            count, due = 0, self.clock()
            for _ in extract_outstanding(self.services, clock=self.clock):
                count += 1
                self.progress("extract", 1)
                if self.clock() >= due:
                    due = self.place()
                if self.is_stopping():
                    break
            return StepResult("extract", {"read": count})

        self.place()
        read_count = self.step("extract", read).counts["read"]
        self.place()
        return read_count

    def place(self) -> datetime:
        """Place what was read; returns when it is worth doing so again: a question costs much more than one more address in it,
        so that placing takes a fifth of the time at most, and letters still appear one by one where it is quick."""
        started = self.clock()
        if self.red_build and not self.services.warehouse.scalar("select count() from gold.builds where state = 'published'"):
            return started
        self.step("geocode", lambda: geocode_outstanding(self.services, clock=self.clock))
        return self.clock() + PLACING_PAUSE * (self.clock() - started)


def run_outstanding(
    services: Services,
    *,
    clock: Clock,
    progress: Progress = lambda step, count: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Do all outstanding work and return its counts; killed at any moment and run again, the rows are the same.

    When `is_stopping` says so, the run ends after the letter or the build under way.
    """
    run = _Run(services, clock, progress, is_stopping)
    with run_scope(run.run_id):
        return _run(run)


def _run(run: _Run) -> RunResult:
    services, clock, is_stopping = run.services, run.clock, run.is_stopping
    while True:
        run.take_in()
        run.build_if_needed()
        run.step("requeue", lambda: requeue_after_new_register(services, clock=clock))
        read = 0
        while read < LETTERS_PER_BUILD and not is_stopping() and (count := run.read_and_place()):
            read += count
        run.build_if_needed()
        if read < LETTERS_PER_BUILD or is_stopping():
            break
    if run.red_build:
        raise run.red_build
    if run.counts.get("transform"):
        run.step("publish", publish)
    return RunResult(run.run_id, run.counts)
