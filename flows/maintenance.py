"""The flow that cleans up, and the sweeper of runs whose process died."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.batch import run_batch, run_lock
from flows.clock import Clock, utc_now
from flows.steps.clean import clean_up
from flows.steps.document import document
from flows.steps.run import Progress, RunResult, run_step
from services.orchestrator.prefect_api import UNDER_WAY, PrefectApi
from services.state.locks import Locks
from services.wiring import Services

logger = logging.getLogger(__name__)

# From its state to its first sign of life a run starts an interpreter and opens the state: 10 to 40 s on busy cores.
GRACE = timedelta(minutes=3)
# Longer than who was cut off from the state database for a while takes to say that it lives, once it is back.
CONFIRM_SECONDS = 10.0


@flow(name="maintenance")
def maintain() -> State[Any]:
    """Sweep dead runs away, forget what has expired, drop what dead loads left behind, vacuum the state database, document the models."""
    return run_batch("maintenance", _maintain)


def _maintain(services: Services, progress: Progress) -> RunResult:
    sweep_dead_runs(PrefectApi(services.settings.orchestrator), services.state.locks, clock=utc_now)
    cleaned = run_step(services, "clean_up", lambda: clean_up(services, clock=utc_now), clock=utc_now)
    documented = run_step(services, "document", lambda: document(services), clock=utc_now)
    return RunResult(documented.run_id, {**cleaned.counts, **documented.counts})


def sweep_dead_runs(api: PrefectApi, locks: Locks, *, clock: Clock, confirm_seconds: float = CONFIRM_SECONDS) -> list[str]:
    """Set runs crashed that Prefect takes for alive although their process is dead; returns their ids.

    Without this they would keep their place within the concurrency limit, and no other run would ever start.
    """
    if not (suspects := _suspects(api, locks, clock())):
        return []
    # One that has just finished gave its lease back and tells Prefect in this moment.
    time.sleep(confirm_seconds)
    dead = [run_id for run_id in _suspects(api, locks, clock()) if run_id in suspects and locks.bury(run_lock(run_id), clock())]
    for run_id in dead:
        logger.warning("Flow run %s is swept away: its process died.", run_id)
        api.end_run(run_id, "CRASHED", "The process of this run died; what it had begun is done by the next run.")
    return dead


def _suspects(api: PrefectApi, locks: Locks, now: datetime) -> list[str]:
    """Runs under way whose lease was abandoned, or which for long have had none."""
    under_way = api.runs(api.deployment_ids(), UNDER_WAY)
    if not under_way:
        return []
    alive, abandoned = locks.holders(now), locks.abandoned(now)
    return [
        run.run_id
        for run in under_way
        if run_lock(run.run_id) in abandoned or (run_lock(run.run_id) not in alive and now - run.changed_at > GRACE)
    ]
