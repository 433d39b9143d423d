"""The imitation of Tyk does what Tyk does, by our own files: what is passed on, what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from gateway_support import ADMIN_SECRET, SECRET, Tyk

from services.gateway.tyk import TykKeys


class Echo(BaseHTTPRequestHandler):
    """Says what came."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        said = {"method": self.command, "path": self.path, "headers": [[n.lower(), v] for n, v in self.headers.items()], "size": len(body)}
        content = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def tyk() -> Iterator[Tyk]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Tyk(f"http://127.0.0.1:{server.server_port}") as running:
        yield running
    server.shutdown()
    server.server_close()


@pytest.fixture
def key(tyk: Tyk) -> dict[str, str]:
    keys = TykKeys(tyk.settings())
    made = keys.create("Bürgerbüro", ["read", "exact"], datetime.now(UTC))
    keys.close()
    return {"X-API-Key": made.secret}


def came(answer: httpx.Response) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in answer.json()["headers"]:
        headers.setdefault(name, []).append(value)
    return headers


def test_headers_are_those_of_the_key(tyk: Tyk, key: dict[str, str]) -> None:
    forged = {"X-Consumer": "root root", "X-Scopes": "admin", "X-Gateway-Secret": "x", "X-Forwarded-For": "203.0.113.7"}
    answer = httpx.post(f"{tyk.url}/v1/a%2Fb?c=d", headers={**forged, **key, "X-Forwarded-User": "anna"}, content=b"12345")
    headers = came(answer)
    key_id = key["X-API-Key"].split("_")[1]
    assert headers["x-consumer"] == [f"{key_id} B%C3%BCrgerb%C3%BCro"]
    assert headers["x-scopes"] == ["exact read"]
    assert headers["x-gateway-secret"] == [SECRET]
    assert "x-api-key" not in headers
    assert headers["x-forwarded-for"] == ["203.0.113.7, 127.0.0.1"]
    assert headers["x-forwarded-user"] == ["anna"], "passed on: the edge removes it, and the API believes it of the portal alone"
    assert (answer.json()["path"], answer.json()["size"]) == ("/v1/a%2Fb?c=d", 5)


def test_open_paths_bring_no_consumer(tyk: Tyk) -> None:
    headers = came(httpx.get(f"{tyk.url}/docs", headers={"X-Consumer": "root", "X-Scopes": "admin"}))
    assert headers["x-consumer"] == [""] and headers["x-scopes"] == [""]


def test_refusals_are_tyks(tyk: Tyk, key: dict[str, str]) -> None:
    assert httpx.get(f"{tyk.url}/v1/areas").json() == {"error": "Authorization field missing"}
    assert httpx.get(f"{tyk.url}/v1/areas", headers={"X-API-Key": "short"}).status_code == 403
    assert httpx.get(f"{tyk.url}/tyk/keys", headers={"x-tyk-authorization": ADMIN_SECRET}).status_code == 401
    too_large = b"x" * 33_600_000
    assert httpx.post(f"{tyk.url}/v1/uploads", headers=key, content=too_large, timeout=60).status_code == 413
    assert httpx.post(f"{tyk.url}/v1/uploads", headers=key, content=iter([too_large]), timeout=60).status_code == 413
    assert httpx.post(f"{tyk.url}/v1/uploads", headers=key, content=b"x" * 32_000_000, timeout=60).json()["size"] == 32_000_000


def test_the_control_api_needs_its_secret(tyk: Tyk) -> None:
    assert httpx.get(f"{tyk.control_url}/hello").json()["status"] == "pass"
    for path in ("/tyk/keys", "/tyk/keys/x", "/tyk/reload/group"):
        assert httpx.get(tyk.control_url + path).status_code == 403
        assert httpx.get(tyk.control_url + path, headers={"x-tyk-authorization": "guessed"}).status_code == 403
    assert httpx.get(f"{tyk.control_url}/tyk/reload/group", headers={"x-tyk-authorization": ADMIN_SECRET}).json()["status"] == "ok"


def test_an_api_that_is_away_is_an_error(key: dict[str, str], tmp_path: Path) -> None:
    with Tyk("http://127.0.0.1:9", tmp_path / "keys.json") as alone:
        keys = TykKeys(alone.settings())
        made = keys.create("a", ["read"], datetime.now(UTC))
        keys.close()
        assert httpx.get(f"{alone.url}/v1/areas", headers={"X-API-Key": made.secret}).status_code == 500


def test_redis_keeps_keys_as_tyk_does(tmp_path: Path) -> None:
    if not (server := shutil.which("redis-server")):
        pytest.skip("no redis-server: apt-get install redis-server")
    address = tmp_path / "redis.sock"
    redis = subprocess.Popen([server, "--port", "0", "--unixsocket", str(address), "--dir", str(tmp_path)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not address.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with Tyk("http://127.0.0.1:9", redis_url=f"unix://{address}") as tyk:
            keys = TykKeys(tyk.settings())
            made = keys.create("a", ["read"], datetime.now(UTC))
            tyk.stop()
            tyk.start()
            assert [key.key_id for key in keys.list()] == [made.key_id]
            keys.revoke(made.key_id, datetime.now(UTC))
            assert keys.list() == ()
            keys.close()
    finally:
        redis.terminate()
        redis.wait(timeout=20)
