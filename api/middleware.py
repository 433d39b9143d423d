"""What every answer gets: a request id, security headers, rate limit headers, a line in the log and a place in the metrics."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import logged_path, unexpected
from services.metrics import Metrics
from services.tracing import RUN_ID_HEADER, run_scope

log = logging.getLogger("api.access")

# What a caller or a proxy may call its request: nothing that could break a line of a log.
REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
# Asked every few seconds by machines.
QUIET = ("/health/", "/metrics")

# blob: and data: are for MapLibre (worker and sprites) and for Swagger's icons; nothing is loaded from elsewhere.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class HeadersAndMetrics:
    """Pure ASGI, so that streams stay streams."""

    def __init__(self, app: ASGIApp, metrics: Metrics, new_id: Callable[[], str] = lambda: uuid.uuid4().hex) -> None:
        self._app = app
        self._metrics = metrics
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(RUN_ID_HEADER, "")
        request_id = given if REQUEST_ID.fullmatch(given) else self._new_id()
        with run_scope(request_id):
            await self._answer(scope, receive, send, request_id)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[RUN_ID_HEADER] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                for name, value in scope.get("state", {}).get("rate_limit_headers", {}).items():
                    headers[name] = value
                if scope["path"].startswith("/v1/") and "cache-control" not in headers:
                    headers["Cache-Control"] = "private, no-cache"
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            if status:  # the answer is on its way: breaking it off is all that is left
                raise
            await unexpected(Request(scope), error)(scope, receive, send_with_headers)
        finally:
            operation = getattr(scope.get("endpoint"), "__name__", "")
            seconds = time.perf_counter() - started
            self._metrics.observe_request(operation, scope["method"], status or 500, seconds)
            # The path without its query, in which a token may stand, nor that of an upload link; quoted as it came, so that it is one line.
            path = quote(logged_path(scope["path"]))
            level = logging.DEBUG if scope["path"].startswith(QUIET) else logging.INFO
            log.log(level, "%s %s %s in %.0f ms", scope["method"], path, status or 500, 1000 * seconds)
