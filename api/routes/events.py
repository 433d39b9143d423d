"""What happens now, as server-sent events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from sse_starlette import EventSourceResponse

from api.dependencies import ReadCaller, callers_of
from api.documentation import raw
from api.events import HEARTBEAT_SECONDS, EventFeed

router = APIRouter(prefix="/v1/events", tags=["events"])

EXAMPLE = (
    "id: 1772366402000-0\r\nevent: letter\r\n"
    'data: {"letter_id":"5f0c9b0e6d1a4c56a1f0b8c7d6e5f4a3","file_name":"letter-07.jpg","state":"located","reason":"",'
    '"facility_kind":"pharmacy","longitude":9.5209,"latitude":47.141,"precision":"house","at":"2026-03-01T12:00:02Z"}\r\n\r\n'
)


@router.get(
    "",
    response_class=Response,
    responses=raw("text/event-stream", EXAMPLE, "An endless stream", 401, 403, 422, 429, 503),
)
async def listen_to_events(
    request: Request,
    caller: ReadCaller,
    last_event_id: Annotated[
        str | None,
        Header(description="Id of the last event received: the stream goes on after it", examples=["1772366402000-0"], max_length=100),
    ] = None,
) -> Response:
    """Events `letter`, `submission`, `upload`, `build` and `status`, each with the newest state of its subject; a comment every 15 seconds.

    Positions are null for callers without the scope review or exact. The stream ends within seconds of the end of the session or the
    revocation of the key, behind a gateway after five minutes: come back with Last-Event-ID. The same state may come twice then.
    """
    feed: EventFeed = request.app.state.events
    feed.check_room()
    callers = callers_of(request)
    stream = feed.listen(last_event_id, sees_positions=caller.sees_positions, is_still_allowed=lambda: callers.is_still(request, caller))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(stream, headers=headers, ping=HEARTBEAT_SECONDS, send_timeout=30)
