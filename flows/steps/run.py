"""Everything that is outstanding, in order: register, load, read, place, build, publish."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flows.steps.alone import LEASE_SECONDS, alone
from flows.steps.extract import extract_outstanding
from flows.steps.geocode import REQUEUE, geocode_outstanding, requeue_after_new_register, requeue_provisional
from flows.steps.load import LOAD, load_outstanding
from flows.steps.publish import publish
from flows.steps.record import Clock, StepResult, never, recorded
from flows.steps.transform import failed_lately, needs_build, transform
from services.errors import BusyError, PublishError
from services.state.locks import Lease
from services.tracing import current_run_id, run_scope
from services.warehouse.migrate import migrate
from services.wiring import Services

logger = logging.getLogger(__name__)

# After so long a time of reading the map is built again, although more letters are waiting.
READING_TIME = timedelta(minutes=2)
# Time between two rounds of placing, as a multiple of what the last one took.
PLACING_PAUSE = 4
# What one process does at a time, and the work whose claims are therefore of dead processes when another one begins with it.
LOADING, READING, MIRRORING = "loading of files", "reading of letters", "map mirror"
CLAIMS = {LOADING: (LOAD,), READING: ("extract", "geocode", REQUEUE), MIRRORING: ()}
# A dead holder's lease has ended by then; who is alive does what we would do.
WAIT_SECONDS = LEASE_SECONDS + 5
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
        # Letters were told one by one.
        self.progress(name, 0 if name == "extract" else sum(result.counts.values()))
        return result

    def alone(self, what: str, action: Callable[[Lease], None]) -> None:
        """Do a stage, unless another process is at it: then it takes what is outstanding. The action ends when the lease is lost."""
        try:
            with alone(self.services, what, clock=self.clock, wait_seconds=WAIT_SECONDS) as lease:
                self.services.state.work.release_leases(CLAIMS[what])
                action(lease)
        except BusyError as busy:
            logger.warning("%s", busy)

    def build_if_needed(self, *, for_placing: bool = False) -> None:
        """Build what changed, `for_placing` only where a new register is to be looked up in. A red build does not stop the reading:
        letters are placed by the register that is there, and the reason is raised at the end of the run."""
        if self.red_build or self.is_stopping() or not needs_build(self.services, for_placing=for_placing):
            return
        if not failed_lately(self.services, self.clock()):
            self.build()

    def build(self, *, full_refresh: bool = False) -> None:
        """Build what changed, or everything."""
        try:
            self.step(
                "transform", lambda: transform(self.services, full_refresh=full_refresh, now=self.clock(), is_stopping=self.is_stopping)
            )
        except PublishError as error:
            self.red_build = error

    def mirror(self, *, is_forced: bool = False) -> None:
        """Hand gold to the map mirror: after a build, and with a mirror always, since an outage may have kept an earlier build from it."""
        if is_forced or self.counts.get("transform") or self.services.settings.postgis.url.get_secret_value():
            self.alone(MIRRORING, lambda lease: self.publish(is_forced, lease))

    def publish(self, is_forced: bool, lease: Lease) -> None:
        """Bring the map mirror up to gold."""
        lease.confirm()
        self.step("publish", lambda: publish(self.services, now=self.clock(), is_forced=is_forced))

    def take_in(self) -> None:
        """Register what was accepted while the warehouse was away, and load data files."""
        self.step(
            "register", lambda: StepResult("register", {"registered": self.services.intake.register_outstanding(self.clock()).registered})
        )
        self.alone(LOADING, self.load)

    def load(self, lease: Lease) -> None:
        """Load every data file that waits for it."""
        self.step("load", lambda: load_outstanding(self.services, now=self.clock(), confirm=lease.confirm))

    def read_and_place(self) -> bool:
        """Look at a new register with new eyes, then read letters until none waits or it is time to build; whether more may wait."""
        is_time_to_build = False

        def read(lease: Lease) -> None:
            nonlocal is_time_to_build
            self.step("requeue", lambda: requeue_after_new_register(self.services, clock=self.clock))
            self.step("requeue", lambda: requeue_provisional(self.services, clock=self.clock))
            due = self.clock() + READING_TIME
            while not (is_time_to_build or self.is_stopping() or lease.is_lost) and self.read_batch(lease):
                is_time_to_build = self.clock() >= due

        self.alone(READING, read)
        return is_time_to_build

    def read_batch(self, lease: Lease) -> int:
        """Read outstanding letters and place each as soon as it is read; returns how many were read."""

        def read() -> StepResult:
            count, due = 0, self.clock()
            for _ in extract_outstanding(self.services, clock=self.clock):
                count += 1
                self.progress("extract", 1)
                if self.clock() >= due:
                    due = self.place(lease)
                if self.is_stopping() or lease.is_lost:
                    break
            return StepResult("extract", {"read": count})

        self.place(lease)
        read_count = self.step("extract", read).counts["read"]
        self.place(lease)
        return read_count

    def place(self, lease: Lease) -> datetime:
        """Place what was read; returns when it is worth doing so again: a question costs much more than one more address in it,
        so that placing takes a fifth of the time at most, and letters still appear one by one where it is quick."""
        started = self.clock()
        if not self.services.warehouse.scalar("select count() from gold.builds where state = 'published'"):
            return started
        self.step("geocode", lambda: geocode_outstanding(self.services, clock=self.clock, is_stopping=lambda: lease.is_lost))
        return self.clock() + PLACING_PAUSE * (self.clock() - started)


def _silent(step: str, count: int) -> None:
    """No progress is wanted."""


def run_outstanding(
    services: Services, *, clock: Clock, progress: Progress = _silent, is_stopping: Callable[[], bool] = never
) -> RunResult:
    """Do all outstanding work and return its counts; killed at any moment and run again, the rows are the same.

    When `is_stopping` says so, the run ends after the letter under way, or in the middle of a build.
    """

    def work(run: _Run) -> None:
        while True:
            run.take_in()
            run.build_if_needed(for_placing=True)
            may_more_wait = run.read_and_place()
            run.build_if_needed()
            if not may_more_wait or is_stopping():
                return

    return _run(_Run(services, clock, progress, is_stopping), work)


def load_datasets(services: Services, *, clock: Clock, progress: Progress = _silent) -> RunResult:
    """Of all outstanding work only the data files: load them, and build what they change."""

    def work(run: _Run) -> None:
        run.take_in()
        run.build_if_needed()

    return _run(_Run(services, clock, progress, never), work)


def build_models(services: Services, *, clock: Clock, progress: Progress = _silent, full_refresh: bool = False) -> RunResult:
    """Of all outstanding work only the build of what changed; all of it anew, changed or not, with `full_refresh`."""

    def work(run: _Run) -> None:
        if full_refresh:
            run.build(full_refresh=True)
        else:
            run.build_if_needed()

    return _run(_Run(services, clock, progress, never), work)


def sync_map(services: Services, *, clock: Clock, progress: Progress = _silent) -> RunResult:
    """Of all outstanding work only the map mirror: every layer is compared with gold, although nothing seems to have changed."""
    return _run(_Run(services, clock, progress, never), lambda run: run.mirror(is_forced=True))


def run_step(services: Services, name: str, action: Callable[[], StepResult], *, clock: Clock) -> RunResult:
    """A run of one step that has no place in the order of the work."""
    run = _Run(services, clock, _silent, never)
    with run_scope(run.run_id):
        run.step(name, action)
    return RunResult(run.run_id, run.counts)


def _run(run: _Run, work: Callable[[_Run], None]) -> RunResult:
    with run_scope(run.run_id):
        migrate(run.services.warehouse)  # it may have been away when this process started
        work(run)
        if run.red_build:
            raise run.red_build
        if "publish" not in run.counts:
            run.mirror()
        return RunResult(run.run_id, run.counts)
