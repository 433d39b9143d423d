"""The live state of letters and submissions, the review desk, the pictures, the status."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_support import TestClient, Wakes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from api.changes import Changes
from services.warehouse.client import Warehouse
from services.wiring import Services

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANDIDATE = {"address_id": "a-1", "street": "Main street", "housenumber": "1", "postcode": "7001", "city": "Lindenau"}
CANDIDATES = json.dumps([{**CANDIDATE, "longitude": 9.5, "latitude": 47.1, "similarity": 0.9}])


def page(shade: int = 255) -> bytes:
    """A page whose top left quarter is black."""
    image = Image.new("L", (400, 600), shade)
    ImageDraw.Draw(image).rectangle((0, 0, 200, 300), fill=0)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


class Desk:
    """Writes what the steps would write."""

    def __init__(self, services: Services) -> None:
        self.services, self.warehouse = services, services.warehouse

    def letter(self, number: int, at: datetime = AT) -> str:
        return self.services.intake.receive_letter([page(255 - number % 100)], f"letter-{number}.png", "api", at).id

    def read(self, letter_id: str, **fields: Any) -> str:
        extraction_id = f"e-{letter_id}"
        self.warehouse.insert(
            "bronze.extractions",
            [
                {
                    "extraction_id": extraction_id,
                    "letter_id": letter_id,
                    "extractor": "ocr",
                    "model": "latin",
                    "outcome": "read",
                    "street": "Main street",
                    "housenumber": "1",
                    "postcode": "7001",
                    "city": "Lindenau",
                    "letter_date": AT.date(),
                    "language": "de",
                    "facility_kind": "pharmacy",
                    "text": "SECRET TEXT",
                    "address_page": 1,
                    "address_box": [0.0, 0.0, 0.5, 0.5],
                    "page_rotations": [0],
                    "raw": "SECRET RAW",
                    "started_at": AT + timedelta(seconds=1),
                    "finished_at": AT + timedelta(seconds=2),
                    **fields,
                }
            ],
        )
        return extraction_id

    def place(self, subject_id: str, precision: str = "house", *, kind: str = "letter", correction_id: str = "", **fields: Any) -> str:
        geocode_id = f"g-{subject_id}-{correction_id}"
        has_place = precision != "none"
        self.warehouse.insert(
            "bronze.geocodes",
            [
                {
                    "geocode_id": geocode_id,
                    "subject_kind": kind,
                    "subject_id": subject_id,
                    "correction_id": correction_id,
                    "extraction_id": f"e-{subject_id}" if kind == "letter" and not correction_id else "",
                    "precision": precision,
                    "geocoder": "register",
                    "longitude": 9.5 if has_place else None,
                    "latitude": 47.1 if has_place else None,
                    "uncertainty_m": 10.0 if has_place else None,
                    "is_housenumber_equal": 1,
                    "candidates": CANDIDATES,
                    "geocoded_at": AT + timedelta(seconds=3),
                    **fields,
                }
            ],
        )
        return geocode_id

    def weigh(self, letter_id: str, state: str, precision: str = "house", reason: str = "") -> None:
        has_place = precision != "none"
        self.warehouse.insert(
            "silver.int_letters__evidence",
            [
                {
                    "letter_id": letter_id,
                    "extraction_id": f"e-{letter_id}",
                    "geocode_id": f"g-{letter_id}-",
                    "is_house_known": int(precision == "house"),
                    "evidence_score": 90.0,
                    "state": state,
                    "precision": precision,
                    "longitude": 9.5 if has_place else None,
                    "latitude": 47.1 if has_place else None,
                    "uncertainty_m": 10.0 if has_place else None,
                    "reason": reason,
                }
            ],
        )


@pytest.fixture
def desk(services: Services) -> Desk:
    return Desk(services)


@pytest.fixture
def silver(gold: Warehouse) -> Warehouse:
    """Silver's evidence is there, and gold is empty of requests."""
    gold.command("truncate table gold.fct_requests")
    return gold


def test_before_any_build_a_letter_is_stored_then_read(client: TestClient, desk: Desk) -> None:
    letter_id = desk.letter(1)
    body = client.get(f"/v1/letters/{letter_id}").json()
    assert body["state"] == "stored"
    assert body["extraction"] is None and body["position"] is None and body["evidence"] is None
    assert body["page_count"] == 1
    assert [step["step"] for step in body["timeline"]] == ["received", "stored"]
    desk.read(letter_id)
    desk.place(letter_id)
    body = client.get(f"/v1/letters/{letter_id}").json()
    assert body["state"] == "read"
    assert body["position"] is None
    assert body["extraction"]["street"] == "Main street"
    assert client.get("/v1/reviews").json()["items"] == []
    status = client.get("/v1/status").json()
    assert status["letters"]["read"] == 1
    assert status["published"] is None


def test_a_letters_way_to_the_map(client: TestClient, desk: Desk, silver: Warehouse) -> None:
    letter_id = desk.letter(1)
    desk.read(letter_id)
    desk.place(letter_id)
    desk.weigh(letter_id, "located")
    silver.command(
        "insert into gold.fct_requests (request_id, _ingested_at) values ({id:String}, '2026-02-02 00:00:01')", {"id": letter_id}
    )
    body = client.get(f"/v1/letters/{letter_id}").json()
    assert body["state"] == "located"
    assert body["position"] == {"longitude": 9.5, "latitude": 47.1, "precision": "house", "uncertainty_m": 10.0}
    assert body["evidence"]["is_house_known"] is True
    assert body["candidates"][0]["address_id"] == "a-1"
    assert {step["step"] for step in body["timeline"]} == {"received", "stored", "read", "placed", "in_gold", "on_map"}
    times = [step["at"] for step in body["timeline"]]
    assert times == sorted(times)
    assert "SECRET" not in client.get(f"/v1/letters/{letter_id}").text
    assert client.get("/v1/letters/none").status_code == 404


# What a reviewer may do with a letter in review, and where it stands afterwards.
DECISIONS = {
    "accept": ({"action": "accept"}, "house", None, "located"),
    "accept a street": ({"action": "accept"}, "street", None, "approximate"),
    "accept nothing": ({"action": "accept"}, "none", None, "review"),
    "correct, not placed yet": ({"action": "correct", "housenumber": "2"}, "none", None, "read"),
    "correct, a house": ({"action": "correct", "housenumber": "2"}, "none", "house", "located"),
    "correct, a street": ({"action": "correct", "housenumber": "2"}, "none", "street", "approximate"),
    "correct, unknown": ({"action": "correct", "housenumber": "2"}, "house", "none", "review"),
    "place": ({"action": "place", "longitude": 9.6, "latitude": 47.2}, "none", None, "located"),
    "reject": ({"action": "reject", "note": "an advertisement"}, "house", None, "rejected"),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_decisions(case: str, client: TestClient, desk: Desk, silver: Warehouse, wakes: Wakes) -> None:
    body, precision, placed, state = DECISIONS[case]
    letter_id = desk.letter(1)
    desk.read(letter_id)
    desk.place(letter_id, precision)
    desk.weigh(letter_id, "review", precision, "house_unknown: There is no such house.")
    waiting = client.get("/v1/reviews").json()["items"]
    assert [(item["subject_id"], item["reason_code"]) for item in waiting] == [(letter_id, "house_unknown")]
    assert waiting[0]["links"]["crop"] == f"/v1/letters/{letter_id}/crop.jpg"
    answer = client.post(f"/v1/reviews/{letter_id}/corrections", json=body)
    assert answer.status_code == 201, answer.text
    assert wakes.count == 1
    if placed:
        desk.place(letter_id, placed, correction_id=answer.json()["correction_id"])
    found = client.get(f"/v1/letters/{letter_id}").json()
    assert found["state"] == state
    assert (found["position"] is not None) == (state in ("located", "approximate") or case == "never")
    if body["action"] == "correct":
        assert found["extraction"]["housenumber"] == "2"
    assert [item["subject_id"] for item in client.get("/v1/reviews").json()["items"]] == ([letter_id] if state == "review" else [])
    assert client.get("/v1/status").json()["letters"][state] == 1
    history = client.get(f"/v1/reviews/{letter_id}").json()
    assert [correction["action"] for correction in history["corrections"]] == [body["action"]]
    assert history["corrections"][0]["reviewer"]
    assert client.post(f"/v1/reviews/{letter_id}/corrections", json={"action": "reopen"}).json()["state"] == "review"
    assert len(client.get(f"/v1/reviews/{letter_id}").json()["corrections"]) == 2


@pytest.mark.parametrize(
    "wrong",
    [{}, {"action": "burn"}, {"action": "place"}, {"action": "place", "longitude": 9}, {"action": "correct"}, {"action": "accept", "x": 1}],
)
def test_a_wrong_decision_is_refused(client: TestClient, desk: Desk, wrong: dict[str, object]) -> None:
    letter_id = desk.letter(1)
    assert client.post(f"/v1/reviews/{letter_id}/corrections", json=wrong).status_code == 422
    assert client.post("/v1/reviews/none/corrections", json={"action": "accept"}).status_code == 404
    assert desk.warehouse.scalar("select count() from bronze.corrections") == 0


SUBMISSIONS = {
    "position": ({"longitude": 9.5, "latitude": 47.1}, None, {}, "located"),
    "waiting": ({"city": "Lindenau"}, None, {}, "stored"),
    "house": ({"city": "Lindenau"}, "house", {}, "located"),
    "similar street": ({"city": "Lindenau"}, "house", {"street_edits": 1}, "review"),
    "other number": ({"city": "Lindenau"}, "house", {"is_housenumber_equal": 0}, "review"),
    "postcode": ({"city": "Lindenau"}, "postcode", {}, "approximate"),
    "unknown": ({"city": "Nowhere"}, "none", {}, "review"),
}


@pytest.mark.parametrize("case", SUBMISSIONS)
def test_submissions_stand_where_silver_puts_them(case: str, client: TestClient, desk: Desk) -> None:
    fields, precision, geocode, state = SUBMISSIONS[case]
    body = {"channel": "web", "facility_kind": "pharmacy", "requester_name": "SECRET NAME", **fields}
    submission_id = client.post("/v1/submissions", json=body, headers={"Idempotency-Key": "0123456789"}).json()["submission_id"]
    if precision:
        desk.place(submission_id, precision, kind="submission", **geocode)
    answer = client.get(f"/v1/submissions/{submission_id}")
    assert answer.json()["state"] == state
    assert "SECRET" not in answer.text
    assert [item["subject_kind"] for item in client.get("/v1/reviews").json()["items"]] == (["submission"] if state == "review" else [])


def test_pages_of_letters_show_each_once(client: TestClient, desk: Desk, silver: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.browsing.LOOK_AT", 4)
    ids = [desk.letter(number, AT + timedelta(seconds=number // 3)) for number in range(23)]
    for number, letter_id in enumerate(ids):
        if number % 2:
            desk.read(letter_id)
            desk.weigh(letter_id, "review" if number % 3 == 0 else "located")
    # A registration done twice makes no second letter.
    desk.warehouse.command("insert into bronze.letters select * from bronze.letters limit 5")
    wanted = {letter_id for number, letter_id in enumerate(ids) if number % 2 and number % 3 == 0}

    @settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(st.integers(1, 9), st.sampled_from(["", "review"]), st.sampled_from([0.0, 5.0]))
    def check(limit: int, state: str, seconds: float) -> None:
        monkeypatch.setattr("api.browsing.LOOK_SECONDS", seconds)
        seen: list[str] = []
        params: dict[str, Any] = {"limit": limit, **({"state": state} if state else {})}
        for _ in range(100):
            body = client.get("/v1/letters", params=params).json()
            seen += [item["letter_id"] for item in body["items"]]
            if body["next_cursor"] is None:
                break
            params["cursor"] = body["next_cursor"]
        assert len(seen) == len(set(seen))
        assert set(seen) == (wanted if state else set(ids))

    check()
    rows = list(csv.DictReader(io.StringIO(client.get("/v1/letters", headers={"Accept": "text/csv"}).text)))
    assert {row["letter_id"] for row in rows} == set(ids)


def test_positions_are_for_those_who_may_see_them(
    client: TestClient, anonymous: TestClient, key_of: Callable[..., dict[str, str]], desk: Desk, silver: Warehouse
) -> None:
    letter_id = desk.letter(1)
    desk.read(letter_id)
    desk.place(letter_id)
    desk.weigh(letter_id, "located")
    assert client.get("/v1/letters").json()["items"][0]["position"]["longitude"] == 9.5
    public = anonymous.get("/v1/letters", headers=key_of("read"))
    assert public.json()["items"][0]["position"] is None
    assert "9.5" not in public.text
    assert "9.5" not in anonymous.get("/v1/letters?format=csv", headers=key_of("read")).text


def test_pictures_of_a_letter(client: TestClient, desk: Desk) -> None:
    letter_id = desk.letter(1)
    assert client.get(f"/v1/letters/{letter_id}/crop.jpg").status_code == 404
    desk.read(letter_id, page_rotations=[180], address_box=[0.5, 0.5, 1.0, 1.0])
    answer = client.get(f"/v1/letters/{letter_id}/pages/1.jpg", params={"max_side": 300})
    assert answer.headers["content-type"] == "image/jpeg"
    upright = Image.open(io.BytesIO(answer.content)).convert("L")
    assert upright.size == (200, 300)
    assert upright.getpixel((190, 290)) < 50 < upright.getpixel((10, 290))  # the black quarter is at the bottom right now
    crop = Image.open(io.BytesIO(client.get(f"/v1/letters/{letter_id}/crop.jpg").content)).convert("L")
    assert crop.getpixel((crop.width // 2, crop.height // 2)) < 50
    assert client.get(f"/v1/letters/{letter_id}/pages/2.jpg").status_code == 404
    assert client.get(f"/v1/letters/{letter_id}/pages/0.jpg").status_code == 422
    assert client.get("/v1/letters/none/pages/1.jpg").status_code == 404


def test_status_counts_everything_once(client: TestClient, desk: Desk, silver: Warehouse) -> None:
    for number, state in enumerate(["stored", "read", "located", "approximate", "review", "review"]):
        letter_id = desk.letter(number)
        if state != "stored":
            desk.read(letter_id)
        if state not in ("stored", "read"):
            desk.place(letter_id)
            desk.weigh(letter_id, state)
    desk.services.intake.receive_letter([b"\x00\x01"], "bad.jpg", "api", AT)
    client.post(f"/v1/reviews/{letter_id}/corrections", json={"action": "reject"})
    body = client.get("/v1/status").json()
    assert body["letters"] == {"stored": 1, "read": 1, "located": 1, "approximate": 1, "review": 1, "rejected": 1, "refused": 1}
    assert body["uploads"] == 6
    # As of a build that has seen all this but the last letter, the numbers are the same.
    overview = client.app.state.overview
    desk.warehouse.command(
        "insert into gold.fct_extractions "
        "select extraction_id, letter_id, true, if(state = 'review' and letter_id = {id:String}, 'rejected', state) "
        "from silver.int_letters__evidence",
        {"id": letter_id},
    )
    desk.warehouse.command("insert into gold.builds select * replace (2 as generation, now64(3) + 61 as started_at) from gold.builds")
    overview._fresh_until = 0
    assert client.get("/v1/status").json()["letters"] == body["letters"]
    assert body["corrections"] == 1
    assert body["outstanding"]["extract"]["pending"] == 6
    assert body["published"]["generation"] == 1
    assert body["failed"] == []


def test_a_reviewers_note_stays_in_the_review(
    client: TestClient, anonymous: TestClient, desk: Desk, silver: Warehouse, key_of: Callable[..., dict[str, str]]
) -> None:
    letter_id = desk.letter(1)
    client.post(f"/v1/reviews/{letter_id}/corrections", json={"action": "reject", "note": "written by A. Person"})
    reader = key_of("read")
    [item] = anonymous.get("/v1/letters", headers=reader).json()["items"]
    assert (item["state"], item["reason"]) == ("rejected", "rejected: Rejected by a reviewer.")
    [change] = [change for change in Changes(desk.warehouse).all_since(0) if change.name == "letter"]
    assert "A. Person" not in str(change)
    for path in ("/v1/letters", "/v1/uploads", "/v1/status"):
        assert "A. Person" not in anonymous.get(path, headers=reader).text
    assert client.get(f"/v1/reviews/{letter_id}").json()["corrections"][0]["note"] == "written by A. Person"


def test_no_more_than_two_pages_are_drawn_at_once(
    client: TestClient, desk: Desk, silver: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter_id = desk.letter(1)
    desk.read(letter_id)
    drawing, most, drawn, lock, both = [0], [0], [0], threading.Lock(), threading.Barrier(2)

    def draw(*arguments: object, **named: object) -> bytes:
        with lock:
            drawing[0] += 1
            drawn[0] += 1
            most[0] = max(most[0], drawing[0])
        both.wait(20)
        time.sleep(0.1)  # a third one would come now
        with lock:
            drawing[0] -= 1
        return b"jpeg"

    monkeypatch.setattr("api.routes.letters.render_page", draw)
    monkeypatch.setattr("api.routes.letters.crop", draw)
    paths = [f"/v1/letters/{letter_id}/pages/1.jpg", f"/v1/letters/{letter_id}/crop.jpg"] * 5
    with ThreadPoolExecutor(10) as pool:
        assert [answer.status_code for answer in pool.map(client.get, paths)] == [200] * 10
    assert (most, drawn) == ([2], [10])
