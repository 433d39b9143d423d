"""What the tests of the API share: small gold tables, a real server, a test client without its warning."""

from __future__ import annotations

import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from services.warehouse.client import Warehouse

with warnings.catch_warnings():
    # Starlette would rather have httpx2; httpx is what everything else here uses.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient as TestClient

STATEMENTS = re.split(r";\s*\n", (Path(__file__).with_name("gold.sql")).read_text(encoding="utf-8"))
ALL_SCOPES = ("submit", "intake", "read", "review", "exact", "admin")


def fill_gold(warehouse: Warehouse) -> None:
    """Make and fill small gold tables as dbt would make them."""
    for statement in STATEMENTS:
        if statement.strip():
            warehouse.command(statement)


class Wakes:
    """Counts how often the orchestrator was woken."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        """Wake."""
        self.count += 1


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """A real server on a free port; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=3))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in time"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        app.state.events.close()
        server.should_exit = True
        thread.join(timeout=60)
        assert not thread.is_alive(), "the server did not stop"
