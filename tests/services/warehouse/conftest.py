"""The same warehouse twice: chDB in this process, and in another one over HTTP."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from container_support import CLICKHOUSE, Running, images_wanted, running_image
from postgres_support import free_port
from pydantic import SecretStr
from warehouse_support import ServingProcess

from services.settings import PROJECT_ROOT, Settings, WarehouseSettings
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate

# No other program has a BACKUP of its own.
collect_ignore = [] if images_wanted() else ["test_native_backup.py"]


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
        wait_until_answering(port)
        address = WarehouseSettings(host="127.0.0.1", port=port, username="cartulary", password=SecretStr(password))
        yield Settings(_env_file=None, warehouse=address)


@dataclass
class StackServer:
    """The image with the stack's own configuration, and the folder into which it writes its backups."""

    running: Running
    settings: Settings
    archives: Path


@pytest.fixture(scope="module")
def stack_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServer]:
    """As compose.yaml starts it: its user, its files, its variables."""
    archives = tmp_path_factory.mktemp("backups") / "warehouse"
    archives.mkdir()
    archives.chmod(0o777)
    service = yaml.safe_load((PROJECT_ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["clickhouse"]
    secrets = {name: f"of-{name.lower()}" for name in service["environment"] if name.endswith("_PASSWORD")}
    files = [volume.split(":") for volume in service["volumes"] if volume.startswith("./")]
    mounts = [*((PROJECT_ROOT / here, there, mode) for here, there, mode in files), (archives, "/backups/warehouse", "rw")]
    port, given = free_port(), {**service["environment"], **secrets}
    with running_image(CLICKHOUSE, port=8123, host_port=port, environment=given, user=service["user"], mounts=mounts) as running:
        if running.is_standin:
            pytest.skip(f"chDB has no BACKUP, and it stands in for {CLICKHOUSE} here: docker pull {CLICKHOUSE}")
        wait_until_answering(port)
        address = WarehouseSettings(
            host="127.0.0.1",
            port=port,
            username="writer",
            password=SecretStr(secrets["CLICKHOUSE_WRITER_PASSWORD"]),
            dbt_username="dbt",
            dbt_password=SecretStr(secrets["CLICKHOUSE_DBT_PASSWORD"]),
        )
        yield StackServer(running, Settings(_env_file=None, warehouse=address), archives)


def wait_until_answering(port: int) -> None:
    deadline = time.monotonic() + 60
    while not is_answering(port):
        assert time.monotonic() < deadline, "ClickHouse did not start within 60 s"
        time.sleep(0.2)


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
