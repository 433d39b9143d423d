"""The main job through the one door: letters and data in, a map out, in every place where somebody looks at it."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from stack import CLERK, Stack, until
from town import RUN_SECONDS, Town, letter
from web import Web

SUBMISSION = {
    "channel": "web",
    "street": "Seestrasse",
    "housenumber": "3",
    "postcode": "7100",
    "city": "Lindach",
    "facility_kind": "school",
}


def test_data_letters_and_a_request_come_in(town: Town) -> None:
    town.load_data()
    files = [("files", (f"kirchgasse-{number}.png", letter("Kirchgasse", number), "image/png")) for number in (3, 7)]
    town.took(town.staff("POST", "/v1/uploads", data={"purpose": "letter"}, files=files))
    by_program = {"files": ("birkenweg-5.png", letter("Birkenweg", 5), "image/png")}
    town.took(town.program("site", "POST", "/v1/uploads", data={"purpose": "letter"}, files=by_program))
    typed = town.form(SUBMISSION)
    assert typed.status_code == 202, typed.text
    town.note({typed.json()["submission_id"]: "form"})
    assert len(town.letters) >= 4


def test_the_same_bytes_are_the_same_letter(town: Town) -> None:
    before = dict(town.letters)
    again = {"files": ("other-name.png", letter("Birkenweg", 5), "image/png")}
    answer = town.program("site", "POST", "/v1/uploads", data={"purpose": "letter"}, files=again)
    receipt = answer.json()["items"][0]
    assert (receipt["is_new"], receipt["id"] in before) == (False, True)


def test_a_large_letter_goes_past_the_gateway(town: Town) -> None:
    large = letter("Seestrasse", 8, scale=6, kind="TIFF")
    assert len(large) > 40_000_000
    through_tyk = town.program("site", "POST", "/v1/uploads", data={"purpose": "letter"}, files={"files": ("seestrasse-8.tif", large)})
    assert through_tyk.status_code == 413
    town.took(town.large_file(large, "seestrasse-8.tif"))
    again = town.web.at(town.session_url, "PUT", content=b"something else", headers={"Content-Type": "application/octet-stream"})
    assert again.status_code in (404, 409, 410)


def test_everything_is_on_the_map(town: Town) -> None:
    town.wait_for_letters()
    status = town.wait_for_quiet()
    assert status["published"]["generation"] >= 1
    assert not status["failed"]
    assert town.stack.cartulary("status")["differences"] == []


def test_prefect_ran_the_letters(stack: Stack, web: Web) -> None:
    user, _, password = stack.settings["PREFECT_AUTH"].partition(":")

    def completed() -> bool:
        asked = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}, "flows": {"name": {"any_": ["letters"]}}}
        answer = web.post("prefect", "/api/flow_runs/filter", json=asked, auth=(user, password))
        assert answer.status_code == 200, answer.text
        return bool(answer.json())

    until(completed, "a run of the letters' flow completed", RUN_SECONDS)


def test_coverage_from_the_api(town: Town) -> None:
    rows = {row["facility_kind"]: row for row in town.items("reader", "/v1/coverage?area_code=A1&limit=100")}
    assert rows["pharmacy"]["address_point_count"] == 30
    assert rows["pharmacy"]["coverage_share"] is not None
    # The staff's portal shows the same.
    seen = town.staff("GET", "/v1/areas/A1/coverage")
    assert {row["facility_kind"]: row["coverage_share"] for row in seen.json()["items"]} == {
        kind: row["coverage_share"] for kind, row in rows.items()
    }


def test_rows_in_postgis(stack: Stack, town: Town) -> None:
    public, restricted = stack.settings["MAP_PUBLIC_PASSWORD"], stack.settings["MAP_RESTRICTED_PASSWORD"]

    def requests() -> bool:
        sql = "select count(*), count(distinct request_id) from restricted_map.requests where st_srid(geometry) = 4326"
        return stack.psql("postgis", "gis", "map_restricted", restricted, sql) == f"{len(town.letters)}|{len(town.letters)}"

    until(requests, "all requests in PostGIS")
    assert stack.psql("postgis", "gis", "map_public", public, "select count(*) from public_map.facilities") == "2"
    covered = stack.psql(
        "postgis", "gis", "map_public", public, "select coverage_share from public_map.area_coverage where facility_kind = 'pharmacy'"
    )
    row = next(row for row in town.items("reader", "/v1/coverage?area_code=A1") if row["facility_kind"] == "pharmacy")
    assert abs(float(covered) - row["coverage_share"]) < 1e-9


def test_geoserver_shows_the_layers(web: Web) -> None:
    def layers() -> bool:
        answer = web.get("", "/geoserver/wms?service=WMS&version=1.3.0&request=GetCapabilities")
        assert answer.status_code == 200
        names = {element.text for element in ElementTree.fromstring(answer.content).iter() if element.tag.rpartition("}")[2] == "Name"}
        return {"areas", "facilities", "area_coverage"} <= {str(name).rpartition(":")[2] for name in names}

    until(layers, "GeoServer shows the layers")


def test_a_bi_program_sees_gold(stack: Stack, web: Web, town: Town) -> None:
    answer = web.post(
        "sql", "/", content="select count() from gold.fct_requests format JSON", auth=("bi", stack.settings["CLICKHOUSE_BI_PASSWORD"])
    )
    assert answer.status_code == 200, answer.text
    assert int(json.loads(answer.text)["data"][0]["count()"]) == len(town.letters)


def test_a_browser_gets_the_file_from_the_object_store(town: Town) -> None:
    uploads = town.staff("GET", "/v1/uploads?purpose=letter&limit=50").json()["items"]
    upload = next(one for one in uploads if one["file_name"] == "kirchgasse-3.png")
    answer = town.staff("GET", f"/v1/uploads/{upload['upload_id']}/file")
    assert answer.status_code == 307, answer.text
    link = answer.headers["location"]
    assert link.startswith(town.web.origin("s3"))
    fetched = town.web.at(link)
    assert (fetched.status_code, fetched.content) == (200, letter("Kirchgasse", 3))
    # Whoever changes the link gets nothing.
    assert town.web.at(link.replace("Signature=", "Signature=0")).status_code == 403


def test_a_person_of_the_staff_decides_under_their_own_name(town: Town) -> None:
    one = next(iter(town.letters))
    decision = {"action": "accept", "note": "seen in the test"}
    answer = town.staff(
        "POST", f"/v1/reviews/{one}/corrections", json=decision, headers={"X-Forwarded-User": "mayor", "X-Consumer": "mayor"}
    )
    assert answer.status_code == 201, answer.text
    corrections = town.staff("GET", f"/v1/reviews/{one}").json()["corrections"]
    assert [correction["reviewer"] for correction in corrections] == ["clerk"]


def test_pages(web: Web, town: Town) -> None:
    landing = web.get("", "/")
    assert landing.status_code == 200 and "Cartulary" in landing.text
    form = web.get("", "/form/")
    assert form.status_code == 200 and "script" in form.text
    portal = town.staff("GET", "/portal/")
    assert portal.status_code == 200 and "script" in portal.text
    assert town.staff("GET", "/portal/me.json").json()["name"] == CLERK
    for page in (landing, form, portal):
        assert "default-src" in page.headers["content-security-policy"]
        assert page.headers["strict-transport-security"]
    assert web.get("api", "/docs").status_code == 200
    assert web.get("api", "/openapi.json").json()["openapi"]
    assert web.get("api", "/health/live").status_code == 200
    docs = town.staff("GET", "/dbt-docs/")
    assert docs.status_code == 200 and "dbt" in docs.text
