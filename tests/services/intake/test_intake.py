"""The one door: what it gives a receipt for is stored, registered once, and can be registered again from the store."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from letter_files import encoded

from services.errors import ConflictError, ContractError, NotFoundError, ObjectStoreError, StateError, WarehouseError
from services.intake.corrections import CorrectionIn
from services.intake.intake import Intake
from services.intake.load_requests import LoadRequest, without_result
from services.intake.receipts import Receipt
from services.intake.submissions import SubmissionIn
from services.object_store.base import Manifest
from services.object_store.local import LocalObjectStore
from services.settings import Settings, WarehouseSettings
from services.state.state import State
from services.warehouse.client import Warehouse

CSV = b"name,kind\nA,pharmacy\n"
TABLES = ("uploads", "letters", "submissions", "corrections")


def submission(street: str = "Lindenweg") -> SubmissionIn:
    return SubmissionIn(street=street, housenumber="4a", postcode="0123", city="Lindenau", facility_kind="pharmacy", requester_name="Ä")


def correction(street: str | None = "Lindenweg", action: str = "correct") -> CorrectionIn:
    return CorrectionIn.model_validate({"subject_kind": "letter", "subject_id": "abc", "action": action, "street": street})


def rows(warehouse: Warehouse) -> dict[str, list[dict[str, object]]]:
    """All of bronze that the intake writes, without the time of writing."""
    return {table: warehouse.query(f"select * except (_ingested_at) from bronze.{table} order by all") for table in TABLES}


def pending(state: State) -> dict[str, list[str]]:
    """Keys of all outstanding work by kind."""
    late = datetime.fromisoformat("2030-01-01T00:00:00+00:00")
    claimed = {
        kind: [item.key for item in state.work.claim(kind, limit=1000, owner="look", lease_seconds=1, now=late)]
        for kind in ("register", "extract", "load", "geocode")
    }
    for kind, keys in claimed.items():
        state.work.release(kind, keys, owner="look")
    return {kind: keys for kind, keys in claimed.items() if keys}


@pytest.fixture
def dead_warehouse() -> Iterator[Warehouse]:
    """A server that does not answer: nothing listens on port 9 of this machine."""
    with Warehouse(WarehouseSettings(host="127.0.0.1", port=9, timeout_seconds=1), None, None) as warehouse:
        yield warehouse


@pytest.mark.parametrize(("image_format", "pages"), [("JPEG", 1), ("PNG", 1), ("TIFF", 1), ("TIFF", 4), ("PDF", 1), ("PDF", 3)])
def test_a_letter_is_stored_registered_and_waits_to_be_read(
    intake: Intake, clean_warehouse: Warehouse, objects: LocalObjectStore, state: State, now: datetime, image_format: str, pages: int
) -> None:
    content = encoded(image_format, pages=pages)
    receipt = intake.receive_letter([content[:100], content[100:]], "scans/letter.xyz", "cli", now)
    sha = hashlib.sha256(content).hexdigest()
    assert receipt == Receipt("letter", receipt.id, sha, True, "stored", "", "letter.xyz", now)
    assert objects.read(f"uploads/{sha[:2]}/{sha}") == content
    found = rows(clean_warehouse)
    [upload] = found["uploads"]
    assert upload == {
        "upload_id": sha,
        "purpose": "letter",
        "dataset": "",
        "file_name": "letter.xyz",
        "media_type": {"JPEG": "image/jpeg", "PNG": "image/png", "TIFF": "image/tiff", "PDF": "application/pdf"}[image_format],
        "byte_count": len(content),
        "page_count": pages,
        "object_key": f"uploads/{sha[:2]}/{sha}",
        "state": "stored",
        "refusal_reason": "",
        "door": "cli",
        "received_at": now,
    }
    [letter] = found["letters"]
    assert letter["letter_id"] == receipt.id
    assert letter["pages"] == [{"upload_id": sha, "page": number} for number in range(1, pages + 1)]
    assert pending(state) == {"extract": [receipt.id]}


def test_the_same_bytes_are_the_same_letter(intake: Intake, clean_warehouse: Warehouse, state: State, now: datetime) -> None:
    content = encoded("PNG")
    first = intake.receive_letter([content], "a.png", "cli", now)
    second = intake.receive_letter([content], "b.jpg", "portal", now + timedelta(days=1))
    assert (first.id, first.upload_id) == (second.id, second.upload_id)
    assert (first.is_new, second.is_new) == (True, False)
    assert second.received_at == now
    assert {table: len(found) for table, found in rows(clean_warehouse).items()} == {
        "uploads": 1,
        "letters": 1,
        "submissions": 0,
        "corrections": 0,
    }
    assert pending(state) == {"extract": [first.id]}


def test_a_letter_that_was_read_is_not_read_again_when_it_comes_again(intake: Intake, state: State, now: datetime) -> None:
    receipt = intake.receive_letter([encoded("PNG")], "a.png", "cli", now)
    state.work.withdraw("extract", [receipt.id])
    intake.receive_letter([encoded("PNG")], "a.png", "cli", now)
    assert pending(state) == {}


def test_a_data_file_waits_to_be_loaded_and_again_when_it_comes_again(
    intake: Intake, clean_warehouse: Warehouse, state: State, now: datetime
) -> None:
    first = intake.receive_dataset([CSV], "f.csv", "facilities", None, "cli", now)
    [item] = state.work.claim("load", limit=5, owner="me", lease_seconds=60, now=now)
    assert (item.key, item.payload) == (first.upload_id, {"dataset": "facilities", "mode": None, "asked_at": now.isoformat()})
    state.work.done("load", [item.key], owner="me")
    second = intake.receive_dataset([CSV], "f.csv", "facilities", "append", "cli", now + timedelta(seconds=1))
    assert (first.is_new, second.is_new) == (True, False)
    [item] = state.work.claim("load", limit=5, owner="me", lease_seconds=60, now=now + timedelta(seconds=1))
    asked_at = (now + timedelta(seconds=1)).isoformat()
    assert item.payload == {"dataset": "facilities", "mode": "append", "asked_at": asked_at}
    assert len(rows(clean_warehouse)["uploads"]) == 1


def loads(state: State, now: datetime) -> list[tuple[str, object, object]]:
    """Upload, dataset and mode of all loads in the order in which they come, each of them done."""
    found = []
    while items := state.work.claim("load", limit=1, owner="me", lease_seconds=60, now=now):
        found.append((items[0].key, items[0].payload["dataset"], items[0].payload["mode"]))
        state.work.done("load", [items[0].key], owner="me")
    return found


def test_one_file_may_wait_for_two_datasets(intake: Intake, state: State, now: datetime) -> None:
    for second, dataset in enumerate(("facilities", "areas")):
        key = intake.receive_dataset([CSV], "f.csv", dataset, None, "cli", now + timedelta(seconds=second)).upload_id
    assert loads(state, now + timedelta(minutes=1)) == [(key, "facilities", None), (key, "areas", None)]


def test_a_file_for_two_datasets_is_loaded_into_both_when_the_warehouse_was_down(
    make_intake: Callable[..., Intake], dead_warehouse: Warehouse, state: State, now: datetime
) -> None:
    blind = make_intake(dead_warehouse)
    for second, dataset in enumerate(("facilities", "areas")):
        key = blind.receive_dataset([CSV], "f.csv", dataset, None, "cli", now + timedelta(seconds=second)).upload_id
    make_intake().register_outstanding(now + timedelta(minutes=1))
    assert loads(state, now + timedelta(minutes=2)) == [(key, "facilities", None), (key, "areas", None)]


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_an_empty_file_is_refused_as_empty_whatever_it_was_meant_to_be(intake: Intake, now: datetime, content: bytes) -> None:
    for dataset in (None, "areas"):
        receipt = intake.receive_file([content], "a.csv", dataset=dataset, door="api", now=now)
        assert (receipt.state, receipt.reason[:18]) == ("refused", "The file is empty:")


def test_unknown_datasets_and_modes_are_told(intake: Intake, now: datetime) -> None:
    with pytest.raises(NotFoundError, match="no dataset 'schools': choose from address_points, areas, facilities"):
        intake.receive_dataset([CSV], "f.csv", "schools", None, "cli", now)
    with pytest.raises(ContractError, match="no mode 'merge': choose from replace, append, upsert"):
        intake.receive_dataset([CSV], "f.csv", "areas", "merge", "cli", now)


def test_auto_looks_at_the_bytes(intake: Intake, now: datetime) -> None:
    geojson = b'{"type": "FeatureCollection", "features": []}'
    chunks = (bytes([byte]) for byte in geojson)
    assert intake.receive_file(chunks, "a.pdf", dataset="areas", door="api", now=now).kind == "dataset"
    assert intake.receive_file([encoded("PDF")], "a.csv", dataset="areas", door="api", now=now).kind == "letter"
    assert intake.receive_file([b"PK\x03\x04"], "a.zip", door="api", now=now).state == "refused"
    assert intake.receive_file([CSV], "a.csv", purpose="letter", door="api", now=now).state == "refused"
    with pytest.raises(NotFoundError, match="needs the name of its dataset"):
        intake.receive_file([CSV], "a.csv", door="api", now=now)


def test_a_large_file_comes_through_whole(intake: Intake, objects: LocalObjectStore, now: datetime) -> None:
    line = b"0123456789,abcdefghijklmnopqrstuvwxyz\n"
    digest = hashlib.sha256()

    def chunks() -> Iterator[bytes]:
        for _ in range(300):
            piece = line * 5_001
            digest.update(piece)
            yield piece

    receipt = intake.receive_dataset(chunks(), "big.csv", "areas", None, "cli", now)
    assert receipt.upload_id == digest.hexdigest()
    assert objects.size(f"uploads/{receipt.upload_id[:2]}/{receipt.upload_id}") == 300 * 5_001 * len(line)


def test_a_sender_who_breaks_off_leaves_nothing(
    intake: Intake, objects: LocalObjectStore, state: State, settings: Settings, now: datetime
) -> None:
    def chunks() -> Iterator[bytes]:
        yield CSV
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        intake.receive_dataset(chunks(), "a.csv", "areas", None, "api", now)
    assert list(objects.list("")) == []
    assert state.work.counts() == {}
    assert list((settings.data_dir / "incoming").glob("*.part")) == []


def test_a_submission_is_kept_and_waits_to_be_placed(
    intake: Intake, clean_warehouse: Warehouse, objects: LocalObjectStore, state: State, now: datetime
) -> None:
    receipt = intake.receive_submission(submission(), "phone", now)
    [row] = rows(clean_warehouse)["submissions"]
    assert row["submission_id"] == receipt.id
    assert (row["channel"], row["street"], row["postcode"], row["requester_name"]) == ("phone", "Lindenweg", "0123", "Ä")
    assert (row["longitude"], row["latitude"], row["received_at"]) == (None, None, now)
    assert objects.exists(str(row["object_key"]))
    assert pending(state) == {"geocode": [f"submission:{receipt.id}"]}


def test_a_position_alone_needs_no_geocoder(intake: Intake, clean_warehouse: Warehouse, state: State, now: datetime) -> None:
    intake.receive_submission(SubmissionIn(facility_kind="school", longitude=9.5, latitude=47.25), None, now)
    [row] = rows(clean_warehouse)["submissions"]
    assert (row["channel"], row["longitude"], row["latitude"]) == ("web", 9.5, 47.25)
    assert pending(state) == {}


def test_submissions_without_a_key_are_two(intake: Intake, clean_warehouse: Warehouse, now: datetime) -> None:
    assert intake.receive_submission(submission(), "web", now).id != intake.receive_submission(submission(), "web", now).id
    assert len(rows(clean_warehouse)["submissions"]) == 2


def test_a_submission_with_a_key_is_one(intake: Intake, clean_warehouse: Warehouse, objects: LocalObjectStore, now: datetime) -> None:
    first = intake.receive_submission(submission(), "web", now, idempotency_key="caller:1")
    again = intake.receive_submission(submission(), "web", now + timedelta(hours=1), idempotency_key="caller:1")
    other = intake.receive_submission(submission(), "web", now, idempotency_key="caller:2")
    assert first.id == again.id != other.id
    assert (first.is_new, again.is_new, again.received_at) == (True, False, now)
    with pytest.raises(ConflictError, match="new key"):
        intake.receive_submission(submission("Another street"), "web", now, idempotency_key="caller:1")
    assert [row["street"] for row in rows(clean_warehouse)["submissions"]] == ["Lindenweg", "Lindenweg"]
    assert len(list(objects.list("submissions/"))) == 4


def test_racing_submissions_with_one_key_and_two_contents_keep_one(
    intake: Intake, clean_warehouse: Warehouse, objects: LocalObjectStore, now: datetime
) -> None:
    answers: list[Receipt | ConflictError] = []

    def send(number: int) -> None:
        try:
            answers.append(intake.receive_submission(submission(f"Street {number % 2}"), "web", now, idempotency_key="caller:1"))
        except ConflictError as error:
            answers.append(error)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    receipts = [answer for answer in answers if isinstance(answer, Receipt)]
    assert len(answers) == 6
    assert sum(receipt.is_new for receipt in receipts) == 1
    [row] = rows(clean_warehouse)["submissions"]
    assert str(row["street"]).encode() in objects.read(str(row["object_key"]))
    assert len(list(objects.list("submissions/"))) == 2


def test_a_corrected_address_waits_to_be_placed(intake: Intake, clean_warehouse: Warehouse, state: State, now: datetime) -> None:
    receipt = intake.receive_correction(correction(), " the  clerk ", now)
    [row] = rows(clean_warehouse)["corrections"]
    assert row["correction_id"] == receipt.id
    assert (row["reviewer"], row["action"], row["street"], row["city"]) == ("the clerk", "correct", "Lindenweg", None)
    assert row["corrected_at"] == now
    assert pending(state) == {"geocode": [f"correction:{receipt.id}"]}


def test_other_corrections_need_no_geocoder(intake: Intake, clean_warehouse: Warehouse, state: State, now: datetime) -> None:
    intake.receive_correction(correction(None, "reject"), "clerk", now)
    intake.receive_correction(correction(None, "reject"), "clerk", now)
    assert len(rows(clean_warehouse)["corrections"]) == 2
    assert pending(state) == {}


def receive_everything(intake: Intake, now: datetime) -> list[Receipt]:
    return [
        intake.receive_letter([encoded("TIFF", pages=2)], "a.tif", "cli", now),
        intake.receive_letter([encoded("PDF")], "a.pdf", "portal", now),
        intake.receive_letter([b"no letter"], "a.jpg", "portal", now),
        intake.receive_dataset([CSV], "f.csv", "facilities", "replace", "cli", now),
        intake.receive_submission(submission(), "web", now, idempotency_key="1"),
        intake.receive_correction(correction(), "clerk", now),
    ]


def test_intake_goes_on_while_the_warehouse_is_down(
    make_intake: Callable[..., Intake], dead_warehouse: Warehouse, clean_warehouse: Warehouse, state: State, now: datetime
) -> None:
    blind = make_intake(dead_warehouse)
    receipts = receive_everything(blind, now)
    assert [receipt.is_new for receipt in receipts] == [True] * 6
    assert [receipt.is_new for receipt in receive_everything(blind, now)[:5]] == [False] * 5
    with pytest.raises(WarehouseError):
        blind.register_outstanding(now)
    assert state.work.counts() == {"register": {"pending": 7}, "load": {"pending": 1}}
    sighted = make_intake()
    result = sighted.register_outstanding(now)
    assert (result.registered, result.outstanding) == (7, 0)
    assert {table: len(found) for table, found in rows(clean_warehouse).items()} == {
        "uploads": 4,
        "letters": 2,
        "submissions": 1,
        "corrections": 2,
    }
    work = pending(state)
    assert set(work["extract"]) == {receipts[0].id, receipts[1].id}
    assert work["load"] == [receipts[3].upload_id]
    assert len(work["geocode"]) == 3
    assert sighted.register_outstanding(now).registered == 0


def test_a_store_that_is_down_is_told_and_nothing_is_promised(
    make_intake: Callable[..., Intake], clean_warehouse: Warehouse, objects: LocalObjectStore, state: State, now: datetime
) -> None:
    intake = make_intake()
    (objects.root / "uploads").write_text("a file where a folder should be")
    with pytest.raises(ObjectStoreError) as caught:
        intake.receive_letter([encoded("PNG")], "a.png", "cli", now)
    assert caught.value.retryable
    assert state.work.counts() == {}
    assert rows(clean_warehouse)["uploads"] == []
    (objects.root / "uploads").unlink()
    assert intake.receive_letter([encoded("PNG")], "a.png", "cli", now).is_new


def test_a_state_that_is_down_is_told(intake: Intake, state: State, settings: Settings, now: datetime) -> None:
    state.close()
    database = settings.data_dir / "state" / "state.sqlite"
    for path in database.parent.iterdir():
        path.unlink()
    database.mkdir()
    with pytest.raises(StateError) as caught:
        intake.receive_letter([encoded("PNG")], "a.png", "cli", now)
    assert caught.value.retryable


def test_racing_uploads_of_one_file_are_one(intake: Intake, clean_warehouse: Warehouse, state: State, now: datetime) -> None:
    """Eight senders of one letter and two threads that register whatever is outstanding."""
    content = encoded("PNG")
    receipts: list[Receipt] = []
    errors: list[Exception] = []

    def send(number: int) -> None:
        try:
            receipts.append(intake.receive_letter([content], f"{number}.png", "api", now + timedelta(seconds=number)))
        except Exception as error:
            errors.append(error)

    def register() -> None:
        try:
            for _ in range(10):
                intake.register_outstanding(now + timedelta(seconds=10))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    threads += [threading.Thread(target=register) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(receipt.is_new for receipt in receipts) == 1
    assert len({(receipt.id, receipt.received_at) for receipt in receipts}) == 1
    intake.register_outstanding(now + timedelta(seconds=20))
    found = rows(clean_warehouse)
    assert (len(found["uploads"]), len(found["letters"])) == (1, 1)
    assert found["uploads"][0]["received_at"] == receipts[0].received_at
    assert pending(state) == {"extract": [receipts[0].id]}


def test_many_outstanding_are_registered_in_batches_by_racing_threads(
    make_intake: Callable[..., Intake], dead_warehouse: Warehouse, clean_warehouse: Warehouse, state: State, now: datetime
) -> None:
    blind = make_intake(dead_warehouse)
    keys = [str(number) for number in range(30)]
    for key in keys:
        blind.receive_submission(submission(key), "web", now, idempotency_key=key)
    intake = make_intake()
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(intake.register_outstanding(now).registered)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(results) == 30
    assert sorted(str(row["street"]) for row in rows(clean_warehouse)["submissions"]) == sorted(keys)
    assert len(pending(state)["geocode"]) == 30


def test_what_cannot_be_registered_says_why_and_stops_nothing(
    make_intake: Callable[..., Intake], dead_warehouse: Warehouse, objects: LocalObjectStore, state: State, now: datetime
) -> None:
    blind = make_intake(dead_warehouse)
    lost = blind.receive_submission(submission(), "web", now)
    blind.receive_submission(submission(), "web", now)
    objects.delete(objects.manifest(f"submissions/{lost.id}.json").object_key)
    result = make_intake().register_outstanding(now)
    assert (result.registered, result.outstanding) == (1, 0)
    [failed] = state.work.failed("register")
    assert lost.id in failed.key
    assert "no object" in failed.error


def test_bronze_is_rebuilt_from_the_store_alone(
    make_intake: Callable[..., Intake],
    clean_warehouse: Warehouse,
    objects: LocalObjectStore,
    settings: Settings,
    tmp_path: Path,
    now: datetime,
) -> None:
    """Warehouse and queue are lost; the manifests bring back every row and all work."""
    intake = make_intake()
    receipts = receive_everything(intake, now)
    before = rows(clean_warehouse)
    assert all(before.values())
    for table in TABLES:
        clean_warehouse.command(f"truncate table bronze.{table}")
    fresh_state = State.open(settings.model_copy(update={"data_dir": tmp_path / "fresh"}))
    fresh = Intake(settings=settings, objects=objects, state=fresh_state, warehouse=clean_warehouse, contracts=("facilities",))
    assert fresh.rebuild_bronze(now + timedelta(days=1)).registered == 6
    assert rows(clean_warehouse) == before
    work = pending(fresh_state)
    assert set(work["extract"]) == {receipts[0].id, receipts[1].id}
    assert work["load"] == [receipts[3].upload_id]
    assert set(work["geocode"]) == {f"submission:{receipts[4].id}", f"correction:{receipts[5].id}"}
    assert fresh.rebuild_bronze(now + timedelta(days=1)).registered == 0
    assert rows(clean_warehouse) == before
    fresh_state.close()


def test_a_rebuild_repeats_only_work_without_a_result(intake: Intake, clean_warehouse: Warehouse, state: State, now: datetime) -> None:
    letter, other = (intake.receive_letter([encoded("PNG", text)], "a.png", "cli", now) for text in ("one", "two"))
    state.work.withdraw("extract", [letter.id, other.id])
    clean_warehouse.insert("bronze.extractions", [{"extraction_id": "1", "letter_id": letter.id, "outcome": "unreadable"}])
    intake.rebuild_bronze(now)
    assert pending(state) == {"extract": [other.id]}


def test_a_rebuild_loads_files_in_the_order_in_which_they_were_handed_in(
    intake: Intake, clean_warehouse: Warehouse, state: State, now: datetime
) -> None:
    """First a, then b, then a again: the last word has a."""
    files = {name: f"name,kind\n{name},pharmacy\n".encode() for name in "abcdef"}
    ids = {}
    for second, name in enumerate("abcdefa"):
        ids[name] = intake.receive_dataset(
            [files[name]], f"{name}.csv", "facilities", None, "cli", now + timedelta(seconds=second)
        ).upload_id
        state.work.withdraw("load", [ids[name]])
    clean_warehouse.command("truncate table bronze.uploads")
    intake.rebuild_bronze(now + timedelta(days=1))
    assert pending(state) == {"load": [ids[name] for name in "bcdefa"]}


def test_a_rebuild_loads_a_file_into_every_dataset_that_it_was_meant_for(
    intake: Intake, clean_warehouse: Warehouse, objects: LocalObjectStore, settings: Settings, tmp_path: Path, now: datetime
) -> None:
    """One file into two datasets and in two modes, another one in between; only what was loaded so is not loaded again."""
    other = b"name,kind\nB,school\n"
    asked = [(CSV, "facilities", "append"), (other, "areas", "replace"), (CSV, "areas", "replace"), (CSV, "facilities", "replace")]
    ids = []
    for second, (content, dataset, mode) in enumerate(asked):
        ids.append(intake.receive_dataset([content], "f.csv", dataset, mode, "cli", now + timedelta(seconds=second)).upload_id)
    loaded = {"load_id": "1", "upload_id": ids[0], "dataset": "facilities", "mode": "append", "state": "loaded", "started_at": now}
    clean_warehouse.insert("bronze.loads", [loaded])
    clean_warehouse.command("truncate table bronze.uploads")
    fresh_state = State.open(settings.model_copy(update={"data_dir": tmp_path / "fresh"}))
    fresh = Intake(settings=settings, objects=objects, state=fresh_state, warehouse=clean_warehouse, contracts=("facilities", "areas"))
    for _ in range(2):  # once more changes nothing
        fresh.rebuild_bronze(now + timedelta(days=1))
    # What is loaded is queued by the registration itself, too: the loader knows better.
    found = [load for load in loads(fresh_state, now + timedelta(days=2)) if load[2] != "append"]
    assert found == [(ids[1], "areas", "replace"), (ids[0], "areas", "replace"), (ids[0], "facilities", "replace")]
    fresh_state.close()


def test_the_datasets_own_mode_counts_as_loaded_only_when_it_was_loaded_in_it(now: datetime) -> None:
    request = LoadRequest(upload_id="u", dataset="areas", mode=None, asked_at=now)
    appended = [{"upload_id": "u", "dataset": "areas", "mode": "append"}]
    assert without_result([request], appended, {"areas": "replace"}) == [request]
    assert without_result([request], appended, {"areas": "append"}) == []
    assert without_result([request], appended, {}) == []


def test_damaged_objects_are_told_and_keep_nothing_else_from_coming_back(
    intake: Intake, clean_warehouse: Warehouse, objects: LocalObjectStore, state: State, now: datetime
) -> None:
    receipts = receive_everything(intake, now)
    intake.receive_dataset([CSV], "f.csv", "facilities", "append", "cli", now)
    kept = intake.receive_submission(submission(), "web", now)
    for table in TABLES:
        clean_warehouse.command(f"truncate table bronze.{table}")
    damaged = [f"submissions/{receipts[4].id}.json", f"corrections/{receipts[5].id}.json"]
    objects.put(objects.manifest(damaged[0]).object_key, [b"{}"], "application/json")
    objects.delete(objects.manifest(damaged[1]).object_key)
    letter = f"uploads/{receipts[0].upload_id[:2]}/{receipts[0].upload_id}"
    manifest = objects.manifest(letter)
    objects.put_manifest(letter, manifest.model_copy(update={"details": {}}))
    other = f"uploads/{receipts[1].upload_id[:2]}/{receipts[1].upload_id}"
    objects.put(other + ".manifest.json", [b"no JSON"], "application/json")
    [request] = objects.list("loads/")
    objects.put(request, [b"{}"], "application/json")
    result = intake.rebuild_bronze(now + timedelta(days=1))
    assert sorted(result.damaged) == sorted([*damaged, letter, other, request])
    assert (result.registered, result.outstanding) == (3, 0)
    found = rows(clean_warehouse)
    assert [row["submission_id"] for row in found["submissions"]] == [kept.id]
    assert {row["upload_id"] for row in found["uploads"]} == {receipts[2].upload_id, receipts[3].upload_id}


def test_what_was_erased_can_be_received_anew(intake: Intake, clean_warehouse: Warehouse, objects: LocalObjectStore, now: datetime) -> None:
    content = encoded("PNG")
    first = intake.receive_letter([content], "a.png", "cli", now)
    for key in list(objects.list("uploads/")):
        objects.delete(key)
    clean_warehouse.command("truncate table bronze.uploads")
    clean_warehouse.command("truncate table bronze.letters")
    second = intake.receive_letter([content], "b.png", "cli", now + timedelta(days=1))
    assert second.id == first.id
    assert [row["file_name"] for row in rows(clean_warehouse)["letters"]] == ["b.png"]


def test_a_lost_object_comes_back_when_it_is_sent_again(intake: Intake, objects: LocalObjectStore, now: datetime) -> None:
    receipt = intake.receive_letter([encoded("PNG")], "a.png", "cli", now)
    key = f"uploads/{receipt.upload_id[:2]}/{receipt.upload_id}"
    objects.delete(key)
    assert not intake.receive_letter([encoded("PNG")], "a.png", "cli", now).is_new
    assert objects.read(key) == encoded("PNG")


def test_manifests_tell_enough_about_an_upload(intake: Intake, objects: LocalObjectStore, now: datetime) -> None:
    receipt = intake.receive_dataset([CSV], "dir/f.csv", "facilities", "append", "portal", now)
    assert objects.manifest(f"uploads/{receipt.upload_id[:2]}/{receipt.upload_id}") == Manifest(
        kind="upload",
        object_key=f"uploads/{receipt.upload_id[:2]}/{receipt.upload_id}",
        sha256=receipt.upload_id,
        byte_count=len(CSV),
        media_type="text/csv",
        file_name="f.csv",
        purpose="dataset",
        dataset="facilities",
        door="portal",
        received_at=now,
        details={"mode": "append", "page_count": 0},
    )
