"""One table from exceptions to HTTP: every error leaves as problem+json (RFC 9457)."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from services.errors import (
    AccessError,
    BackupError,
    BusyError,
    ConfigurationError,
    ConflictError,
    ContractError,
    ExtractionError,
    GatewayError,
    GeocodingError,
    GoneError,
    IntakeError,
    NotFoundError,
    ObjectStoreError,
    OrchestratorError,
    PlatformError,
    PublishError,
    RateLimitError,
    StateError,
    WarehouseError,
)
from services.tracing import current_run_id

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class RequestError(PlatformError):
    """A parameter of the request is wrong; the message names it, `members` stand beside it in the problem."""

    members: Mapping[str, object] | None = None


class NotAcceptableError(PlatformError):
    """The answer does not exist in a format that the caller accepts."""


class TooLargeError(PlatformError):
    """The body of the request is larger than what is taken here."""


class UnauthenticatedError(AccessError):
    """No key and no session, or one that is not known."""


# The nearest class of the exception's ancestors counts; an error that is `retryable` is 503 instead of 500.
STATUS_OF: Mapping[type[Exception], int] = {
    RequestError: 422,
    NotAcceptableError: 406,
    TooLargeError: 413,
    UnauthenticatedError: 401,
    AccessError: 403,
    GoneError: 410,
    NotFoundError: 404,
    ConflictError: 409,
    ContractError: 422,
    IntakeError: 422,
    RateLimitError: 429,
    WarehouseError: 503,
    ObjectStoreError: 503,
    StateError: 503,
    BusyError: 503,
    ConfigurationError: 500,
    ExtractionError: 500,
    BackupError: 500,
    GatewayError: 500,
    GeocodingError: 500,
    PublishError: 500,
    OrchestratorError: 500,
    PlatformError: 500,
}


class Problem(BaseModel):
    """An error as RFC 9457 writes it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str = Field(description="stands in the answer's X-Request-ID and in the log")


def logged_path(path: str) -> str:
    """A request's path as logs may show it: the token of an upload link is as good as a key until it is used."""
    return "/intake/(link)" if path.startswith("/intake/") else path


def status_of(error: Exception) -> int:
    """HTTP status of an exception: that of its nearest ancestor in the table, 500 for a stranger, 503 for what may succeed later."""
    status = next((STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF), 500)
    return 503 if status == 500 and isinstance(error, PlatformError) and error.retryable else status


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    kind: str = "about:blank",
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, object] | None = None,
) -> Response:
    """A problem+json answer; `extra` are members beside the five of the RFC and the request's id, under which the log says more."""
    body: dict[str, object] = {
        "type": kind,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "request_id": current_run_id(),
    }
    return JSONResponse({**body, **(extra or {})}, status_code=status, headers=dict(headers or {}), media_type=PROBLEM_JSON)


def platform_error(request: Request, error: Exception) -> Response:
    """The problem that an expected exception leaves as."""
    status = status_of(error)
    headers: dict[str, str] = {}
    detail = str(error)
    if isinstance(error, RateLimitError):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    elif status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    elif status == 401:
        headers["WWW-Authenticate"] = 'ApiKey realm="cartulary", header="X-API-Key"'
    if status == 503:
        # A service is away, which its own sentence says; where in the code that was noticed says nothing more.
        log.warning("%s %s: %s", request.method, logged_path(request.url.path), error)
    elif status >= 500:
        log.error("%s %s: %s", request.method, logged_path(request.url.path), error, exc_info=error)
    if isinstance(error, WarehouseError):
        # ClickHouse's own words hold SQL and paths: they belong in the log, not in an answer.
        detail = "The warehouse did not answer this request; it may be starting or busy. Try again in a few seconds."
    kind = "urn:cartulary:problem:" + type(error).__name__.removesuffix("Error").lower()
    return problem(request, status, detail, kind=kind, headers=headers, extra=getattr(error, "members", None))


def _http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    detail = {
        404: f"There is nothing at {request.url.path}; /docs lists every route.",
        405: f"{request.method} is not possible at {request.url.path}; /docs lists every route.",
    }.get(error.status_code, str(error.detail))
    return problem(request, error.status_code, detail, headers=error.headers)


def _validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [{"where": ".".join(str(part) for part in found["loc"]), "reason": found["msg"]} for found in error.errors()]
    detail = "; ".join(f"{found['where']}: {found['reason']}" for found in errors)
    return problem(request, 422, detail, kind="urn:cartulary:problem:validation", extra={"errors": errors})


def unexpected(request: Request, error: Exception) -> Response:
    """The answer when something went wrong that nobody foresaw; the log says what."""
    log.error("%s %s failed", request.method, logged_path(request.url.path), exc_info=error)
    return problem(request, 500, "Something went wrong here; the server's log says what.")


def install(app: FastAPI) -> None:
    """Let every expected exception of this app leave as a problem; the middleware does the same for all others."""
    app.add_exception_handler(PlatformError, platform_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
