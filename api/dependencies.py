"""Who is calling, what they may do, and how often: a key in a header or the portal's session cookie."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer, SecurityScopes
from fastapi.security.http import HTTPAuthorizationCredentials

from api.errors import UnauthenticatedError
from services.errors import AccessError, PlatformError, RateLimitError
from services.gateway.limits import RateLimiter
from services.metrics import Metrics
from services.wiring import Services

Scope = Literal["intake", "read", "review", "exact", "admin"]
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
SESSION_COOKIE = "cartulary_session"
CSRF_HEADER, CSRF_VALUE = "X-Requested-With", "cartulary"
WINDOW_SECONDS = 60

api_key_header = APIKeyHeader(name="X-API-Key", scheme_name="X-API-Key", auto_error=False, description="Made with: cartulary keys create")
bearer = HTTPBearer(scheme_name="Bearer", auto_error=False, description="The same key, for clients that cannot send X-API-Key (Prometheus)")
session_cookie = APIKeyCookie(
    name=SESSION_COOKIE,
    scheme_name="Session",
    auto_error=False,
    description="The portal's session; changes also need X-Requested-With: cartulary",
)


@dataclass(frozen=True)
class Caller:
    """Who makes this call; `identity` is counted and never shown, `name` stands in the history of what it decides."""

    identity: str
    name: str
    scopes: frozenset[str]
    is_session: bool

    def has(self, scope: str) -> bool:
        """Whether the caller has a scope; admin has all."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def door(self) -> str:
        """Through which door what this caller hands in comes: portal or api."""
        return "portal" if self.is_session else "api"

    @property
    def sees_positions(self) -> bool:
        """Whether exact positions of requests may be shown: to review a letter is to see where it comes from."""
        return self.has("exact") or self.has("review")


def services_of(request: Request) -> Services:
    """Everything that the app talks to."""
    services: Services = request.app.state.services
    return services


def clock_of(request: Request) -> Callable[[], datetime]:
    """The app's clock: aware, UTC."""
    clock: Callable[[], datetime] = request.app.state.clock
    return clock


def now_of(request: Request) -> datetime:
    """The time of this request."""
    return clock_of(request)()


def metrics_of(request: Request) -> Metrics:
    """The process's metrics."""
    metrics: Metrics = request.app.state.metrics
    return metrics


ServicesOf = Annotated[Services, Depends(services_of)]
NowOf = Annotated[datetime, Depends(now_of)]
MetricsOf = Annotated[Metrics, Depends(metrics_of)]


def authorize(
    request: Request,
    scopes: SecurityScopes,
    header: Annotated[str | None, Security(api_key_header)] = None,
    token: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)] = None,
    session: Annotated[str | None, Security(session_cookie)] = None,
) -> Caller:
    """The caller; UnauthenticatedError without a valid key or session, RateLimitError above the limit, AccessError without the scope."""
    caller = getattr(request.state, "caller", None)
    if caller is None:  # several dependencies of one route may ask: one request is counted once
        key = header or (token.credentials if token else None)
        request.state.credentials = (key, session)
        caller = request.state.caller = _known(request, key, session)
        _count(request, caller)
    missing = [scope for scope in scopes.scopes if not caller.has(scope)]
    if missing:
        raise AccessError(f"This needs the scope {' and '.join(missing)}, which {caller.name} does not have: ask for a key that has it.")
    if caller.is_session and request.method not in SAFE_METHODS and request.headers.get(CSRF_HEADER) != CSRF_VALUE:
        raise AccessError(f"A change made with the portal's session needs the header {CSRF_HEADER}: {CSRF_VALUE}.")
    return caller


def _known(request: Request, key: str | None, session: str | None) -> Caller:
    services = services_of(request)
    if key:
        found = services.keys.verify(key, now_of(request))
        if found is None:
            raise UnauthenticatedError("This key is not known or was revoked: make one with cartulary keys create.")
        return Caller(f"key:{found.key_id}", found.name, found.scopes, is_session=False)
    if session:
        granted = services.state.sessions.session_scopes(session, now_of(request))
        if not granted:
            raise UnauthenticatedError("This session has ended: open the portal again with the link that cartulary serve prints.")
        return Caller(f"session:{hashlib.sha256(session.encode()).hexdigest()[:32]}", "portal", granted, is_session=True)
    raise UnauthenticatedError("Send a key in the header X-API-Key; make one with: cartulary keys create.")


def is_still(request: Request, caller: Caller) -> bool:
    """Whether the credentials of an authorized request would give the same caller now; False after a revocation or the session's end."""
    key, session = request.state.credentials
    try:
        return _known(request, key, session) == caller
    except PlatformError:  # also when the state does not answer: who cannot be checked comes back and is checked anew
        return False


def _count(request: Request, caller: Caller) -> None:
    api = services_of(request).settings.api
    limit = api.session_requests_per_minute if caller.is_session else api.requests_per_minute
    limiter: RateLimiter = request.app.state.limiter
    remaining, reset = 0, 0.0
    try:
        status = limiter.hit(caller.identity, limit)
        remaining, reset = status.remaining, status.reset_seconds
    except RateLimitError as error:
        reset = error.retry_after
        metrics_of(request).refusals.inc()
        raise
    finally:
        request.state.rate_limit_headers = {
            "RateLimit-Limit": str(limit),
            "RateLimit-Remaining": str(remaining),
            "RateLimit-Reset": str(math.ceil(reset)),
            "RateLimit-Policy": f"{limit};w={WINDOW_SECONDS}",
        }


def needs(scope: Scope) -> Any:
    """A route's dependency: the caller, who must have this scope."""
    return Security(authorize, scopes=[scope])


IntakeCaller = Annotated[Caller, needs("intake")]
ReadCaller = Annotated[Caller, needs("read")]
ReviewCaller = Annotated[Caller, needs("review")]
