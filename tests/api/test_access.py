"""Keys, scopes, sessions, limits, headers, problems and documentation of every route."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api_support import ALL_SCOPES, TestClient, Wakes
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import SecretStr

from api.app import create_app, documented_routes
from api.errors import STATUS_OF, status_of
from api.queries import load, names
from services import errors
from services.metrics import Metrics
from services.settings import PROJECT_ROOT
from services.warehouse.client import Warehouse
from services.wiring import Services

OPEN = {"/health/live", "/health/ready", "/portal/login", "/intake/{token}"}
SUBMISSION = {"channel": "web", "city": "Lindenau", "facility_kind": "pharmacy"}
PATHS = {
    "code": "0001",
    "facility_id": "node-1",
    "letter_id": "a",
    "number": "1",
    "submission_id": "a",
    "subject_id": "a",
    "name": "areas",
    "upload_id": "0" * 64,
    "token": "x" * 43,
}


def operations(app: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every documented operation."""
    return [(method.upper(), path, described) for path, methods in app.openapi()["paths"].items() for method, described in methods.items()]


def address(path: str) -> str:
    return path.format(**PATHS)


def scope_of(described: dict[str, Any]) -> str:
    scopes = {scope for requirement in described.get("security", []) for required in requirement.values() for scope in required}
    assert len(scopes) == 1, f"{described['operationId']} needs {scopes or 'no scope'}"
    return scopes.pop()


def test_every_route_needs_a_key_and_the_scope_it_documents(
    app: FastAPI, anonymous: TestClient, key_of: Callable[..., dict[str, str]], gold: Warehouse
) -> None:
    seen = set()
    app.state.services.settings.api.requests_per_minute = 100_000
    for method, path, described in operations(app):
        if path in OPEN:
            assert "security" not in described
            continue
        scope = scope_of(described)
        seen.add(scope)
        nobody = anonymous.request(method, address(path))
        assert nobody.status_code == 401, path
        assert "X-API-Key" in nobody.json()["detail"]
        granting = {scope, "admin", "intake" if scope == "submit" else scope}
        others = [other for other in ALL_SCOPES if other not in granting]
        refused = anonymous.request(method, address(path), headers=key_of(*others))
        assert refused.status_code == 403, (path, refused.text)
        assert scope in refused.json()["detail"]
        if path == "/v1/events":
            continue  # endless: see test_events
        for allowed in granting:
            assert anonymous.request(method, address(path), headers=key_of(allowed)).status_code not in (401, 403), path
    assert seen == {"submit", "intake", "read", "review", "exact"}


def test_no_route_is_undocumented(app: FastAPI) -> None:
    hidden = {route.path for route in app.routes if isinstance(route, APIRoute) and not route.include_in_schema}
    assert hidden == {"/", "/portal/", "/docs", "/docs/start.js"}
    assert {route.path for route in documented_routes()} == set(app.openapi()["paths"])


def test_every_route_has_a_docstring_and_examples(app: FastAPI) -> None:
    for method, path, described in operations(app):
        where = f"{method} {path}"
        assert described.get("description", "").strip(), f"{where} has no docstring"
        success = [answer for status, answer in described["responses"].items() if status in ("200", "201", "202")]
        if path not in ("/portal/login", "/portal/logout"):  # they say where to go, or nothing
            assert success, where
            for kind, content in success[0]["content"].items():
                assert "example" in content, f"{where} has no example of {kind}"
        for parameter in described.get("parameters", []):
            if parameter["name"] not in ("cursor",):
                has_example = "example" in parameter or "example" in parameter["schema"] or "example" in parameter.get("examples", {})
                assert has_example, f"{where}: {parameter['name']} has no example"
            assert parameter.get("description"), f"{where}: {parameter['name']} is not described"
        for content in described.get("requestBody", {}).get("content", {}).values():
            assert "example" in content or content.get("examples"), f"{where} has no example of its body"


def test_examples_fit_their_schemas(app: FastAPI) -> None:
    checked = 0
    for route in documented_routes():
        for status in (200, 201, 202):
            content = (route.responses.get(status) or {}).get("content", {}).get("application/json")
            if content and route.response_model is not None:
                route.response_model.model_validate(content["example"], by_alias=True)
                checked += 1
    assert checked > 20


def test_the_page_about_the_api_names_routes_that_exist(app: FastAPI) -> None:
    page = (PROJECT_ROOT / "docs/api.md").read_text(encoding="utf-8")
    shapes = {re.sub(r"\{[^}]+\}", "{}", path) for path in app.openapi()["paths"]}
    for named in set(re.findall(r"(?:GET|POST|`|8600)\s*(/v1/[^\s`?…]+)", page)):
        shape = re.sub(r"\{[^}]+\}", "{}", named)
        assert any(known == shape or (shape.endswith("/") and known.startswith(shape)) for known in shapes), named


def test_the_description_is_openapi_3_0(app: FastAPI) -> None:
    schema = app.openapi()
    assert schema["openapi"] == "3.0.3"
    text = str(schema)
    assert "'type': 'null'" not in text
    assert "'const'" not in text
    assert "HTTPValidationError" not in text
    references = set(re.findall(r"#/components/schemas/([\w-]+)", text))
    assert references <= set(schema["components"]["schemas"])
    assert len({described["operationId"] for _, _, described in operations(app)}) == len(operations(app))


def test_the_101st_request_in_60_seconds_is_refused(
    app: FastAPI, anonymous: TestClient, key_of: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [1_800_000_000.0]
    monkeypatch.setattr("time.time", lambda: at[0])
    key, other = key_of("read"), key_of("read")
    for number in range(100):
        answer = anonymous.get("/v1/areas", headers=key)
        assert answer.status_code == 200
        assert answer.headers["RateLimit-Limit"] == "100"
        assert answer.headers["RateLimit-Remaining"] == str(99 - number)
        at[0] += 0.1
    refused = anonymous.get("/v1/areas", headers=key)
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert 45 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert refused.headers["RateLimit-Policy"] == "100;w=60"
    assert anonymous.get("/v1/areas", headers=other).status_code == 200
    at[0] += 61
    assert anonymous.get("/v1/areas", headers=key).status_code == 200


def test_a_request_counts_once_though_several_dependencies_ask(anonymous: TestClient, key_of: Callable[..., dict[str, str]]) -> None:
    key = key_of("review")
    first = anonymous.post("/v1/reviews/none/corrections", headers=key, json={"action": "accept"})
    second = anonymous.post("/v1/reviews/none/corrections", headers=key, json={"action": "accept"})
    assert int(first.headers["RateLimit-Remaining"]) - int(second.headers["RateLimit-Remaining"]) == 1


def test_a_revoked_key_is_refused(services: Services, anonymous: TestClient, key_of: Callable[..., dict[str, str]]) -> None:
    key = key_of("read")
    assert anonymous.get("/v1/areas", headers=key).status_code == 200
    services.keys.revoke(key["X-API-Key"].split("_")[1], datetime.now(UTC))
    assert anonymous.get("/v1/areas", headers=key).status_code == 401


def test_a_bearer_token_is_a_key_too(anonymous: TestClient, key_of: Callable[..., dict[str, str]]) -> None:
    answer = anonymous.get("/metrics", headers={"Authorization": f"Bearer {key_of('read')['X-API-Key']}"})
    assert answer.status_code == 200
    assert anonymous.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_the_metrics_token_reads_metrics_and_nothing_else(services: Services, anonymous: TestClient) -> None:
    token = {"Authorization": "Bearer m3trics-token"}
    assert anonymous.get("/metrics", headers=token).status_code == 401, "not set, it is no token"
    assert anonymous.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401
    services.settings.api.metrics_token = SecretStr("m3trics-token")
    answer = anonymous.get("/metrics", headers=token)
    assert answer.status_code == 200
    assert "cartulary_http_requests_total" in answer.text
    for _ in range(services.settings.api.requests_per_minute + 1):
        assert anonymous.get("/metrics", headers=token).status_code == 200
    for wrong in ({"Authorization": "Bearer m3trics"}, {"X-API-Key": "m3trics-token"}, {}):
        assert anonymous.get("/metrics", headers=wrong).status_code == 401
    for path in ("/v1/areas", "/v1/status", "/v1/uploads"):
        assert anonymous.get(path, headers=token).status_code == 401


def test_a_key_of_the_form_hands_in_requests_and_nothing_else(anonymous: TestClient, key_of: Callable[..., dict[str, str]]) -> None:
    form = {**key_of("submit"), "Idempotency-Key": "0123456789"}
    assert anonymous.post("/v1/submissions", json=SUBMISSION, headers=form).status_code == 202
    assert anonymous.post("/v1/uploads", files=[("files", ("a.csv", b"a,b\n1,2\n"))], headers=form).status_code == 403
    assert anonymous.post("/v1/upload-sessions", json={"file_name": "a.csv"}, headers=form).status_code == 403
    for path in ("/v1/areas", "/v1/uploads", "/v1/requests", "/metrics"):
        assert anonymous.get(path, headers=form).status_code == 403


def test_the_portals_link_logs_in_once(services: Services, anonymous: TestClient) -> None:
    token = services.state.sessions.create_one_time_token(datetime.now(UTC))
    answer = anonymous.get("/portal/login", params={"token": token})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/portal/"
    cookie = answer.headers["set-cookie"].lower()
    assert "cartulary_session=" in cookie and "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    assert answer.headers["cache-control"] == "no-store"
    anonymous.cookies.clear()
    assert anonymous.get("/portal/login", params={"token": token}).status_code == 401
    assert anonymous.get("/portal/login", params={"token": "guessed"}).status_code == 401


def test_a_session_ends(services: Services, wakes: Wakes, tmp_path: Path) -> None:
    at = [datetime.now(UTC)]
    app = create_app(services, wake=wakes, clock=lambda: at[0], metrics=Metrics(), portal_dist=tmp_path)
    with TestClient(app, follow_redirects=False) as client:
        client.get("/portal/login", params={"token": services.state.sessions.create_one_time_token(at[0])})
        assert client.get("/v1/areas").status_code == 200
        at[0] += timedelta(days=8)
        assert client.get("/v1/areas").status_code == 401


def test_a_logout_ends_the_session_and_every_copy_of_its_cookie(services: Services, anonymous: TestClient) -> None:
    anonymous.get("/portal/login", params={"token": services.state.sessions.create_one_time_token(datetime.now(UTC))})
    stolen = anonymous.cookies["cartulary_session"]
    assert anonymous.post("/portal/logout").status_code == 403  # no other site may do it
    assert anonymous.get("/v1/areas").status_code == 200
    answer = anonymous.post("/portal/logout", headers={"X-Requested-With": "cartulary"})
    assert answer.status_code == 204
    assert "cartulary_session" not in anonymous.cookies
    assert anonymous.get("/v1/areas").status_code == 401
    assert anonymous.get("/v1/areas", headers={"Cookie": f"cartulary_session={stolen}"}).status_code == 401


def test_a_session_needs_the_csrf_header_for_changes_only(services: Services, anonymous: TestClient) -> None:
    anonymous.get("/portal/login", params={"token": services.state.sessions.create_one_time_token(datetime.now(UTC))})
    body = {"channel": "web", "city": "Lindenau", "facility_kind": "pharmacy"}
    headers = {"Idempotency-Key": "0123456789"}
    listed = anonymous.get("/v1/areas")
    assert listed.status_code == 200
    assert int(listed.headers["RateLimit-Limit"]) > 100
    refused = anonymous.post("/v1/submissions", json=body, headers=headers)
    assert refused.status_code == 403
    assert "X-Requested-With" in refused.json()["detail"]
    assert anonymous.post("/v1/submissions", json=body, headers={**headers, "X-Requested-With": "cartulary"}).status_code == 202


def test_every_answer_has_security_headers(anonymous: TestClient, client: TestClient, gold: Warehouse) -> None:
    for answer in (
        anonymous.get("/health/live"),
        anonymous.get("/nowhere"),
        client.get("/v1/areas"),
        client.get("/docs"),
        anonymous.get("/v1/areas"),
    ):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_swagger_works_without_a_network_and_without_inline_scripts(anonymous: TestClient) -> None:
    page = anonymous.get("/docs").text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses
    for found in addresses:
        assert found.startswith("/docs/")
        assert anonymous.get(found).status_code == 200
    assert not re.search(r"<script>", page)
    assert not re.search(r"\son\w+=", page)
    assert anonymous.get("/openapi.json").status_code == 200


def test_the_portal_is_served_or_says_how_to_build_it(services: Services, anonymous: TestClient, tmp_path: Path) -> None:
    assert anonymous.get("/").headers["location"] == "/portal/"
    answer = anonymous.get("/portal/")
    assert answer.status_code == 503
    assert "make portal" in answer.text
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<p>portal</p>", encoding="utf-8")
    (dist / "assets" / "a-1.js").write_text("1", encoding="utf-8")
    with TestClient(create_app(services, wake=lambda: None, metrics=Metrics(), portal_dist=dist), follow_redirects=False) as client:
        assert client.get("/portal/").text == "<p>portal</p>"
        assert client.get("/portal/").headers["cache-control"] == "no-cache"
        assert "immutable" in client.get("/portal/assets/a-1.js").headers["cache-control"]
        assert client.get("/portal/../secret").status_code == 404
        assert client.get("/portal/login").status_code == 422  # the route, not a file


ERRORS = {
    errors.ConfigurationError: 500,
    errors.ContractError: 422,
    errors.WarehouseError: 503,
    errors.ObjectStoreError: 503,
    errors.StateError: 503,
    errors.BusyError: 503,
    errors.IntakeError: 422,
    errors.ExtractionError: 500,
    errors.BackupError: 500,
    errors.GatewayError: 500,
    errors.GeocodingError: 500,
    errors.PublishError: 500,
    errors.OrchestratorError: 500,
    errors.NotFoundError: 404,
    errors.GoneError: 410,
    errors.ConflictError: 409,
    errors.AccessError: 403,
    errors.RateLimitError: 429,
}


def test_every_error_class_is_in_the_table() -> None:
    ours = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.PlatformError)} - {
        errors.PlatformError
    }
    assert ours == set(ERRORS)
    assert ours <= set(STATUS_OF)
    assert status_of(KeyError("x")) == 500


@pytest.mark.parametrize("kind", [errors.GeocodingError, errors.PublishError, errors.PlatformError, errors.ConfigurationError])
def test_what_may_succeed_later_says_when(client: TestClient, kind: type[errors.PlatformError], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise kind("not yet", retryable=True)

    monkeypatch.setattr("api.routes.proximity.read", fail)
    answer = client.get("/v1/proximity", params={"longitude": 1, "latitude": 1})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_what_is_wrong_stays_wrong_even_when_retryable() -> None:
    assert status_of(errors.NotFoundError("gone", retryable=True)) == 404


@pytest.mark.parametrize(("kind", "status"), ERRORS.items(), ids=lambda value: getattr(value, "__name__", value))
def test_errors_leave_as_problems(
    client: TestClient, kind: type[errors.PlatformError], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **named: object) -> None:
        raise kind("said so", retry_after=7.2) if kind is errors.RateLimitError else kind("said so")

    monkeypatch.setattr("api.routes.proximity.read", fail)
    answer = client.get("/v1/proximity", params={"longitude": 1, "latitude": 1})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    assert body["status"] == status
    assert body["instance"] == "/v1/proximity"
    assert body["type"].startswith("urn:cartulary:problem:")
    assert ("Retry-After" in answer.headers) == (status in (429, 503))
    if kind is errors.RateLimitError:
        assert answer.headers["Retry-After"] == "8"
    if kind is errors.WarehouseError:
        assert "said so" not in answer.text


def test_what_nobody_expected_is_a_problem_without_details(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.routes.proximity.read", lambda *_: 1 / 0)
    answer = client.get("/v1/proximity", params={"longitude": 1, "latitude": 1})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "division" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/v1/areas", 405),
        ("GET", "/v1/proximity", 422),
        ("GET", "/v1/proximity?longitude=nan&latitude=0", 422),
    ],
)
def test_starlettes_errors_are_problems_too(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    if status == 422:
        assert answer.json()["errors"][0]["where"].startswith("query.")
    if status == 405:
        assert answer.headers["allow"]


def test_health(anonymous: TestClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    assert anonymous.get("/health/live").json() == {"status": "live"}
    answer = anonymous.get("/health/ready")
    assert answer.status_code == 200
    assert {name: found["is_ready"] for name, found in answer.json()["capabilities"].items()} == {
        "warehouse": True,
        "objects": True,
        "state": True,
    }

    def down(*arguments: object) -> None:
        raise errors.WarehouseError("secret words", retryable=True)

    monkeypatch.setattr(Warehouse, "scalar", down)
    answer = anonymous.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["capabilities"]["warehouse"]["is_ready"] is False
    assert answer.json()["capabilities"]["objects"]["is_ready"] is True
    assert "secret" not in answer.text


def test_a_store_that_hangs_is_not_waited_for(anonymous: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    release = threading.Event()
    monkeypatch.setattr("api.routes.health.CHECK_SECONDS", 0.2)
    monkeypatch.setattr(Warehouse, "scalar", lambda *_: release.wait(20))
    try:
        answer = anonymous.get("/health/ready")
        assert answer.status_code == 503
        assert "within 0.2 seconds" in answer.json()["capabilities"]["warehouse"]["detail"]
    finally:
        release.set()


def test_metrics_know_operations_not_paths(app: FastAPI, client: TestClient, gold: Warehouse) -> None:
    client.get("/v1/areas/0001")
    client.get("/v1/areas/secret-path")
    client.get("/wp-login.php")
    client.request("BREW", "/v1/areas")
    text = client.get("/metrics").text
    assert 'cartulary_http_requests_total{method="GET",operation="get_area",status="2xx"} 1.0' in text
    assert 'cartulary_http_requests_total{method="GET",operation="get_area",status="404"} 1.0' in text
    assert 'operation="other"' in text
    assert "secret-path" not in text and "wp-login" not in text and "BREW" not in text
    assert "cartulary_gold_generation 1.0" in text


@pytest.mark.parametrize("name", names())
def test_clickhouse_understands_every_query(name: str, gold: Warehouse) -> None:
    kinds = dict(re.findall(r"\{(\w+):([^}]+)\}", load(name)))
    defaults: dict[str, object] = {"String": "", "Array(String)": ["a"], "Float64": 0.0}
    gold.query(f"explain {load(name)}", {parameter: defaults.get(kind, 1) for parameter, kind in kinds.items()})


def test_metrics_are_told_while_the_warehouse_is_away(app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage is seen in them: whoever measures must not take the API for dead."""

    def away(*_: object, **__: object) -> None:
        raise errors.WarehouseError("ClickHouse does not answer", retryable=True)

    monkeypatch.setattr(app.state.overview, "_count", away)
    answer = client.get("/metrics")
    assert answer.status_code == 200 and "cartulary_http_requests_total" in answer.text
