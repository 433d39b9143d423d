"""Server-sent events: what changes reaches every connection once, a reconnection misses nothing, and the server can stop."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from api_support import TestClient, serving
from fastapi import FastAPI
from PIL import Image

from api import events
from api.changes import Changes
from services.warehouse.client import Warehouse
from services.wiring import Services


def page(shade: int) -> bytes:
    """A small page."""
    file = io.BytesIO()
    Image.new("L", (60, 80), shade).save(file, "PNG")
    return file.getvalue()


def add_letter(services: Services, number: int) -> str:
    return services.intake.receive_letter([page(number)], f"letter-{number}.png", "api", datetime.now(UTC)).id


class Reader:
    """Reads a stream in a thread of its own."""

    def __init__(self, address: str, headers: dict[str, str]) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.has_ended = threading.Event()
        self._client = httpx.Client(timeout=60)
        self._response = self._client.send(self._client.build_request("GET", f"{address}/v1/events", headers=headers), stream=True)
        assert self._response.status_code == 200, self._response.read()
        assert self._response.headers["content-type"].startswith("text/event-stream")
        threading.Thread(target=self._read, daemon=True).start()
        self.wait(lambda reader: any(name == "status" for name, _, _ in reader.events))

    def _read(self) -> None:
        event: dict[str, str] = {}
        try:
            for line in self._response.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                elif event:
                    if "event" in event:
                        self.events.append((event["event"], event.get("id", ""), json.loads(event["data"])))
                    event = {}
        except httpx.HTTPError:
            pass
        finally:
            self.has_ended.set()

    def of(self, name: str) -> list[dict[str, Any]]:
        return [data for found, _, data in list(self.events) if found == name]

    def wait(self, condition: Callable[[Reader], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition(self):
            assert time.monotonic() < deadline, f"only {self.events} came"
            time.sleep(0.02)

    def close(self) -> None:
        self._response.close()
        self._client.close()


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    with serving(app) as found:
        yield found


def test_a_letter_is_told_to_all_and_once(address: str, services: Services, app: FastAPI, key_of: Callable[..., dict[str, str]]) -> None:
    readers = [Reader(address, key_of("read", "review")), Reader(address, key_of("read"))]
    letter_id = add_letter(services, 1)
    for reader in readers:
        reader.wait(lambda reader: bool(reader.of("letter")) and bool(reader.of("upload")))
        letter = reader.of("letter")[0]
        assert letter["letter_id"] == letter_id
        assert letter["state"] == "stored"
        assert set(letter) == {"letter_id", "file_name", "state", "reason", "longitude", "latitude", "precision", "facility_kind", "at"}
        assert reader.of("upload")[0]["file_name"] == "letter-1.png"
    services.warehouse.insert(
        "bronze.extractions",
        [{"extraction_id": "e", "letter_id": letter_id, "outcome": "read", "facility_kind": "pharmacy", "finished_at": datetime.now(UTC)}],
    )
    for reader in readers:
        reader.wait(lambda reader: any(letter["state"] == "read" for letter in reader.of("letter")))
    services.warehouse.command("insert into gold.builds (generation, state, finished_at) values (1, 'published', now64(3, 'UTC'))")
    for reader in readers:
        reader.wait(lambda reader: bool(reader.of("build")))
        assert reader.of("build")[0]["generation"] == 1
    time.sleep(1.2)  # two more polls, which look back over the same seconds
    for reader in readers:
        assert [letter["state"] for letter in reader.of("letter")] == ["stored", "read"]
        ids = [tuple(map(int, event_id.split("-"))) for _, event_id, _ in reader.events if event_id]
        assert ids == sorted(set(ids))
        reader.close()
    # Nobody listens, nobody asks.
    deadline = time.monotonic() + 30
    while app.state.events._listeners or app.state.events._task is not None:
        assert time.monotonic() < deadline
        services.warehouse.command("insert into gold.builds (generation, state, finished_at) values (2, 'failed', now64(3, 'UTC'))")
        time.sleep(0.6)


def test_positions_are_told_to_those_who_may_see_them(
    address: str, services: Services, key_of: Callable[..., dict[str, str]], gold: Warehouse
) -> None:
    reviewer, public = Reader(address, key_of("read", "review")), Reader(address, key_of("read"))
    letter_id = add_letter(services, 1)
    services.warehouse.insert(
        "silver.int_letters__evidence",
        [{"letter_id": letter_id, "extraction_id": "e", "state": "located", "precision": "house", "longitude": 9.5, "latitude": 47.1}],
    )
    services.warehouse.insert(
        "bronze.extractions", [{"extraction_id": "e", "letter_id": letter_id, "outcome": "read", "finished_at": datetime.now(UTC)}]
    )
    for reader, longitude in ((reviewer, 9.5), (public, None)):
        reader.wait(lambda reader: any(letter["state"] == "located" for letter in reader.of("letter")))
        assert reader.of("letter")[-1]["longitude"] == longitude
        reader.close()


def test_a_reconnection_misses_nothing(address: str, app: FastAPI, services: Services, key_of: Callable[..., dict[str, str]]) -> None:
    key = key_of("read")
    reader = Reader(address, key)
    add_letter(services, 1)
    reader.wait(lambda reader: bool(reader.of("letter")))
    last = [event_id for _, event_id, _ in reader.events if event_id][-1]
    other = Reader(address, key)  # somebody goes on listening: the events stay in the buffer
    reader.close()
    missed = [add_letter(services, number) for number in (2, 3)]
    other.wait(lambda reader: len(reader.of("letter")) == 2)
    again = Reader(address, {**key, "Last-Event-ID": last})
    again.wait(lambda reader: {letter["letter_id"] for letter in reader.of("letter")} >= set(missed))
    other.close()
    again.close()
    # Long away, or another process: the warehouse knows.
    app.state.events._buffered_since = (10**14, 0)
    away = Reader(address, {**key, "Last-Event-ID": last})
    away.wait(lambda reader: {letter["letter_id"] for letter in reader.of("letter")} >= set(missed))
    away.close()


def test_letters_read_before_the_first_build_are_told_again_after_it(
    address: str, services: Services, key_of: Callable[..., dict[str, str]], clean_warehouse: Warehouse
) -> None:
    from api_support import fill_gold

    reader = Reader(address, key_of("read"))
    letter_id = add_letter(services, 1)
    services.warehouse.insert(
        "bronze.extractions", [{"extraction_id": "e", "letter_id": letter_id, "outcome": "read", "finished_at": datetime.now(UTC)}]
    )
    reader.wait(lambda reader: any(letter["state"] == "read" for letter in reader.of("letter")))
    fill_gold(clean_warehouse)
    services.warehouse.insert(
        "silver.int_letters__evidence", [{"letter_id": letter_id, "extraction_id": "e", "state": "review", "reason": "house_unknown: No."}]
    )
    time.sleep(3.5)  # nothing in bronze changed
    services.warehouse.command("insert into gold.builds (generation, state, finished_at) values (2, 'published', now64(3, 'UTC'))")
    reader.wait(lambda reader: any(letter["state"] == "review" for letter in reader.of("letter")))
    reader.close()


def test_a_slow_connection_is_closed_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr(events, "WAITING", 3)
        listener = events.Listener(events.asyncio.Queue(3))
        feed = events.EventFeed.__new__(events.EventFeed)
        feed._listeners, feed._told, feed._last_id = {listener}, events.OrderedDict(), (0, 0)
        feed._buffer, feed._buffered_since = events.deque(maxlen=2), (0, 0)
        for number in range(5):
            feed._tell("letter", str(number), {"n": number}, {}, 1000 + number, without=())
        assert not feed._listeners
        assert [await listener.queue.get() for _ in range(3)][-1] is None
        assert feed._buffered_since == (1002, 0)

    import asyncio

    asyncio.run(run())


def test_a_stopped_server_ends_its_streams(
    app: FastAPI, key_of: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(app) as address:
        # uvicorn keeps its log to itself.
        monkeypatch.setattr(logging.getLogger("uvicorn"), "propagate", True)
        reader = Reader(address, key_of("read"))
    assert "timeout graceful shutdown exceeded" not in caplog.text
    assert reader.has_ended.wait(20)
    reader.close()


def test_too_many_connections_are_refused(app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_LISTENERS", 0)
    answer = client.get("/v1/events")
    assert answer.status_code == 429
    assert "Retry-After" in answer.headers


def test_many_changes_come_in_pages(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.changes.AT_ONCE", 3)
    services.warehouse.command(
        "insert into bronze.submissions (submission_id, channel, _ingested_at) "
        "select toString(number), 'web', fromUnixTimestamp64Milli(toInt64(1000000 + number), 'UTC') from numbers(11)"
    )
    found = Changes(services.warehouse).all_since(1_000_000 - 1)
    assert {change.subject_id for change in found} == {str(number) for number in range(11)}
    assert [change.changed_ms for change in found] == sorted(change.changed_ms for change in found)


def test_more_changes_in_a_moment_than_a_page_holds_are_all_told(
    address: str, services: Services, key_of: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.changes.AT_ONCE", 4)
    reader = Reader(address, key_of("read"))
    services.warehouse.command(
        "insert into bronze.submissions (submission_id, channel, _ingested_at) "
        "select toString(number), 'web', now64(3, 'UTC') from numbers(18)"
    )
    reader.wait(lambda reader: len(reader.of("submission")) == 18)
    letter_id = add_letter(services, 1)
    reader.wait(lambda reader: bool(reader.of("letter")))
    assert reader.of("letter")[0]["letter_id"] == letter_id
    assert len(reader.of("submission")) == 18  # and none of them again
    reader.close()


def test_a_page_of_equal_times_goes_on_after_its_last_row(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.changes.AT_ONCE", 3)
    services.warehouse.command(
        "insert into bronze.submissions (submission_id, channel, _ingested_at) "
        "select toString(number), 'web', fromUnixTimestamp64Milli(toInt64(1000000), 'UTC') from numbers(11)"
    )
    found = [change.subject_id for change in Changes(services.warehouse).all_since(1_000_000 - 1)]
    assert sorted(found) == sorted(str(number) for number in range(11))


def test_a_failed_poll_is_not_the_last_one(
    address: str, app: FastAPI, services: Services, key_of: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "FAILED_POLL_SECONDS", 0.1)
    changes, failures = app.state.events._changes, []
    described = changes._described

    def fail_first(rows: Any) -> Any:
        if not failures:
            failures.append(rows)
            raise KeyError("nobody expected this")
        return described(rows)

    monkeypatch.setattr(changes, "_described", fail_first)
    reader = Reader(address, key_of("read"))
    reader.wait(lambda _: bool(failures))
    add_letter(services, 1)
    reader.wait(lambda reader: bool(reader.of("letter")))
    reader.close()


@pytest.mark.parametrize("is_session", [False, True])
def test_who_may_no_longer_listen_hears_no_more(
    address: str, app: FastAPI, services: Services, monkeypatch: pytest.MonkeyPatch, is_session: bool
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.3)
    now = datetime.now(UTC)
    key = services.keys.create("a reader", ("read",), now)
    session = services.state.sessions.redeem(services.state.sessions.create_one_time_token(now), now) or ""
    reader = Reader(address, {"Cookie": f"cartulary_session={session}"} if is_session else {"X-API-Key": key.secret})
    time.sleep(1)
    assert not reader.has_ended.is_set()
    if is_session:
        services.state.sessions.end(session)
    else:
        services.keys.revoke(key.key_id, datetime.now(UTC))
    assert reader.has_ended.wait(20)
    reader.close()
    add_letter(services, 1)
