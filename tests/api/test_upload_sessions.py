"""Upload sessions: a link takes one file of any size, once, without a key."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from api_support import TestClient, Wakes, serving
from fastapi import FastAPI
from sqlalchemy import text

from api import raw_stream
from api.app import create_app
from services.errors import ObjectStoreError
from services.metrics import Metrics
from services.object_store.local import LocalObjectStore
from services.wiring import Services

Headers = dict[str, str]
FACILITIES = b"facility_id,facility_name,facility_kind,longitude,latitude\nnode-1,Pharmacy,pharmacy,9.5,47.1\n"
DATA = {"file_name": "up/load/f.csv", "purpose": "dataset", "dataset": "facilities"}


def link_of(client: TestClient, **wanted: str) -> str:
    """The path of a new link."""
    answer = client.post("/v1/upload-sessions", json={**DATA, **wanted})
    assert answer.status_code == 201, answer.text
    return urlsplit(answer.json()["upload_url"]).path


def test_a_link_takes_a_file_without_a_key(client: TestClient, anonymous: TestClient, services: Services, wakes: Wakes) -> None:
    session = client.post("/v1/upload-sessions", json=DATA).json()
    assert session["max_bytes"] == services.settings.intake.max_file_bytes
    assert timedelta(minutes=59) < datetime.fromisoformat(session["expires_at"]) - datetime.now(UTC) <= timedelta(hours=1)
    assert session["upload_url"].startswith("http://testserver/intake/")
    answer = anonymous.put(session["upload_url"], content=FACILITIES)
    assert answer.status_code == 202, answer.text
    [item] = answer.json()["items"]
    assert (item["kind"], item["state"], item["file_name"], item["is_new"]) == ("dataset", "stored", "f.csv", True)
    assert wakes.count == 1
    assert services.state.work.outstanding("load") == 1
    again = client.post("/v1/uploads", params={"dataset": "facilities"}, files=[("files", ("f.csv", FACILITIES))]).json()["items"][0]
    assert (again["upload_id"], again["is_new"]) == (item["upload_id"], False), "the same bytes are the same upload through either door"
    used = anonymous.post(session["upload_url"], content=FACILITIES)
    assert used.status_code == 410
    assert "POST /v1/upload-sessions" in used.json()["detail"]
    assert services.warehouse.query("select door from bronze.uploads") == [{"door": "api"}]


def test_the_links_address_is_the_configured_one(services: Services, client: TestClient) -> None:
    services.settings.api.public_url = "https://api.example.org/"
    assert client.post("/v1/upload-sessions", json=DATA).json()["upload_url"].startswith("https://api.example.org/intake/")


def test_what_cannot_become_a_load_gets_no_link(client: TestClient) -> None:
    for wrong, status in (
        ({"dataset": "poems"}, 404),
        ({"dataset": ""}, 404),
        ({"mode": "sideways"}, 422),
        ({"purpose": "poem"}, 422),
        ({"file_name": ""}, 422),
    ):
        assert client.post("/v1/upload-sessions", json={**DATA, **wrong}).status_code == status, wrong
    assert client.post("/v1/upload-sessions", json={"file_name": "a.jpg"}).status_code == 201


def test_a_refused_file_says_why(client: TestClient, anonymous: TestClient) -> None:
    answer = anonymous.put(link_of(client, purpose="letter"), content=b"MZ\x90\x00\x03 program")
    assert answer.status_code == 202
    assert answer.json()["items"][0]["state"] == "refused"
    assert anonymous.put(link_of(client), content=b"").json()["items"][0]["state"] == "refused"


@pytest.mark.parametrize("token", ["x" * 43, "x", "../v1/areas", "%2e%2e", "' or 1=1 --" + "x" * 20])
def test_guessed_links_take_nothing(anonymous: TestClient, token: str) -> None:
    answer = anonymous.put(f"/intake/{token}", content=FACILITIES)
    assert answer.status_code in (404, 405, 422)
    assert anonymous.get(f"/intake/{'x' * 43}").status_code == 405


def test_a_file_that_is_too_large_is_413_and_the_link_stays(
    services: Services, client: TestClient, anonymous: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.settings.intake, "max_file_bytes", 1000)
    link = link_of(client)

    def unannounced() -> Iterator[bytes]:
        yield b"x" * 600
        yield b"x" * 600

    for body in (b"x" * 1001, unannounced()):
        answer = anonymous.put(link, content=body)
        assert answer.status_code == 413
        assert "1,000 bytes" in answer.json()["detail"]
    assert client.get("/v1/uploads").json()["items"] == []
    assert anonymous.put(link, content=FACILITIES).status_code == 202
    services.settings.intake.max_letter_bytes = 10
    assert anonymous.put(link_of(client, purpose="letter"), content=FACILITIES).status_code == 413


def test_a_link_ends_after_an_hour(services: Services, wakes: Wakes, tmp_path: Path, key_of: Callable[..., Headers]) -> None:
    at = [datetime.now(UTC)]
    app = create_app(services, wake=wakes, clock=lambda: at[0], metrics=Metrics(), portal_dist=tmp_path)
    with TestClient(app, headers=key_of("intake")) as client:
        link = link_of(client)
        at[0] += timedelta(hours=1, seconds=1)
        assert client.put(link, content=FACILITIES).status_code == 410
        assert services.state.upload_sessions.forget_expired(at[0]) == 1
        assert client.put(link, content=FACILITIES).status_code == 404


def test_when_the_store_is_down_the_link_stays(client: TestClient, anonymous: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*arguments: object, **named: object) -> None:
        raise ObjectStoreError("no disk", retryable=True)

    link = link_of(client)
    with monkeypatch.context() as broken:
        broken.setattr(LocalObjectStore, "put_file", down)
        answer = anonymous.put(link, content=FACILITIES)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert anonymous.put(link, content=FACILITIES).status_code == 202


def test_no_log_shows_the_link(
    client: TestClient, anonymous: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:

    def down(*arguments: object, **named: object) -> None:
        raise ObjectStoreError("no disk", retryable=True)

    link = link_of(client)
    with monkeypatch.context() as broken, caplog.at_level(logging.DEBUG, logger="api"):
        broken.setattr(LocalObjectStore, "put_file", lambda *_: 1 / 0)
        assert anonymous.put(link, content=FACILITIES).status_code == 500
        broken.setattr(LocalObjectStore, "put_file", down)
        assert anonymous.put(link, content=FACILITIES).status_code == 503
    assert "/intake/" in caplog.text
    assert link.rpartition("/")[2] not in caplog.text


def connected(address: str, link: str, length: int) -> socket.socket:
    """A connection that has sent the head of a transfer."""
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(f"PUT {link} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n".encode())
    return connection


def eventually(check: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_under_way(services: Services) -> bool:
    with services.state.database.reading() as connection:
        return connection.execute(text("select count(*) from upload_sessions where lease_until is not null")).scalar() == 1


def test_of_two_senders_one_wins_and_a_broken_transfer_frees_the_link(
    app: FastAPI, client: TestClient, services: Services, http: httpx.Client
) -> None:
    link = link_of(client)
    with serving(app) as address:
        with connected(address, link, 10_000_000) as connection:
            connection.sendall(FACILITIES + b"more and more" * 200_000)
            eventually(lambda: is_under_way(services))
            assert http.put(address + link, content=FACILITIES).status_code == 409
        eventually(lambda: http.put(address + link, content=FACILITIES).status_code == 202)
        assert http.put(address + link, content=FACILITIES).status_code == 410
    assert [row["byte_count"] for row in client.get("/v1/uploads").json()["items"]] == [len(FACILITIES)]
    assert not [path for path in (services.settings.data_dir / "incoming").rglob("*") if path.is_file() and path.name != ".lock"]


def test_racing_senders_store_once(app: FastAPI, client: TestClient, services: Services) -> None:
    link = link_of(client)
    statuses: list[int] = []
    barrier = threading.Barrier(6)

    def send(address: str) -> None:
        with httpx.Client(timeout=30) as own:
            barrier.wait()
            statuses.append(own.put(address + link, content=FACILITIES).status_code)

    with serving(app) as address:
        threads = [threading.Thread(target=send, args=(address,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses.count(202) == 1
    assert set(statuses) <= {202, 409, 410}
    assert services.state.work.outstanding("load") == 1


def test_a_sender_who_falls_silent_frees_the_link(app: FastAPI, client: TestClient, http: httpx.Client, monkeypatch: Any) -> None:
    link = link_of(client)
    with serving(app) as address:
        with monkeypatch.context() as impatient, connected(address, link, 1_000_000) as connection:
            impatient.setattr(raw_stream, "SILENT_SECONDS", 0.5)
            connection.sendall(FACILITIES)
            connection.settimeout(20)
            assert connection.recv(100).startswith(b"HTTP/1.1 422")
        assert http.put(address + link, content=FACILITIES).status_code == 202


def test_a_transfer_whose_link_was_given_to_another_keeps_nothing(
    app: FastAPI, client: TestClient, services: Services, http: httpx.Client
) -> None:
    """As after a long pause of the whole machine: the lease ran out, another transfer began, the first one wakes up."""
    link = link_of(client)
    with serving(app) as address, connected(address, link, 3_000_000) as connection:
        connection.sendall(b"a" * 1_500_000)
        eventually(lambda: is_under_way(services))
        services.state.upload_sessions.begin(link.rpartition("/")[2], datetime.now(UTC) + timedelta(minutes=2))
        connection.sendall(b"a" * 1_500_000)
        connection.settimeout(20)
        assert connection.recv(100).startswith(b"HTTP/1.1 422")
    assert client.get("/v1/uploads").json()["items"] == []


def test_a_large_file_is_never_whole_in_memory(app: FastAPI, client: TestClient, services: Services) -> None:
    """177 MB, made while they are sent."""
    import resource

    def body() -> Iterator[bytes]:
        yield FACILITIES
        for _ in range(200):
            yield FACILITIES.partition(b"\n")[2] * 26_000

    link = link_of(client)
    with serving(app) as address, httpx.Client(timeout=120) as http:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = http.put(address + link, content=body())
        grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert answer.json()["items"][0]["state"] == "stored", answer.text
    key = next(services.objects.list("uploads/")).removesuffix(".manifest.json")
    assert services.objects.size(key) > 170_000_000
    assert grown_mb < 100
