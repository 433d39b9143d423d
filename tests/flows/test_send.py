"""`cartulary send`: files reach a server elsewhere once, whatever their size and whatever happens on the way."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from api_support import serving
from gateway_support import Tyk
from PIL import Image

from api.app import create_app
from services.errors import AccessError, ConfigurationError, GatewayError, IntakeError
from services.gateway import remote
from services.gateway.remote import Remote, Sending, batches
from services.gateway.tyk import TykKeys
from services.metrics import Metrics
from services.wiring import Services

FACILITIES = b"facility_id,facility_name,facility_kind,longitude,latitude\nnode-1,Pharmacy,pharmacy,9.5,47.1\n"
LETTER, DATA = Sending("letter"), Sending("dataset", "facilities")


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (60, 80), shade).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def server(services: Services, tmp_path: Path) -> Iterator[str]:
    """The real API, embedded."""
    with serving(create_app(services, wake=lambda: None, metrics=Metrics(), portal_dist=tmp_path)) as address:
        yield address


@pytest.fixture
def key(services: Services) -> str:
    return services.keys.create("sender", ["intake"], datetime.now(UTC)).secret


@pytest.fixture
def remote_server(server: str, key: str) -> Iterator[Remote]:
    opened = Remote(server, key, sleep=lambda seconds: None)
    yield opened
    opened.close()


def uploads(services: Services) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = services.warehouse.query("select file_name, purpose, byte_count from bronze.uploads order by file_name")
    return found


def test_letters_in_one_request_and_data_each_in_its_own(remote_server: Remote, services: Services, tmp_path: Path) -> None:
    names = ['a "quoted" ä.jpg', "b.jpg", "c.jpg"]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(picture(number))
    (tmp_path / "note.jpg").write_bytes(b"MZ\x90 program")
    sent: list[int] = []
    receipts = remote_server.send([tmp_path / name for name in [*names, "note.jpg"]], LETTER, sent.append)
    assert [receipt["state"] for receipt in receipts] == ["stored", "stored", "stored", "refused"]
    assert receipts[3]["reason"]
    assert sum(sent) == sum((tmp_path / name).stat().st_size for name in [*names, "note.jpg"])
    (tmp_path / "f.csv").write_bytes(FACILITIES)
    [receipt] = remote_server.send([tmp_path / "f.csv"], DATA)
    assert (receipt["kind"], receipt["state"]) == ("dataset", "stored")
    assert {(row["file_name"], row["purpose"]) for row in uploads(services)} >= {
        ("b.jpg", "letter"),
        ("a %22quoted%22 ä.jpg", "letter"),
        ("f.csv", "dataset"),
    }


def test_a_large_file_goes_around_the_gateway(services: Services, tmp_path: Path) -> None:
    services.settings.gateway.secret = Tyk("").settings().secret
    big = tmp_path / "big.csv"
    big.write_bytes(FACILITIES + b"node-2,Pharmacy,pharmacy,9.5,47.1\n" * 1_000_000)
    app = create_app(services, wake=lambda: None, metrics=Metrics(), portal_dist=tmp_path)
    with serving(app) as address, Tyk(address) as tyk:
        services.settings.api.public_url = address
        keys = TykKeys(tyk.settings())
        made = keys.create("sender", ["intake"], datetime.now(UTC))
        sender = Remote(tyk.url, made.secret)
        [receipt] = sender.send([big], DATA)
        assert receipt["state"] == "stored"
        keys.revoke(made.key_id, datetime.now(UTC))
        with pytest.raises(AccessError, match="disallowed"):
            sender.send([big], DATA)
        sender.close()
        keys.close()
    assert uploads(services) == [{"file_name": "big.csv", "purpose": "dataset", "byte_count": big.stat().st_size}]


def test_a_file_above_the_servers_limit_is_not_sent(
    remote_server: Remote, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MAX_BODY_BYTES", 50)
    monkeypatch.setattr(services.settings.intake, "max_file_bytes", 80)
    (tmp_path / "f.csv").write_bytes(FACILITIES)
    sent: list[int] = []
    with pytest.raises(IntakeError, match="80"):
        remote_server.send([tmp_path / "f.csv"], DATA, sent.append)
    assert sent == []


def test_what_the_server_says_is_told(remote_server: Remote, server: str, services: Services, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes(FACILITIES)
    reader = services.keys.create("reader", ["read"], datetime.now(UTC)).secret
    for wrong, words in ((reader, "scope intake"), ("ctl_x_y", "not known")):
        with pytest.raises(AccessError, match=words):
            Remote(server, wrong).send([tmp_path / "f.csv"], DATA)
    [receipt] = remote_server.send([tmp_path / "f.csv"], Sending("dataset", "poems"))
    assert receipt["state"] == "refused" and "poems" in receipt["reason"]
    for address in ("api.example.org", "ftp://api.example.org", "https://"):
        with pytest.raises(ConfigurationError, match="https://api"):
            Remote(address, "key")
    for no_key in ("", "two words", "line\nbreak"):
        with pytest.raises(ConfigurationError, match="no key"):
            Remote(server, no_key)
    with pytest.raises(GatewayError, match="cannot be reached"):
        Remote("http://127.0.0.1:9", "key", sleep=lambda seconds: None).send([tmp_path / "f.csv"], DATA)


class Moody(BaseHTTPRequestHandler):
    """Answers as the test wants it: each entry is a status, or None to break the connection after the body was read."""

    moods: list[int | None] = []
    seen: list[tuple[str, str, int]] = []

    def answer(self) -> None:
        size = len(self.rfile.read(int(self.headers.get("content-length") or 0)))
        self.seen.append((self.command, self.path, size))
        assert (self.headers.get("X-API-Key") is None) == self.path.startswith("/intake/"), "the link needs no key"
        mood = self.moods.pop(0)
        if mood is None:
            self.close_connection = True
            return
        content: dict[str, Any] = {"items": [{"state": "stored"}], "detail": "because", "max_bytes": 10**9}
        content["upload_url"] = f"http://127.0.0.1:{self.server.server_address[1]}/intake/link"
        body = json.dumps(content).encode()
        self.send_response(mood)
        self.send_header("Content-Length", str(len(body)))
        if mood == 429:
            self.send_header("Retry-After", "77")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = answer

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def moody() -> Iterator[str]:
    Moody.moods, Moody.seen = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_letters_are_sent_again_and_rows_never_twice(moody: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture(1))
    (tmp_path / "f.csv").write_bytes(FACILITIES)
    waits: list[float] = []
    sender = Remote(moody, "key", sleep=waits.append)
    Moody.moods = [None, 503, 502, 202]
    assert sender.send([tmp_path / "a.jpg"], LETTER) == [{"state": "stored"}]
    assert len(Moody.seen) == 4
    Moody.seen.clear()
    Moody.moods, waits[:] = [429, 503, 202], []
    assert sender.send([tmp_path / "f.csv"], DATA) == [{"state": "stored"}]
    assert waits == [77, 5], "nothing was taken: come again, when they say"
    for unsure in (None, 502):
        Moody.seen.clear()
        Moody.moods = [unsure, 202]
        with pytest.raises(GatewayError, match=r"may have arrived|502"):
            sender.send([tmp_path / "f.csv"], DATA)
        assert len(Moody.seen) == 1
    sender.close()


def test_an_upload_link_makes_rows_repeatable(moody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_BODY_BYTES", 50)
    (tmp_path / "f.csv").write_bytes(FACILITIES)
    sender = Remote(moody, "key", sleep=lambda seconds: None)
    Moody.moods = [201, None, 409, 202]
    assert sender.send([tmp_path / "f.csv"], DATA)[0]["state"] == "stored"
    assert [seen[:2] for seen in Moody.seen] == [("POST", "/v1/upload-sessions"), *[("PUT", "/intake/link")] * 3]
    assert Moody.seen[-1][2] == len(FACILITIES)
    Moody.moods = [201, None, 410]
    assert sender.send([tmp_path / "f.csv"], DATA)[0]["state"] == "stored", "the answer to the first attempt was lost, not the file"
    Moody.moods = [201, 410]
    with pytest.raises(GatewayError, match="410"):
        sender.send([tmp_path / "f.csv"], DATA)
    sender.close()


def test_batches_fit_into_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_BODY_BYTES", 30_000)
    paths = []
    for number, size in enumerate((9_000, 9_000, 9_000, 40_000, 10)):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(b"x" * size)
    assert [[path.name for path in batch] for batch in batches(paths)] == [["0", "1"], ["2"], ["3"], ["4"]]
    assert [len(batch) for batch in batches([paths[4]] * 5)] == [5]
    monkeypatch.setattr(remote, "MAX_BODY_BYTES", 10**9)
    assert [len(batch) for batch in batches([paths[4]] * 250)] == [100, 100, 50]


def cartulary(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from flows.cli import app; app()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, input=given)


def test_the_command(server: str, key: str, services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(picture(1))
    (folder / "notes.txt").write_text("not a letter")
    (tmp_path / "key").write_text(key + "\n")
    common = ("send", str(folder), "--to", server)
    done = cartulary(*common, "--key-file", str(tmp_path / "key"), "--json")
    assert done.returncode == 0, done.stderr
    [receipt] = json.loads(done.stdout)
    assert (receipt["path"], receipt["state"]) == (str(folder / "a.jpg"), "stored")
    assert key not in done.stdout + done.stderr
    piped = cartulary(*common, "--key-file", "-", given=key)
    assert "1 received" in piped.stdout and "1 other files" in piped.stdout, piped.stderr
    (folder / "bad.jpg").write_bytes(b"MZ\x90 program")
    refused = cartulary(*common, "--key", key)
    assert refused.returncode == 1
    assert "bad.jpg" in refused.stdout
    for wrong, words in (
        ((), "--key-file"),
        (("--key", key, "--key-file", str(tmp_path / "key")), "--key-file"),
        (("--key-file", str(tmp_path / "none")), "cannot be read"),
        (("--key", "ctl_wrong_wrong"), "refused the key"),
        (("--key", key, "--dataset", "facilities"), "name the data files"),
    ):
        said = cartulary(*common, *wrong)
        assert said.returncode == 1
        assert words in " ".join(said.stderr.split()), said.stderr
        assert "Traceback" not in said.stderr
