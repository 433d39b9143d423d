"""The HTTP API as one FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.routing import APIRoute

from api import errors
from api.body_limit import BodyLimit
from api.callers import WINDOW_SECONDS, Callers, OwnCallers
from api.changes import Changes
from api.documentation import openapi
from api.events import EventFeed
from api.gateway import GatewayCallers, GatewayOnly
from api.gold import BuildClock
from api.middleware import HeadersAndMetrics
from api.overview import Overview
from api.routes import (
    address_points,
    areas,
    datasets,
    docs,
    events,
    facilities,
    health,
    letters,
    portal,
    proximity,
    quality,
    requests,
    reviews,
    status,
    submissions,
    upload_sessions,
    uploads,
)
from services.gateway.limits import RateLimiter
from services.metrics import METRICS, Metrics
from services.wiring import Services

VERSION = "1.0.0"
PAGES_DRAWN_AT_ONCE = 2
ROUTERS = (
    uploads,
    upload_sessions,
    letters,
    submissions,
    reviews,
    requests,
    areas,
    facilities,
    address_points,
    proximity,
    quality,
    datasets,
    status,
    events,
    health,
    portal,
)


def utc_now() -> datetime:
    """The clock of the running product."""
    return datetime.now(UTC)


def create_app(
    services: Services,
    *,
    wake: Callable[[], None],
    clock: Callable[[], datetime] = utc_now,
    metrics: Metrics = METRICS,
    portal_dist: Path = portal.DIST,
) -> FastAPI:
    """The API over these services; `wake` tells the orchestrator that there is work, `clock` gives aware times in UTC.

    `app.state.events.close()` ends all event streams, from any thread: call it before the server is told to stop.
    """
    app = FastAPI(
        title="Cartulary", version=VERSION, docs_url=None, redoc_url=None, lifespan=_lifespan, generate_unique_id_function=_operation
    )
    app.state.services = services
    app.state.wake = wake
    app.state.clock = clock
    app.state.metrics = metrics
    app.state.callers = _callers(app, services, metrics, clock)
    app.state.build = BuildClock(services.warehouse)
    app.state.overview = Overview(services, metrics, clock)
    app.state.events = EventFeed(Changes(services.warehouse), app.state.overview, metrics, clock)
    app.state.drawing = CapacityLimiter(PAGES_DRAWN_AT_ONCE)
    errors.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    docs.mount(app)
    portal.mount(app, portal_dist)
    metrics.know_operations(_operation(route) for route in documented_routes())
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]
    app.add_middleware(BodyLimit)
    app.add_middleware(HeadersAndMetrics, metrics=metrics)
    return app


def _callers(app: FastAPI, services: Services, metrics: Metrics, clock: Callable[[], datetime]) -> Callers:
    """Found by the gateway's headers where there is one, which then is the only one let in; else by keys and sessions of our own."""
    settings = services.settings
    limiter = RateLimiter(settings.api.requests_per_minute, WINDOW_SECONDS)
    if secret := settings.gateway.secret.get_secret_value():
        app.add_middleware(GatewayOnly, secret=secret)
        return GatewayCallers(settings, limiter, metrics, clock)
    return OwnCallers(services, limiter, metrics, clock)


def documented_routes() -> list[APIRoute]:
    """All routes of /docs."""
    return [route for module in ROUTERS for route in module.router.routes if isinstance(route, APIRoute)]


def _operation(route: APIRoute) -> str:
    return route.name


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.events.close()
