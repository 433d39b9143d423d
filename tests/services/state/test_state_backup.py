"""The state into a file and back, in SQLite, in Postgres, and from the one into the other."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from postgres_support import PostgresServer
from pydantic import SecretStr

from services.errors import BackupError, ConfigurationError
from services.settings import PROJECT_ROOT, Settings, StateSettings
from services.state import backup, postgres_dump
from services.state.backup import (
    check_sqlite,
    confirm_restored,
    contents,
    filled_tables,
    forget_restore,
    note_restore,
    other_clients,
    restore_state,
    save_state,
    unfinished_restore,
)
from services.state.geocode_cache import KeptAnswer
from services.state.locks import this_process
from services.state.state import State
from services.tracing import run_scope


def fill(state: State, now: datetime) -> None:
    state.work.add("extract", [f"l{n}" for n in range(5)], now=now, payload={"l1": {"a": [1, None, "ü"], "b": {"c": True}}})
    state.work.add("extract", ["l0"], now=now, again=True)
    state.work.claim("extract", limit=1, owner="o", lease_seconds=60, now=now)
    state.work.add("extract", ["l0"], now=now, again=True, payload={"l0": {"round": 2}})
    state.api_keys.add("k1", "Frau Ösch", ["read", "exact"], "h" * 64, now + timedelta(microseconds=1))
    state.idempotency.begin("key", "hash", now)
    state.idempotency.finish("key", 201, '{"id": "x"}')


def held(state: State) -> dict[str, object]:
    with state.database.reading() as connection:
        return dict(contents(connection))


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> object:
    made = []

    def make(kind: str) -> State:
        url = ""
        if kind == "postgres":
            name = postgres.create_database()
            request.addfinalizer(lambda: postgres.drop_database(name))
            url = postgres.url(name)
        made.append(State.open(Settings(_env_file=None, data_dir=tmp_path / f"target{len(made)}", state=StateSettings(url=SecretStr(url)))))
        request.addfinalizer(made[-1].close)
        return made[-1]

    return make


@pytest.mark.parametrize(("source", "into"), [("sqlite", "sqlite"), ("sqlite", "postgres"), ("postgres", "postgres")])
def test_everything_comes_back_and_work_goes_on(
    source: str, into: str, target: Callable[[str], State], tmp_path: Path, now: datetime
) -> None:
    state, other = target(source), target(into)
    fill(state, now)
    with state.locks.hold("build", owner=this_process(), lease_seconds=60, wait_seconds=0, clock=lambda: now):
        saved = save_state(state.database, tmp_path)
    assert saved["work"].rows == 5 and saved["api_keys"].rows == 1 and "locks" not in saved
    assert saved == held(state)
    # What a broken restore or a fresh platform left there is replaced, locks are not.
    other.work.add("load", ["left"], now=now)
    note_restore(other.database, "b")
    restore_state(other.database, tmp_path, saved)
    restore_state(other.database, tmp_path, saved)
    assert held(other) == saved
    assert unfinished_restore(other.database) == "b"
    assert other.locks.holders(now).keys() == {"restore"}
    assert other.work.counts() == state.work.counts()
    known = other.api_keys.get("k1")
    assert known is not None and known.name == "Frau Ösch" and known.created_at == now + timedelta(microseconds=1)
    # Rounds are numbered on, not from the beginning.
    other.work.release_leases()
    other.work.claim("extract", limit=9, owner="p", lease_seconds=60, now=now)
    other.work.add("extract", ["l3"], now=now, again=True)
    with other.database.reading() as connection:
        numbers = connection.exec_driver_sql("select round_id from work_rounds order by round_id").scalars().all()
    assert len(numbers) == 2 and len(set(numbers)) == 2


def test_a_dump_does_not_come_back_into_sqlite(target: Callable[[str], State], tmp_path: Path, now: datetime) -> None:
    saved = save_state(target("postgres").database, tmp_path)
    with pytest.raises(BackupError, match="into Postgres only"):
        restore_state(target("sqlite").database, tmp_path, saved)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_backup_is_of_one_moment_while_others_write(kind: str, target: Callable[[str], State], tmp_path: Path, now: datetime) -> None:
    state, other = target(kind), target(kind)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            # Two rows in one transaction: both or none are in a backup.
            state.work.add("extract", [f"a{number}", f"b{number}"], now=now)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for attempt in range(3):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            saved = save_state(state.database, folder)
            restore_state(other.database, folder, saved)
            assert held(other) == saved
            assert saved["work"].rows % 2 == 0
    finally:
        stop.set()
        writer.join()
    assert saved["work"].rows > 0


def test_an_older_state_gets_what_it_lacks(target: Callable[[str], State], tmp_path: Path, now: datetime) -> None:
    state = target("sqlite")
    fill(state, now)
    save_state(state.database, tmp_path)
    with sqlite3.connect(tmp_path / backup.SQLITE) as file:
        file.execute("drop table upload_sessions")
        file.execute("alter table idempotency_keys drop column status")
        file.execute("create table of_nobody (a)")
    saved = check_sqlite(tmp_path / backup.SQLITE)
    assert "upload_sessions" not in saved and "of_nobody" not in saved
    other = target("postgres")
    restore_state(other.database, tmp_path, saved)
    assert other.work.counts() == state.work.counts()
    assert other.idempotency.begin("key", "hash", now) is None, "the column that was not there yet is empty"


def test_a_damaged_sqlite_is_told(target: Callable[[str], State], tmp_path: Path, now: datetime) -> None:
    state = target("sqlite")
    fill(state, now)
    save_state(state.database, tmp_path)
    path = tmp_path / backup.SQLITE
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)
    with pytest.raises(BackupError, match="damaged"):
        check_sqlite(path)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_what_a_fresh_platform_writes_itself_does_not_count(kind: str, target: Callable[[str], State], now: datetime) -> None:
    state = target(kind)
    state.geocode_cache.put_many({"k": KeptAnswer("{}", now)})
    assert filled_tables(state.database) == []
    fill(state, now)
    assert set(filled_tables(state.database)) == {"state.work", "state.work_rounds", "state.idempotency_keys", "state.api_keys"}


def test_others_in_postgres_are_seen_and_we_are_not(postgres_database: str, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, state=StateSettings(url=SecretStr(postgres_database)))
    with run_scope("r1"):
        own = State.open(settings)
        with own.database.reading(), own.database.reading():
            assert other_clients(own.database) == []
        served = State.open(settings)
        with run_scope("r2"), served.database.reading():
            pass
        assert other_clients(own.database) == ["cartulary r2"]
        served.close()
        own.close()


def test_nobody_opens_half_a_platform(target: Callable[[str], State]) -> None:
    state = target("sqlite")
    confirm_restored(state.database)
    note_restore(state.database, "2026-03-01T120000Z abc")
    with pytest.raises(ConfigurationError, match="2026-03-01T120000Z is being restored"):
        confirm_restored(state.database)
    forget_restore(state.database)
    confirm_restored(state.database)


def test_postgres_programs_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgres_dump, "INSTALLED", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="pg_dump is not installed here: apt-get install postgresql-client"):
        postgres_dump.dump("postgresql://a@localhost/b", tmp_path / "x")


def test_a_program_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As when the network is away and nobody says so."""
    bin_folder = tmp_path / "17" / "bin"
    bin_folder.mkdir(parents=True)
    fake = bin_folder / "pg_dump"
    fake.write_text(f"#!/bin/sh\necho $$ > '{tmp_path}/pid'\necho $* > '{tmp_path}/told'\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setattr(postgres_dump, "INSTALLED", tmp_path)
    with pytest.raises(BackupError, match=r"pg_dump was stopped.*look whether the database server answers") as caught:
        postgres_dump.dump("postgresql://a:very-secret@localhost/b", tmp_path / "x", limit_seconds=2)
    assert caught.value.retryable and "very-secret" not in str(caught.value)
    assert "keepalives_idle=60" in (tmp_path / "told").read_text(), "of a dead network it hears sooner than that"
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists(), "it does not stay behind"


def test_no_password_is_told(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.url("no_such_database", password="very-secret")
    with pytest.raises(BackupError, match="no_such_database") as caught:
        postgres_dump.dump(url, tmp_path / "x")
    assert "very-secret" not in str(caught.value)
    with pytest.raises(BackupError) as refused, postgres_dump.connected(url, "CARTULARY_X"):
        pass
    assert "very-secret" not in str(refused.value)


def test_a_database_of_others_comes_back_in_place_of_what_is_there(postgres: PostgresServer, tmp_path: Path) -> None:
    """As Prefect's, whose server makes tables as soon as it starts."""
    source, into = postgres.create_database(), postgres.create_database()
    make = (
        "create extension pg_trgm; create type colour as enum ('red'); "
        "create table flow (id uuid primary key, name text, c colour, j jsonb)"
    )
    postgres.execute(make, source)
    postgres.execute("create index by_name on flow using gin (name gin_trgm_ops)", source)
    postgres.execute("insert into flow select gen_random_uuid(), 'n' || i, 'red', '{\"a\": 1.50}' from generate_series(1, 500) i", source)
    postgres.execute(make, into)
    postgres.execute(
        "create table newer (id int); insert into newer values (1); insert into flow values (gen_random_uuid(), 'x', 'red')", into
    )
    path = tmp_path / "prefect.dump"
    saved = postgres_dump.save_database(postgres.url(source), "PREFECT", path, ["--no-privileges"])
    assert {name: content.rows for name, content in saved.items()} == {"public.flow": 500}
    assert postgres_dump.restore_database(postgres.url(into), "PREFECT", path) == saved
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(BackupError):
        postgres_dump.restore_database(postgres.url(into), "PREFECT", path)
    for name in (source, into):
        postgres.drop_database(name)


def test_databases_emptied_as_the_page_says_are_restored_by_their_owner(postgres: PostgresServer, tmp_path: Path, now: datetime) -> None:
    page = (PROJECT_ROOT / "docs" / "backup.md").read_text(encoding="utf-8")
    emptying = re.findall(r'-c "((?:drop|create) schema [^"]+)"', page)
    assert len(emptying) == 2
    name = postgres.create_database()
    for statement in (
        f"create role {name} login",
        f"alter database {name} owner to {name}",
        f"revoke connect on database {name} from public",
    ):
        postgres.execute(statement)
    url = postgres.url(name, user=name)
    settings = Settings(_env_file=None, data_dir=tmp_path, state=StateSettings(url=SecretStr(url)))
    with closing(State.open(settings)) as state:
        fill(state, now)
        saved = save_state(state.database, tmp_path)
    # As Prefect's, with an extension that lies in the schema.
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create extension pg_trgm")
        connection.execute("create index by_name on work using gin (state gin_trgm_ops)")
    other = postgres_dump.save_database(url, "PREFECT", tmp_path / "prefect.dump", ["--no-privileges"])

    for _ in range(2):  # the second backup is of a database that was emptied before
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in emptying:
                connection.execute(statement)
        with closing(State.open(settings)) as state:
            assert filled_tables(state.database) == []
            restore_state(state.database, tmp_path, saved)
            assert held(state) == saved
            assert save_state(state.database, tmp_path) == saved
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in emptying:
                connection.execute(statement)
        assert postgres_dump.restore_database(url, "PREFECT", tmp_path / "prefect.dump") == other
        assert postgres_dump.save_database(url, "PREFECT", tmp_path / "prefect.dump", ["--no-privileges"]) == other
    with psycopg.connect(postgres.url()) as connection:
        rights = connection.execute("select has_database_privilege('public', %s, 'connect')", [name]).fetchone()
    assert rights == (False,), "nobody else may connect, as before"
    postgres.drop_database(name)
    postgres.execute(f"drop role {name}")
