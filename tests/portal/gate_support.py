"""Caddy's part for a browser: the pages of the stack, staff's password, and calls passed on with keys that no page knows."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.middleware import SECURITY_HEADERS
from flows.listening import listen, running, url_of
from flows.serve import Server
from services.settings import PROJECT_ROOT

DIST = PROJECT_ROOT / "services" / "portal" / "dist"
LANDING = PROJECT_ROOT / "services" / "landing"
# As strict as can be: nothing inline, nothing foreign, no frames. The portal's own is the API's, for its map.
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
PERSON, PASSWORD = "anna", "a-test-password"
# Caddy's, not to be passed on as they are.
HOP = {"connection", "transfer-encoding", "content-length", "host", "authorization", "accept-encoding", "content-encoding"}


@dataclass
class Gate:
    """The door; tests change what it answers."""

    api: Server | None
    portal_key: str = ""
    form_key: str = ""
    url: str = ""
    landing: Path = LANDING
    site: dict[str, object] | None = None
    """In place of the landing page's own site.json."""
    up: dict[str, int] = field(default_factory=dict)
    """Status of /up/<service> where it is not 200."""
    refusals: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)
    """What the next requests of the form get instead of being passed on."""
    cut_after: int | None = None
    """Bytes after which the next upload to /intake/ breaks."""
    intakes: list[str] = field(default_factory=list)
    """Paths below /intake/ that were sent to."""

    async def up_of(self, request: Request) -> Response:
        """Whether a service answers."""
        status = self.up.get(request.path_params["service"], 200)
        return PlainTextResponse("up" if status == 200 else "down", status, headers={"Cache-Control": "no-store"})

    async def site_json(self, _: Request) -> Response:
        """Who runs this."""
        return JSONResponse(self.site) if self.site is not None else Response((self.landing / "site.json").read_bytes())

    async def person(self, request: Request) -> Response:
        """Who sits before the portal."""
        return JSONResponse({"name": PERSON, "can_log_out": False}) if _is_staff(request) else _ask_password()

    async def form(self, request: Request) -> Response:
        """The form's door: one call, with the form's key."""
        if self.refusals:
            status, headers = self.refusals.pop(0)
            return PlainTextResponse("", status, headers=dict(headers))
        return await self._pass_on(request, "/v1/submissions", {"X-API-Key": self.form_key})

    async def calls(self, request: Request) -> Response:
        """The portal's calls, with the portal's key and the person's name."""
        if not _is_staff(request):
            return _ask_password()
        if request.method not in ("GET", "HEAD") and request.headers.get("Sec-Fetch-Site") != "same-origin":
            return PlainTextResponse("another site", 403)
        return await self._pass_on(request, request.url.path, {"X-API-Key": self.portal_key, "X-Forwarded-User": PERSON})

    async def intake(self, request: Request) -> Response:
        """An upload session's link, straight to the API."""
        self.intakes.append(request.url.path)
        if self.cut_after is not None:
            limit, self.cut_after, count = self.cut_after, None, 0
            async for piece in request.stream():
                count += len(piece)
                if count > limit:
                    break
            return Response(status_code=502)
        return await self._pass_on(request, request.url.path, {})

    async def _pass_on(self, request: Request, path: str, more: Mapping[str, str]) -> Response:
        assert self.api is not None
        client: httpx.AsyncClient = request.app.state.client
        headers = {name: value for name, value in request.headers.items() if name not in HOP | {"x-api-key", "x-forwarded-user"}}
        asked = client.build_request(
            request.method,
            f"{self.api.url}{path}",
            params=request.query_params,
            headers={**headers, **more},
            content=request.stream() if request.method not in ("GET", "HEAD") else None,
        )
        try:
            answer = await client.send(asked, stream=True)
        except httpx.TransportError:
            return PlainTextResponse("", 502)
        kept = {name: value for name, value in answer.headers.items() if name not in HOP | {"content-security-policy"}}

        async def pieces() -> AsyncIterator[bytes]:
            try:
                async for piece in answer.aiter_raw():
                    yield piece
            finally:
                await answer.aclose()

        return StreamingResponse(pieces(), answer.status_code, headers=kept)


def _is_staff(request: Request) -> bool:
    expected = "Basic " + base64.b64encode(f"{PERSON}:{PASSWORD}".encode()).decode()
    return request.headers.get("Authorization") == expected


def _ask_password() -> Response:
    return PlainTextResponse("", 401, headers={"WWW-Authenticate": 'Basic realm="Staff"'})


class Protected:
    """Files for whoever knows the staff's password."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The file, or the question for the password."""
        app = self._app if _is_staff(Request(scope)) else _ask_password()
        await app(scope, receive, send)


class Policy:
    """The Content-Security-Policy of each page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on and add the header."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_portal = scope["path"].startswith("/portal")
        policy = SECURITY_HEADERS["Content-Security-Policy"] if is_portal else STRICT

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", policy.encode())]
            await send(message)

        await self._app(scope, receive, with_policy)


@contextmanager
def gate(api: Server | None, *, portal_key: str = "", form_key: str = "") -> Iterator[Gate]:
    """A door before the API, or before nothing but the pages."""
    door = Gate(api, portal_key, form_key)
    any_method = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=httpx.Timeout(30, read=None)) as client:
            app.state.client = client
            yield

    app = Starlette(
        lifespan=lifespan,
        routes=[
            Route("/up/{service}", door.up_of),
            Route("/site.json", door.site_json),
            Route("/form/submissions", door.form, methods=["POST"]),
            Route("/portal/me.json", door.person),
            Route("/v1/{rest:path}", door.calls, methods=any_method),
            Route("/health/ready", door.calls),
            Route("/intake/{token}", door.intake, methods=any_method),
            Mount("/form", StaticFiles(directory=DIST / "form", html=True)),
            Mount("/portal", Protected(StaticFiles(directory=DIST, html=True))),
            Mount("/", StaticFiles(directory=LANDING, html=True)),
        ],
    )
    app.add_middleware(Policy)
    listener = listen("127.0.0.1", 0)
    try:
        door.url = url_of(listener)
        with running(app, listener, name="gate", grace_seconds=2):
            yield door
    finally:
        listener.close()
