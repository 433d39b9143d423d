"""The flow that loads data files, also while a long run reads letters."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.batch import run_batch
from flows.clock import utc_now
from flows.steps.run import load_datasets as load_outstanding_datasets


@flow(name="datasets")
def load_datasets() -> State[Any]:
    """Load every data file that waits for it, and build what it changes."""
    return run_batch("datasets", lambda services, progress: load_outstanding_datasets(services, clock=utc_now, progress=progress))
