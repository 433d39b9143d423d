"""The portal: its login with a one-time token, and its files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.dependencies import SESSION_COOKIE, NowOf, ServicesOf, needs
from api.documentation import problems
from api.errors import UnauthenticatedError
from services.settings import PROJECT_ROOT

router = APIRouter(tags=["portal"])

DIST = PROJECT_ROOT / "services" / "portal" / "dist"
NOT_BUILT = "The portal is not built yet: run `make portal`. The API is there: see /docs.\n"
SESSION_SECONDS = 7 * 24 * 3600


@router.get(
    "/portal/login",
    status_code=303,
    response_class=RedirectResponse,
    responses=problems(401, 422, 503),
    response_description="To the portal, with its session cookie",
)
def log_in(
    request: Request,
    services: ServicesOf,
    now: NowOf,
    token: Annotated[
        str, Query(description="Printed by cartulary serve; works once", min_length=1, max_length=200, examples=["Qm9uZS10aW1l"])
    ],
) -> Response:
    """Exchange a one-time token for the portal's session."""
    session = services.state.sessions.redeem(token, now)
    if session is None:
        raise UnauthenticatedError("This link was used before or is too old: take a new one from cartulary serve.")
    answer = RedirectResponse("/portal/", 303, headers={"Cache-Control": "no-store"})
    answer.set_cookie(
        SESSION_COOKIE, session, max_age=SESSION_SECONDS, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/"
    )
    return answer


@router.post(
    "/portal/logout",
    status_code=204,
    dependencies=[needs("read")],
    responses=problems(401, 403, 503),
    response_description="Logged out",
)
def log_out(request: Request, services: ServicesOf) -> Response:
    """End the portal's session, here and for every copy of its cookie."""
    session = request.cookies.get(SESSION_COOKIE)
    if session:
        services.state.sessions.end(session)
    answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict", path="/")
    return answer


class PortalFiles(StaticFiles):
    """The built portal: its page is asked for again each time, its hashed assets are kept."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file of the build."""
        answer = await super().get_response(path, scope)
        is_hashed = path.startswith("assets/")
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_hashed else "no-cache"
        return answer


def mount(app: FastAPI, dist: Path) -> None:
    """Serve the built portal below /portal/, or say how to build it."""

    @app.get("/", include_in_schema=False)
    async def to_portal() -> Response:
        """To the portal."""
        return RedirectResponse("/portal/", 303)

    if (dist / "index.html").is_file():
        app.mount("/portal", PortalFiles(directory=dist, html=True), name="portal_files")
        return

    @app.get("/portal/", include_in_schema=False)
    async def portal_not_built() -> Response:
        """What to do when the portal is not built."""
        return PlainTextResponse(NOT_BUILT, 503)
