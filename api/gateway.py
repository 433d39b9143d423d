"""Callers as the gateway in front of this API names them: believed with the secret that both share, and from nobody else."""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import unquote

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.callers import Caller, Credentials
from api.errors import UnauthenticatedError, platform_error
from services.errors import RateLimitError
from services.gateway.consumers import CONSUMER_ID, FORM, PORTAL
from services.gateway.limits import RateLimiter
from services.metrics import Metrics
from services.settings import Settings

SECRET_HEADER, CONSUMER_HEADER, SCOPES_HEADER = "X-Gateway-Secret", "X-Consumer", "X-Scopes"
USER_HEADER = "X-Forwarded-User"
# Open to whoever reaches this port: nothing here tells or takes anything that its own token does not allow.
OPEN = re.compile(r"/health/live|/docs(/.*)?|/openapi\.json|/intake/[^/]+|/metrics")
HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9a-fA-F:]+\](:\d{1,5})?")
# The gateway sees a key once, when a stream begins: so long after it the stream ends, and whoever may still listen comes back.
STREAM_LIFETIME = timedelta(minutes=5)
# Whoever has one IPv6 address has all 2^64 of its network.
IPV6_PREFIX = 64
BEHIND = "This API answers its gateway alone: send the request there, with a key in the header X-API-Key."


class GatewayCallers:
    """Callers by the headers that the gateway sets; it has checked the key and counted the request."""

    def __init__(self, settings: Settings, limiter: RateLimiter, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._settings, self._limiter, self._metrics, self._clock = settings, limiter, metrics, clock
        self._secret = settings.gateway.secret.get_secret_value()

    def find(self, request: Request, credentials: Credentials) -> Caller:
        """By the consumer's id; of the portal's calls the name is that of the person who sits there."""
        if not came_through(request.headers, self._secret):
            raise UnauthenticatedError(BEHIND)
        request.state.found_at = self._clock()
        consumer_id, _, quoted = request.headers.get(CONSUMER_HEADER, "").partition(" ")
        scopes = frozenset(request.headers.get(SCOPES_HEADER, "").split())
        if not CONSUMER_ID.fullmatch(consumer_id) or not scopes:
            raise UnauthenticatedError("The gateway named no consumer for this key: make a key with cartulary keys create.")
        name, is_portal = unquote(quoted) or consumer_id, consumer_id == PORTAL.consumer_id
        if is_portal:
            name = " ".join(_utf8(request.headers.get(USER_HEADER, "")).split())[:200] or name
        return Caller(f"consumer:{consumer_id}", name, scopes, is_portal=is_portal)

    def count(self, request: Request, caller: Caller) -> None:
        """The public form's requests by client address: its one key is everybody's."""
        if caller.identity != f"consumer:{FORM.consumer_id}":
            return
        try:
            self._limiter.hit(f"form:{client_network(request)}", self._settings.api.form_requests_per_minute)
        except RateLimitError:
            self._metrics.refusals.inc()
            raise

    def is_still(self, request: Request, caller: Caller) -> bool:
        """For five minutes."""
        found_at: datetime = request.state.found_at
        return self._clock() - found_at < STREAM_LIFETIME

    def address(self, request: Request) -> str:
        """As the proxy at the edge says, which the client spoke to."""
        scheme, host = request.headers.get("X-Forwarded-Proto", ""), request.headers.get("X-Forwarded-Host", "")
        if scheme in ("http", "https") and HOST.fullmatch(host):
            return f"{scheme}://{host}"
        return str(request.base_url).rstrip("/")


class GatewayOnly:
    """Turns every request away that did not come through the gateway, whatever it asks for."""

    def __init__(self, app: ASGIApp, secret: str) -> None:
        self._app, self._secret = app, secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] == "http" and not OPEN.fullmatch(scope["path"]) and not came_through(Headers(scope=scope), self._secret):
            await platform_error(Request(scope), UnauthenticatedError(BEHIND))(scope, receive, send)
            return
        await self._app(scope, receive, send)


def came_through(headers: Headers, secret: str) -> bool:
    """Whether the request bears the gateway's secret, once."""
    given = headers.getlist(SECRET_HEADER)
    return len(given) == 1 and hmac.compare_digest(given[0].encode(), secret.encode())


def client_network(request: Request) -> str:
    """The address of the client before the edge's proxy, or its network where one client has many addresses.

    Each hop appends the address that it was called from: the last is the edge's proxy, as the gateway saw it; the one before it is the
    client, as the edge saw it. Whatever the client wrote itself stands further left and counts for nothing.
    """
    hops = [hop.strip() for hop in ",".join(request.headers.getlist("X-Forwarded-For")).split(",") if hop.strip()]
    client = hops[-2] if len(hops) > 1 else hops[-1] if hops else request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address if address.version == 4 else ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


def _utf8(value: str) -> str:
    """A header's value with the letters of all languages: HTTP servers hand it over byte by byte."""
    return value.encode("latin-1", "ignore").decode("utf-8", "replace")
