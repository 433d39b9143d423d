"""ClickHouse's HTTP interface over chDB with the stack's own users, for as long as the container runs."""

from __future__ import annotations

import re
import resource
import signal
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import uvicorn
from users import User, from_environment, read_users

from services.settings import Settings
from services.warehouse.client import Warehouse
from services.warehouse.http_engine import Engine
from services.warehouse.http_errors import ServerError
from services.warehouse.http_request import Request
from services.warehouse.http_server import Receive, Send, WarehouseServer
from services.warehouse.http_statement import Statement

DATA = Path("/var/lib/clickhouse")
USERS = Path("/etc/clickhouse-server/users.d")
PLAY = b"<!doctype html><title>ClickHouse Play (stand-in)</title>"


class Users(WarehouseServer):
    """The door with several users: who only reads sends nothing but questions, and sees what is granted."""

    def __init__(self, engine: Engine, users: Mapping[str, User]) -> None:
        super().__init__(engine, "nobody", "nobody's")
        self._users = users
        self._caller: ContextVar[User] = ContextVar("caller")
        self._address: ContextVar[str] = ContextVar("address")
        names = "|".join(re.escape(name) for name in users)
        # A dictionary's source names the user of dbt; chDB asks itself, and knows nobody.
        self._credentials = re.compile(rf"\buser\s+'(?:{names})'\s+password\s+'[^']*'", re.IGNORECASE)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/play":
            headers = [(b"content-type", b"text/html"), (b"content-length", str(len(PLAY)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": PLAY})
            return
        self._address.set((scope.get("client") or ("", 0))[0])
        await super().__call__(scope, receive, send)

    def _authenticate(self, request: Request) -> None:
        given = request.credentials()
        if given is None:
            raise ServerError("REQUIRED_PASSWORD", "Authentication is required")
        name, password = given
        user = self._users.get(name)
        is_near = self._address.get() in ("127.0.0.1", "::1")
        if user is None or not user.knows(password) or (user.is_local and not is_near):
            raise ServerError("AUTHENTICATION_FAILED", f"{name}: Authentication failed: password is incorrect, or there is no such user.")
        if user.readonly:
            request.fields["readonly"] = str(user.readonly)
        self._caller.set(user)

    def _for_engine(self, statement: Statement) -> Statement:
        user = self._caller.get()
        if user.readonly and statement.kind != "rows":
            raise ServerError("READONLY", f"{user.name}: Cannot execute query in readonly mode.", code=164)
        if named := user.forbidden(statement.text):
            raise ServerError("ACCESS_DENIED", f"{user.name}: Not enough privileges on {named}.", code=497)
        return super()._for_engine(statement)


class Metrics(BaseHTTPRequestHandler):
    """A little of what the server's own endpoint tells."""

    def do_GET(self) -> None:
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        body = f"ClickHouseAsyncMetrics_MemoryResident {resident}\nClickHouseMetrics_Query 0\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


def main() -> None:
    users = {**read_users([USERS]), **from_environment()}
    closed = [name for name, user in users.items() if not (user.password or user.password_sha256)]
    print(f"users: {', '.join(sorted(users))}; without a password, so closed: {', '.join(closed) or 'none'}", flush=True)
    settings = Settings(_env_file=None, data_dir=DATA)
    metrics = ThreadingHTTPServer(("0.0.0.0", 9363), Metrics)
    threading.Thread(target=metrics.serve_forever, daemon=True).start()
    with Warehouse.open(settings) as warehouse:
        assert warehouse.directory is not None
        engine = Engine(warehouse.directory, settings.warehouse.memory_bytes)
        server = Users(engine, users)
        config = uvicorn.Config(server, host="0.0.0.0", port=8123, log_config=None, access_log=False, timeout_graceful_shutdown=10)
        try:
            uvicorn.Server(config).run()
        finally:
            server.close()
            engine.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
