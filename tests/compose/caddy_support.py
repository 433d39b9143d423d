"""The product's Caddyfile in a real Caddy on loopback, with one echoing server in the place of every service behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bcrypt
import urllib3
from container_support import answers
from postgres_support import free_port

from services.settings import PROJECT_ROOT

CADDYFILE = PROJECT_ROOT / "Caddyfile"
PROGRAM = Path(sys.executable).with_name("caddy")
PEOPLE = {"anna": "a-password-of-anna", "ben": "a-password-of-ben"}
PORTAL_KEY, FORM_KEY = "ctl_portal_key", "ctl_form_key"
DOMAIN = "town.example"


@dataclass
class Echo:
    """What one upstream was asked."""

    service: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Door:
    """A running Caddy; `ask` speaks to one of its hosts, and `asked` tells what came through."""

    port: int
    log: Path
    asked: list[Echo] = field(default_factory=list)
    away: set[str] = field(default_factory=set)
    breaks: set[str] = field(default_factory=set)  # answers of these services break off
    location: str = ""  # sent along with every answer

    def ask(
        self, host: str, path: str, method: str = "GET", *, body: bytes | None = None, user: str = "", **headers: str
    ) -> urllib3.BaseHTTPResponse:
        sent = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if user:
            sent |= urllib3.make_headers(basic_auth=f"{user}:{PEOPLE.get(user, 'wrong')}")
        self.asked.clear()
        return urllib3.request(
            method, f"http://127.0.0.1:{self.port}{path}", body=body, headers=sent, retries=False, redirect=False, timeout=20
        )

    @property
    def came_through(self) -> Echo:
        """The one request that an upstream got."""
        assert len(self.asked) == 1, self.asked
        return self.asked[0]


def adapted(environment: dict[str, str]) -> dict[str, Any]:
    """The Caddyfile as Caddy's own JSON."""
    done = subprocess.run(
        [PROGRAM, "adapt", "--adapter", "caddyfile", "--config", str(CADDYFILE)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def environment(domain: str = DOMAIN) -> dict[str, str]:
    hashes = (f"{name} {bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}" for name, password in PEOPLE.items())
    return {
        "DOMAIN": domain,
        "STAFF_USERS": "\n".join(hashes),
        "CONSOLE_NETWORKS": "private_ranges",
        "PORTAL_API_KEY": PORTAL_KEY,
        "FORM_API_KEY": FORM_KEY,
        "BUCKET": "letters",
    }


@contextmanager
def running_caddy(folder: Path) -> Iterator[Door]:
    """Caddy with the Caddyfile of the product but for three things: plain HTTP on a free port, our servers instead of the stack's, and
    our folder instead of /srv."""
    door = Door(free_port(), folder / "log")
    with ExitStack() as stack:
        config = _on_loopback(adapted(environment()), folder, door, stack)
        (folder / "caddy.json").write_text(json.dumps(config), encoding="utf-8")
        home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PATH": os.environ["PATH"]}
        with door.log.open("ab") as log:
            process = subprocess.Popen([PROGRAM, "run", "--config", str(folder / "caddy.json")], stdout=log, stderr=log, env=home)
        stack.callback(process.wait, timeout=20)
        stack.callback(process.terminate)
        deadline = time.monotonic() + 30
        while not answers(f"http://127.0.0.1:{door.port}/"):
            assert process.poll() is None and time.monotonic() < deadline, door.log.read_text()
            time.sleep(0.1)
        yield door


def _on_loopback(config: dict[str, Any], folder: Path, door: Door, stack: ExitStack) -> dict[str, Any]:
    ports: dict[str, int] = {}

    def upstream(address: str) -> str:
        if address not in ports:
            server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(door, address))
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            ports[address] = server.server_port
        return f"127.0.0.1:{ports[address]}"

    def replaced(node: Any) -> Any:
        if isinstance(node, list):
            return [replaced(part) for part in node]
        if isinstance(node, dict):
            return {key: upstream(value) if key == "dial" else replaced(value) for key, value in node.items()}
        return str(folder) + node.removeprefix("/srv") if isinstance(node, str) and node.startswith("/srv") else node

    app = config["apps"]["http"]
    app["servers"] = {name: server for name, server in app["servers"].items() if ":443" in server["listen"]}
    for server in app["servers"].values():
        server["listen"] = [f"127.0.0.1:{door.port}"]
        server["automatic_https"] = {"disable": True}
        server.pop("tls_connection_policies", None)
    return {**config, "apps": {"http": replaced(app)}}


def _handler(door: Door, address: str) -> type[BaseHTTPRequestHandler]:
    service = address.partition(":")[0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            if service in door.away:
                self.close_connection = True
                self.connection.close()
                return
            expected = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(expected)
            if len(body) < expected:  # Caddy broke it off: no request came through
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            door.asked.append(Echo(address, self.command, self.path, headers, body))
            content = f"from {service}".encode()
            self.send_response(307 if door.location else 200)
            if door.location:
                self.send_header("Location", door.location)
            if service in door.breaks:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"5\r\nhello\r\n")
                self.close_connection = True
                return
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Server", "chatty/1.0")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = answer

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler
