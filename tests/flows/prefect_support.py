"""A real Prefect server, and `cartulary` in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import urllib3
from postgres_support import free_port

AUTH = "admin:a secret of the test"
# Each wait by itself takes seconds; many tests at once may share two cores.
PATIENCE = 240.0


class PrefectServer:
    """A server with a home and a SQLite of its own."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        # A server whose SQLite is busy says 503; all that is asked here may be asked again.
        again = urllib3.Retry(8, status_forcelist=[503], allowed_methods=None, backoff_factor=0.5)
        self._pool = urllib3.PoolManager(headers=urllib3.make_headers(basic_auth=AUTH), retries=again, timeout=60)

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The server's answer: a POST with a body, else a GET."""
        answer = self._pool.request("POST" if body is not None else "GET", self.url + path, json=body)
        assert answer.status < 300, answer.data
        return answer.json()

    def runs(self, *states: str) -> list[dict[str, Any]]:
        """Runs of the letters' flow in these states."""
        wanted = {"flow_runs": {"state": {"type": {"any_": states}}}, "flows": {"name": {"any_": ["letters"]}}}
        return list(self.ask("/flow_runs/filter", wanted))

    def is_ready(self) -> bool:
        """Whether it answers."""
        with suppress(urllib3.exceptions.HTTPError, OSError):
            return bool(self._pool.request("GET", self.url + "/health", retries=False, timeout=5).status == 200)
        return False


@contextmanager
def running(command: list[str], env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program with a process group of its own, which is ended with all its children."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "CARTULARY"))}
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, *command], env={**clean, **env}, stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9 for it and everything that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def until(condition: Callable[[], object], what: str, log: Path, seconds: float = PATIENCE) -> None:
    """Wait for it; the log is shown where that is in vain."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}\n{log.read_text(errors='replace')[-6000:]}"
        time.sleep(0.25)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One Prefect server per test process."""
    pytest.importorskip("prefect", reason="no Prefect here: make setup")
    server = PrefectServer(tmp_path_factory.mktemp("prefect"))
    env = {
        "PREFECT_HOME": str(server.home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_API_AUTH_STRING": AUTH,
        # How long a run waits before it asks again whether it is its turn; 30 s in the field.
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2",
    }
    log = server.home / "log"
    command = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(server.port), "--no-ui"]
    with running(command, env, log):
        until(server.is_ready, "Prefect answers", log)
        yield server
