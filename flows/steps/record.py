"""What a step returns, and its trace in `bronze.step_outcomes`, on success and on failure."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.errors import PlatformError
from services.metrics import METRICS
from services.wiring import Services

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]


def never() -> bool:
    """Nobody asks to stop."""
    return False


@dataclass(frozen=True)
class StepResult:
    """What one step did: counts such as landed=120, rejected=3, and a sentence when there is something to say."""

    step: str
    counts: Mapping[str, int] = field(default_factory=dict)
    message: str = ""

    @property
    def did_something(self) -> bool:
        """Whether anything was counted or said."""
        return any(self.counts.values()) or bool(self.message)


def recorded(services: Services, run_id: str, step: str, action: Callable[[], StepResult], clock: Clock) -> StepResult:
    """Run a step and write its outcome; a step that found nothing to do leaves no row, one that failed does, and raises."""
    started_at = clock()
    try:
        result = action()
    except PlatformError as error:
        try:
            _write(services, run_id, StepResult(step, message=str(error)), "failed", started_at, clock())
        except PlatformError as second:
            logger.warning("The failure of %s could not be recorded: %s", step, second)
        raise
    if result.did_something:
        counts = ", ".join(f"{name}={count}" for name, count in result.counts.items())
        logger.info("%s: %s %s", step, counts, result.message)
        _write(services, run_id, result, "done", started_at, clock())
    return result


def _write(services: Services, run_id: str, result: StepResult, state: str, started_at: datetime, finished_at: datetime) -> None:
    METRICS.observe_step(result.step, state, (finished_at - started_at).total_seconds(), result.counts)
    services.warehouse.insert(
        "bronze.step_outcomes",
        [
            {
                "outcome_id": uuid.uuid4().hex,
                "run_id": run_id,
                "step": result.step,
                "state": state,
                "counts": dict(result.counts),
                "message": result.message,
                "started_at": started_at,
                "finished_at": finished_at,
            }
        ],
    )
