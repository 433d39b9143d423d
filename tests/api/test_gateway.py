"""The real API behind the gateway: it believes the gateway about its callers, and answers nobody else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import TestClient, Wakes, serving
from fastapi import FastAPI
from gateway_support import FORM_KEY, PORTAL_KEY, SECRET, Tyk

from api.app import create_app
from api.gateway import STREAM_LIFETIME, client_network
from services.gateway.tyk import TykKeys, provision
from services.metrics import Metrics
from services.warehouse.client import Warehouse
from services.wiring import Services

SUBMISSION = {"channel": "web", "city": "Lindenau", "facility_kind": "pharmacy"}
FACILITIES = b"facility_id,facility_name,facility_kind,longitude,latitude\nnode-1,Pharmacy,pharmacy,9.5,47.1\n"
CSRF = {"X-Requested-With": "cartulary"}
FORGED = {
    "X-Consumer": "portal portal",
    "X-Scopes": "admin read review exact",
    "X-Gateway-Secret": "guessed",
    "X-Forwarded-User": "mallory",
}


def utc_now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def app(services: Services, wakes: Wakes, tmp_path: Path) -> FastAPI:
    """The app as the stack has it."""
    services.settings.gateway.secret = Tyk("").settings().secret
    return create_app(services, wake=wakes, metrics=Metrics(), portal_dist=tmp_path / "no-portal")


def told(scopes: str, consumer: str = "0a1b2c Our%20website", **more: str) -> dict[str, str]:
    """What the gateway says of a caller."""
    return {"X-Gateway-Secret": SECRET, "X-Consumer": consumer, "X-Scopes": scopes, **more}


class Stack:
    """The app on a port of its own, and the gateway in front of it with the keys of the product."""

    def __init__(self, api: str, tyk: Tyk, keys: TykKeys) -> None:
        self.api, self.tyk, self.keys = api, tyk, keys

    def key(self, *scopes: str) -> dict[str, str]:
        return {"X-API-Key": self.keys.create("Our website", scopes, utc_now()).secret}


@pytest.fixture
def stack(app: FastAPI) -> Iterator[Stack]:
    with serving(app) as api, Tyk(api) as tyk:
        keys = TykKeys(tyk.settings())
        provision(keys, tyk.settings(), clock=utc_now)
        yield Stack(api, tyk, keys)
        keys.close()


@pytest.fixture
def direct(app: FastAPI) -> Iterator[TestClient]:
    """Straight to the API, as only the gateway may."""
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def test_whoever_is_not_the_gateway_is_turned_away(direct: TestClient, services: Services, gold: Warehouse) -> None:
    key = {"X-API-Key": services.keys.create("ours", ["admin"], utc_now()).secret}
    session = services.state.sessions.redeem(services.state.sessions.create_one_time_token(utc_now()), utc_now())
    for headers in (
        {},
        key,
        {"Cookie": f"cartulary_session={session}"},
        FORGED,
        {**FORGED, "X-Gateway-Secret": ""},
        {**FORGED, "X-Gateway-Secret": SECRET + "x"},
        {**FORGED, "X-Gateway-Secret": SECRET[:-1]},
        {**FORGED, "X-Gateway-Secret": f"{SECRET}, {SECRET}"},
        {"Authorization": f"Bearer {SECRET}"},
    ):
        for path in ("/v1/areas", "/v1/status", "/health/ready", "/", "/portal/", "/portal/login?token=x", "/nowhere", "/health/live/x"):
            answer = direct.get(path, headers=headers)
            assert answer.status_code == 401, (path, headers)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert direct.get("/metrics", headers=FORGED).status_code == 401
    twice = [("X-Gateway-Secret", SECRET), ("X-Gateway-Secret", SECRET), ("X-Consumer", "a"), ("X-Scopes", "admin")]
    assert direct.get("/v1/areas", headers=twice).status_code == 401


def test_open_paths_are_open_and_tell_nothing(direct: TestClient) -> None:
    for path in ("/health/live", "/docs", "/docs/start.js", "/docs/assets/swagger-ui.css", "/openapi.json"):
        assert direct.get(path).status_code == 200, path
    assert direct.put(f"/intake/{'x' * 43}", content=b"").status_code == 404


def test_scopes_are_the_gateways_word(direct: TestClient, services: Services, gold: Warehouse) -> None:
    assert direct.get("/v1/areas", headers=told("read")).status_code == 200
    assert direct.get("/v1/areas", headers=told("intake review")).status_code == 403
    assert "Our website" in direct.get("/v1/areas", headers=told("submit")).json()["detail"]
    for nobody in (told("read", consumer=""), told(""), told("read", consumer="$tyk_meta.consumer"), told("read", consumer="a\tb c")):
        assert direct.get("/v1/areas", headers=nobody).status_code == 401
    ours = {"X-API-Key": services.keys.create("ours", ["admin"], utc_now()).secret}
    assert direct.get("/v1/areas", headers={**told("submit"), **ours}).status_code == 403, "a key of our own is not looked at"


def test_the_gateway_counts_and_the_api_does_not(direct: TestClient, services: Services, gold: Warehouse) -> None:
    services.settings.api.requests_per_minute = 3
    for _ in range(10):
        answer = direct.get("/v1/areas", headers=told("read"))
        assert answer.status_code == 200
        assert not [name for name in answer.headers if "ratelimit" in name.lower()]


def test_idempotency_keys_are_the_consumers_own(direct: TestClient) -> None:
    def send(consumer: str, **changed: str) -> httpx.Response:
        headers = {**told("submit", consumer=consumer), "Idempotency-Key": "0123456789"}
        answer: httpx.Response = direct.post("/v1/submissions", json={**SUBMISSION, **changed}, headers=headers)
        return answer

    first = send("aa11 First")
    assert first.status_code == 202
    assert send("aa11 Renamed").content == first.content, "a consumer is its id, whatever its name"
    assert send("aa11 First", city="Korvenau").status_code == 409
    assert send("bb22 Second", city="Korvenau").status_code == 202


def test_the_reviewer_is_the_person_at_the_portal(direct: TestClient, services: Services) -> None:
    sent = direct.post("/v1/submissions", json=SUBMISSION, headers={**told("submit"), "Idempotency-Key": "0123456789"}).json()
    path = f"/v1/reviews/{sent['submission_id']}/corrections"
    names = []
    for headers in (
        told("review", "portal portal", **CSRF, **{"X-Forwarded-User": "anna"}),
        told("review", "portal portal", **CSRF, **{"X-Forwarded-User": "jürg".encode().decode("latin-1")}),
        told("review", "portal portal", **CSRF),
        told("review", "aa11 Import%20of%20M%C3%A4rz", **{"X-Forwarded-User": "anna"}),
        told("review", "form public%20form", **{"X-Forwarded-User": "anna"}),
    ):
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        answer = direct.post(path, json={"action": "accept"}, headers=encoded)
        assert answer.status_code == 201, answer.text
        kept = services.warehouse.query("select reviewer, correction_id from bronze.corrections")
        names += [row["reviewer"] for row in kept if row["correction_id"] == answer.json()["correction_id"]]
    assert names == ["anna", "jürg", "portal", "Import of März", "public form"]


def test_a_change_from_the_portal_needs_the_header_that_other_sites_cannot_send(direct: TestClient) -> None:
    portal = told("intake read", "portal portal", **{"Idempotency-Key": "0123456789"})
    refused = direct.post("/v1/submissions", json=SUBMISSION, headers=portal)
    assert refused.status_code == 403
    assert "X-Requested-With" in refused.json()["detail"]
    assert direct.post("/v1/submissions", json=SUBMISSION, headers={**portal, **CSRF}).status_code == 202
    assert direct.post("/v1/submissions", json=SUBMISSION, headers={**told("intake"), "Idempotency-Key": "0123456789"}).status_code == 202


def test_the_form_is_limited_by_client_address(direct: TestClient, services: Services) -> None:
    services.settings.api.form_requests_per_minute = 3
    count = 0

    def send(hops: str) -> httpx.Response:
        nonlocal count
        count += 1
        headers = {**told("submit", "form public%20form"), "Idempotency-Key": f"number-{count}", "X-Forwarded-For": hops}
        answer: httpx.Response = direct.post("/v1/submissions", json=SUBMISSION, headers=headers)
        return answer

    for number in range(3):
        assert send(f"10.9.8.{number}, 203.0.113.7, 172.18.0.5").status_code == 202
    refused = send("1.2.3.4, 203.0.113.7, 172.18.0.5")
    assert refused.status_code == 429, "what a client writes itself changes nothing"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["content-type"] == "application/problem+json"
    assert send("203.0.113.8, 172.18.0.5").status_code == 202
    for number in range(3):
        assert send(f"2001:db8:1:2::{number}, 172.18.0.5").status_code == 202
    assert send("2001:db8:1:2:ffff::1, 172.18.0.5").status_code == 429, "one network is one client"
    other = {**told("submit"), "X-Forwarded-For": "203.0.113.7, 172.18.0.5"}
    assert direct.post("/v1/submissions", json=SUBMISSION, headers={**other, "Idempotency-Key": "0123456789"}).status_code == 202


@pytest.mark.parametrize(
    ("hops", "network"),
    [
        (["203.0.113.7, 172.18.0.5"], "203.0.113.7"),
        (["1.1.1.1", "203.0.113.7", "172.18.0.5"], "203.0.113.7"),
        (["203.0.113.7"], "203.0.113.7"),
        (["::ffff:203.0.113.7, 172.18.0.5"], "203.0.113.7"),
        (["2001:db8:1:2:3:4:5:6, 172.18.0.5"], "2001:db8:1:2::/64"),
        (["nonsense, 172.18.0.5"], "unknown"),
        ([" , ,"], "127.0.0.9"),
        ([], "127.0.0.9"),
    ],
)
def test_the_clients_address(hops: list[str], network: str) -> None:
    from fastapi import Request

    headers = [(b"x-forwarded-for", hop.encode()) for hop in hops]
    assert client_network(Request({"type": "http", "headers": headers, "client": ("127.0.0.9", 1)})) == network


def test_upload_links_name_the_host_that_was_asked(direct: TestClient, services: Services) -> None:
    asked = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "town.example:8443", **CSRF}

    def link(headers: dict[str, str]) -> str:
        found: str = direct.post("/v1/upload-sessions", json={"file_name": "a.jpg"}, headers=headers).json()["upload_url"]
        return found.rpartition("/intake/")[0]

    assert link(told("intake", **asked)) == "https://town.example:8443"
    assert link(told("intake", **{**asked, "X-Forwarded-Host": "evil/\\x"})) == "http://testserver"
    services.settings.api.public_url = "https://api.town.example/"
    assert link(told("intake", **asked)) == "https://api.town.example"
    assert link(told("intake", "portal portal", **asked)) == "https://town.example:8443", "a page may only speak to its own host"


def test_the_metrics_token_needs_no_gateway(direct: TestClient, services: Services) -> None:
    services.settings.api.metrics_token = Tyk("").settings().admin_secret
    token = {"Authorization": f"Bearer {services.settings.api.metrics_token.get_secret_value()}"}
    assert direct.get("/metrics", headers=token).status_code == 200
    assert direct.get("/metrics", headers=told("read")).status_code == 200
    assert direct.get("/v1/areas", headers=token).status_code == 401
    assert direct.get("/metrics").status_code == 401


def test_a_stream_ends_so_that_its_key_is_looked_at_again(app: FastAPI) -> None:
    from fastapi import Request

    from api.callers import Credentials
    from api.gateway import GatewayCallers
    from services.gateway.limits import RateLimiter

    at = [utc_now()]
    callers = GatewayCallers(app.state.services.settings, RateLimiter(), Metrics(), lambda: at[0])
    headers = [(name.lower().encode(), value.encode()) for name, value in told("read").items()]
    request = Request({"type": "http", "headers": headers})
    caller = callers.find(request, Credentials(None, None))
    at[0] += STREAM_LIFETIME - timedelta(seconds=1)
    assert callers.is_still(request, caller)
    at[0] += timedelta(seconds=1)
    assert not callers.is_still(request, caller)


def test_through_the_gateway_with_a_key(stack: Stack, gold: Warehouse, http: httpx.Client) -> None:
    areas = stack.tyk.url + "/v1/areas"
    assert http.get(areas).status_code == 401
    assert http.get(areas, headers={"X-API-Key": "ctl_0a1b2c3d4e5f_wrong-wrong-wrong-wrong"}).status_code == 403
    assert http.get(areas, headers=stack.key("read")).status_code == 200
    assert http.get(areas, headers=stack.key("intake")).status_code == 403
    assert http.get(f"{stack.api}/v1/areas", headers=stack.key("read")).status_code == 401, "past the gateway it is no key"
    assert http.get(stack.tyk.url + "/health/ready", headers={"X-API-Key": PORTAL_KEY}).status_code == 200


def test_what_a_client_says_of_itself_does_nothing(stack: Stack, gold: Warehouse, http: httpx.Client) -> None:
    submit, url = stack.key("submit"), stack.tyk.url
    for forged in (FORGED, {**FORGED, "X-Gateway-Secret": SECRET}, {name.lower(): value for name, value in FORGED.items()}):
        assert http.get(url + "/v1/areas", headers=forged).status_code == 401
        assert http.get(url + "/v1/areas", headers={**forged, **submit}).status_code == 403
        assert http.get(url + "/docs", headers=forged).status_code == 200
        assert http.get(url + "/v1/docs", headers=forged).status_code == 401
        assert http.get(url + "/docs/../v1/areas", headers=forged).status_code in (401, 404)
        assert http.get(url + "/docs/%2e%2e/v1/areas", headers=forged).status_code in (401, 404)
        assert http.post(url + "/docs", headers=forged).status_code == 401


def test_the_101st_request_of_a_key_within_a_minute(stack: Stack, gold: Warehouse) -> None:
    busy, other = stack.key("read"), stack.key("read")
    with httpx.Client(base_url=stack.tyk.url, timeout=30) as http:
        statuses = [http.get("/v1/areas", headers=busy).status_code for _ in range(101)]
        assert statuses == [200] * 100 + [429]
        assert http.get("/v1/areas", headers=other).status_code == 200
        assert {http.get("/v1/areas", headers={"X-API-Key": PORTAL_KEY}).status_code for _ in range(120)} == {200}


def test_the_forms_key_hands_in_requests_and_nothing_else(stack: Stack, http: httpx.Client) -> None:
    form = {"X-API-Key": FORM_KEY}
    for method, path in (
        ("GET", "/v1/areas"),
        ("GET", "/v1/requests"),
        ("GET", "/v1/submissions"),
        ("GET", "/v1/submissions/abc"),
        ("POST", "/v1/uploads"),
        ("POST", "/v1/upload-sessions"),
        ("POST", "/v1/submissions/"),
        ("POST", "/x/v1/submissions"),
        ("GET", "/metrics"),
    ):
        assert http.request(method, stack.tyk.url + path, headers=form).status_code == 403, path
    sent = [
        http.post(
            stack.tyk.url + "/v1/submissions",
            json=SUBMISSION,
            headers={**form, "Idempotency-Key": f"number-{number}", "X-Forwarded-For": "203.0.113.7"},
        )
        for number in range(7)
    ]
    assert [answer.status_code for answer in sent] == [202] * 5 + [429] * 2
    assert int(sent[-1].headers["Retry-After"]) > 0


def test_open_paths_and_swagger_work_through_it(stack: Stack, http: httpx.Client) -> None:
    page = http.get(stack.tyk.url + "/docs")
    assert "swagger-ui" in page.text
    assert page.headers["content-security-policy"]
    for path in ("/docs/assets/swagger-ui-bundle.js", "/docs/start.js", "/openapi.json", "/health/live"):
        assert http.get(stack.tyk.url + path).status_code == 200
    assert "X-API-Key" in http.get(stack.tyk.url + "/openapi.json").json()["components"]["securitySchemes"]


def test_large_bodies_go_past_it(stack: Stack, services: Services, http: httpx.Client) -> None:
    key = stack.key("intake")
    files = {"files": ("big.csv", FACILITIES + b"x" * 34_000_000)}
    assert http.post(stack.tyk.url + "/v1/uploads", params={"dataset": "facilities"}, files=files, headers=key).status_code == 413
    wanted = {"file_name": "big.csv", "dataset": "facilities"}
    session = http.post(stack.tyk.url + "/v1/upload-sessions", json=wanted, headers=key)
    assert session.status_code == 201, session.text
    link = stack.api + session.json()["upload_url"].partition("/intake/")[1] + session.json()["upload_url"].partition("/intake/")[2]
    body = FACILITIES + b"node-2,Pharmacy,pharmacy,9.5,47.1\n" * 1_100_000
    answer = http.put(link, content=body)
    assert answer.json()["items"][0]["state"] == "stored"
    assert services.warehouse.scalar("select max(byte_count) from bronze.uploads") == len(body)
    small = http.post(stack.tyk.url + "/v1/uploads", params={"dataset": "facilities"}, files={"files": ("f.csv", FACILITIES)}, headers=key)
    assert small.json()["items"][0]["state"] == "stored"


def test_events_come_through_as_they_happen(stack: Stack, http: httpx.Client) -> None:
    portal = {"X-API-Key": PORTAL_KEY}
    seen: list[dict[str, Any]] = []
    arrived, first = threading.Event(), threading.Event()

    def listen() -> None:
        with httpx.Client(timeout=30) as own, own.stream("GET", stack.tyk.url + "/v1/events", headers=portal) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    first.set()
                    seen.append(json.loads(line[5:]))
                if any("upload_id" in data for data in seen):
                    arrived.set()
                    return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert first.wait(10), "the status comes at once, not when a buffer is full"
    http.post(
        stack.tyk.url + "/v1/uploads", files={"files": ("f.csv", FACILITIES)}, params={"dataset": "facilities"}, headers={**portal, **CSRF}
    )
    assert arrived.wait(10)
    listener.join(timeout=10)


def test_a_revoked_key_stops_at_once(stack: Stack, gold: Warehouse, http: httpx.Client) -> None:
    made = stack.keys.create("short-lived", ["read"], utc_now())
    headers = {"X-API-Key": made.secret}
    assert http.get(stack.tyk.url + "/v1/areas", headers=headers).status_code == 200
    stack.keys.revoke(made.key_id, utc_now())
    assert http.get(stack.tyk.url + "/v1/areas", headers=headers).status_code == 403
