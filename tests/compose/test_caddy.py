"""The door in a real Caddy: who comes through to which service, with what, and who does not."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import urllib3
from caddy_support import CADDYFILE, DOMAIN, FORM_KEY, PORTAL_KEY, PROGRAM, Door, adapted, environment, running_caddy

from services.settings import PROJECT_ROOT

API = f"api.{DOMAIN}"
FORGED = {"X_Consumer": "portal", "X_Scopes": "admin", "X_Gateway_Secret": "guess", "X_Forwarded_User": "boss", "X_API_Key": "ctl_other"}
OURS = f"https://{DOMAIN}"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("caddy")
    shutil.copytree(PROJECT_ROOT / "services" / "landing", folder / "landing")
    for page in ("portal", "form"):
        (folder / page / "assets").mkdir(parents=True)
        (folder / page / "index.html").write_text(f"the {page}", encoding="utf-8")
        (folder / page / "assets" / "a.js").write_text("1", encoding="utf-8")
    (folder / "dbt-docs").mkdir()
    with running_caddy(folder) as opened:
        yield opened


def bi(user: str = "bi") -> str:
    return "Basic " + base64.b64encode(f"{user}:secret".encode()).decode()


def test_the_file_is_formatted_and_has_no_administration() -> None:
    done = subprocess.run([PROGRAM, "fmt", "--diff", str(CADDYFILE)], capture_output=True, text=True)
    assert not [line for line in done.stdout.splitlines() if line.startswith(("+", "-"))], done.stdout
    assert adapted(environment())["admin"]["disabled"] is True


@pytest.mark.parametrize("domain", [DOMAIN, "localhost"])
def test_every_host_has_a_certificate(domain: str) -> None:
    config = adapted(environment(domain))
    hosts = {
        host
        for server in config["apps"]["http"]["servers"].values()
        for route in server["routes"]
        for match in route.get("match", [])
        for host in match.get("host", [])
    }
    names = ("", "api.", "prefect.", "sql.", "play.", "ch-ui.", "s3.", "console.", "hop.", "bi.", "lab.", "geonode.")
    assert hosts == {f"{name}{domain}" for name in names}


def test_everybody_sees_the_first_page(door: Door) -> None:
    answer = door.ask(DOMAIN, "/")
    assert answer.status == 200 and b"<html" in answer.data
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "Server" not in answer.headers and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not door.asked


def test_the_state_of_a_service_is_shown_and_nothing_else_of_it(door: Door) -> None:
    answer = door.ask(DOMAIN, "/up/grafana", Authorization=bi("anna"), Cookie="session=1")
    assert (answer.status, answer.data) == (200, b"up")
    assert door.came_through.path == "/grafana/api/health"
    assert not {"authorization", "cookie"} & set(door.came_through.headers)
    door.away.add("grafana")
    assert door.ask(DOMAIN, "/up/grafana").status == 502
    door.away.clear()
    assert door.ask(DOMAIN, "/up/portal").data == b"up"
    assert door.ask(DOMAIN, "/up/dbt-docs").status == 502
    assert door.ask(DOMAIN, "/up/postgres").status == 404


@pytest.mark.parametrize("path", ["/portal/", "/v1/letters", "/health/ready", "/prometheus/graph", "/alertmanager/", "/dbt-docs/"])
def test_the_staffs_pages_ask_who_it_is(door: Door, path: str) -> None:
    for answer in (door.ask(DOMAIN, path), door.ask(DOMAIN, path, user="eve"), door.ask(DOMAIN, path, X_API_Key=PORTAL_KEY)):
        assert answer.status == 401 and "Basic" in answer.headers["WWW-Authenticate"]
    assert not door.asked


def test_the_portals_calls_carry_its_key_and_the_persons_name(door: Door) -> None:
    assert door.ask(DOMAIN, "/v1/letters?limit=5", user="anna", **FORGED).data == b"from tyk"
    came = door.came_through
    assert (came.service, came.path) == ("tyk:8080", "/v1/letters?limit=5")
    assert came.headers["x-api-key"] == PORTAL_KEY and came.headers["x-forwarded-user"] == "anna"
    assert not {"authorization", "x-consumer", "x-scopes", "x-gateway-secret"} & set(came.headers)
    door.ask(DOMAIN, "/v1/letters", user="ben")
    assert door.came_through.headers["x-forwarded-user"] == "ben"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": OURS, "Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Origin": OURS}, 200),
        ({}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": f"https://api.{DOMAIN}", "Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": f"http://{DOMAIN}"}, 403),
        ({"Origin": "null", "Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "none"}, 403),
    ],
)
def test_changes_from_other_sites_are_refused(door: Door, headers: dict[str, str], status: int) -> None:
    for method, path, user in (
        ("POST", "/v1/reviews/1/corrections", "anna"),
        ("DELETE", "/v1/x", "anna"),
        ("POST", "/form/submissions", ""),
    ):
        answer = door.ask(DOMAIN, path, method, body=b"{}", user=user, **headers)
        assert answer.status == status, (method, path)
        assert bool(door.asked) == (status == 200)


def test_the_portal_is_files_of_ours(door: Door) -> None:
    assert door.ask(DOMAIN, "/portal", user="anna").headers["Location"] == "/portal/"
    page = door.ask(DOMAIN, "/portal/", user="anna")
    assert page.data == b"the portal" and page.headers["Cache-Control"] == "no-cache"
    assert "immutable" in door.ask(DOMAIN, "/portal/assets/a.js", user="anna").headers["Cache-Control"]
    me = door.ask(DOMAIN, "/portal/me.json", user="anna")
    assert me.json() == {"name": "anna", "can_log_out": False} and me.headers["Cache-Control"] == "no-store"


def test_the_public_form_may_hand_in_and_nothing_else(door: Door) -> None:
    assert door.ask(DOMAIN, "/form/").data == b"the form"
    assert "immutable" in door.ask(DOMAIN, "/form/assets/a.js").headers["Cache-Control"]
    answer = door.ask(DOMAIN, "/form/submissions", "POST", body=b"{}", Origin=OURS, X_Forwarded_For="1.2.3.4", **FORGED)
    assert answer.status == 200
    came = door.came_through
    assert (came.service, came.method, came.path, came.body) == ("tyk:8080", "POST", "/v1/submissions", b"{}")
    assert came.headers["x-api-key"] == FORM_KEY and not came.headers.get("x-forwarded-user")
    # Whoever asks cannot choose from where.
    assert came.headers["x-forwarded-for"] == "127.0.0.1"
    assert door.ask(DOMAIN, "/form/submissions", "POST", body=b"[" + b"{}," * 30_000, Origin=OURS).status == 413
    assert door.ask(DOMAIN, "/form/submissions").status == 405
    assert door.ask(DOMAIN, "/form/v1/letters").status == 404
    assert door.ask(DOMAIN, "/form/../v1/letters").status in (400, 401, 404)


def test_the_api_is_reached_through_the_gateway_with_the_clients_key(door: Door) -> None:
    assert door.ask(API, "/v1/coverage", **FORGED).data == b"from tyk"
    came = door.came_through
    assert came.headers["x-api-key"] == "ctl_other"
    assert not {"x-consumer", "x-scopes", "x-gateway-secret", "x-forwarded-user"} & set(came.headers)
    assert door.ask(API, "/v1/uploads", "POST", body=b"x" * (34 << 20)).status == 413


@pytest.mark.parametrize("host", [DOMAIN, API])
def test_upload_links_go_straight_to_the_api(door: Door, host: str) -> None:
    body = b"x" * (40 << 20)
    assert door.ask(host, "/intake/token-of-one-upload", "PUT", body=body, **FORGED).data == b"from api"
    came = door.came_through
    assert came.service == "api:8600" and len(came.body) == len(body)
    assert not {"x-consumer", "x-scopes", "x-gateway-secret", "x-forwarded-user"} & set(came.headers)


def test_geoserver_is_open_and_its_administration_closed(door: Door) -> None:
    assert door.ask(DOMAIN, "/geoserver/cartulary/wms?request=GetMap", Authorization=bi("map")).data == b"from geoserver"
    assert door.came_through.headers["authorization"] == bi("map")
    closed = ["/rest", "/rest/workspaces", "/rest/../rest/workspaces", "/rest/%2e%2e/rest", "/rest.json", "/REST/x", "/gwc/rest/seed"]
    closed += ["//rest/workspaces", "/%72est/x", "/./rest/x", "/rest;a=b/workspaces", "/x/..;/rest/workspaces", "/gwc;x/rest"]
    for path in [*(f"/geoserver{path}" for path in closed), "//geoserver/rest", "/geoserver;/rest"]:
        assert door.ask(DOMAIN, path).status in (403, 404), path
        assert not door.asked, path


def test_tools_with_a_login_of_their_own_keep_it(door: Door) -> None:
    for host, path, service in (
        (DOMAIN, "/grafana/", "grafana"),
        (DOMAIN, "/grafana/api/search", "grafana"),
        (f"prefect.{DOMAIN}", "/api/flows", "prefect-server"),
        (f"lab.{DOMAIN}", "/lab", "lab"),
        (f"geonode.{DOMAIN}", "/", "geonode"),
    ):
        assert door.ask(host, path, Authorization="Bearer of-theirs").data.decode() == f"from {service}"
        assert door.came_through.headers["authorization"] == "Bearer of-theirs"


def test_metrics_are_for_the_inside(door: Door) -> None:
    for host, path in ((DOMAIN, "/grafana/metrics"), (DOMAIN, "/metrics"), (API, "/../metrics")):
        assert door.ask(host, path).status == 404 or door.came_through.service == "tyk:8080", path
    inside = next(server for server in adapted(environment())["apps"]["http"]["servers"].values() if server["listen"] == [":2020"])
    assert "metrics" in str(inside) and "/health/tyk" in str(inside)


@pytest.mark.parametrize("host", ["hop", "bi", "console", "play", "ch-ui"])
def test_tools_without_a_login_ask_for_ours(door: Door, host: str) -> None:
    assert door.ask(f"{host}.{DOMAIN}", "/ping").status == 401
    assert not door.asked
    answer = door.ask(f"{host}.{DOMAIN}", "/ping", user="anna")
    assert answer.status == 200 and "authorization" not in door.came_through.headers


def test_only_the_user_bi_asks_from_outside(door: Door) -> None:
    host = f"sql.{DOMAIN}"
    assert door.ask(host, "/?query=select+1", Authorization=bi()).data == b"from clickhouse"
    assert door.ask(host, "/", "POST", body=b"select 1", Authorization=bi()).data == b"from clickhouse"
    refused = [
        {"Authorization": bi("writer")},
        {"Authorization": bi("default")},
        {"Authorization": bi("b")},
        {"Authorization": bi(), "X_ClickHouse_User": "writer"},
        {"X_ClickHouse_User": "bi", "X_ClickHouse_Key": "secret"},
        {"Authorization": "Bearer x"},
        {},
    ]
    for headers in refused:
        assert door.ask(host, "/?query=select+1", **headers).status == 401, headers
        assert not door.asked
    for query in ("user=writer&password=x&query=select+1", "us%65r=writer&query=select+1", "quota_key=a&query=select+1&%zz&user=writer"):
        door.ask(host, f"/?{query}", Authorization=bi())
        assert door.came_through.path.endswith("query=select+1") and "writer" not in door.came_through.path, query
    assert door.ask(host, "/?query=select%201%20%25", Authorization=bi()).status == 200
    # Named twice, the first would go on.
    raw = f"GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: {bi('writer')}\r\nAuthorization: {bi()}\r\nConnection: close\r\n\r\n"
    door.asked.clear()
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as connection:
        connection.sendall(raw.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert door.came_through.headers["authorization"] == bi()


def test_play_asks_as_its_own_user_alone(door: Door) -> None:
    host = f"play.{DOMAIN}"
    assert door.ask(host, "/", user="anna").headers["Location"] == "/play"
    assert door.ask(host, "/?user=play&password=p", "POST", body=b"select 1", user="anna").data == b"from clickhouse"
    for path in ("/?user=writer&password=p", "/?password=p", "/replicas_status"):
        answer = door.ask(host, path, "POST", body=b"select 1", user="anna")
        assert answer.status == 404 and not door.asked, path
    for path in ("/?user=play&user=writer", "/?us%65r=writer&user=play"):
        door.ask(host, path, "POST", body=b"select 1", user="anna")
        assert door.came_through.path == "/?user=play", path


def test_objects_are_read_by_signed_links_and_nothing_else(door: Door) -> None:
    host = f"s3.{DOMAIN}"
    assert door.ask(host, "/letters/x?X-Amz-Signature=s").data == b"from rustfs"
    assert door.came_through.headers["host"] == host  # it is signed
    assert door.ask(host, "/letters/x?X-Amz-Signature=s", "PUT", body=b"x").status == 403
    signed = "?X-Amz-Signature=s"
    for path in ("/letters/x", f"/other/x{signed}", f"/rustfs/admin/v3/info{signed}", "/health", f"/letters/../rustfs/admin{signed}"):
        assert door.ask(host, path).status == 403, path
        assert not door.asked, path


def test_the_log_keeps_no_secret(door: Door) -> None:
    begun = len(door.log.read_text(encoding="utf-8"))
    door.ask(f"play.{DOMAIN}", "/play?user=play&password=TOPSECRET1", user="anna")
    door.ask(f"s3.{DOMAIN}", "/x?X-Amz-Signature=TOPSECRET2&X-Amz-Credential=TOPSECRET3")
    door.ask(API, "/v1/x", X_API_Key="TOPSECRET4", Authorization="Bearer TOPSECRET5", Cookie="TOPSECRET6")
    door.ask(DOMAIN, "/intake/TOPSECRET7", "PUT", body=b"x")
    door.ask(API, "/intake/TOPSECRET8?x=1", "PUT", body=b"x")
    # Faults have a log of their own: an answer that breaks off, a service that is away.
    door.breaks.add("tyk")
    with suppress(urllib3.exceptions.HTTPError):
        door.ask(DOMAIN, "/v1/events?token=TOPSECRET9", user="anna")
    door.breaks.clear()
    door.away.add("tyk")
    door.ask(API, "/v1/x?password=TOPSECRET10")
    door.away.clear()
    door.location = "https://s3/letters/x?X-Amz-Credential=TOPSECRET11&X-Amz-Signature=TOPSECRET12"
    door.ask(DOMAIN, "/v1/uploads/1/file", user="anna")
    door.location = ""
    # A request is logged when its answer is out.
    deadline = time.monotonic() + 20
    while (log := door.log.read_text(encoding="utf-8")).count("handled request", begun) < 8:
        assert time.monotonic() < deadline, log[begun:]
        time.sleep(0.05)
    assert "aborting with incomplete response" in log
    assert PORTAL_KEY not in log and FORM_KEY not in log
    assert "/intake/REDACTED" in log and log.count("REDACTED") >= 5
    assert "TOPSECRET" not in log
