"""Tyk over real HTTP, as far as Cartulary uses it: a stand-in for tests and for the container, configured by the files that Tyk reads.

python tests/services/gateway/tyk_imitation.py --conf services/gateway/container/tyk.conf --redis-url redis://:password@redis:6379/0
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import os
import socket
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tyk_definition import Configuration, Definition
from tyk_store import FileStore, RedisStore, Store, hashed, token

HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "trailer", "transfer-encoding", "upgrade"}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
MISSING, UNKNOWN = "Authorization field missing", "Access to this API has been disallowed"


def refused(status: int, message: str) -> JSONResponse:
    """As Tyk's own template for errors writes it."""
    return JSONResponse({"error": message}, status)


class RollingLimiter:
    """Tyk's Redis rolling limiter: within any `per` seconds `rate` requests, the refused ones counted too."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {}

    def allows(self, key: str, rate: float, per: float) -> bool:
        now, seen = time.monotonic(), self._seen.setdefault(key, deque())
        while seen and seen[0] <= now - per:
            seen.popleft()
        seen.append(now)
        return len(seen) <= rate


class Proxy:
    """The port that clients reach."""

    def __init__(self, configuration: Configuration, store: Store, conf: dict[str, Any], upstream: str) -> None:
        self._configuration, self._store, self._upstream = configuration, store, upstream
        self._limiter = RollingLimiter()
        options = conf["http_server_options"]
        self._max_body, self._least_key = int(options["max_request_body_size"]), int(conf["min_token_length"])
        timeout = httpx.Timeout(float(conf["proxy_default_timeout"]))
        self._client = httpx.AsyncClient(timeout=timeout, limits=httpx.Limits(max_connections=None), trust_env=False)

    async def answer(self, request: Request) -> Response:
        """Check, transform and pass on one request."""
        path = request.url.path
        definition = self._configuration.definition_of(path)
        if definition is None:
            return refused(404, "Not Found")
        meta: dict[str, Any] = {}
        if not definition.is_open(request.method, path):
            found = await self._session(request, definition)
            if isinstance(found, Response):
                return found
            meta = found.get("meta_data") or {}
        try:
            body = await self._body(request)
        except ClientDisconnect:
            return refused(499, "Client closed request")
        if body is None:
            return refused(413, "Request Entity Too Large")
        return await self._pass_on(request, definition, meta, body)

    async def _session(self, request: Request, definition: Definition) -> dict[str, Any] | Response:
        key = request.headers.get(definition.key_header, "").removeprefix("Bearer ").strip()
        if not key:
            return refused(401, MISSING)
        if len(key) <= self._least_key:
            return refused(403, UNKNOWN)
        key_hash = hashed(token(definition.org_id, key))
        session = await self._store.get(key_hash)
        rights = self._configuration.rights(session, definition.api_id) if session else None
        if session is None or rights is None:
            return refused(403, UNKNOWN)
        if not rights.allow(request.method, request.url.path):
            return refused(403, "Access to this resource has been disallowed")
        if not self._limiter.allows(key_hash, rights.rate, rights.per):
            return refused(429, "Rate limit exceeded")
        return session

    async def _body(self, request: Request) -> bytes | None:
        """The whole body, since Tyk buffers too; None when it is too large."""
        if int(request.headers.get("content-length") or 0) > self._max_body:
            return None
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body:
                return None
        return bytes(body)

    async def _pass_on(self, request: Request, definition: Definition, meta: dict[str, Any], body: bytes) -> Response:
        peer = request.client.host if request.client else ""
        hops = [*request.headers.getlist("x-forwarded-for"), peer]
        dropped = HOP_BY_HOP | {"host", "content-length", "x-forwarded-for"}
        came = [(name, value) for name, value in request.headers.items() if name not in dropped]
        headers = [*definition.headers(came, meta), ("X-Forwarded-For", ", ".join(hops))]
        raw_path = request.scope["raw_path"].decode("ascii") + (f"?{request.url.query}" if request.url.query else "")
        url = (self._upstream or definition.target) + raw_path
        # Latin-1 is how headers come and go: byte by byte.
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        try:
            sent = self._client.build_request(request.method, url, headers=encoded, content=body or None)
            answer = await self._client.send(sent, stream=True)
        except httpx.HTTPError:
            return refused(500, "There was a problem proxying the request")
        response = StreamingResponse(_pieces(answer), answer.status_code, background=BackgroundTask(answer.aclose))
        response.raw_headers = [(name.lower(), value) for name, value in answer.headers.raw if name.lower().decode() not in HOP_BY_HOP]
        return response


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()


class Control:
    """The port of the control API."""

    def __init__(self, configuration: Configuration, store: Store, secret: str) -> None:
        self._configuration, self._store, self._secret = configuration, store, secret

    def routes(self) -> list[Route]:
        return [
            Route("/hello", self.hello),
            Route("/tyk/reload/group", self.reload),
            Route("/tyk/reload/group/", self.reload),
            Route("/tyk/keys", self.keys),
            Route("/tyk/keys/{name}", self.key, methods=["GET", "POST", "DELETE"]),
        ]

    async def hello(self, request: Request) -> Response:
        is_up = await self._store.is_up()
        status = "pass" if is_up else "fail"
        return JSONResponse({"status": status, "version": "imitation", "details": {"redis": {"status": status}}}, 200 if is_up else 503)

    async def reload(self, request: Request) -> Response:
        if denied := self._denied(request):
            return denied
        self._configuration.reload()
        return JSONResponse({"status": "ok", "message": ""})

    async def keys(self, request: Request) -> Response:
        return self._denied(request) or JSONResponse({"keys": await self._store.hashes()})

    async def key(self, request: Request) -> Response:
        if denied := self._denied(request):
            return denied
        name, query = request.path_params["name"], request.query_params
        if request.method == "POST":
            return await self._put(name, await request.json())
        key_hash = name if query.get("hashed") else hashed(token(query.get("org_id", ""), name))
        if request.method == "DELETE":
            if not await self._store.delete(key_hash):
                return JSONResponse({"status": "error", "message": "There is no such key found"}, 404)
            return JSONResponse({"key": name, "status": "ok", "action": "deleted"})
        session = await self._store.get(key_hash)
        return JSONResponse(session) if session else JSONResponse({"status": "error", "message": "Key not found"}, 404)

    async def _put(self, name: str, session: dict[str, Any]) -> Response:
        policies = session.get("apply_policies") or []
        if not policies or any(policy not in self._configuration.policies for policy in policies):
            return JSONResponse({"status": "error", "message": "Failed to create key, ensure security settings are correct."}, 500)
        made = token(session["org_id"], name)
        await self._store.put(hashed(made), session)
        return JSONResponse({"key": made, "status": "ok", "action": "added", "key_hash": hashed(made)})

    def _denied(self, request: Request) -> Response | None:
        given = request.headers.get("x-tyk-authorization", "")
        if self._secret and hmac.compare_digest(given.encode(), self._secret.encode()):
            return None
        return JSONResponse({"status": "error", "message": "Attempted administrative access with invalid or missing key!"}, 403)


def store_of(options: argparse.Namespace, conf: dict[str, Any]) -> Store:
    """Redis where it is named, by an option or as Tyk's own settings do; else a file or memory."""
    password = os.environ.get("TYK_GW_STORAGE_PASSWORD", "")
    url = options.redis_url or (f"redis://:{password}@{conf['storage']['host']}:{conf['storage']['port']}/0" if password else "")
    return RedisStore(url) if url else FileStore(options.keys_file)


def listener(host: str, port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((host, port))
    return found


async def serve(options: argparse.Namespace) -> None:
    """Both ports until the process is told to stop."""
    conf = json.loads(options.conf.read_text())
    configuration = Configuration(options.apps or Path(conf["app_path"]), options.policies or Path(conf["policies"]["policy_path"]))
    store = store_of(options, conf)
    proxy = Starlette(routes=[Route("/{path:path}", Proxy(configuration, store, conf, options.upstream).answer, methods=METHODS)])
    control = Starlette(routes=Control(configuration, store, os.environ.get("TYK_GW_SECRET", "")).routes())
    ports = (
        (conf["listen_port"] if options.port is None else options.port),
        (conf["control_api_port"] if options.control_port is None else options.control_port),
    )
    servers, tasks = [], []
    for app, port in zip((proxy, control), ports, strict=True):
        bound = listener(options.host, port)
        config = uvicorn.Config(app, log_level="warning", proxy_headers=False, server_header=False, timeout_graceful_shutdown=1)
        servers.append((uvicorn.Server(config), bound))
        tasks.append(servers[-1][0].serve(sockets=[bound]))
    running = asyncio.gather(*tasks)
    while not all(server.started for server, _ in servers) and not running.done():
        await asyncio.sleep(0.01)
    print(json.dumps([bound.getsockname()[1] for _, bound in servers]), flush=True)
    await running


def main() -> None:
    """Options win over tyk.conf, as TYK_GW_… does for secrets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conf", type=Path, default=Path("/opt/tyk-gateway/tyk.conf"))
    parser.add_argument("--apps", type=Path)
    parser.add_argument("--policies", type=Path)
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int)
    parser.add_argument("--control-port", type=int)
    parser.add_argument("--upstream", default="", help="instead of the definition's target_url")
    parser.add_argument("--redis-url", default="")
    parser.add_argument("--keys-file", type=Path)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
