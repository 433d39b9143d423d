"""Whoever should not come in: without a key, past the gateway, in somebody's name, from another site, or as the public to exact places."""

from __future__ import annotations

import httpx
import pytest
from stack import Stack
from town import PORTAL, Town, letter
from web import Web

EXACT = "/v1/requests"


# -- the API by its own host


@pytest.mark.parametrize("path", ["/v1/areas", EXACT, "/v1/status", "/v1/uploads"])
def test_no_key_and_wrong_keys(town: Town, path: str) -> None:
    assert town.web.get("api", path).status_code == 401
    real = town.keys["desk"]
    for wrong in ("nobody", "ctl_000000000000_" + "x" * 43, real[:-1] + ("a" if real[-1] != "a" else "b"), real.upper()):
        assert town.web.get("api", path, headers={"X-API-Key": wrong}).status_code in (401, 403), wrong
    assert town.web.get("api", path, headers={"Authorization": f"Bearer {real}"}).status_code == 401


def test_a_key_does_what_its_scopes_allow(town: Town) -> None:
    assert town.program("reader", "GET", "/v1/areas").status_code == 200
    assert town.program("reader", "GET", EXACT).status_code == 403
    assert town.program("site", "GET", "/v1/areas").status_code == 403
    denied = town.program("reader", "POST", "/v1/uploads", files={"files": ("a.png", b"x")})
    assert denied.status_code == 403
    assert town.program("desk", "GET", EXACT).status_code == 200


def test_nobody_becomes_somebody_by_headers(stack: Stack, town: Town) -> None:
    """Even with the gateway's own secret: what comes from outside is dropped at the door."""
    forged = {
        "X-Gateway-Secret": stack.settings["GATEWAY_SECRET"],
        "X-Consumer": "root",
        "X-Scopes": "admin exact",
        "X-Forwarded-User": "clerk",
    }
    assert town.web.get("api", EXACT, headers=forged).status_code == 401
    assert town.program("reader", "GET", EXACT, headers=forged).status_code == 403
    assert town.web.get("", EXACT, headers=forged).status_code == 401
    smuggled = {name.lower().replace("-", "_"): value for name, value in forged.items()}
    assert town.web.get("api", EXACT, headers=smuggled).status_code == 401
    through_intake = town.web.get("api", "/intake/%2e%2e/v1/requests", headers=forged)
    assert through_intake.status_code != 200 and "items" not in through_intake.text
    with_form_key = town.form({}, {**forged, "X-API-Key": town.keys["desk"], "Origin": town.web.origin()})
    assert with_form_key.status_code in (400, 422)


def test_past_the_gateway(stack: Stack) -> None:
    """From a container of the same network, to the API's own port."""
    api = "http://api:8600"
    forged = {"X-Consumer": "root", "X-Scopes": "admin exact read"}
    for headers in ({}, forged, {**forged, "X-Gateway-Secret": "guessed"}, {**forged, "X-Gateway-Secret": ""}):
        assert stack.fetch("flows", f"{api}{EXACT}", headers)[0] in (401, 403)
    assert stack.fetch("flows", f"{api}/metrics")[0] in (401, 403)
    assert stack.fetch("flows", f"{api}/health/live")[0] == 200
    # The same request with what Tyk would send is answered: the refusals above are about that alone.
    told = {"X-Gateway-Secret": stack.settings["GATEWAY_SECRET"], "X-Consumer": "test", "X-Scopes": "exact"}
    assert stack.fetch("flows", f"{api}{EXACT}", told)[0] == 200


def test_the_gateways_own_port_is_closed(stack: Stack, web: Web) -> None:
    secret = {"x-tyk-authorization": stack.settings["TYK_SECRET"]}
    for host, path in (("api", "/tyk/keys"), ("api", "/tyk/reload/group"), ("", "/tyk/keys")):
        assert web.get(host, path, headers=secret).status_code in (401, 403, 404)
    assert stack.fetch("flows", "http://tyk:8081/tyk/keys", {"x-tyk-authorization": "guessed"})[0] == 403
    assert stack.fetch("flows", "http://tyk:8080/tyk/keys", secret)[0] in (401, 403, 404)


def test_a_revoked_key_is_no_key(stack: Stack, town: Town) -> None:
    made = stack.cartulary("keys", "create", "short-lived", "--scope", "read")
    headers = {"X-API-Key": made["secret"]}
    assert town.web.get("api", "/v1/areas", headers=headers).status_code == 200
    stack.cartulary("keys", "revoke", made["key_id"])
    assert town.web.get("api", "/v1/areas", headers=headers).status_code in (401, 403)


def test_the_101st_request_within_a_minute(stack: Stack, town: Town) -> None:
    made = stack.cartulary("keys", "create", "busy", "--scope", "read")
    headers = {"X-API-Key": made["secret"]}
    statuses = [town.web.get("api", "/v1/facility-kinds", headers=headers).status_code for _ in range(101)]
    assert statuses == [200] * 100 + [429]
    # It is that key alone.
    assert town.program("reader", "GET", "/v1/facility-kinds").status_code == 200


# -- the staff's route


def test_the_staffs_route_wants_a_password(town: Town) -> None:
    for path in ("/portal/", "/v1/areas", EXACT, "/v1/uploads", "/health/ready", "/prometheus/", "/alertmanager/", "/dbt-docs/"):
        assert town.web.get("", path).status_code == 401, path
        assert town.web.get("", path, auth=("clerk", "wrong")).status_code == 401, path
        assert town.web.get("", path, headers={"X-API-Key": town.keys["desk"]}).status_code == 401, path
    for host in ("console", "play"):
        assert town.web.get(host, "/").status_code in (401, 302)
    assert town.web.get("play", "/play").status_code == 401
    assert town.web.get("console", "/").status_code == 401


def test_another_site_cannot_write_in_a_persons_name(town: Town) -> None:
    """The browser would send the password along; what it says about the page that asks is what counts."""
    own = town.staff_headers()
    password = {"Authorization": own["Authorization"]}
    upload = {"files": {"files": ("kirchgasse-9.png", letter("Kirchgasse", 9), "image/png")}, "data": {"purpose": "letter"}}
    foreign = (
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": town.web.origin("s3")},
        {"Origin": town.web.origin().replace("https:", "http:")},
        {},
    )
    for headers in foreign:
        assert town.web.post("", "/v1/uploads", headers={**password, PORTAL: "cartulary", **headers}, **upload).status_code == 403, headers
        assert town.form({}, headers).status_code == 403, headers
    without_script = {name: value for name, value in own.items() if name != PORTAL}
    assert town.web.post("", "/v1/uploads", headers=without_script, **upload).status_code == 403
    names = {one["file_name"] for one in town.staff("GET", "/v1/uploads?limit=100").json()["items"]}
    assert "kirchgasse-9.png" not in names


def test_the_form_hands_in_and_nothing_else(stack: Stack, town: Town) -> None:
    origin = {"Origin": town.web.origin()}
    assert town.web.get("", "/form/submissions").status_code == 405
    for path in ("/form/areas", "/form/uploads", "/form/submissions/x"):
        assert town.web.post("", path, headers=origin, json={}).status_code in (404, 405)
    # And its key, should it become known.
    form_key = {"X-API-Key": stack.settings["FORM_API_KEY"]}
    for method, path in (("GET", "/v1/areas"), ("GET", EXACT), ("POST", "/v1/uploads"), ("GET", "/v1/submissions/x")):
        assert town.web.ask(method, "api", path, headers=form_key).status_code in (401, 403), path


def test_the_form_is_limited_by_address(town: Town) -> None:
    """Whatever a client says about where it comes from."""
    origin = {"Origin": town.web.origin()}
    body = {"channel": "web", "street": "", "postcode": "", "city": "", "facility_kind": "school"}
    statuses = []
    for number in range(7):
        headers = {
            **origin,
            "X-Forwarded-For": f"203.0.113.{number}",
            "X-Real-IP": f"203.0.113.{number}",
            "Forwarded": f"for=203.0.113.{number}",
        }
        statuses.append(town.form(body, headers).status_code)
    assert statuses[-1] == 429, statuses
    assert set(statuses) <= {422, 429}


# -- where exact places are kept


def test_the_public_sees_no_exact_place(stack: Stack, town: Town) -> None:
    capabilities = town.web.get("", "/geoserver/wms?service=WMS&version=1.3.0&request=GetCapabilities").text
    assert "cartulary_restricted" not in capabilities
    assert "cartulary_restricted" not in town.web.get("", "/geoserver/cartulary_restricted/wms?service=WMS&request=GetCapabilities").text
    cells = town.program("reader", "GET", "/v1/requests/cells?format=geojson")
    assert cells.status_code == 200 and not set(town.letters) & set(cells.text.split('"'))


def test_geoservers_administration_is_closed(stack: Stack, web: Web) -> None:
    for path in (
        "/geoserver/rest",
        "/geoserver/rest/workspaces.json",
        "/geoserver/gwc/rest/layers",
        "/geoserver//rest/workspaces.json",
        "/geoserver/%72est/workspaces.json",
    ):
        answer = web.get("", path, auth=("admin", stack.settings["GEOSERVER_PASSWORD"]))
        assert answer.status_code in (403, 404), path
    assert stack.fetch("flows", "http://geoserver:8080/geoserver/rest/workspaces/cartulary.json")[0] == 401


def test_roles_of_the_map(stack: Stack) -> None:
    public = stack.settings["MAP_PUBLIC_PASSWORD"]
    for sql in (
        "select count(*) from restricted_map.requests",
        "create table public.mine (a int)",
        "delete from public_map.areas",
        "set role map_owner",
        "set role map_restricted",
    ):
        said = stack.psql("postgis", "gis", "map_public", public, sql, check=False)
        assert "permission denied" in said, f"{sql}: {said}"
    assert "authentication failed" in stack.psql("postgis", "gis", "map_restricted", public, "select 1", check=False)
    assert "delete" not in stack.psql("postgis", "gis", "map_restricted", stack.settings["MAP_RESTRICTED_PASSWORD"], "select 1")
    # Prefect's role knows nothing of our state.
    said = stack.psql("postgres", "cartulary", "prefect", stack.settings["PREFECT_DATABASE_PASSWORD"], "select 1", check=False)
    assert "permission denied" in said


def test_sql_is_for_bi_and_for_reading(stack: Stack, web: Web) -> None:
    bi, writer = stack.settings["CLICKHOUSE_BI_PASSWORD"], stack.settings["CLICKHOUSE_WRITER_PASSWORD"]
    question = "select 1"

    def ask(sql: str, user: str = "bi", password: str = bi, path: str = "/", **headers: str) -> int:
        return web.post("sql", path, content=sql, auth=(user, password), headers=headers).status_code

    assert ask(question) == 200
    assert web.post("sql", "/", content=question).status_code == 401
    assert ask(question, password="wrong") in (401, 403)
    assert ask(question, "writer", writer) == 401
    assert ask(question, "default", stack.settings["CLICKHOUSE_ADMIN_PASSWORD"]) == 401
    # A user in the address is not the one who asks.
    private = "select count() from bronze.letters"
    for query in (f"user=writer&password={writer}", f"%75ser=writer&%70assword={writer}", f"USER=writer&user=writer&password={writer}"):
        assert ask(private, path=f"/?{query}") >= 400, query
    assert ask(question, **{"X-ClickHouse-User": "writer", "X-ClickHouse-Key": writer}) == 401
    for sql in (
        "insert into gold.builds select * from gold.builds",
        "create table gold.mine (a Int8) engine = Memory",
        "drop table gold.fct_requests",
        "select * from bronze.letters",
        "select * from silver.int_requests__located",
        "select * from gold.fct_requests",
        "select longitude, latitude from gold.fct_requests",
        "select * from url('http://api:8600/health/live', LineAsString)",
        "select * from file('/etc/passwd', LineAsString)",
    ):
        assert ask(sql) >= 400, sql
    operator = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": stack.settings["CLICKHOUSE_ADMIN_PASSWORD"]}
    assert stack.fetch("flows", "http://clickhouse:8123/?query=select%201", operator)[0] in (401, 403)
    # GET is for reading as ClickHouse has it.
    assert web.get("sql", "/?query=select%201", auth=("bi", bi)).status_code == 200
    assert web.get("sql", "/?query=drop%20table%20gold.fct_requests", auth=("bi", bi)).status_code >= 400
    # Play is for its own user alone.
    assert stack.settings["CLICKHOUSE_PLAY_PASSWORD"] != bi
    staff = ("clerk", stack.password)
    as_writer = web.post("play", f"/?user=writer&password={writer}", content=question, auth=staff)
    assert as_writer.status_code in (401, 403, 404)
    as_play = web.post("play", f"/?user=play&password={stack.settings['CLICKHOUSE_PLAY_PASSWORD']}", content=question, auth=staff)
    assert (as_play.status_code, as_play.text.strip()) == (200, "1")


def test_the_object_store_wants_signatures(web: Web) -> None:
    for path in ("/cartulary", "/", "/cartulary/manifests"):
        assert web.get("s3", path).status_code in (400, 403), path
    for method in ("PUT", "POST", "DELETE"):
        assert web.ask(method, "s3", "/cartulary/x", content=b"x").status_code in (403, 405)


def test_prefect_wants_its_own_login(stack: Stack, web: Web) -> None:
    assert web.post("prefect", "/api/flows/filter", json={}).status_code == 401
    assert web.post("prefect", "/api/flows/filter", json={}, auth=("clerk", stack.password)).status_code == 401
    assert stack.fetch("api", "http://prefect-server:4200/api/admin/version")[0] == 401


def test_metrics_are_for_prometheus(stack: Stack, web: Web, town: Town) -> None:
    """And for keys that may read."""
    assert web.get("api", "/metrics").status_code == 401
    assert web.get("", "/metrics").status_code in (200, 404) and "cartulary_" not in web.get("", "/metrics").text
    assert town.program("site", "GET", "/metrics").status_code == 403
    answer = town.staff("GET", "/prometheus/api/v1/targets?state=active")
    assert answer.status_code == 200, answer.text
    assert stack.settings["METRICS_TOKEN"] not in answer.text


def test_redis_and_postgres_want_their_passwords(stack: Stack) -> None:
    said = stack.run("redis", "redis-cli", "-h", "redis", "keys", "*", check=False)
    assert "NOAUTH" in said.stdout + said.stderr
    assert "authentication failed" in stack.psql("postgres", "cartulary", "cartulary", "guessed", "select 1", check=False)
    assert "authentication failed" in stack.psql("postgres", "postgres", "postgres", "postgres", "select 1", check=False)


def test_plain_http_leads_to_https(stack: Stack) -> None:
    answer = httpx.get(f"http://127.0.0.1:{stack.settings['HTTP_PORT']}/portal/", headers={"Host": "localhost"}, trust_env=False)
    assert answer.status_code == 308
    assert answer.headers["location"].startswith("https://localhost")
