"""The API, the portal and the worker in one process, for as long as somebody needs them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import uvicorn

from api.app import create_app
from flows.clock import utc_now
from flows.steps.run import run_outstanding
from flows.steps.transform import repair_gold
from services.errors import ConfigurationError
from services.orchestrator.base import Orchestrator
from services.orchestrator.inline import InlineOrchestrator
from services.wiring import Services

START_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """A running server: its base address, and how to wake its worker."""

    services: Services
    url: str
    orchestrator: Orchestrator
    thread: threading.Thread

    def portal_url(self) -> str:
        """Address of the portal with a token that logs in once."""
        token = self.services.state.sessions.create_one_time_token(utc_now())
        return f"{self.url}/portal/login?token={token}"

    def wait_for_the_user(self) -> None:
        """Return on Ctrl-C, the promised way to stop, or when the server has ended by itself."""
        # Not by join: a thread that is being joined when Ctrl-C comes counts as ended in Python 3.11 although it runs.
        with suppress(KeyboardInterrupt):
            while self.thread.is_alive():
                time.sleep(0.2)


@contextmanager
def serving(services: Services, *, host: str | None = None, port: int | None = None) -> Iterator[Server]:
    """Answer on host:port and work in the background until the block ends.

    Raises ConfigurationError when the port is taken. Port 0 takes a free one.
    """
    host = host or services.settings.api.host
    port = services.settings.api.port if port is None else port
    listener = _listen(host, port)
    repair_gold(services, utc_now())
    orchestrator = InlineOrchestrator(lambda is_stopping: run_outstanding(services, clock=utc_now, is_stopping=is_stopping))
    app = create_app(services, wake=orchestrator.wake)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3, server_header=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api", daemon=True)
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield Server(services, f"http://{_reachable(host)}:{listener.getsockname()[1]}", orchestrator, thread)
    finally:
        # Open event streams would hold the server up for the whole of its grace.
        app.state.events.close()
        server.should_exit = True
        thread.join()
        orchestrator.close()
        listener.close()


def _reachable(host: str) -> str:
    """The address as a browser on this machine takes it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 compared, not listened on
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"Cannot listen on {host}:{port} ({error.strerror}): choose another port with --port.") from None
    return listener


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise ConfigurationError("The API did not start: the lines above say why.")
        time.sleep(0.02)
