"""What all flows share: a run of the steps under Prefect's run id, its lease, its progress and its summary."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, Failed
from rich.console import Console

from flows.clock import utc_now
from flows.steps.gold import journal
from flows.steps.run import Progress, RunResult
from services.errors import PlatformError
from services.logs import start_logging
from services.orchestrator.environment import PACKAGES
from services.orchestrator.prefect_api import PrefectApi
from services.settings import Settings, read_settings
from services.state.locks import this_process
from services.state.state import State as LiveState
from services.tracing import run_scope
from services.wiring import Services, open_services

logger = logging.getLogger(__name__)

# How long after its last sign of life a run whose process died far away is taken for dead.
LEASE_SECONDS = 60.0
PROGRESS_SECONDS = 2.0
FAILURES_SHOWN = 20
IN_REVIEW = Path(__file__).with_name("sql") / "letters_in_review.sql"
Work = Callable[[Services, Progress], RunResult]


def run_lock(run_id: str) -> str:
    """Name of the lock that a run holds while its process lives."""
    return f"flow run {run_id}"


def run_batch(title: str, work: Work) -> State[Any]:
    """Do `work` as this flow run, whose id is the run id everywhere; the state in which Prefect is to leave it.

    A PlatformError ends the run as failed with its sentence: what is outstanding stays so in our own state, and the next run takes it.
    """
    settings, run_id = read_settings(), str(flow_run.id)
    _start_logging(settings)
    try:
        with run_scope(run_id), _alive(settings, run_id), open_services(settings) as services:
            _take_over(PrefectApi(settings.orchestrator), run_id)
            progress = _ShownProgress(title, services)
            try:
                result = work(services, progress)
            except PlatformError as error:
                _summarize(title, services, {}, str(error))
                raise
            progress.finish()
            if said := _said(result.counts):
                _summarize(title, services, result.counts, "")
            return Completed(message=said or "Nothing was outstanding.")
    except PlatformError as error:
        again = "The next run tries again." if error.retryable else "A person has to look at it."
        return Failed(message=f"{error} {again}")


def _start_logging(settings: Settings) -> None:
    """Our lines, from info on, go where those of the flows' process go, and into Prefect's log of the run."""
    start_logging(settings.log, Console(stderr=True))
    for package in PACKAGES:
        logging.getLogger(package).setLevel(logging.INFO)


@contextmanager
def _alive(settings: Settings, run_id: str) -> Iterator[None]:
    """Say that this run's process lives, for as long as it does: who says nothing any more is swept away, and ends if it lives after all.

    It needs nothing but the state database: the other services may take long to open, or be away.
    """

    def end() -> None:
        logger.error("Run %s was swept away, since its process gave no sign of life for too long: it ends.", run_id)
        os.kill(os.getpid(), signal.SIGTERM)

    with (
        closing(LiveState.open(settings)) as state,
        state.locks.hold(
            run_lock(run_id),
            owner=this_process(),
            lease_seconds=LEASE_SECONDS,
            wait_seconds=LEASE_SECONDS,
            clock=utc_now,
            on_taken=end,
        ),
    ):
        yield


def _take_over(api: PrefectApi, run_id: str) -> None:
    """Cancel the runs of this deployment that were to start before now and ask for no more than this one: it takes what they would
    have found."""
    try:
        for waiting in api.runs([str(deployment.id)], ("SCHEDULED",), due_before=utc_now()):
            if waiting.run_id != run_id and _is_covered(waiting.parameters, flow_run.parameters or {}):
                api.end_run(waiting.run_id, "CANCELLED", f"Run {run_id} takes everything that is outstanding.")
    except PlatformError as error:
        logger.warning("Runs that wait behind this one were left, and will find nothing to do: %s", error)


def _is_covered(asked: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Whether a run with our parameters does what one with those would: a full refresh that somebody asked for is never dropped."""
    return all(not value or ours.get(name) == value for name, value in asked.items())


class _ShownProgress:
    """Progress of reading as an artifact of the run, made when the first letter is read."""

    def __init__(self, title: str, services: Services) -> None:
        self._title, self._services = title, services
        self._artifact: UUID | None = None
        self._done, self._shown_at = 0, 0.0

    def __call__(self, step: str, count: int) -> None:
        if step != "extract" or not count or time.monotonic() - self._shown_at < PROGRESS_SECONDS:
            self._done += count if step == "extract" else 0
            return
        self._done += count
        outstanding = self._services.state.work.outstanding("extract")
        self._show(100 * self._done / max(1, self._done + outstanding), f"{self._done} letters read, {outstanding} to go")

    def finish(self) -> None:
        """Say that all is done, if anything was shown."""
        if self._artifact:
            self._show(100.0, f"{self._done} letters read")

    def _show(self, share: float, text: str) -> None:
        self._shown_at = time.monotonic()
        with _beside_the_work():
            if self._artifact is None:
                self._artifact = create_progress_artifact(share, key=f"{self._title}-progress", description=text)  # type: ignore[assignment]
            else:
                update_progress_artifact(self._artifact, share, description=text)


def _summarize(title: str, services: Services, counts: Mapping[str, Mapping[str, int]], error: str) -> None:
    """What the run did, what failed for good and what waits for a person, as an artifact of the run."""
    with _beside_the_work():
        create_markdown_artifact(summary(title, services, counts, error), key=f"{title}-summary", description=error[:200] or _said(counts))


def summary(title: str, services: Services, counts: Mapping[str, Mapping[str, int]], error: str) -> str:
    """A page in Markdown: counts per step, what failed for good, what is in review."""
    lines = [f"# {title.capitalize()}", ""]
    if error:
        lines += [f"**Stopped:** {error}", ""]
    lines += ["| step | counts |", "|---|---|"]
    lines += [f"| {step} | {said} |" for step, one in counts.items() if (said := _counted(one))]
    failed = services.state.work.failed()
    lines += ["", f"## Failed for good: {len(failed)}", ""]
    lines += [f"- {item.kind} {item.key}: {' '.join(item.error.split())[:300]}" for item in failed[:FAILURES_SHOWN]]
    if any(build.state == "published" for build in journal(services.warehouse)):
        in_review = services.warehouse.scalar(IN_REVIEW.read_text(encoding="utf-8"))
        lines += ["", f"## Letters in review: {int(in_review or 0)}"]
    return "\n".join(lines)


def _said(counts: Mapping[str, Mapping[str, int]]) -> str:
    return "; ".join(f"{step}: {said}" for step, one in counts.items() if (said := _counted(one)))


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)


@contextmanager
def _beside_the_work() -> Iterator[None]:
    """What is only to be seen must not stop the work: Prefect may be away for a while."""
    try:
        yield
    except Exception as error:  # Prefect's client raises its own, httpx's and many more
        logger.warning("Prefect was not told how the run goes: %s", error)
