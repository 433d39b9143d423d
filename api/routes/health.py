"""Whether the process lives, whether each capability answers, and the metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.dependencies import MetricsOf, ServicesOf, may_read_metrics
from api.documentation import raw
from api.overview import Overview
from services.errors import PlatformError
from services.metrics import CONTENT_TYPE
from services.wiring import Services

log = logging.getLogger(__name__)

router = APIRouter(tags=["health"])

CHECK_SECONDS = 3.0
# Checks that hang must not take the threads that answer requests.
CHECK_THREADS = anyio.CapacityLimiter(12)


class Live(BaseModel):
    """The process answers."""

    status: str


class Capability(BaseModel):
    """Whether one capability answered, and how fast."""

    is_ready: bool
    detail: str
    seconds: float = Field(description="time of the check")


class Ready(BaseModel):
    """Whether all capabilities answer."""

    status: str
    capabilities: dict[str, Capability]


READY_EXAMPLE: dict[str, Any] = {
    "status": "ready",
    "capabilities": {name: {"is_ready": True, "detail": "", "seconds": 0.002} for name in ("warehouse", "objects", "state")},
}


@router.get("/health/live", response_model=Live, responses={200: {"content": {"application/json": {"example": {"status": "live"}}}}})
async def get_liveness() -> Live:
    """Whether the process answers; asks no store."""
    return Live(status="live")


@router.get(
    "/health/ready",
    response_model=Ready,
    responses={
        200: {"content": {"application/json": {"example": READY_EXAMPLE}}},
        503: {"description": "A capability does not answer", "model": Ready, "content": {"application/json": {"example": READY_EXAMPLE}}},
    },
)
async def get_readiness(request: Request, response: Response, services: ServicesOf) -> Ready:
    """Whether warehouse, object store and state answer within three seconds; 503 when one does not."""
    found: dict[str, Capability] = {}

    async def check(name: str, question: Callable[[], object]) -> None:
        found[name] = await _checked(question)
        request.app.state.metrics.ready.labels(name).set(int(found[name].is_ready))

    async with anyio.create_task_group() as group:
        for name, question in _questions(services).items():
            group.start_soon(check, name, question)
    is_ready = all(capability.is_ready for capability in found.values())
    response.status_code = 200 if is_ready else 503
    return Ready(status="ready" if is_ready else "not ready", capabilities=dict(sorted(found.items())))


def _questions(services: Services) -> dict[str, Callable[[], object]]:
    return {
        "warehouse": lambda: services.warehouse.scalar("select 1"),
        "objects": lambda: services.objects.exists("health/ready"),
        "state": lambda: services.state.work.outstanding("register"),
    }


async def _checked(question: Callable[[], object]) -> Capability:
    started = time.perf_counter()
    is_ready, detail = False, f"no answer within {CHECK_SECONDS:g} seconds"
    with anyio.move_on_after(CHECK_SECONDS):
        try:
            await anyio.to_thread.run_sync(question, abandon_on_cancel=True, limiter=CHECK_THREADS)
            is_ready, detail = True, ""
        except PlatformError as error:
            # Callers without a key see this: the kind of error, not the store's own words.
            detail = f"{type(error).__name__}: the server's log says more"
            log.warning("A capability is not ready: %s", error)
    return Capability(is_ready=is_ready, detail=detail, seconds=round(time.perf_counter() - started, 4))


@router.get(
    "/metrics",
    response_class=Response,
    responses=raw("text/plain", 'cartulary_http_requests_total{operation="list_areas"} 7', "Prometheus' text format", 401, 403, 429, 503),
    dependencies=[may_read_metrics()],
)
def get_metrics(request: Request, metrics: MetricsOf) -> Response:
    """Metrics of this process for Prometheus, which may also bring the token of `CARTULARY_API__METRICS_TOKEN`.

    While the warehouse or the state is away, the gauges about work and gold stay as they were.
    """
    overview: Overview = request.app.state.overview
    try:
        overview.now()
    except PlatformError as error:
        # What this process did and how its calls ended is told all the same: that is how an outage is seen.
        log.warning("The gauges about work and gold are those of the last time: %s", error)
    return Response(metrics.render(), headers={"Content-Type": CONTENT_TYPE})
