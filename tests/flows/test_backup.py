"""A backup of a small town, restored into an empty platform: the same counts and hashes everywhere, and work goes on as before."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from api_support import ALL_SCOPES, TestClient
from backup_support import Saved, bring_back, fill, form, letter, platform, requests, silent, take, utc_now
from dbt_support import gold_content
from warehouse_support import empty

from api.app import create_app
from flows.status import take_stock
from flows.steps.alone import alone
from flows.steps.backup.manifest import INDEX, MANIFEST, OBJECTS, POOL, STATE, WAREHOUSE, read_manifest, write_manifest
from flows.steps.backup.restore import restore_backup
from flows.steps.backup.shelf import DATED, Shelf, find_backup
from flows.steps.backup.take import BACKUP, take_backup
from flows.steps.run import run_outstanding, run_step
from flows.steps.transform import transform
from services.errors import BackupError, BusyError, ConfigurationError, ObjectStoreError
from services.extraction.ocr import OcrExtractor
from services.metrics import Metrics
from services.object_store.backup import Pool
from services.settings import BackupSettings, Settings, WarehouseSettings
from services.state.backup import contents as state_contents
from services.state.backup import note_restore, unfinished_restore
from services.warehouse.backup import SNAPSHOT
from services.warehouse.backup_restore import contents
from services.warehouse.client import Warehouse
from services.wiring import Services, open_services


@pytest.fixture(scope="module")
def town(warehouse: Warehouse, extractor: OcrExtractor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saved]:
    """A backup of a town that was built once, and its warehouse as it is then."""
    folder = tmp_path_factory.mktemp("town")
    empty(warehouse)
    with platform(warehouse, extractor, folder / "data") as services:
        fill(services)
        yield take(services, folder / "backups")
    empty(warehouse)


@pytest.fixture
def fresh(town: Saved, warehouse: Warehouse, extractor: OcrExtractor, tmp_path: Path) -> Iterator[Services]:
    """An empty platform."""
    empty(warehouse)
    with platform(warehouse, extractor, tmp_path / "data") as services:
        yield services


@pytest.fixture
def restored(fresh: Services, town: Saved) -> Services:
    bring_back(fresh, town.folder)
    return fresh


@pytest.fixture
def copied(town: Saved, tmp_path: Path) -> Path:
    """A backup that may be damaged."""
    shutil.copytree(town.folder, tmp_path / "backups")
    return find_backup(tmp_path / "backups")


def test_what_is_restored_is_what_was_saved(fresh: Services, town: Saved, tmp_path: Path) -> None:
    told: list[str] = []
    result = bring_back(fresh, town.folder, told.append)
    assert told.index("objects") < told.index("warehouse") < told.index("state")
    assert result.counts["objects"] == town.manifest.objects == town.result.counts["objects"]
    parts = town.manifest.parts
    # Its own outcome is the only row that a restore adds.
    wanted = {name: content for name, content in parts[WAREHOUSE].contents.items() if name != "bronze.step_outcomes"}
    assert contents(fresh.warehouse, wanted) == wanted and wanted["gold.fct_requests"].rows == 2
    with fresh.state.database.reading() as connection:
        assert state_contents(connection) == parts[STATE].contents
    assert take_stock(fresh).differences == []
    assert requests(fresh) == {"located": 2}
    outcome = fresh.warehouse.query("select step, state from bronze.step_outcomes order by _ingested_at desc limit 1")
    assert outcome == [{"step": "restore", "state": "done"}]
    assert unfinished_restore(fresh.state.database) == ""
    # And saved once more it is the same again.
    again = take(fresh, tmp_path / "again").manifest.parts
    assert again[OBJECTS] == parts[OBJECTS] and again[STATE] == parts[STATE]
    assert {name for name, table in again[WAREHOUSE].tables.items() if table != parts[WAREHOUSE].tables[name]} == {"bronze.step_outcomes"}


def test_readers_have_answers_at_once(restored: Services, tmp_path: Path) -> None:
    key = restored.keys.create("reader", ALL_SCOPES, utc_now()).secret
    app = create_app(restored, wake=lambda: None, metrics=Metrics(), portal_dist=tmp_path / "no-portal")
    with TestClient(app, headers={"X-API-Key": key}) as client:
        assert len(client.get("/v1/requests").json()["items"]) == 2
        assert client.get("/v1/letters").json()["items"][0]["state"] == "located"
        assert client.get("/v1/status").json()["letters"]["located"] == 1


def test_work_goes_on_and_builds_add_what_is_new(restored: Services) -> None:
    run_outstanding(restored, clock=utc_now)
    builds = "select generation, state, is_full_refresh from gold.builds order by generation desc, finished_at desc limit 1"
    before = restored.warehouse.query(builds)[0]
    # What came before is known: neither the letter nor the form counts twice.
    restored.intake.receive_letter(iter([letter(1)]), "again.png", "cli", utc_now())
    restored.intake.receive_submission(form(2), None, utc_now(), idempotency_key="k1")
    restored.intake.receive_letter(iter([letter(3)]), "new.png", "cli", utc_now())
    restored.intake.receive_submission(form(4), None, utc_now(), idempotency_key="k2")
    run_outstanding(restored, clock=utc_now)
    after = restored.warehouse.query(builds)[0]
    assert after["state"] == "published" and after["generation"] > before["generation"] and not after["is_full_refresh"]
    assert requests(restored) == {"located": 4}
    assert take_stock(restored).differences == []
    added = gold_content(restored.warehouse)
    transform(restored, full_refresh=True, now=utc_now())
    assert gold_content(restored.warehouse) == added


def test_what_comes_in_during_a_backup_is_neither_lost_nor_doubled(
    restored: Services, warehouse: Warehouse, extractor: OcrExtractor, tmp_path: Path
) -> None:
    stop, phase, accepted, came = threading.Event(), ["state"], [], threading.Condition()

    def hand_in() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            receipt = restored.intake.receive_submission(form(1 + number % 25), None, utc_now(), idempotency_key=f"during {number}")
            # Looked at afterwards: accepted by then, and so before whatever comes later.
            with came:
                accepted.append((receipt.id, phase[0]))
                came.notify()
            if number % 7 == 0:
                restored.intake.register_outstanding(utc_now())

    def note(text: str) -> None:
        """The next phase begins when forms came in during it."""
        with came:
            phase[0], enough = text, len(accepted) + 3
            assert came.wait_for(lambda: len(accepted) >= enough or not sender.is_alive(), timeout=60)

    sender = threading.Thread(target=hand_in)
    sender.start()
    try:
        saved = take(restored, tmp_path / "during", say=note)
    finally:
        stop.set()
        sender.join()
    early = {identifier for identifier, moment in accepted if moment not in ("objects", "reading it back")}
    assert len(early) > 6 and len({moment for _, moment in accepted}) > 3, "forms came in all the time"
    empty(warehouse)
    with platform(warehouse, extractor, tmp_path / "other") as other:
        bring_back(other, saved.folder)
        run_outstanding(other, clock=utc_now)
        rows = other.warehouse.query("select submission_id, count() as n from bronze.submissions group by submission_id")
        assert {row["n"] for row in rows} == {1}
        kept = {row["submission_id"] for row in rows}
        assert early <= kept
        stored = {key.partition("/")[2].partition(".")[0] for key in other.objects.list("submissions/") if key.endswith(".manifest.json")}
        assert kept == stored
        assert requests(other) == {"located": 1 + len(kept)}
        assert other.state.work.outstanding() == 0
        assert take_stock(other).differences == []


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def one_object(backup: Path) -> Path:
    return max((backup.parent / POOL).glob("??/*"), key=lambda path: path.stat().st_size)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a table is damaged": lambda backup: flip(backup / WAREHOUSE / "bronze.letters.parquet"),
    "a table is missing": lambda backup: (backup / WAREHOUSE / "gold.fct_requests.parquet").unlink(),
    "the state is damaged": lambda backup: flip(backup / STATE / "state.sqlite"),
    "an object is damaged": lambda backup: flip(one_object(backup)),
    "an object is missing": lambda backup: one_object(backup).unlink(),
    "the pool is missing": lambda backup: shutil.rmtree(backup.parent / POOL),
    "the list of objects is cut off": lambda backup: (backup / INDEX).write_bytes((backup / INDEX).read_bytes()[:-20]),
    "the manifest is cut off": lambda backup: (backup / MANIFEST).write_text((backup / MANIFEST).read_text()[:-200]),
    "the manifest was changed": lambda backup: (backup / MANIFEST).write_text(
        (backup / MANIFEST).read_text().replace('"rows": 2', '"rows": 3')
    ),
    "the manifest is missing": lambda backup: (backup / MANIFEST).unlink(),
    "the format is newer": lambda backup: write_manifest(backup, read_manifest(backup).model_copy(update={"format": 2})),
    "the warehouse is newer": lambda backup: write_manifest(
        backup, read_manifest(backup).model_copy(update={"migrations": (*read_manifest(backup).migrations, "9999_later")})
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_refused_before_anything_is_touched(damage: str, copied: Path, tmp_path: Path) -> None:
    DAMAGES[damage](copied)
    settings = Settings(_env_file=None, data_dir=tmp_path / "untouched")
    with pytest.raises(BackupError) as caught:
        restore_backup(settings, copied, clock=utc_now, say=silent)
    assert copied.name in str(caught.value) or str(copied) in str(caught.value)
    assert ("newer" in damage) == ("newer Cartulary" in str(caught.value))
    assert not settings.data_dir.exists()


def test_a_platform_with_rows_is_refused(fresh: Services, town: Saved) -> None:
    fresh.state.work.add("extract", ["somebody's"], now=utc_now())
    with pytest.raises(BackupError, match=r"an empty platform only, and here there are rows in state\.work"):
        bring_back(fresh, town.folder)
    fresh.state.work.claim("extract", limit=1, owner="o", lease_seconds=60, now=utc_now())
    fresh.state.work.done("extract", ["somebody's"], owner="o")
    fresh.warehouse.command("insert into bronze.letters (letter_id) values ('somebody''s')")
    with pytest.raises(BackupError, match=r"rows in bronze\.letters"):
        bring_back(fresh, town.folder)
    assert unfinished_restore(fresh.state.database) == ""
    assert fresh.warehouse.scalar("select count() from bronze.letters") == 1
    assert list(fresh.objects.list("")) == []


def test_others_at_work_are_not_disturbed(fresh: Services, town: Saved) -> None:
    with alone(fresh, "build", clock=utc_now, wait_seconds=0), pytest.raises(BusyError, match="is at the build just now"):
        bring_back(fresh, town.folder)


def test_one_backup_at_a_time(fresh: Services, tmp_path: Path) -> None:
    with alone(fresh, BACKUP, clock=utc_now, wait_seconds=0), pytest.raises(BusyError, match="is at the backup just now"):
        take(fresh, tmp_path / "backups")
    assert Shelf(tmp_path / "backups").backups() == []


def test_a_restore_that_broke_off_goes_on_and_no_other_one_begins(fresh: Services, town: Saved) -> None:
    class Stopped(Exception):
        pass

    def stop_at(where: str) -> Callable[[str], None]:
        def say(text: str) -> None:
            if text == where:
                raise Stopped

        return say

    for where in ("warehouse", "gold.builds", "state", "comparing with the backup", "registering what came in while the backup was taken"):
        with suppress(Stopped):
            bring_back(fresh, town.folder, stop_at(where))
            pytest.fail(f"nothing was said of {where}")
        assert unfinished_restore(fresh.state.database).startswith(town.manifest.name)
    note_restore(fresh.state.database, "another backup")
    with pytest.raises(BackupError, match="The restore of another was not finished"):
        bring_back(fresh, town.folder)
    note_restore(fresh.state.database, f"{town.manifest.name} {'x' * 16}")
    with pytest.raises(BackupError, match="was not finished"):
        bring_back(fresh, town.folder)


def test_half_a_platform_does_not_open(tmp_path: Path, fresh: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    note_restore(fresh.state.database, "2026-03-01T120000Z abc")
    monkeypatch.setattr(Warehouse, "open", classmethod(lambda cls, settings: fresh.warehouse))
    monkeypatch.setattr(Warehouse, "__exit__", lambda *_: None)
    with pytest.raises(ConfigurationError, match="is being restored here"), open_services(fresh.settings):
        pass


def test_old_backups_go_and_what_only_they_have(fresh: Services, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "backups")
    moments = [utc_now() - timedelta(days=days) for days in (20, 10, 5)]
    names = []
    for number, moment in enumerate(moments):
        key = f"submissions/only-{number}.json"
        fresh.objects.put(key, [f"of {number}".encode()], "application/json")
        take_backup(fresh, shelf.folder, keep=None, clock=lambda moment=moment: moment, say=silent)
        names.append(shelf.backups()[-1].name)
        fresh.objects.delete(key)
    assert [path.name for path in shelf.backups()] == names
    (shelf.folder / ".partial-2026-01-01T000000Z").mkdir()
    (shelf.folder / "notes.txt").write_text("somebody's")
    result = take(fresh, shelf.folder, keep=timedelta(days=7)).result
    assert result.counts["removed"] == 2
    assert [path.name for path in shelf.backups()][:1] == names[2:]
    assert {path.name for path in shelf.folder.iterdir() if not DATED.fullmatch(path.name)} == {POOL, "notes.txt"}
    contents_kept = {path.read_bytes() for path in Pool(shelf.folder / POOL).folder.glob("??/*")}
    assert b"of 2" in contents_kept and b"of 0" not in contents_kept and b"of 1" not in contents_kept
    # The newest one stays, however old it is.
    assert shelf.prune(timedelta(seconds=0), utc_now() + timedelta(days=900)) == 1
    assert len(shelf.backups()) == 1


def test_a_backup_that_fails_leaves_nothing_and_says_so(fresh: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        type(fresh.objects), "list", lambda *_: (_ for _ in ()).throw(ObjectStoreError("the store is away", retryable=True))
    )
    with pytest.raises(ObjectStoreError, match="the store is away"):
        run_step(fresh, BACKUP, lambda: take(fresh, tmp_path / "backups").result, clock=utc_now)
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [POOL]
    assert fresh.warehouse.scalar(f"select count() from system.databases where name = '{SNAPSHOT}'") == 0
    row = fresh.warehouse.query("select state, message from bronze.step_outcomes where step = 'backup'")
    assert row == [{"state": "failed", "message": "the store is away"}]


def test_a_damaged_object_is_told_and_the_rest_is_saved(fresh: Services, tmp_path: Path) -> None:
    key = f"uploads/aa/{'a' * 64}"
    fresh.objects.put(key, [b"rotten"], "image/png")
    saved = take(fresh, tmp_path / "backups")
    assert saved.result.counts["damaged"] == 1 and key in saved.result.message
    assert saved.manifest.damaged_objects == (key,)


def test_it_does_not_save_itself(fresh: Services) -> None:
    with pytest.raises(BackupError, match="name a folder elsewhere"):
        take(fresh, fresh.settings.data_dir / "objects" / "backups")


def test_the_api_tells_how_old_the_newest_backup_is(fresh: Services, tmp_path: Path) -> None:
    key = fresh.keys.create("reader", ["read"], utc_now()).secret

    def told() -> float:
        app = create_app(fresh, wake=lambda: None, metrics=Metrics(), portal_dist=tmp_path / "no-portal")
        with TestClient(app, headers={"X-API-Key": key}) as client:
            lines = client.get("/metrics").text.splitlines()
        [line] = [line for line in lines if line.startswith("cartulary_backup_finished_timestamp_seconds ")]
        return float(line.split()[1])

    assert told() == 0, "there is none"
    started = utc_now().timestamp()
    run_step(fresh, BACKUP, lambda: take(fresh, tmp_path / "backups").result, clock=utc_now)
    assert started - 1 <= told() <= utc_now().timestamp()


def test_what_the_server_wrote_needs_the_server(copied: Path, tmp_path: Path) -> None:
    """Native parts are not made here; what a restore says of them is."""
    manifest = read_manifest(copied)
    part = manifest.parts[WAREHOUSE].model_copy(update={"kind": "clickhouse"})
    write_manifest(
        copied, manifest.model_copy(update={"parts": {**manifest.parts, WAREHOUSE: part}, "disk": "backups", "archive": "x.zip"})
    )
    with pytest.raises(BackupError, match="written by a ClickHouse server"):
        restore_backup(Settings(_env_file=None, data_dir=tmp_path / "a"), copied, clock=utc_now, say=silent)
    server = WarehouseSettings(host="clickhouse")
    elsewhere = Settings(_env_file=None, data_dir=tmp_path / "a", warehouse=server, backup=BackupSettings(directory=str(tmp_path)))
    with pytest.raises(ConfigurationError, match="its own disk"):
        restore_backup(elsewhere, copied, clock=utc_now, say=silent)


def test_the_manifest_names_everything(town: Saved) -> None:
    told = json.loads((town.backup / MANIFEST).read_text())
    assert set(told) >= {"format", "cartulary", "name", "started_at", "finished_at", "migrations", "parts", "files", "digest"}
    files = {path.relative_to(town.backup).as_posix() for path in town.backup.rglob("*") if path.is_file()} - {MANIFEST}
    assert set(told["files"]) == files
    assert (town.backup.stat().st_mode & 0o077) == 0, "letters of people are nobody else's business"
