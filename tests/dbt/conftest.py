"""A warehouse and a writer of bronze rows for tests of the models."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dbt_support import Bronze, bare_services

from services.settings import Settings
from services.warehouse.client import Warehouse


@pytest.fixture
def platform(clean_warehouse: Warehouse, settings: Settings) -> Iterator[Any]:
    """What a build needs of the services, on an empty warehouse."""
    services = bare_services(clean_warehouse, settings)
    yield services
    services.state.close()


@pytest.fixture
def bronze(clean_warehouse: Warehouse) -> Bronze:
    """Writes bronze rows."""
    return Bronze(clean_warehouse)
