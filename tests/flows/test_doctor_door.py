"""What the doctor finds at Caddy's door: certificates and the API behind it, over real TLS."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from docker_fake import NOW, Scene, make_scene
from postgres_support import free_port

from flows.doctor import Finding
from flows.doctor_stack.examination import examine_stack

LIVE = '{"status": "live"}'


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return make_scene(tmp_path, monkeypatch)


def certificate(folder: Path, *names: str, days: int = 3650) -> Path:
    """Key and certificate in one file, signed by itself."""
    path = folder / f"{names[0]}.pem"
    subject = ["-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={','.join(f'DNS:{name}' for name in names)}"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(path)]
    command = ["openssl", "req", "-x509", *key, *subject, "-days", str(days), "-out", str(path.with_suffix(".crt"))]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text(encoding="utf-8") + path.with_suffix(".crt").read_text(encoding="utf-8"), encoding="utf-8")
    return path


@contextmanager
def answering(pem: Path, *, status: int = 200, body: str = LIVE) -> Iterator[tuple[int, list[str]]]:
    """A server with that certificate, in Caddy's place; yields its port and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.headers['Host']}{self.path}")
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            return

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def look(scene: Scene, port: int, domain: str = "localhost") -> dict[str, Finding]:
    scene.config["services"]["caddy"]["environment"]["DOMAIN"] = domain
    scene.config["services"]["caddy"]["ports"][0]["published"] = str(port)
    scene.machine.names = {domain: {"203.0.113.7"}, f"api.{domain}": {"203.0.113.7"}}
    stack = scene.stack()
    findings = examine_stack(stack.folder, now=NOW, machine=scene.machine)
    return {finding.check: finding for finding in reversed(findings) if finding.check in ("certificate", "api")}


def test_localhost_is_asked_without_its_authority(scene: Scene, tmp_path: Path) -> None:
    with answering(certificate(tmp_path, "localhost", "api.localhost")) as (port, asked):
        found = look(scene, port)
    assert (found["certificate"].is_ok, found["certificate"].found) == (True, "2 names, of Caddy's own authority")
    assert (found["api"].is_ok, found["api"].found) == (True, "https://api.localhost/health/live answers")
    assert asked == ["api.localhost/health/live"]


def test_a_domain_wants_a_certificate_that_browsers_trust(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = certificate(tmp_path, "town.example", "api.town.example")
    with answering(pem) as (port, _):
        untrusted = look(scene, port, "town.example")
        monkeypatch.setenv("SSL_CERT_FILE", str(pem.with_suffix(".crt")))
        trusted = look(scene, port, "town.example")
        other = look(scene, port, "other.example")
    assert untrusted["certificate"].is_wrong
    assert "town.example: self-signed certificate" in untrusted["certificate"].found
    assert untrusted["certificate"].repair.startswith("docker compose logs --since 1h caddy")
    # One reason is told once.
    assert "api" not in untrusted
    assert trusted["certificate"].found.startswith("good for 2 names until 20")
    assert trusted["api"].is_ok
    assert "other.example: Hostname mismatch" in other["certificate"].found


def test_a_certificate_that_ends_soon_was_not_renewed(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = certificate(tmp_path, "town.example", "api.town.example", days=3)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem.with_suffix(".crt")))
    with answering(pem) as (port, _):
        scene.config["services"]["caddy"]["environment"]["DOMAIN"] = "town.example"
        scene.config["services"]["caddy"]["ports"][0]["published"] = str(port)
        findings = examine_stack(scene.stack().folder, now=datetime.now(UTC), machine=scene.machine)
    found = [finding for finding in findings if finding.check == "certificate"]
    assert [finding.is_warning for finding in found] == [True, True]
    assert all("it ends on" in finding.found and finding.repair.startswith("docker compose logs") for finding in found)


@pytest.mark.parametrize(
    ("status", "body", "found", "repair"),
    [
        (502, "", "Caddy does not reach Tyk", "docker compose logs --tail 50 tyk api"),
        (403, '{"error": "Access to this API has been disallowed"}', "HTTP 403 and not the API's answer", "docker compose restart tyk"),
        (200, "<html>a page</html>", "HTTP 200 and not the API's answer", "docker compose restart tyk"),
    ],
)
def test_an_api_that_is_not_reached(scene: Scene, tmp_path: Path, status: int, body: str, found: str, repair: str) -> None:
    with answering(certificate(tmp_path, "localhost"), status=status, body=body) as (port, _):
        told = look(scene, port)["api"]
    assert (told.is_wrong, found in told.found, told.repair.startswith(repair)) == (True, True, True), told


def test_nobody_at_the_door(scene: Scene) -> None:
    found = look(scene, free_port())
    assert (found["certificate"].is_wrong, found["certificate"].repair) == (True, "docker compose up -d --wait caddy")
    assert (found["api"].is_wrong, found["api"].repair) == (True, "docker compose logs --tail 50 caddy tyk api")
