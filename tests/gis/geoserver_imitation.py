"""GeoServer's REST interface over real HTTP, as it really answers, with its quirks: for tests, and as a stand-in for the container.

python tests/gis/geoserver_imitation.py --port 8080 --password secret
"""

from __future__ import annotations

import argparse
import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from geoserver_rest import Rest
from geoserver_state import Refused, Services, State

CONTEXT = "/geoserver"


class GeoServerImitation:
    """A server on loopback; `stop` and `start` keep state and port, as a restart does."""

    def __init__(self, port: int = 0, *, password: str = "secret", host: str = "127.0.0.1", checks_database: bool = False) -> None:
        self.state = State()
        self.username, self.password = "admin", password
        self.checks_database = checks_database
        self.writes: list[tuple[str, str]] = []
        self.refusals: list[tuple[int, str, str]] = []
        self.run_ids: set[str] = set()
        self.starting_answers: list[int] = []  # what the next requests get while it starts
        self.dies_after_writes: int | None = None
        self._address = (host, port)
        self._is_dead = False
        self._server: ThreadingHTTPServer | None = None
        self._lock = threading.Lock()
        self._switch = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._address[1]}{CONTEXT}"

    def start(self) -> GeoServerImitation:
        self._is_dead = False
        handler = type("Handler", (_Handler,), {"imitation": self})
        with self._switch:
            self._server = ThreadingHTTPServer(self._address, handler)
            self._server.daemon_threads = True
            self._address = (self._address[0], self._server.server_port)
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        self._stop(self._server)

    def _stop(self, server: ThreadingHTTPServer | None) -> None:
        """Stop this server, unless another one was started in its place meanwhile."""
        with self._switch:
            if server and server is self._server:
                server.shutdown()
                server.server_close()
                self._server = None

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, str, bytes] | None:
        """Status, content type and body; None when the server dies before it answers."""
        parts = urlsplit(target)
        path, query = unquote(parts.path), {key.lower(): values[0] for key, values in parse_qs(parts.query).items()}
        with self._lock:
            if self._is_dead:
                return None
            if headers.get("X-Request-ID"):
                self.run_ids.add(headers["X-Request-ID"])
            if self.starting_answers:
                return self.starting_answers.pop(0), "text/html", b"<html>HTTP Status</html>"
            if not path.startswith(CONTEXT):
                return 404, "text/html", b"not found"
            path = path.removeprefix(CONTEXT)
            if not path.startswith(("/rest", "/gwc/rest")):
                return Services(self.state, self._roles(headers)).answer(path, query)
            return self._rest(method, path, query, headers, body)

    def _rest(self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> tuple[int, str, bytes] | None:
        if self._roles(headers) != {"ADMIN"}:
            return 401, "text/html", b"HTTP Status 401"
        try:
            result = Rest(self.state, self.checks_database).answer(method, path, query, headers.get("Content-Type", ""), body)
        except Refused as error:
            if error.status != 404 or method in ("POST", "PUT"):
                self.refusals.append((error.status, method, path))
            return error.status, "text/plain", str(error).encode()
        if method != "GET":
            self.writes.append((method, path))
            if self.dies_after_writes is not None and len(self.writes) >= self.dies_after_writes:
                self.dies_after_writes, self._is_dead = None, True
                threading.Thread(target=self._stop, args=(self._server,)).start()
                return None
        return result

    def _roles(self, headers: Any) -> set[str]:
        expected = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {"ADMIN"} if headers.get("Authorization") == f"Basic {expected}" else set()


class _Handler(BaseHTTPRequestHandler):
    imitation: GeoServerImitation
    protocol_version = "HTTP/1.1"
    timeout = 10
    # Headers and body are two packets: without this each answer waits 40 ms for an acknowledgement.
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.imitation.answer(self.command, self.path, self.headers, body)
        if answer is None:
            self.close_connection = True
            self.connection.close()
            return
        status, content_type, content = answer
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="GeoServer Realm"')
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _handle

    def log_message(self, *arguments: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--password", required=True)
    parser.add_argument("--check-database", action="store_true", help="Look whether the stores' parameters connect, as GeoServer does.")
    arguments = parser.parse_args()
    imitation = GeoServerImitation(
        arguments.port, password=arguments.password, host=arguments.host, checks_database=arguments.check_database
    )
    imitation.start()
    print(f"imitating GeoServer at {imitation.url}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
