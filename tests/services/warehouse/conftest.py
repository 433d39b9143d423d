"""The same warehouse twice: chDB in this process, and in another one over HTTP."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from container_support import CLICKHOUSE, images_wanted, running_image
from postgres_support import free_port
from pydantic import SecretStr
from warehouse_support import ServingProcess

from services.settings import Settings, WarehouseSettings
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    """A `cartulary warehouse` that all tests of this process share."""
    process = ServingProcess(tmp_path_factory.mktemp("serving") / "data")
    yield process
    process.stop()


@contextmanager
def clickhouse() -> Iterator[Settings]:
    """The image of the stack."""
    port, password = free_port(), "of-this-session"
    environment = {"CLICKHOUSE_USER": "cartulary", "CLICKHOUSE_PASSWORD": password, "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT": "1"}
    with running_image(CLICKHOUSE, port=8123, host_port=port, environment=environment):
        deadline = time.monotonic() + 60
        while not is_answering(port):
            assert time.monotonic() < deadline, "ClickHouse did not start within 60 s"
            time.sleep(0.2)
        address = WarehouseSettings(host="127.0.0.1", port=port, username="cartulary", password=SecretStr(password))
        yield Settings(_env_file=None, warehouse=address)


def is_answering(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def http_warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """Reached over HTTP: chDB behind our door, or a server where one asks for images."""
    if images_wanted():
        with clickhouse() as settings, Warehouse.open(settings) as opened:
            migrate(opened)
            yield opened
        return
    serving: ServingProcess = request.getfixturevalue("serving")
    with Warehouse.open(serving.settings) as opened:
        assert opened.is_attached
        yield opened
