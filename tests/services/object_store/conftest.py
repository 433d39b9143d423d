"""Each test of the contract runs against every implementation; S3 is a real server, rclone."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.object_store.base import ObjectStore
from services.object_store.local import LocalObjectStore
from services.settings import ObjectStoreSettings

ACCESS_KEY = "test-access"
SECRET_KEY = "test-secret-of-this-session"
RCLONE = Path(sys.executable).with_name("rclone")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreSettings]:
    """A running S3 server with an empty folder behind it."""
    if not RCLONE.exists():
        pytest.skip("rclone is missing: .venv/bin/uv pip install -r requirements-dev.lock")
    folder = tmp_path_factory.mktemp("s3")
    url = f"http://127.0.0.1:{free_port()}"
    with (folder / "log").open("wb") as log:
        (folder / "data").mkdir()
        server = subprocess.Popen(
            [
                str(RCLONE),
                "serve",
                "s3",
                "--addr",
                url.removeprefix("http://"),
                "--auth-key",
                f"{ACCESS_KEY},{SECRET_KEY}",
                str(folder / "data"),
            ],
            stdout=log,
            stderr=log,
            env={"HOME": str(folder), "RCLONE_CONFIG": str(folder / "rclone.conf")},
        )
        try:
            deadline = time.monotonic() + 30
            while not answers(url):
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "rclone did not start within 30 s"
                time.sleep(0.1)
            yield ObjectStoreSettings(endpoint_url=url, access_key=ACCESS_KEY, secret_key=SecretStr(SECRET_KEY), timeout_seconds=10)
        finally:
            server.terminate()
            server.wait(timeout=20)


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
