"""Waking Prefect: many calls one run, and whatever Prefect does, nobody waits for it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from services.errors import ConfigurationError, NotFoundError, OrchestratorError
from services.orchestrator.prefect_api import UNDER_WAY, PrefectApi, PrefectOrchestrator, check_prefect, wake_letters
from services.settings import OrchestratorSettings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Imitation(BaseHTTPRequestHandler):
    """The few answers of Prefect that waking needs; `waiting` runs are those scheduled and not begun, and nothing is answered before
    `may_answer`."""

    protocol_version = "HTTP/1.1"
    waiting: list[dict[str, object]]
    asked: list[tuple[str, str]]
    answered: list[str]
    status: int
    may_answer: threading.Event
    page: bytes

    def do_GET(self) -> None:
        self._answer({"id": "d1"} if "deployments" in self.path else "3.8.8")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith("/create_flow_run"):
            run = {"id": f"r{len(self.waiting)}", "deployment_id": "d1", "state": {"type": "SCHEDULED", "timestamp": NOW.isoformat()}}
            self.waiting.append(run)
            self._answer(run)
        elif self.path.endswith("/flow_runs/filter"):
            self._answer(self.waiting if "SCHEDULED" in body["flow_runs"]["state"]["type"]["any_"] else [])
        else:
            self._answer({})

    def _answer(self, found: object) -> None:
        self.asked.append((self.path, self.headers["authorization"]))
        self.may_answer.wait(20)
        self.answered.append(self.path)
        data = self.page or json.dumps(found).encode()
        self.send_response(self.status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Be silent."""


@pytest.fixture
def prefect() -> Iterator[type[Imitation]]:
    class Own(Imitation):
        waiting, asked, answered, status, may_answer, page = [], [], [], 200, threading.Event(), b""
        url = ""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    Own.may_answer.set()
    Own.url = f"http://127.0.0.1:{server.server_port}/api"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Own
    server.shutdown()
    server.server_close()
    thread.join()


def settings(url: str, seconds: float = 5) -> OrchestratorSettings:
    return OrchestratorSettings(prefect_api_url=url, prefect_auth=SecretStr("admin:geheim"), timeout_seconds=seconds)


def until(condition: object) -> None:
    deadline = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_hundred_calls_make_one_run(prefect: type[Imitation]) -> None:
    orchestrator = PrefectOrchestrator(settings(prefect.url), lambda: NOW)
    for _ in range(200):
        orchestrator.wake()
    until(lambda: prefect.waiting)
    orchestrator.wake()
    time.sleep(1.5)
    orchestrator.close()
    assert len(prefect.waiting) == 1
    assert {auth for _, auth in prefect.asked} == {"Basic YWRtaW46Z2VoZWlt"}


def test_behind_a_run_under_way_one_more_may_wait(prefect: type[Imitation]) -> None:
    api = PrefectApi(settings(prefect.url))
    assert wake_letters(api, NOW)
    assert not wake_letters(api, NOW)
    prefect.waiting.clear()  # it runs now, and may have looked already
    assert wake_letters(api, NOW)
    assert not wake_letters(api, NOW)
    api.close()


def test_an_upload_never_waits_for_prefect(prefect: type[Imitation]) -> None:
    prefect.may_answer.clear()
    orchestrator = PrefectOrchestrator(settings(prefect.url, seconds=60), lambda: NOW)
    orchestrator.wake()
    until(lambda: prefect.asked)
    for _ in range(50):
        orchestrator.wake()
        assert prefect.answered == []
    prefect.may_answer.set()
    orchestrator.close()
    assert prefect.answered != [], "a wake-up under way is finished"


def test_the_end_waits_for_prefect_no_longer_than_told(prefect: type[Imitation]) -> None:
    prefect.may_answer.clear()
    orchestrator = PrefectOrchestrator(settings(prefect.url, seconds=0.5), lambda: NOW)
    orchestrator.wake()
    until(lambda: prefect.asked)
    orchestrator.close()
    assert prefect.answered == []
    prefect.may_answer.set()


def test_it_wakes_again_after_a_fault(prefect: type[Imitation], caplog: pytest.LogCaptureFixture) -> None:
    prefect.status = 503
    orchestrator = PrefectOrchestrator(settings(prefect.url), lambda: NOW)
    orchestrator.wake()
    until(lambda: "find the work by their schedule" in caplog.text)
    prefect.status = 200
    orchestrator.wake()
    until(lambda: prefect.waiting)
    orchestrator.close()


@pytest.mark.parametrize(
    ("status", "error", "sentence", "is_retryable"),
    [
        (401, ConfigurationError, "PREFECT_AUTH must be", False),
        (404, NotFoundError, "start `cartulary flows`", False),
        (422, OrchestratorError, "with 422", False),
        (503, OrchestratorError, "with 503", True),
    ],
)
def test_faults_are_sentences(prefect: type[Imitation], status: int, error: type[Exception], sentence: str, is_retryable: bool) -> None:
    prefect.status = status
    with pytest.raises(error, match=sentence) as raised:
        PrefectApi(settings(prefect.url)).deployment_id("letters")
    assert raised.value.retryable is is_retryable  # type: ignore[attr-defined]
    assert "geheim" not in str(raised.value)


def test_a_page_of_somebody_else_is_said(prefect: type[Imitation]) -> None:
    prefect.page = b"<html>Back in a minute</html>"
    with pytest.raises(OrchestratorError, match="is not Prefect") as raised:
        PrefectApi(settings(prefect.url)).deployment_ids()
    assert raised.value.retryable


def test_nobody_at_the_url_is_said_and_may_be_tried_again() -> None:
    with pytest.raises(OrchestratorError, match=r"did not answer at http://127\.0\.0\.1:1/api") as raised:
        check_prefect(settings("http://127.0.0.1:1/api"))
    assert raised.value.retryable


def test_without_a_url_there_is_nothing_to_serve() -> None:
    with pytest.raises(ConfigurationError, match="PREFECT_API_URL is empty"):
        check_prefect(OrchestratorSettings())


def test_runs_know_since_when_they_are_as_they_are(prefect: type[Imitation]) -> None:
    api = PrefectApi(settings(prefect.url))
    api.create_run("d1")
    (run,) = api.runs(["d1"], ("SCHEDULED",), due_before=NOW + timedelta(seconds=1))
    assert (run.run_id, run.deployment_id, run.state, run.changed_at) == ("r0", "d1", "SCHEDULED", NOW)
    assert api.runs([], UNDER_WAY) == []


def test_runs_know_what_was_asked_of_them(prefect: type[Imitation]) -> None:
    api = PrefectApi(settings(prefect.url))
    api.create_run("d1")
    prefect.waiting[0]["parameters"] = {"full_refresh": True}
    assert api.runs(["d1"], ("SCHEDULED",))[0].parameters == {"full_refresh": True}
