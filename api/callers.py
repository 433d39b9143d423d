"""Who calls, and how that is found out: by the API's own keys and sessions, or by what the gateway says (`api.gateway`)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fastapi import Request

from api.errors import UnauthenticatedError
from services.errors import PlatformError, RateLimitError
from services.gateway.limits import RateLimiter
from services.metrics import Metrics
from services.wiring import Services

WINDOW_SECONDS = 60
# Whoever may hand in everything may hand in a request.
IMPLIED_BY = {"submit": "intake"}


@dataclass(frozen=True)
class Credentials:
    """What a request brought to say who sends it: a key, the id of a session, or nothing."""

    key: str | None
    session: str | None


@dataclass(frozen=True)
class Caller:
    """Who makes this call; `identity` is counted and never shown, `name` stands in the history of what it decides."""

    identity: str
    name: str
    scopes: frozenset[str]
    is_portal: bool

    def has(self, scope: str) -> bool:
        """Whether the caller has a scope; admin has all, and intake may submit."""
        return bool(self.scopes & {scope, IMPLIED_BY.get(scope, scope), "admin"})

    @property
    def door(self) -> str:
        """Through which door what this caller hands in comes: portal or api."""
        return "portal" if self.is_portal else "api"

    @property
    def sees_positions(self) -> bool:
        """Whether exact positions of requests may be shown: to review a letter is to see where it comes from."""
        return self.has("exact") or self.has("review")


class Callers(Protocol):
    """One way to find the caller of a request; the app has one of the two."""

    def find(self, request: Request, credentials: Credentials) -> Caller:
        """The caller; UnauthenticatedError when it is nobody who is known here."""
        ...

    def count(self, request: Request, caller: Caller) -> None:
        """Count this request of the caller; RateLimitError when it is one too many."""
        ...

    def is_still(self, request: Request, caller: Caller) -> bool:
        """Whether an open stream of this caller may go on."""
        ...

    def address(self, request: Request) -> str:
        """Scheme and host that the client asked, as it wrote them."""
        ...


class OwnCallers:
    """Callers by the keys, sessions and limits that this API keeps itself."""

    def __init__(self, services: Services, limiter: RateLimiter, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._services, self._limiter, self._metrics, self._clock = services, limiter, metrics, clock

    def find(self, request: Request, credentials: Credentials) -> Caller:
        """By the key, else by the session."""
        if credentials.key:
            found = self._services.keys.verify(credentials.key, self._clock())
            if found is None:
                raise UnauthenticatedError("This key is not known or was revoked: make one with cartulary keys create.")
            return Caller(f"key:{found.key_id}", found.name, found.scopes, is_portal=False)
        if credentials.session:
            granted = self._services.state.sessions.session_scopes(credentials.session, self._clock())
            if not granted:
                raise UnauthenticatedError("This session has ended: open the portal again with the link that cartulary serve prints.")
            digest = hashlib.sha256(credentials.session.encode()).hexdigest()
            return Caller(f"session:{digest[:32]}", "portal", granted, is_portal=True)
        raise UnauthenticatedError("Send a key in the header X-API-Key; make one with: cartulary keys create.")

    def count(self, request: Request, caller: Caller) -> None:
        """By key or session, and tell in the answer's RateLimit headers what is left."""
        api = self._services.settings.api
        limit = api.session_requests_per_minute if caller.is_portal else api.requests_per_minute
        remaining, reset = 0, 0.0
        try:
            status = self._limiter.hit(caller.identity, limit)
            remaining, reset = status.remaining, status.reset_seconds
        except RateLimitError as error:
            reset = error.retry_after
            self._metrics.refusals.inc()
            raise
        finally:
            request.state.rate_limit_headers = {
                "RateLimit-Limit": str(limit),
                "RateLimit-Remaining": str(remaining),
                "RateLimit-Reset": str(math.ceil(reset)),
                "RateLimit-Policy": f"{limit};w={WINDOW_SECONDS}",
            }

    def is_still(self, request: Request, caller: Caller) -> bool:
        """Whether the credentials would give the same caller now; False after a revocation or the session's end."""
        try:
            return self.find(request, request.state.credentials) == caller
        except PlatformError:  # also when the state does not answer: who cannot be checked comes back and is checked anew
            return False

    def address(self, request: Request) -> str:
        """By the request's Host."""
        return str(request.base_url).rstrip("/")
