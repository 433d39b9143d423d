"""The real app over the real embedded services, with gold tables made by SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from api_support import ALL_SCOPES, TestClient, Wakes, fill_gold
from fastapi import FastAPI

from api.app import create_app
from services.metrics import Metrics
from services.warehouse.client import Warehouse
from services.wiring import Services


@pytest.fixture
def wakes() -> Wakes:
    return Wakes()


@pytest.fixture
def app(services: Services, wakes: Wakes, tmp_path: Path) -> FastAPI:
    """The app over an empty warehouse."""
    return create_app(services, wake=wakes, metrics=Metrics(), portal_dist=tmp_path / "no-portal")


@pytest.fixture
def key_of(services: Services) -> Callable[..., dict[str, str]]:
    """Headers of a new key with these scopes."""

    def make(*scopes: str) -> dict[str, str]:
        return {"X-API-Key": services.keys.create("-".join(scopes), scopes, datetime.now(UTC)).secret}

    return make


@pytest.fixture
def anonymous(app: FastAPI) -> Iterator[TestClient]:
    """A client without a key."""
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(app: FastAPI, key_of: Callable[..., dict[str, str]]) -> Iterator[TestClient]:
    """A client with a key that has every scope."""
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False, headers=key_of(*ALL_SCOPES)) as client:
        app.state.services.settings.api.requests_per_minute = 1_000_000
        yield client


@pytest.fixture
def gold(clean_warehouse: Warehouse) -> Warehouse:
    """Small gold tables and one published build."""
    fill_gold(clean_warehouse)
    return clean_warehouse


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A plain HTTP client."""
    with httpx.Client(timeout=30) as client:
        yield client
