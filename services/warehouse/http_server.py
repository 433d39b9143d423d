"""The part of ClickHouse's HTTP interface that clickhouse-connect and dbt's adapter use, answered by the chDB of this process."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from services.metrics import METRICS
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
# What others call a query or a run stands in headers and logs; anything else is not taken over.
IDENTIFIER = re.compile(r"[\w.-]{1,64}", re.ASCII)
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
        exchange = _Exchange(send)
        try:
            request = Request.of(scope)
            if request.path in HEALTH or (request.path == "/" and request.method in ("GET", "HEAD") and "query" not in request.fields):
                await exchange.send(200, OK, {"Content-Type": TEXT})
            elif request.path != "/":
                text = f"There is no handle {request.path}\n\nUse / or /ping for health checks.\n"
                await exchange.send(404, text.encode(), {"Content-Type": TEXT})
            else:
                self._authenticate(request)
                exchange.query_id = _identifier(request.fields.get("query_id", "")) or exchange.query_id
                with run_scope(_identifier(request.headers.get(RUN_ID_HEADER.lower(), ""))):
                    await self._answer(request, receive, exchange)
        except GoneError:
            logger.info("The client of query %s went away.", exchange.query_id)
        except ServerError as error:
            logger.info("Query %s: %s (code %d)", exchange.query_id, error.name or "an error without a name", error.code)
            # Its words may hold what somebody wrote to us.
            logger.debug("Query %s: %r", exchange.query_id, str(error))
            await exchange.send_error(error)
        except Exception as error:  # whatever nobody foresaw is an answer, too: the client must not wait for it
            logger.exception("Query %s failed", exchange.query_id)
            await exchange.send_error(ServerError("UNKNOWN_EXCEPTION", f"{type(error).__name__}: {error}"))
        finally:
            exchange.count()

    async def _answer(self, request: Request, receive: Receive, exchange: _Exchange) -> None:
        is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
        if is_form:
            form = bytearray()
            await _read(receive, form.extend)
            request.add_form(bytes(form))
            exchange.bytes_in = len(form)
        body = Body(request.fields.get("query", ""), request.headers.get("content-encoding", ""), self._engine.new_file)
        answer = Answer()
        try:
            if not is_form:
                await _read(receive, body.add)
                exchange.bytes_in = body.received_bytes
            statement = self._for_engine(body.end())
            exchange.statement = statement.kind
            run = partial(
                self._engine.run,
                statement,
                data=body.data,
                database=request.headers.get("x-clickhouse-database") or request.fields.get("database", ""),
                settings=request.engine_settings(),
                parameters=request.parameters(),
                default_format=request.default_format(),
                compression=request.compression(),
            )
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, run)
            await exchange.send_answer(answer)
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


class _Exchange:
    """One request and its answer, counted at the end."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = time.perf_counter()
        self.query_id = str(uuid.uuid4())
        self.statement = "none"
        self.status = 0
        self.bytes_in = self.bytes_out = 0

    def count(self) -> None:
        """Tell the metrics; a client that went away has no status."""
        if self.status:
            seconds = time.perf_counter() - self._started
            METRICS.observe_warehouse_request(self.statement, self.status, seconds, self.bytes_in, self.bytes_out)

    async def send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a short answer."""
        await self._start(status, len(body), headers)
        await self._send({"type": "http.response.body", "body": body})

    async def send_error(self, error: ServerError) -> None:
        """Send code and text of an error, unless an answer has begun."""
        if self.status:
            return
        headers = {"Content-Type": TEXT, "X-ClickHouse-Exception-Code": str(error.code), "X-ClickHouse-Query-Id": self.query_id}
        if error.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        await self.send(error.status, error.text().encode() + b"\n", headers)

    async def send_answer(self, answer: Answer) -> None:
        """Send rows and figures; a file goes piece by piece."""
        headers = {"Content-Type": TYPES.get(answer.format, "application/octet-stream"), "X-ClickHouse-Query-Id": self.query_id}
        headers["X-ClickHouse-Summary"] = json.dumps(answer.summary)
        if answer.format:
            headers["X-ClickHouse-Format"] = answer.format
        if answer.path is None:
            await self.send(200, answer.body, headers)
            return
        size = answer.path.stat().st_size
        if answer.compression and size:
            headers["Content-Encoding"] = answer.compression
        await self._start(200, size, headers)
        with answer.path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def _start(self, status: int, size: int, headers: Mapping[str, str]) -> None:
        self.status, self.bytes_out = status, size
        every = {
            **headers,
            "Content-Length": str(size),
            "X-ClickHouse-Server-Display-Name": SERVER_NAME,
            "X-ClickHouse-Timezone": "UTC",
        }
        pairs = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in every.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})


def _identifier(given: str) -> str:
    return given if IDENTIFIER.fullmatch(given) else ""


async def _read(receive: Receive, add: Callable[[bytes], object]) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        add(message.get("body", b""))
        if not message.get("more_body", False):
            return
