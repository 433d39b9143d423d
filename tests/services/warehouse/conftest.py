"""The same warehouse twice: chDB in this process, and in another one over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from warehouse_support import ServingProcess

from services.warehouse.client import Warehouse


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    """A `cartulary warehouse` that all tests of this process share."""
    process = ServingProcess(tmp_path_factory.mktemp("serving") / "data")
    yield process
    process.stop()


@pytest.fixture(scope="session")
def http_warehouse(serving: ServingProcess) -> Iterator[Warehouse]:
    """Attached to it."""
    with Warehouse.open(serving.settings) as opened:
        assert opened.is_attached
        yield opened
