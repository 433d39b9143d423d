"""How large a request may be that is read whole: nobody makes this process hold more than a form of text."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem

MAX_BYTES = 1_000_000
# Read and thrown away of a body that is too large; Tyk and Caddy let 33 MB through.
DISCARDED_BYTES = 64_000_000
# Their bodies are files, streamed to the disk and limited there.
STREAMED = re.compile(r"/v1/uploads|/intake/[^/]+")
TOO_LARGE = f"A request of this kind may have {MAX_BYTES // 1_000_000} MB at most: files go to POST /v1/uploads."


class BodyLimit:
    """Answers 413 as soon as a body is too large, before anybody is asked who sent it: parsed, JSON takes thirty times its size."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on while it is small."""
        if scope["type"] != "http" or STREAMED.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if told.isdecimal() and int(told) > MAX_BYTES:
            await _discard(receive)
            await problem(Request(scope), 413, TOO_LARGE, headers={"Connection": "close"})(scope, receive, send)
            return
        count = 0

        async def receive_counted() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > MAX_BYTES:  # in pieces, whose sum nobody told
                if message.get("more_body", False):
                    await _discard(receive)
                raise HTTPException(413, TOO_LARGE)
            return message

        await self._app(scope, receive_counted, send)


async def _discard(receive: Receive) -> None:
    """Let the sender finish, within reason: many read no answer before, and a proxy would make a 502 of it."""
    discarded = 0
    while discarded < DISCARDED_BYTES:
        message = await receive()
        discarded += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
