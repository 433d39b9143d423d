"""The API, the portal and the worker in one process, for as long as somebody needs them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from api.app import create_app
from flows.clock import utc_now
from flows.listening import listen, running, url_of, wait_for_the_user
from flows.steps.run import run_outstanding
from flows.steps.transform import repair_gold
from flows.warehouse_door import answering
from services.errors import WarehouseError
from services.orchestrator.base import Orchestrator
from services.wiring import Services, open_orchestrator

logger = logging.getLogger(__name__)


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
        wait_for_the_user(self.thread)


@contextmanager
def serving(services: Services, *, host: str | None = None, port: int | None = None) -> Iterator[Server]:
    """Answer on host:port and work in the background until the block ends.

    Raises ConfigurationError when the port is taken. Port 0 takes a free one.
    """
    host = host or services.settings.api.host
    port = services.settings.api.port if port is None else port
    with ExitStack() as stack:
        # Last to go: other commands work on until the worker is through.
        stack.enter_context(answering(services.warehouse))
        listener = listen(host, port)
        stack.callback(listener.close)
        _repair_gold(services)
        orchestrator = open_orchestrator(
            services.settings, lambda is_stopping: run_outstanding(services, clock=utc_now, is_stopping=is_stopping)
        )
        stack.callback(orchestrator.close)
        app = create_app(services, wake=orchestrator.wake)
        thread = stack.enter_context(running(app, listener, name="api", grace_seconds=3))
        # Open event streams would hold the server up for the whole of its grace.
        stack.callback(app.state.events.close)
        yield Server(services, url_of(listener), orchestrator, thread)


def _repair_gold(services: Services) -> None:
    """Before anybody reads; a warehouse elsewhere that is away does not hold up what comes in, and the next build repairs gold, too."""
    try:
        repair_gold(services, utc_now())
    except WarehouseError as error:
        if services.warehouse.is_embedded:
            raise
        logger.warning("Gold is as the last build left it: %s", error)
