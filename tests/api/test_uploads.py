"""Uploads and submissions: streamed in, refused one by one, never counted twice."""

from __future__ import annotations

import hashlib
import io
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import TestClient, Wakes, serving
from fastapi import FastAPI
from PIL import Image

from services.errors import ObjectStoreError
from services.object_store.local import LocalObjectStore
from services.wiring import Services


def picture(shade: int = 255, kind: str = "JPEG") -> bytes:
    """A small page."""
    file = io.BytesIO()
    Image.new("L", (60, 80), shade).save(file, kind)
    return file.getvalue()


FACILITIES = b"facility_id,facility_name,facility_kind,longitude,latitude\nnode-1,Pharmacy,pharmacy,9.5,47.1\n"


def files(*named: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", pair) for pair in named]


def test_several_files_one_refused_one_data(client: TestClient, services: Services, wakes: Wakes) -> None:
    answer = client.post(
        "/v1/uploads",
        data={"dataset": "facilities"},
        files=files(
            ("a.jpg", picture(1)),
            ("bad.jpg", b"MZ\x90\x00\x03 program"),
            ("b.png", picture(2, "PNG")),
            ("empty.pdf", b""),
            ("facilities.csv", FACILITIES),
        ),
    )
    assert answer.status_code == 202, answer.text
    items = answer.json()["items"]
    assert [item["state"] for item in items] == ["stored", "refused", "stored", "refused", "stored"]
    assert [item["file_name"] for item in items] == ["a.jpg", "bad.jpg", "b.png", "empty.pdf", "facilities.csv"]
    assert [item["kind"] for item in items if item["state"] == "stored"] == ["letter", "letter", "dataset"]
    assert items[1]["reason"] and items[3]["reason"]
    assert wakes.count == 1
    assert services.state.work.outstanding("extract") == 2
    assert services.state.work.outstanding("load") == 1
    assert client.get(items[0]["links"]["self"]).json()["state"] == "stored"
    listed = client.get("/v1/uploads").json()["items"]
    assert {(row["file_name"], row["state"]) for row in listed} >= {
        ("a.jpg", "stored"),
        ("bad.jpg", "refused"),
        ("facilities.csv", "stored"),
    }
    letter = next(row for row in listed if row["file_name"] == "a.jpg")
    assert letter["letter_id"] == items[0]["id"]
    one = client.get(f"/v1/uploads/{items[0]['upload_id']}").json()
    assert one["media_type"] == "image/jpeg"


def test_the_same_bytes_are_the_same_upload(client: TestClient) -> None:
    first, again = (client.post("/v1/uploads", files=files(("a.jpg", picture()))).json()["items"][0] for _ in range(2))
    assert first["is_new"] and not again["is_new"]
    assert first["id"] == again["id"]
    assert len(client.get("/v1/letters").json()["items"]) == 1


def test_fields_count_for_the_files_after_them(client: TestClient) -> None:
    def part(name: str, content: bytes, file_name: str = "") -> bytes:
        extra = f'; filename="{file_name}"\r\nContent-Type: application/octet-stream' if file_name else ""
        return f'--XX\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + content + b"\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=XX"}
    body = part("purpose", b"letter") + part("files", picture(), "ä ö.jpg") + part("purpose", b"dataset") + part("dataset", b"facilities")
    good = client.post("/v1/uploads", headers=headers, content=body + part("files", FACILITIES, "f.csv") + b"--XX--\r\n")
    assert [(item["kind"], item["file_name"], item["state"]) for item in good.json()["items"]] == [
        ("letter", "ä ö.jpg", "stored"),
        ("dataset", "f.csv", "stored"),
    ]
    late = client.post("/v1/uploads", headers=headers, content=body + b"--XX--\r\n")
    assert late.status_code == 422
    assert "after the last file" in late.json()["detail"]
    assert late.json()["items"][0]["state"] == "stored"
    wrong = client.post(
        "/v1/uploads", headers=headers, content=part("purpose", b"poem") + part("files", picture(), "a.jpg") + b"--XX--\r\n"
    )
    assert wrong.json()["items"][0]["state"] == "refused"
    long = client.post(
        "/v1/uploads", headers=headers, content=part("purpose", b"x" * 20_000) + part("files", picture(), "a.jpg") + b"--XX--\r\n"
    )
    assert long.status_code == 422


def test_data_of_an_unknown_dataset_is_refused(client: TestClient) -> None:
    for dataset in ("", "poems"):
        item = client.post("/v1/uploads", params={"dataset": dataset}, files=files(("f.csv", FACILITIES))).json()["items"][0]
        assert item["state"] == "refused"
        assert "facilities" in item["reason"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=XX", b""),
        ("multipart/form-data; boundary=XX", b"nonsense"),
        ("multipart/form-data; boundary=XX", b"--XX--\r\n"),
        ("multipart/form-data; boundary=XX", b'--XX\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\nhalf a file'),
    ],
)
def test_what_is_no_form_is_refused(client: TestClient, content_type: str, body: bytes) -> None:
    answer = client.post("/v1/uploads", headers={"Content-Type": content_type}, content=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/v1/uploads").json()["items"] == []


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def listed(client: TestClient) -> list[str]:
    return [row["file_name"] for row in client.get("/v1/uploads").json()["items"]]


def incoming(services: Services) -> list[Path]:
    """Files that are not whole yet."""
    return [path for path in (services.settings.data_dir / "incoming").rglob("*") if path.is_file() and path.name != ".lock"]


def test_a_connection_that_breaks_keeps_nothing_of_the_open_file(app: FastAPI, client: TestClient, services: Services, key_of: Any) -> None:
    key = key_of("intake")["X-API-Key"]
    whole = picture()
    with serving(app) as address:
        host, port = address.removeprefix("http://").split(":")
        head = (
            f"POST /v1/uploads HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nContent-Type: multipart/form-data; boundary=XX\r\n"
            "Content-Length: 10000000\r\n\r\n"
        ).encode()
        part = b'--XX\r\nContent-Disposition: form-data; name="files"; filename="%s.jpg"\r\n\r\n'
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head + part % b"a" + whole + b"\r\n" + part % b"b" + whole + b"more and more" * 100_000)
            until(lambda: listed(client) == ["a.jpg"])
            until(lambda: incoming(services) != [])
        until(lambda: incoming(services) == [])
    assert listed(client) == ["a.jpg"]
    assert incoming(services) == []


def test_a_large_file_is_never_whole_in_memory(app: FastAPI, services: Services, key_of: Any) -> None:
    """The body is made and sent while the server reads it: 200 MB, of which at most a few pieces wait."""
    import resource

    row = b"node-%09d,Pharmacy,pharmacy,9.5,47.1\n"
    header = b"facility_id,facility_name,facility_kind,longitude,latitude\n"

    def body() -> Any:
        yield b'--XX\r\nContent-Disposition: form-data; name="dataset"\r\n\r\nfacilities\r\n'
        yield b'--XX\r\nContent-Disposition: form-data; name="files"; filename="big.csv"\r\n\r\n' + header
        for number in range(200):
            yield b"".join(row % (number * 27_000 + index) for index in range(27_000))
        yield b"\r\n--XX--\r\n"

    with serving(app) as address, httpx.Client(timeout=120) as http:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = http.post(
            f"{address}/v1/uploads", headers={**key_of("intake"), "Content-Type": "multipart/form-data; boundary=XX"}, content=body()
        )
        grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert answer.json()["items"][0]["state"] == "stored", answer.text
    key = next(services.objects.list("uploads/"))
    assert services.objects.size(key.removesuffix(".manifest.json")) > 200_000_000
    assert grown_mb < 100


def test_readers_do_not_wait_for_slow_senders(app: FastAPI, key_of: Any) -> None:
    """Forty uploads that never end are more than all threads that answer requests."""
    key = key_of("intake", "read")
    with serving(app) as address, httpx.Client(timeout=10) as http:
        host, port = address.removeprefix("http://").split(":")
        head = (
            f"POST /v1/uploads HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key['X-API-Key']}\r\n"
            "Content-Type: multipart/form-data; boundary=XX\r\n"
            'Content-Length: 10000000\r\n\r\n--XX\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\nstart'
        ).encode()
        connections = [socket.create_connection((host, int(port))) for _ in range(45)]
        try:
            for connection in connections:
                connection.sendall(head)
            time.sleep(1)
            started = time.monotonic()
            assert http.get(f"{address}/v1/uploads", headers=key).status_code == 200
            assert time.monotonic() - started < 5
        finally:
            for connection in connections:
                connection.close()
            time.sleep(0.5)


def test_when_the_store_is_down_the_sender_may_come_again(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*arguments: object, **named: object) -> None:
        raise ObjectStoreError("no disk", retryable=True)

    with monkeypatch.context() as broken:
        broken.setattr(LocalObjectStore, "put_file", down)
        answer = client.post("/v1/uploads", files=files(("a.jpg", picture())))
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert client.post("/v1/uploads", files=files(("a.jpg", picture()))).json()["items"][0]["state"] == "stored"


SUBMISSION = {
    "channel": "web",
    "street": "Main street",
    "housenumber": "1",
    "postcode": "7001",
    "city": "Lindenau",
    "facility_kind": "pharmacy",
}


def test_a_submission_sent_again_is_the_same(client: TestClient, services: Services, wakes: Wakes) -> None:
    headers = {"Idempotency-Key": "0123456789"}
    first = client.post("/v1/submissions", json=SUBMISSION, headers=headers)
    assert first.status_code == 202, first.text
    again = client.post("/v1/submissions", json=dict(reversed(SUBMISSION.items())), headers=headers)
    assert again.status_code == 202
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    other = client.post("/v1/submissions", json={**SUBMISSION, "housenumber": "2"}, headers=headers)
    assert other.status_code == 409
    assert services.warehouse.scalar("select count() from bronze.submissions") == 1
    assert services.state.work.outstanding("geocode") == 1
    assert wakes.count == 1
    stored = client.get(first.json()["links"]["self"]).json()
    assert stored["state"] == "stored"
    assert stored["street"] == "Main street"
    assert client.get("/v1/submissions/none").status_code == 404


def test_two_senders_at_once_make_one_submission(client: TestClient, services: Services) -> None:
    answers: list[int] = []

    def send() -> None:
        answers.append(client.post("/v1/submissions", json=SUBMISSION, headers={"Idempotency-Key": "at-the-same-time"}).status_code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) == {202}
    assert services.warehouse.scalar("select uniqExact(submission_id) from bronze.submissions") == 1


def test_two_keys_do_not_share_idempotency_keys(client: TestClient, anonymous: TestClient, key_of: Any) -> None:
    headers = {"Idempotency-Key": "0123456789"}
    first = client.post("/v1/submissions", json=SUBMISSION, headers=headers).json()["submission_id"]
    other = anonymous.post("/v1/submissions", json={**SUBMISSION, "housenumber": "9"}, headers={**headers, **key_of("intake")})
    assert other.status_code == 202
    assert other.json()["submission_id"] != first


@pytest.mark.parametrize(
    "wrong",
    [
        {"channel": "letter"},
        {"street": "", "postcode": "", "city": ""},
        {"longitude": 9.5},
        {"longitude": 200, "latitude": 0},
        {"unknown": "x"},
        {"message": "x" * 30_000},
    ],
)
def test_a_wrong_submission_is_refused(client: TestClient, wrong: dict[str, object]) -> None:
    answer = client.post("/v1/submissions", json={**SUBMISSION, **wrong}, headers={"Idempotency-Key": "0123456789"})
    assert answer.status_code == 422
    assert client.post("/v1/submissions", json=SUBMISSION).status_code == 422  # no Idempotency-Key


def test_rejected_rows_are_listed(client: TestClient, services: Services) -> None:
    services.warehouse.insert(
        "bronze.rejected_rows",
        [
            {
                "load_id": "l1",
                "dataset": "facilities",
                "row_number": number,
                "line_number": number + 1,
                "line": "a,b",
                "column_name": "x",
                "reason": "no",
            }
            for number in range(5)
        ],
    )
    first = client.get("/v1/datasets/facilities/rejections", params={"limit": 3}).json()
    second = client.get("/v1/datasets/facilities/rejections", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [row["row_number"] for row in first["items"] + second["items"]] == list(range(5))
    assert second["next_cursor"] is None
    text = client.get("/v1/datasets/facilities/rejections", params={"format": "csv"}).text
    assert len(text.splitlines()) == 6
    assert client.get("/v1/datasets/poems/rejections").status_code == 404


def test_datasets_are_those_of_the_contracts(client: TestClient, services: Services) -> None:
    listed = client.get("/v1/datasets").json()["items"]
    assert [dataset["name"] for dataset in listed] == sorted(services.contracts)
    one = client.get("/v1/datasets/facilities").json()
    assert one["newest"] is None
    assert {column["name"] for column in one["columns"]} >= {"facility_id", "kind"}
    load = {
        "load_id": "l1",
        "upload_id": "u",
        "dataset": "facilities",
        "state": "loaded",
        "generation": 1,
        "landed_rows": 5,
        "rejected_rows": 1,
    }
    from datetime import UTC, datetime

    at = datetime(2026, 3, 1, tzinfo=UTC)
    services.warehouse.insert(
        "bronze.loads",
        [
            {**load, "unknown_columns": ["colour"], "started_at": at, "finished_at": at},
            {**load, "load_id": "l2", "state": "failed", "generation": 0, "unknown_columns": [], "started_at": at, "finished_at": at},
        ],
    )
    newest = client.get("/v1/datasets/facilities").json()["newest"]
    assert newest["generation"] == 1
    assert newest["load_count"] == 1
    assert newest["unknown_columns"] == ["colour"]


def test_paths_of_files_do_not_escape(client: TestClient, tmp_path: Path) -> None:
    item = client.post("/v1/uploads", files=files(("../../etc/passwd.jpg", picture()))).json()["items"][0]
    assert item["file_name"] == "passwd.jpg"


def test_the_file_comes_back_as_it_was_received(client: TestClient, services: Services, key_of: Callable[..., dict[str, str]]) -> None:
    content = picture(3)
    sent = client.post("/v1/uploads", files=files(("Brief Müller.jpg", content), ("bad.jpg", b"MZ\x90 program"))).json()["items"]
    address = f"/v1/uploads/{sent[0]['upload_id']}/file"
    answer = client.get(address)
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Content-Disposition"] == "attachment; filename=\"Brief M_ller.jpg\"; filename*=UTF-8''Brief%20M%C3%BCller.jpg"
    assert "no-cache" in answer.headers["Cache-Control"]
    assert client.get(address, headers=key_of("read", "exact")).status_code == 403
    for upload_id in (hashlib.sha256(b"MZ\x90 program").hexdigest(), "0" * 64):
        missing = client.get(f"/v1/uploads/{upload_id}/file")
        assert missing.status_code == 404
        assert "was refused" in missing.json()["detail"]
    services.objects.delete(f"uploads/{sent[0]['upload_id'][:2]}/{sent[0]['upload_id']}")
    assert client.get(address).status_code == 404


def test_the_file_comes_from_the_stores_own_host_where_it_has_one(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def signed(store: object, key: str, file_name: str, media_type: str) -> str:
        return f"https://objects.example.org/cartulary/{key}?name={file_name}&type={media_type}&X-Amz-Signature=abc"

    monkeypatch.setattr(LocalObjectStore, "public_url", signed)
    sent = client.post("/v1/uploads", files=files(("a.jpg", picture(4)))).json()["items"][0]
    answer = client.get(f"/v1/uploads/{sent['upload_id']}/file")
    assert answer.status_code == 307
    key = f"uploads/{sent['upload_id'][:2]}/{sent['upload_id']}"
    assert answer.headers["Location"] == f"https://objects.example.org/cartulary/{key}?name=a.jpg&type=image/jpeg&X-Amz-Signature=abc"
    assert answer.headers["Cache-Control"] == "no-store"
