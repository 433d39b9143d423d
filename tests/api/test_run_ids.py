"""One id through a request: header, problem, log, and what the request asks of others."""

from __future__ import annotations

import logging

import pytest
from api_support import TestClient
from fastapi import FastAPI

from services.errors import StateError
from services.tracing import RUN_ID_HEADER, RunIdFilter


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.handler.addFilter(RunIdFilter())
    caplog.set_level(logging.INFO)
    return caplog


def ids(records: pytest.LogCaptureFixture, logger: str) -> list[str]:
    return [vars(record)["run_id"] for record in records.records if record.name == logger]


def test_a_request_gets_an_id_or_keeps_its_own(client: TestClient, records: pytest.LogCaptureFixture) -> None:
    own = client.get("/v1/status", headers={RUN_ID_HEADER: "upload-4711"})
    assert own.headers[RUN_ID_HEADER] == "upload-4711"
    made = client.get("/v1/status").headers[RUN_ID_HEADER]
    assert len(made) == 32
    assert ids(records, "api.access") == ["upload-4711", made]
    client.get("/health/live")
    assert len(ids(records, "api.access")) == 2, "what machines ask every few seconds is not told"


@pytest.mark.parametrize(
    "bad", ["", "short", "x" * 65, "a b c d e f", 'quote"quote"', "<script>alert", "-dash-first-dash", "ümlaute-ümlaute"]
)
def test_ids_that_could_break_a_log_are_replaced(client: TestClient, bad: str) -> None:
    answer = client.get("/health/live", headers={RUN_ID_HEADER: bad.encode()})
    assert answer.headers[RUN_ID_HEADER] != bad
    assert len(answer.headers[RUN_ID_HEADER]) == 32


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/proximity?longitude=x", "/v1/letters/unknown"])
def test_a_problem_tells_the_id_under_which_the_log_says_more(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code >= 400
    assert answer.json()["request_id"] == answer.headers[RUN_ID_HEADER]


def test_what_nobody_foresaw_is_logged_under_the_same_id(
    client: TestClient, app: FastAPI, records: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(app.state.overview, "now", broken)
    answer = client.get("/v1/status")
    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer.headers[RUN_ID_HEADER]
    assert ids(records, "api.errors") == [answer.headers[RUN_ID_HEADER]]


def test_an_error_of_a_store_is_logged_under_the_same_id(
    client: TestClient, app: FastAPI, records: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> None:
        raise StateError("The state did not answer.", retryable=True)

    monkeypatch.setattr(app.state.overview, "now", down)
    answer = client.get("/v1/status", headers={RUN_ID_HEADER: "outage-1"})
    assert (answer.status_code, answer.json()["request_id"]) == (503, "outage-1")
    assert set(ids(records, "api.errors")) == {"outage-1"}


def test_the_log_tells_no_token(client: TestClient, records: pytest.LogCaptureFixture) -> None:
    client.get("/portal/login?token=a-secret-token")
    client.get("/v1/a%0Ab?token=a-secret-token")
    # The test's own client tells what it asks, unless another test has silenced it before.
    told = "\n".join(record.getMessage() for record in records.records if not record.name.startswith("httpx"))
    assert "a-secret-token" not in told
    assert "/v1/a%0Ab 404" in told
