"""Lists of gold: pages, filters, CSV, GeoJSON, ETag."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from api_support import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.pages import ListQuery
from services.warehouse.client import Warehouse

LISTS = {
    "/v1/areas": "gold.dim_areas",
    "/v1/coverage": "gold.mart_coverage_by_area",
    "/v1/facilities": "gold.dim_facilities",
    "/v1/catchments": "gold.mart_facility_catchments",
    "/v1/address-points": "gold.mart_proximity_scores",
    "/v1/requests": "gold.fct_requests",
    "/v1/requests/cells": "gold.mart_requests_by_cell",
    "/v1/trends": "gold.mart_request_trends",
    "/v1/quality/extractions": "gold.mart_extraction_quality",
    "/v1/quality/geocoding": "gold.mart_geocoding_health",
    "/v1/quality/loads": "gold.mart_upload_tracking",
    "/v1/quality/underserved": "gold.mart_underserved_areas",
}


def follow(client: TestClient, path: str, sizes: list[int], **params: Any) -> list[dict[str, Any]]:
    """All rows, page by page, each page of the next size."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    for turn in range(1000):
        answer = client.get(path, params={**params, "limit": sizes[turn % len(sizes)], "cursor": cursor})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        rows += body["items"]
        if body["next_cursor"] is None:
            return rows
        assert len(body["items"]) == sizes[turn % len(sizes)]
        cursor = body["next_cursor"]
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("path", LISTS)
def test_pages_of_any_size_show_every_row_once(client: TestClient, gold: Warehouse, path: str) -> None:
    count = gold.scalar(f"select count() from {LISTS[path]}")

    @settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(st.lists(st.integers(1, 25), min_size=1, max_size=4))
    def check(sizes: list[int]) -> None:
        rows = [json.dumps(row, sort_keys=True) for row in follow(client, path, sizes)]
        assert len(rows) == len(set(rows)) == count

    check()


@pytest.mark.parametrize("path", LISTS)
def test_before_the_first_build_lists_are_empty(client: TestClient, path: str) -> None:
    assert client.get(path).json() == {"items": [], "next_cursor": None}
    assert client.get(path, headers={"Accept": "text/csv"}).status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_csv_is_the_whole_list(client: TestClient, gold: Warehouse, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.gold.CSV_ROWS", 7)  # several pieces
    answer = client.get(path, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    items = follow(client, path, [100])
    assert len(rows) == len(items) == gold.scalar(f"select count() from {LISTS[path]}")
    for row, item in zip(rows, items, strict=True):
        assert [row[name] for name in item if isinstance(item[name], str) and not name.endswith("_at")] == [
            value for name, value in item.items() if isinstance(value, str) and not name.endswith("_at")
        ]


@pytest.mark.parametrize("path", ["/v1/coverage", "/v1/catchments", "/v1/trends", "/v1/quality/underserved"])
def test_small_numbers_of_requests_are_for_those_who_see_positions(
    client: TestClient, gold: Warehouse, key_of: Callable[..., dict[str, str]], path: str
) -> None:
    table, public = LISTS[path], key_of("read")
    first = gold.query(f"select * from {table} limit 1")[0]
    gold.command(f"create table gold.seen as {table}")
    for count in (0, 4, 5):
        gold.insert("gold.seen", [{**first, "request_count": count, **_place(path, count)}])
    gold.command(f"exchange tables gold.seen and {table}")
    exact = client.get(path)
    assert [row["request_count"] for row in exact.json()["items"]] == [0, 4, 5]
    shown: list[int | None] = [5] if path == "/v1/trends" else [None, None, 5]
    # The tag of another caller's answer does not open it.
    answer = client.get(path, headers={**public, "If-None-Match": exact.headers["ETag"]})
    assert [row["request_count"] for row in answer.json()["items"]] == shown
    told = csv.DictReader(io.StringIO(client.get(path, headers={**public, "Accept": "text/csv"}).text))
    assert [row["request_count"] for row in told] == [str(count) if count else "\\N" for count in shown]
    if path == "/v1/catchments":
        features = client.get(path, params={"format": "geojson"}, headers=public).json()["features"]
        assert [feature["properties"]["request_count"] for feature in features] == shown


def _place(path: str, number: int) -> dict[str, Any]:
    """What makes a row another one, and its place in the list."""
    if path == "/v1/quality/underserved":
        return {"need_rank": number}
    return {"facility_id" if path == "/v1/catchments" else "area_code": f"place {number}"}


def test_csv_with_a_limit_stops_there(client: TestClient, gold: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.gold.CSV_ROWS", 4)
    answer = client.get("/v1/areas", params={"format": "csv", "limit": 10})
    assert len(answer.text.splitlines()) == 11


def test_a_build_during_a_download_breaks_it_off(client: TestClient, gold: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.gold.CSV_ROWS", 5)
    generations = iter([1, 1, 1, 2])
    monkeypatch.setattr("api.gold.published_generation", lambda warehouse: next(generations))
    client.app.state.build._asked_at = 1e12  # type: ignore[attr-defined]
    strict = TestClient(client.app, headers=client.headers)
    with pytest.raises(Exception, match="response already started"):
        strict.get("/v1/areas", params={"format": "csv"})


@pytest.mark.parametrize(
    "path", ["/v1/areas", "/v1/facilities", "/v1/catchments", "/v1/address-points", "/v1/requests", "/v1/requests/cells"]
)
def test_geojson_is_a_feature_collection(client: TestClient, gold: Warehouse, path: str) -> None:
    answer = client.get(path, headers={"Accept": "application/geo+json"}, params={"limit": 5})
    assert answer.headers["content-type"] == "application/geo+json"
    body = answer.json()
    assert body["type"] == "FeatureCollection"
    assert body["features"]
    for feature in body["features"]:
        assert set(feature) == {"type", "id", "geometry", "properties"}
        assert feature["type"] == "Feature"
        check_geometry(feature["geometry"])
        assert "geometry" not in feature["properties"]
    following = client.get(path, params={"format": "geojson", "limit": 5, "cursor": body["next_cursor"]}) if body["next_cursor"] else None
    if following is not None:
        assert {f["id"] for f in following.json()["features"]}.isdisjoint({f["id"] for f in body["features"]})


def check_geometry(geometry: dict[str, Any]) -> None:
    """Degrees in the right order and closed rings (RFC 7946)."""
    coordinates = geometry["coordinates"]
    if geometry["type"] == "Point":
        points = [coordinates]
    else:
        polygons = coordinates if geometry["type"] == "MultiPolygon" else [coordinates]
        for ring in [ring for polygon in polygons for ring in polygon]:
            assert ring[0] == ring[-1]
            assert len(ring) >= 4
        points = [point for polygon in polygons for ring in polygon for point in ring]
    for longitude, latitude in points:
        assert 8.9 < longitude < 9.8
        assert 46.9 < latitude < 48.1


def test_bbox_keeps_what_touches_it(client: TestClient, gold: Warehouse) -> None:
    inside = follow(client, "/v1/facilities", [3], bbox="9.05,47.05,9.10,47.10")
    assert {row["facility_id"] for row in inside} == {f"node-{number}" for number in range(5, 11)}
    areas = follow(client, "/v1/areas", [3], bbox="9.055,47.5,9.065,47.6")
    assert [row["area_code"] for row in areas] == ["0005", "0006"]
    assert {row["h3_cell"] for row in follow(client, "/v1/requests/cells", [3], bbox="0,0,1,1")} == set()


@pytest.mark.parametrize("bbox", ["1,2,3", "a,b,c,d", "9,47,8,48", "9,48,10,47", "-181,0,0,0", "nan,0,1,1", "1,2,3,4,5", "0,0,inf,1"])
def test_a_wrong_bbox_is_refused(client: TestClient, gold: Warehouse, bbox: str) -> None:
    answer = client.get("/v1/areas", params={"bbox": bbox})
    assert answer.status_code == 422
    assert "bbox" in answer.json()["detail"]


def test_filters(client: TestClient, gold: Warehouse) -> None:
    assert {row["level"] for row in follow(client, "/v1/areas", [10], level=6)} == {6}
    assert len(follow(client, "/v1/areas", [10], parent_code="0010")) == 9
    assert {row["facility_kind"] for row in follow(client, "/v1/facilities", [10], facility_kind="school")} == {"school"}
    assert len(follow(client, "/v1/requests", [10], area_code="0010")) == 10  # an area holds the requests of those inside it
    assert {row["channel"] for row in follow(client, "/v1/requests", [10], channel="web")} == {"web"}
    assert {row["state"] for row in follow(client, "/v1/requests", [10], state="approximate")} == {"approximate"}
    rows = client.get("/v1/areas/0021/coverage").json()["items"]
    assert {row["facility_kind"] for row in rows} == {"pharmacy", "school", "bus_stop", "library"}
    assert all(row["coverage_share"] == 0.5 for row in rows)
    assert all(row["coverage_share"] is None for row in client.get("/v1/areas/0003/coverage").json()["items"])


def test_one_area_one_facility_or_404(client: TestClient, gold: Warehouse) -> None:
    assert client.get("/v1/areas/0003").json()["area_name"] == 'Area "3", north'
    assert client.get("/v1/facilities/node-4").json()["housenumber"] == "4"
    for path in ("/v1/areas/none", "/v1/areas/none/coverage", "/v1/facilities/none"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "none" in answer.json()["detail"]


@pytest.mark.parametrize("cursor", ["x", "!!!", "W10", "bnVsbA", "WyJhIl0", "WyIiLDFd" * 3, "x" * 1999])
def test_a_cursor_that_is_none_is_refused(client: TestClient, gold: Warehouse, cursor: str) -> None:
    answer = client.get("/v1/areas", params={"cursor": cursor})
    assert answer.status_code == 422
    assert "cursor" in answer.json()["detail"]


def test_a_cursor_counts_for_its_list_and_filters_only(client: TestClient, gold: Warehouse) -> None:
    cursor = client.get("/v1/areas", params={"limit": 3}).json()["next_cursor"]
    assert client.get("/v1/areas", params={"cursor": cursor}).status_code == 200
    assert client.get("/v1/facilities", params={"cursor": cursor}).status_code == 422
    assert client.get("/v1/areas", params={"cursor": cursor, "level": 8}).status_code == 422


@given(st.lists(st.one_of(st.text(max_size=5), st.integers(), st.floats(), st.none(), st.booleans()), max_size=4))
@settings(max_examples=100)
def test_cursors_hold_only_the_types_of_their_keys(keys: list[object]) -> None:
    query = ListQuery("requests", ("received_at", "request_id"))
    cursor = query.encode(keys, {})
    fits = len(keys) == 2 and type(keys[0]) is int and -(2**63) <= keys[0] < 2**63 and type(keys[1]) is str
    try:
        assert query.decode(cursor, {}) == keys
        assert fits
    except Exception as error:
        assert type(error).__name__ == "RequestError"
        assert not fits


def test_a_page_has_a_largest_size(client: TestClient, gold: Warehouse) -> None:
    assert client.get("/v1/areas", params={"limit": 1001}).status_code == 422
    assert client.get("/v1/areas", params={"limit": 0}).status_code == 422
    assert client.get("/v1/areas", params={"limit": 1000}).status_code == 200


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/json"),
        ("text/csv;q=0.4, application/geo+json;q=0.9", "application/geo+json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("text/*", "text/csv"),
        ("application/json;q=0, text/csv;q=0.1", "text/csv"),
    ],
)
def test_accept_chooses_the_format(client: TestClient, gold: Warehouse, accept: str, content_type: str) -> None:
    assert client.get("/v1/areas", headers={"Accept": accept}).headers["content-type"].startswith(content_type)


def test_what_cannot_be_had_is_406(client: TestClient, gold: Warehouse) -> None:
    assert client.get("/v1/areas", headers={"Accept": "application/xml"}).status_code == 406
    assert client.get("/v1/coverage", params={"format": "geojson"}).status_code == 406


def test_the_same_generation_is_not_sent_again(client: TestClient, gold: Warehouse) -> None:
    first = client.get("/v1/areas")
    tag = {"If-None-Match": first.headers["etag"]}
    assert client.get("/v1/areas", headers=tag).status_code == 304
    assert client.get("/v1/areas?limit=5", headers=tag).status_code == 200
    gold.command("insert into gold.builds select * replace (2 as generation) from gold.builds")
    assert client.get("/v1/areas", headers=tag).status_code == 200


def test_who_heard_of_a_build_gets_its_rows_at_once(client: TestClient, gold: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.gold.BUILD_SECONDS", 3600)  # however long a build may count as the newest
    first = client.get("/v1/requests", params={"format": "geojson"})
    gold.command("truncate table gold.fct_requests")
    gold.command("insert into gold.builds select * replace (2 as generation) from gold.builds")
    answer = client.get("/v1/requests", params={"format": "geojson"}, headers={"If-None-Match": first.headers["etag"]})
    assert answer.status_code == 200
    assert first.json()["features"] and not answer.json()["features"]
    assert answer.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("other", ["'another' as fingerprint", "started_at + 1 as started_at"])
def test_the_same_generation_of_another_data_directory_is_sent(client: TestClient, gold: Warehouse, other: str) -> None:
    tag = {"If-None-Match": client.get("/v1/areas").headers["etag"]}
    gold.command(f"create table gold.builds_before engine = Memory as select * replace ({other}) from gold.builds")
    gold.command("truncate table gold.builds")
    gold.command("insert into gold.builds select * from gold.builds_before")
    gold.command("drop table gold.builds_before")
    assert client.get("/v1/areas", headers=tag).status_code == 200


def test_another_version_of_the_api_sends_everything_again(client: TestClient, gold: Warehouse) -> None:
    tag = {"If-None-Match": client.get("/v1/areas").headers["etag"]}
    client.app.version = "99"  # type: ignore[attr-defined]
    assert client.get("/v1/areas", headers=tag).status_code == 200


def test_proximity_of_a_point(client: TestClient, gold: Warehouse) -> None:
    body = client.get("/v1/proximity", params={"longitude": 9.0, "latitude": 47.0}).json()
    kinds = {kind["facility_kind"]: kind for kind in body["kinds"]}
    assert kinds["pharmacy"]["facility_id"] == "node-0"
    assert kinds["pharmacy"]["distance_km"] == 0
    assert kinds["pharmacy"]["kind_score"] == 100
    assert kinds["library"] == {
        "facility_kind": "library",
        "facility_id": None,
        "facility_name": None,
        "distance_km": None,
        "is_covered": False,
        "kind_score": 0,
        "weight": 0.5,
    }
    # node-1, the nearest school, is 0.01 degrees to the north-east: 1.3460 km on a sphere of 6,371 km.
    assert kinds["school"]["distance_km"] == pytest.approx(1.3460, abs=0.002)
    assert kinds["school"]["is_covered"]
    expected = (100 + kinds["school"]["kind_score"] + kinds["bus_stop"]["kind_score"] + 0) / 3.5
    assert body["proximity_score"] == pytest.approx(expected)
    assert kinds["school"]["kind_score"] == pytest.approx(100 * (1 - kinds["school"]["distance_km"] / 5))


def test_proximity_before_the_first_build_is_unknown(client: TestClient) -> None:
    assert client.get("/v1/proximity", params={"longitude": 9.0, "latitude": 47.0}).json()["proximity_score"] is None


def test_facility_kinds(client: TestClient, gold: Warehouse) -> None:
    assert [row["facility_kind"] for row in client.get("/v1/facility-kinds").json()["items"]] == [
        "bus_stop",
        "library",
        "pharmacy",
        "school",
    ]
