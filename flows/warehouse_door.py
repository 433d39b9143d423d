"""The door to this process's chDB for all other processes: ClickHouse's HTTP interface on a port of its own."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.listening import address_of, listen, running, url_of
from services.warehouse.client import Warehouse
from services.warehouse.http_engine import Engine
from services.warehouse.http_server import WarehouseServer
from services.warehouse.owner import Owner

LOOPBACK = "127.0.0.1"
GRACE_SECONDS = 30


@dataclass(frozen=True)
class Door:
    """Where it is, and the file with user and token."""

    url: str
    owner_file: Path
    thread: threading.Thread


@contextmanager
def answering(warehouse: Warehouse, *, host: str = LOOPBACK, port: int = 0) -> Iterator[Door | None]:
    """Answer ClickHouse's HTTP interface for the chDB of this process until the block ends, and say so in the owner file.

    Port 0 takes a free one. The token is the configured password, or a new one. None where ClickHouse runs elsewhere.
    """
    if warehouse.directory is None or warehouse.lock is None:
        yield None
        return
    user = warehouse.settings.username
    token = warehouse.settings.password.get_secret_value() or secrets.token_urlsafe(32)
    with ExitStack() as stack:
        listener = listen(host, port)
        stack.callback(listener.close)
        engine = Engine(warehouse.directory, warehouse.settings.memory_bytes)
        stack.callback(engine.close)
        server = WarehouseServer(engine, user, token)
        stack.callback(server.close)
        thread = stack.enter_context(running(server, listener, name="warehouse", grace_seconds=GRACE_SECONDS))
        reachable_host, reachable_port = address_of(listener)
        warehouse.lock.announce(Owner(os.getpid(), reachable_host, reachable_port, user, token))
        # Nobody new comes in while those inside finish.
        stack.callback(warehouse.lock.announce, Owner(os.getpid()))
        yield Door(url_of(listener), warehouse.lock.owner_file, thread)
