"""The flow that does all outstanding work: woken by an upload, and every five minutes."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.batch import run_batch
from flows.clock import utc_now
from flows.steps.run import run_outstanding
from services.orchestrator.prefect_api import LETTERS


@flow(name=LETTERS)
def process_letters() -> State[Any]:
    """Take in, load, read, place, build, publish: whatever is outstanding."""
    return run_batch(LETTERS, lambda services, progress: run_outstanding(services, clock=utc_now, progress=progress))
