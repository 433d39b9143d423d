"""What routes ask for: the services, the time, and a caller who may do what they do."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer, SecurityScopes
from fastapi.security.http import HTTPAuthorizationCredentials

from api.callers import Caller, Callers, Credentials
from services.errors import AccessError
from services.metrics import Metrics
from services.wiring import Services

Scope = Literal["submit", "intake", "read", "review", "exact", "admin"]
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
SESSION_COOKIE = "cartulary_session"
CSRF_HEADER, CSRF_VALUE = "X-Requested-With", "cartulary"

api_key_header = APIKeyHeader(name="X-API-Key", scheme_name="X-API-Key", auto_error=False, description="Made with: cartulary keys create")
bearer = HTTPBearer(scheme_name="Bearer", auto_error=False, description="The same key, for clients that cannot send X-API-Key (Prometheus)")
session_cookie = APIKeyCookie(
    name=SESSION_COOKIE,
    scheme_name="Session",
    auto_error=False,
    description="The portal's session; changes also need X-Requested-With: cartulary",
)


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


def callers_of(request: Request) -> Callers:
    """How this app finds its callers."""
    callers: Callers = request.app.state.callers
    return callers


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
    """The caller; UnauthenticatedError for nobody who is known, RateLimitError above the limit, AccessError without the scope."""
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:  # several dependencies of one route may ask: one request is counted once
        callers = callers_of(request)
        request.state.credentials = Credentials(header or (token.credentials if token else None), session)
        caller = request.state.caller = callers.find(request, request.state.credentials)
        callers.count(request, caller)
    missing = [scope for scope in scopes.scopes if not caller.has(scope)]
    if missing:
        raise AccessError(f"This needs the scope {' and '.join(missing)}, which {caller.name} does not have: ask for a key that has it.")
    if caller.is_portal and request.method not in SAFE_METHODS and request.headers.get(CSRF_HEADER) != CSRF_VALUE:
        raise AccessError(f"A change made in the portal needs the header {CSRF_HEADER}: {CSRF_VALUE}.")
    return caller


def authorize_metrics(
    request: Request,
    scopes: SecurityScopes,
    header: Annotated[str | None, Security(api_key_header)] = None,
    token: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)] = None,
    session: Annotated[str | None, Security(session_cookie)] = None,
) -> None:
    """Let in whoever brings the token that is for metrics alone; everybody else as `authorize` does."""
    allowed = services_of(request).settings.api.metrics_token.get_secret_value()
    if allowed and token is not None and hmac.compare_digest(token.credentials.encode(), allowed.encode()):
        return
    authorize(request, scopes, header, token, session)


def needs(scope: Scope) -> Any:
    """A route's dependency: the caller, who must have this scope."""
    return Security(authorize, scopes=[scope])


def may_read_metrics() -> Any:
    """The dependency of /metrics: the scope read, or the token of the settings."""
    return Security(authorize_metrics, scopes=["read"])


SubmitCaller = Annotated[Caller, needs("submit")]
IntakeCaller = Annotated[Caller, needs("intake")]
ReadCaller = Annotated[Caller, needs("read")]
ReviewCaller = Annotated[Caller, needs("review")]
