"""The part of ClickHouse's HTTP interface that clickhouse-connect and dbt's adapter use, answered by the chDB of this process."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from services.tracing import RUN_ID_HEADER, run_scope
from services.warehouse.http_engine import Answer, Engine
from services.warehouse.http_errors import ServerError
from services.warehouse.http_request import Body, Request
from services.warehouse.http_statement import Statement

logger = logging.getLogger(__name__)

# Statements at once; more of them wait for their turn.
THREADS = 32
PIECE_BYTES = 1 << 18
SERVER_NAME = "cartulary"
TEXT = "text/plain; charset=UTF-8"
TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8",
    "JSON": "application/json; charset=UTF-8",
}
HEALTH = ("/ping", "/replicas_status")
OK = b"Ok.\n"
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class GoneError(Exception):
    """The client went away before its request was complete."""


class WarehouseServer:
    """An ASGI application; whoever knows user and token may do everything that ClickHouse can do, files of this machine included."""

    def __init__(self, engine: Engine, user: str, token: str) -> None:
        if not token:
            raise ValueError("a warehouse is never open without a token")
        self._engine = engine
        self._user, self._token = user, token
        self._credentials = re.compile(rf"\buser\s+'{re.escape(user)}'\s+password\s+'{re.escape(token)}'", re.IGNORECASE)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="warehouse")

    def close(self) -> None:
        """Wait for the statements that run."""
        self._threads.shutdown()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        query_id = str(uuid.uuid4())
        try:
            request = Request.of(scope)
            query_id = request.fields.get("query_id") or query_id
            if request.path in HEALTH:
                await _send(send, 200, OK, {"Content-Type": TEXT})
            elif request.path != "/":
                text = f"There is no handle {request.path}\n\nUse / or /ping for health checks.\n"
                await _send(send, 404, text.encode(), {"Content-Type": TEXT})
            else:
                with run_scope(request.headers.get(RUN_ID_HEADER.lower(), "")):
                    await self._answer(request, query_id, receive, send)
        except GoneError:
            logger.info("The client of query %s went away.", query_id)
        except ServerError as error:
            logger.info("Query %s: %s", query_id, error)
            await _send_error(send, error, query_id)
        except Exception as error:  # whatever nobody foresaw is an answer, too: the client must not wait for it
            logger.exception("Query %s failed", query_id)
            await _send_error(send, ServerError("UNKNOWN_EXCEPTION", f"{type(error).__name__}: {error}"), query_id)

    async def _answer(self, request: Request, query_id: str, receive: Receive, send: Send) -> None:
        is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
        if request.method in ("GET", "HEAD") and not request.fields.get("query"):
            await _send(send, 200, OK, {"Content-Type": TEXT})
            return
        self._authenticate(request)
        if is_form:
            form = bytearray()
            await _read(receive, form.extend)
            request.add_form(bytes(form))
        body = Body(request.fields.get("query", ""), request.headers.get("content-encoding", ""), self._engine.new_file)
        answer = Answer()
        try:
            if not is_form:
                await _read(receive, body.add)
            run = partial(
                self._engine.run,
                self._for_engine(body.end()),
                data=body.data,
                database=request.headers.get("x-clickhouse-database") or request.fields.get("database", ""),
                settings=request.engine_settings(),
                parameters=request.parameters(),
                default_format=request.default_format(),
                compression=request.compression(),
            )
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, run)
            await _send_answer(send, answer, query_id)
        finally:
            body.close()
            if answer.path is not None:
                answer.path.unlink(missing_ok=True)

    def _for_engine(self, statement: Statement) -> Statement:
        """The statement without this door's user and token, which dbt writes into the source of a dictionary: such a source asks the
        engine itself, which knows neither; and the next process that opens the data has another token."""
        if statement.kind != "other":
            return statement
        return replace(statement, text=self._credentials.sub("", statement.text))

    def _authenticate(self, request: Request) -> None:
        given = request.credentials()
        if given is None:
            raise ServerError(
                "REQUIRED_PASSWORD", "Authentication is required: user and password by basic auth or X-ClickHouse-User and -Key"
            )
        user, password = given
        # Both are compared, so that the time tells nothing.
        is_user = hmac.compare_digest(user.encode(), self._user.encode())
        if not (hmac.compare_digest(password.encode(), self._token.encode()) and is_user):
            raise ServerError(
                "AUTHENTICATION_FAILED",
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name.",
            )


async def _read(receive: Receive, add: Callable[[bytes], object]) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        add(message.get("body", b""))
        if not message.get("more_body", False):
            return


async def _send_answer(send: Send, answer: Answer, query_id: str) -> None:
    headers = {"Content-Type": TYPES.get(answer.format, "application/octet-stream"), "X-ClickHouse-Query-Id": query_id}
    if answer.format:
        headers["X-ClickHouse-Format"] = answer.format
    headers["X-ClickHouse-Summary"] = json.dumps(answer.summary)
    if answer.path is None:
        await _send(send, 200, answer.body, headers)
        return
    size = answer.path.stat().st_size
    if answer.compression and size:
        headers["Content-Encoding"] = answer.compression
    await _start(send, 200, size, headers)
    await _send_file(send, answer.path)


async def _send_file(send: Send, path: Path) -> None:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _send_error(send: Send, error: ServerError, query_id: str) -> None:
    headers = {"Content-Type": TEXT, "X-ClickHouse-Exception-Code": str(error.code), "X-ClickHouse-Query-Id": query_id}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
    await _send(send, error.status, error.text().encode() + b"\n", headers)


async def _send(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    await _start(send, status, len(body), headers)
    await send({"type": "http.response.body", "body": body})


async def _start(send: Send, status: int, size: int, headers: Mapping[str, str]) -> None:
    every = {
        **headers,
        "Content-Length": str(size),
        "X-ClickHouse-Server-Display-Name": SERVER_NAME,
        "X-ClickHouse-Timezone": "UTC",
    }
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
