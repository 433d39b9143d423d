"""The flow that builds silver and gold."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.batch import run_batch
from flows.clock import utc_now
from flows.steps.run import build_models as build_outstanding


@flow(name="models")
def build_models(full_refresh: bool = False) -> State[Any]:
    """Build what changed since the last build; all of it anew with `full_refresh`."""
    return run_batch(
        "models",
        lambda services, progress: build_outstanding(services, clock=utc_now, progress=progress, full_refresh=full_refresh),
    )
