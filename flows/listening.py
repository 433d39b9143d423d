"""HTTP servers in threads of this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from services.errors import ConfigurationError

START_SECONDS = 30.0


def listen(host: str, port: int) -> socket.socket:
    """A socket on host:port, 0 for a free one; ConfigurationError when it is taken."""
    # The protocol by name: with 0 asyncio leaves Nagle's algorithm on, and a small answer took 50 ms instead of 4.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"Cannot listen on {host}:{port} ({error.strerror}): choose another port with --port.") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Its address as a browser on this machine takes it."""
    host, port = address_of(listener)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def address_of(listener: socket.socket) -> tuple[str, int]:
    """Host and port under which this machine reaches it."""
    host, port = listener.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 compared, not listened on


@contextmanager
def running(app: Any, listener: socket.socket, *, name: str, grace_seconds: int) -> Iterator[threading.Thread]:
    """Serve an ASGI application in a thread of that name until the block ends; requests under way then have so many seconds."""
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=grace_seconds, server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name=name, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise ConfigurationError(f"The {name} did not start: the lines above say why.")
            time.sleep(0.02)
        yield thread
    finally:
        server.should_exit = True
        thread.join()


def wait_for_the_user(thread: threading.Thread) -> None:
    """Return on Ctrl-C, the promised way to stop, or when the thread has ended by itself."""
    # Not by join: a thread that is being joined when Ctrl-C comes counts as ended in Python 3.11 although it runs.
    with suppress(KeyboardInterrupt):
        while thread.is_alive():
            time.sleep(0.2)
