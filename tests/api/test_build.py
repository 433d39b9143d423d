"""The API over what dbt really builds: every list answers, and the live state is silver's."""

from __future__ import annotations

import collections
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_support import TestClient
from test_letters import AT, Desk
from test_lists import LISTS

from flows.steps.load import load_outstanding
from flows.steps.transform import transform
from services.wiring import Services

AREAS = """area_code,area_name,level,population,geometry
7000,Region,6,9000,"POLYGON((9.4 47.0,9.7 47.0,9.7 47.3,9.4 47.3,9.4 47.0))"
7001,Lindenau,8,5000,"POLYGON((9.4 47.0,9.6 47.0,9.6 47.3,9.4 47.3,9.4 47.0))"
"""
FACILITIES = """facility_id,name,kind,street,housenumber,postcode,city,lon,lat
f-1,Pharmacy,pharmacy,Main street,1,7001,Lindenau,9.5,47.1
f-2,School,school,Main street,3,7001,Lindenau,9.51,47.11
"""
EXTRACTION = {"street_score": 0.99, "city_score": 0.99, "agreement_score": 1.0, "sender_score": 1.0, "text": "Main street 1 7001 Lindenau"}
GEOCODE = {
    "address_id": "a-1",
    "matched_street": "Main street",
    "matched_housenumber": "1",
    "matched_postcode": "7001",
    "matched_city": "Lindenau",
    "street_similarity": 1.0,
    "city_similarity": 1.0,
    "is_postcode_equal": 1,
    "candidate_margin": 0.5,
}
ACCEPT, REJECT, REOPEN = ({"action": action} for action in ("accept", "reject", "reopen"))
CORRECT = {"action": "correct", "housenumber": "2", "facility_kind": "school"}
DATED = {"action": "correct", "street": "Side street", "letter_date": "2026-02-01"}
PLACE = {"action": "place", "longitude": 9.55, "latitude": 47.15}
SEQUENCES: list[list[dict[str, Any]]] = [
    [],
    [ACCEPT],
    [CORRECT],
    [PLACE],
    [REJECT],
    [REOPEN],
    [CORRECT, PLACE],
    [CORRECT, DATED, ACCEPT],
    [PLACE, CORRECT],
    [CORRECT, REOPEN],
    [CORRECT, PLACE, REOPEN, DATED],
    [PLACE, REJECT, ACCEPT],
]


def load(services: Services) -> None:
    """The three datasets."""
    points = "address_id,street,housenumber,postcode,city,lon,lat\n" + "".join(
        f"a-{number},Main street,{number},7001,Lindenau,{9.5 + number / 1000},47.1\n" for number in range(1, 31)
    )
    now = datetime.now(UTC)
    for dataset, text in (("areas", AREAS), ("facilities", FACILITIES), ("address_points", points)):
        receipt = services.intake.receive_dataset([text.encode()], f"{dataset}.csv", dataset, None, "api", now)
        assert receipt.state == "stored", receipt.reason
    load_outstanding(services, now)


@pytest.mark.slow
def test_live_states_are_those_of_silver_and_gold_answers(client: TestClient, services: Services) -> None:
    desk = Desk(services)
    load(services)
    cases = itertools.product(("house", "street", "none"), ("house", "none"), SEQUENCES)
    for number, (precision, corrected, sequence) in enumerate(cases):
        letter_id = desk.letter(number)
        desk.read(letter_id, **EXTRACTION)
        desk.place(letter_id, precision, **(GEOCODE if precision != "none" else {}))
        decide(client, desk, letter_id, "letter", sequence, corrected, number)
    for number, (precision, corrected, sequence) in enumerate(
        itertools.product(("house", "postcode", "none"), ("house", "none"), SEQUENCES)
    ):
        body = {"channel": "web", "facility_kind": "school", "city": "Lindenau", "street": "Main street"}
        submission_id = client.post("/v1/submissions", json=body, headers={"Idempotency-Key": f"number-{number}"}).json()["submission_id"]
        desk.place(submission_id, precision, kind="submission", **(GEOCODE if precision != "none" else {}))
        decide(client, desk, submission_id, "submission", sequence, corrected, number)
    transform(services, now=datetime.now(UTC))

    silver = {row["request_id"]: row for row in services.warehouse.query("select * from silver.int_requests__located")}
    assert len(silver) == 2 * 6 * len(SEQUENCES)
    states = set()
    for subject_id, row in silver.items():
        live = client.get(f"/v1/reviews/{subject_id}").json()
        states.add(live["state"])
        assert live["state"] == row["state"], (live, row)
        if row["state"] in ("located", "approximate"):
            assert live["position"] == {name: row[name] for name in ("longitude", "latitude", "precision", "uncertainty_m")}
        assert live["extraction"]["facility_kind"] == row["facility_kind"], (live, row)
        if row["subject_kind"] == "letter":
            assert live["extraction"]["letter_date"] == row["requested_on"].isoformat()
        assert live["reason_code"] == row["reason"].partition(":")[0] or row["state"] == "approximate"
    assert states == {"located", "approximate", "review", "rejected"}

    # The newest build's facts say the same: what was corrected before a place by hand is not lost.
    gold = {row["request_id"]: row for row in services.warehouse.query("select * from gold.fct_requests")}
    assert set(gold) == {subject_id for subject_id, row in silver.items() if row["state"] in ("located", "approximate")}
    assert all(gold[subject_id]["facility_kind"] == silver[subject_id]["facility_kind"] for subject_id in gold)

    for path, table in LISTS.items():
        answer = client.get(path, params={"limit": 1000})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) == services.warehouse.scalar(f"select count() from {table}"), path
        text = client.get(path, headers={"Accept": "text/csv"})
        assert text.status_code == 200
    assert client.get("/v1/requests", params={"limit": 1000, "area_code": "7000"}).json()["items"]
    assert client.get("/v1/requests/cells", params={"format": "geojson"}).json()["features"]
    assert client.get("/v1/areas", params={"format": "geojson"}).json()["features"][0]["geometry"]["type"] == "MultiPolygon"

    points = services.warehouse.query("select * from gold.mart_proximity_scores order by address_id limit 3")
    assert points
    for point in points:
        live = client.get("/v1/proximity", params={"longitude": point["longitude"], "latitude": point["latitude"]}).json()
        assert live["proximity_score"] == pytest.approx(point["proximity_score"], abs=1e-6)

    located = next(subject_id for subject_id, row in silver.items() if row["state"] == "located" and row["subject_kind"] == "letter")
    steps = [step["step"] for step in client.get(f"/v1/letters/{located}").json()["timeline"]]
    assert {"received", "read", "placed", "in_gold", "on_map"} <= set(steps)
    assert client.get("/v1/datasets/facilities").json()["newest"]["landed_rows"] == 2
    status = client.get("/v1/status").json()
    assert status["published"]["generation"] == 1
    in_silver = collections.Counter(row["state"] for row in silver.values() if row["subject_kind"] == "letter")
    assert {state: count for state, count in status["letters"].items() if count} == in_silver
    services.warehouse.command("alter table gold.builds update started_at = now64(3) + 120 where 1 settings mutations_sync = 2")
    client.app.state.overview._fresh_until = 0
    assert client.get("/v1/status").json()["letters"] == status["letters"]


def decide(client: TestClient, desk: Desk, subject_id: str, kind: str, sequence: list[dict[str, Any]], corrected: str, number: int) -> None:
    """Post corrections and place each as the geocoder would."""
    for turn, correction in enumerate(sequence):
        answer = client.post(f"/v1/reviews/{subject_id}/corrections", json=correction)
        assert answer.status_code == 201, answer.text
        if correction["action"] == "correct":
            placed = {**GEOCODE, "longitude": 9.5 + turn / 100, "geocoded_at": AT + timedelta(hours=1, seconds=number)}
            correction_id = answer.json()["correction_id"]
            desk.place(subject_id, corrected, kind=kind, correction_id=correction_id, **(placed if corrected != "none" else {}))
