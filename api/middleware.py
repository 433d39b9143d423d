"""What every answer gets: security headers, rate limit headers and a place in the metrics."""

from __future__ import annotations

import time

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import unexpected
from services.metrics import Metrics

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

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
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
            self._metrics.observe_request(operation, scope["method"], status or 500, time.perf_counter() - started)
