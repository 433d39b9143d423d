"""What a Nominatim server may do wrong, done by a small HTTP server: repeated where that helps, never told with the address."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, BrokenBarrierError, Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from services.errors import ConfigurationError, GeocodingError
from services.geocoding.cache import CachedQuestions
from services.geocoding.nominatim import ATTEMPTS, FIRST_PAUSE_SECONDS, NominatimClient
from services.geocoding.questions import Question
from services.metrics import METRICS
from services.settings import GeocodingSettings, Settings
from services.state.state import State
from services.tracing import RUN_ID_HEADER, run_scope

HOUSE = {
    "osm_type": "node",
    "osm_id": 1,
    "display_name": "5",
    "lat": "47.1",
    "lon": "9.5",
    "place_rank": 30,
    "address": {"house_number": "5"},
}
QUESTION = Question(street="5 Verschwiegene Gasse", city="Vaduz", postcode="9490")
Answer = tuple[int, str | bytes]
FOUND: Answer = (200, json.dumps([HOUSE]))


class FaultyServer:
    """Gives the answers of its list one after the other, the last one for ever, and notes what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [FOUND]
        self.asked: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.wait: Callable[[], Any] = lambda: None
        self.drips = False
        self._lock = Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                with outer._lock:
                    outer.paths.append(url.path)
                    outer.asked.append({name: values[0] for name, values in parse_qs(url.query).items()})
                    outer.headers.append(dict(self.headers))
                    status, body = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                outer.wait()
                if outer.drips:
                    # A byte now and then, from the first one of the headers on: every single read is in time.
                    with suppress(ConnectionError):
                        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + b" " * 398 + b"[]":
                            self.wfile.write(bytes([byte]))
                            time.sleep(0.05)
                    self.close_connection = True
                    return
                content = body.encode() if isinstance(body, str) else body
                self.send_response(status)
                self.send_header("Content-Length", str(len(content) + (10 if isinstance(body, bytes) else 0)))
                self.end_headers()
                with suppress(BrokenPipeError):
                    self.wfile.write(content)
                if isinstance(body, bytes):
                    # Bytes are an answer that is cut off.
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    faulty = FaultyServer()
    yield faulty
    faulty.close()


class Pauses:
    """Notes how long it was asked to sleep; its clock goes on when told to."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


def client_of(server: FaultyServer, pauses: Pauses, **changes: Any) -> NominatimClient:
    settings = GeocodingSettings(**{"nominatim_url": server.url, **changes})
    return NominatimClient(settings, sleep=pauses.sleep, monotonic=lambda: pauses.now, chance=random.Random(1))


def test_asks_as_itself_within_the_countries_given(server: FaultyServer, pauses: Pauses) -> None:
    client = client_of(server, pauses, nominatim_url=f"{server.url}/maps/nominatim/", country_codes=("li", "ch"))
    with run_scope("run-7"):
        assert client.ask(QUESTION) == [HOUSE]
    assert client.ask(Question(text="Gasse 5, Vaduz")) == [HOUSE]
    first, second = server.asked
    assert server.paths == ["/maps/nominatim/search"] * 2
    assert (first["street"], first["city"], first["postalcode"]) == ("5 Verschwiegene Gasse", "Vaduz", "9490")
    assert "q" not in first
    assert second["q"] == "Gasse 5, Vaduz"
    assert "street" not in second
    assert first["countrycodes"] == "li,ch"
    assert first["addressdetails"] == "1"
    assert server.headers[0]["User-Agent"].startswith("cartulary/")
    assert server.headers[0][RUN_ID_HEADER] == "run-7"
    assert RUN_ID_HEADER not in server.headers[1]


@pytest.mark.parametrize(
    "fault",
    [(500, "broken"), (502, ""), (503, '{"error": "busy"}'), (504, ""), (200, "<html>Welcome</html>"), (200, b'[{"lat": "47')],
    ids=["500", "502", "503", "504", "html", "cut off"],
)
def test_faults_that_pass_are_waited_for(server: FaultyServer, pauses: Pauses, fault: Answer) -> None:
    server.answers = [fault, fault, FOUND]
    assert client_of(server, pauses).ask(QUESTION) == [HOUSE]
    assert len(server.asked) == ATTEMPTS
    first, second = pauses.slept
    assert FIRST_PAUSE_SECONDS / 2 <= first <= FIRST_PAUSE_SECONDS <= second <= 2 * FIRST_PAUSE_SECONDS
    assert first / FIRST_PAUSE_SECONDS != second / FIRST_PAUSE_SECONDS / 2, "no jitter"


@pytest.mark.parametrize("fault", [(503, ""), (200, "<html></html>"), (200, '{"foo": 1}'), (200, '["foo"]'), (200, "3")])
def test_faults_that_stay_are_an_error_that_may_pass_later(server: FaultyServer, pauses: Pauses, fault: Answer) -> None:
    server.answers = [fault]
    with pytest.raises(GeocodingError, match="gave no answer") as caught:
        client_of(server, pauses).ask(QUESTION)
    assert caught.value.retryable
    assert len(server.asked) == ATTEMPTS


@pytest.mark.parametrize("status", [401, 403, 404, 429])
def test_no_is_never_asked_again_at_once(server: FaultyServer, pauses: Pauses, status: int) -> None:
    server.answers = [(status, "no")]
    with pytest.raises(GeocodingError, match=str(status)) as caught:
        client_of(server, pauses).ask(QUESTION)
    assert caught.value.retryable, "the operator may repair it"
    assert (len(server.asked), pauses.slept) == (1, [])


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_closed_door_is_closed_for_all(server: FaultyServer, pauses: Pauses, status: int) -> None:
    server.answers = [(status, "no")]
    client = client_of(server, pauses)
    for _ in range(5):
        with pytest.raises(GeocodingError):
            client.ask(QUESTION)
    assert len(server.asked) == 1


def test_a_question_that_it_cannot_take_says_nothing_about_others(server: FaultyServer, pauses: Pauses) -> None:
    server.answers = [(400, "no")]
    client = client_of(server, pauses)
    for _ in range(5):
        with pytest.raises(GeocodingError, match="cannot take") as caught:
            client.ask(QUESTION)
        assert not caught.value.retryable
    assert (len(server.asked), pauses.slept) == (5, [])


def test_waits_for_a_slow_server_no_longer_than_told(server: FaultyServer, pauses: Pauses) -> None:
    server.wait = lambda: time.sleep(3)
    started = time.monotonic()
    with pytest.raises(GeocodingError, match="GeocoderTimedOut"):
        client_of(server, pauses, timeout_seconds=0.1).ask(QUESTION)
    assert time.monotonic() - started < 2.5


def test_waits_no_longer_for_a_server_that_sends_a_byte_now_and_then(server: FaultyServer, pauses: Pauses) -> None:
    server.drips = True
    started = time.monotonic()
    with pytest.raises(GeocodingError, match="GeocoderTimedOut"):
        client_of(server, pauses, timeout_seconds=0.3).ask(QUESTION)
    assert time.monotonic() - started < 5


def test_who_is_away_is_not_asked_a_thousand_times(server: FaultyServer, pauses: Pauses) -> None:
    server.answers = [(503, "")]
    client = client_of(server, pauses)
    for _ in range(1000):
        with pytest.raises(GeocodingError):
            client.ask(QUESTION)
    assert len(server.asked) == 3 * ATTEMPTS
    assert METRICS.registry.get_sample_value("cartulary_geocoder_breaker") == 2
    assert not client.is_up()
    server.answers = [FOUND]
    with pytest.raises(GeocodingError, match="not asked for a while"):
        client.ask(QUESTION)
    pauses.now += 31
    assert client.ask(QUESTION) == [HOUSE]
    assert METRICS.registry.get_sample_value("cartulary_geocoder_breaker") == 0


def test_who_is_back_is_asked_at_once(server: FaultyServer, pauses: Pauses) -> None:
    server.answers = [(503, "")]
    client = client_of(server, pauses)
    for _ in range(3):
        with pytest.raises(GeocodingError):
            client.ask(QUESTION)
    server.answers = [(200, "[]")]
    assert client.is_up()
    assert client.ask(QUESTION) == []


def test_errors_and_logs_tell_neither_address_nor_password(server: FaultyServer, pauses: Pauses, caplog: pytest.LogCaptureFixture) -> None:
    server.answers = [(503, "")]
    client = client_of(server, pauses, nominatim_url=server.url.replace("//", "//me:hidden-password@"))
    caplog.set_level(logging.INFO)
    with pytest.raises(GeocodingError) as caught:
        client.ask(QUESTION)
    server.close()
    with pytest.raises(GeocodingError) as refused:
        client.ask(QUESTION)
    told = f"{caught.value!r} {refused.value!r} {caplog.text}"
    assert "Verschwiegene" not in told
    assert "hidden-password" not in told
    assert server.headers[0]["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("url", ["nominatim:8080", "ftp://nominatim", "http://", "http://[hidden-password"])
def test_a_wrong_url_names_the_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match="CARTULARY_GEOCODING__NOMINATIM_URL") as caught:
        NominatimClient(GeocodingSettings(nominatim_url=url))
    assert "hidden-password" not in str(caught.value)


def test_as_many_at_once_as_allowed(server: FaultyServer, pauses: Pauses, settings: Settings, now: Any) -> None:
    together = Barrier(3)

    def wait() -> None:
        try:
            together.wait(timeout=30)
        except BrokenBarrierError:
            server.answers = [(400, "fewer than three at once")]

    server.wait = wait
    state = State.open(settings)
    allowed = GeocodingSettings(nominatim_url=server.url, concurrency=3)
    client = client_of(server, pauses, concurrency=3, timeout_seconds=60)
    questions = CachedQuestions(client, state.geocode_cache, allowed, version="1", clock=lambda: now)
    asked = [Question(text=f"Gasse {number}, Vaduz") for number in range(6)]
    with run_scope("run-8"):
        answers = questions.ask([*asked, *asked])
    assert [answers[question].places for question in asked] == [[HOUSE]] * 6
    assert len(server.asked) == 6
    assert {headers[RUN_ID_HEADER] for headers in server.headers} == {"run-8"}
    state.close()
