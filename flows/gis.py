"""The flow that compares the whole map mirror with gold."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.batch import run_batch
from flows.clock import utc_now
from flows.steps.run import sync_map


@flow(name="gis")
def sync_gis() -> State[Any]:
    """Bring PostGIS and GeoServer to what gold has, although nothing seems to have changed."""
    return run_batch("gis", lambda services, progress: sync_map(services, clock=utc_now, progress=progress))
