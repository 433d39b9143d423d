"""No secret of any setting is in an error, its trace, a line of the log or a metric."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_support import free_port
from pydantic import BaseModel, SecretStr
from rich.console import Console

from gis.geoserver.client import GeoServer
from gis.mirror import open_mirror
from services.errors import PlatformError
from services.logs import start_logging
from services.metrics import METRICS
from services.object_store.s3 import S3ObjectStore
from services.orchestrator.prefect_api import PrefectApi
from services.settings import LogSettings, Settings
from services.state.state import State
from services.warehouse.client import Warehouse

WORD = "hidden-word"


def filled(model: type[BaseModel], path: str = "") -> dict[str, object]:
    """Every secret below a model, each with a value of its own; URLs hold it as their password."""
    values: dict[str, object] = {}
    for name, field in model.model_fields.items():
        where = f"{path}-{name}" if path else name
        if isinstance(field.default, BaseModel):
            values[name] = filled(type(field.default), where)
        elif field.annotation is SecretStr:
            secret = f"{WORD}-of-{where}"
            values[name] = f"postgresql://someone:{secret}@127.0.0.1:{free_port()}/name" if name == "url" else secret
    return values


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """All secrets set, and nobody who answers."""
    nobody = f"http://127.0.0.1:{free_port()}"
    values = filled(Settings)
    for group, more in {
        "warehouse": {"host": "127.0.0.1", "port": free_port()},
        "object_store": {"endpoint_url": nobody, "public_url": nobody, "access_key": "key"},
        "geoserver": {"url": nobody, "timeout_seconds": 1.0},
        "orchestrator": {"prefect_api_url": f"{nobody}/api", "timeout_seconds": 1.0},
        "postgis": {"timeout_seconds": 1.0},
    }.items():
        group_values = values.setdefault(group, {})
        assert isinstance(group_values, dict)
        group_values |= more
    return Settings(_env_file=None, data_dir=tmp_path, **values)  # type: ignore[arg-type]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    text = io.StringIO()
    start_logging(LogSettings(level="debug"), Console(file=text))
    yield text
    root.handlers[:] = handlers
    root.setLevel(level)


def ask_mirror(settings: Settings) -> None:
    with open_mirror(settings.postgis, sleep=lambda seconds: None):
        pass


def ask_geoserver(settings: Settings) -> None:
    with GeoServer(settings.geoserver, sleep=lambda seconds: None) as server:
        server.read("/rest/workspaces")


def ask_warehouse(settings: Settings) -> None:
    with Warehouse.open(settings) as warehouse:
        warehouse.scalar("select 1")


CALLS: dict[str, Callable[[Settings], object]] = {
    "state": State.open,
    "objects": lambda settings: S3ObjectStore(settings.object_store).put("a", [b"1"], "text/plain"),
    "warehouse": ask_warehouse,
    "mirror": ask_mirror,
    "geoserver": ask_geoserver,
    "prefect": lambda settings: PrefectApi(settings.orchestrator).version(),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_fails_tells_no_secret(settings: Settings, log: io.StringIO, name: str) -> None:
    with pytest.raises(PlatformError) as caught:
        CALLS[name](settings)
    logging.getLogger("services").exception("A call failed: %r", caught.value, exc_info=caught.value)
    everything = [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value), log.getvalue()]
    everything += [METRICS.render().decode(), repr(settings), str(settings), settings.model_dump_json()]
    assert "A call failed" in log.getvalue()
    assert not [text for text in everything if WORD in text]
