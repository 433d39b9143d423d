"""The same with everything outside of the process: a warehouse over HTTP, S3, two Postgres servers, PostGIS, Redis."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import psycopg
import pytest
from backup_support import AREAS, FACILITIES, REGISTER, form, requests, silent, utc_now
from outside import Outside, outside_world
from postgres_support import PROGRAMS, free_port
from pydantic import SecretStr
from vision_api import VisionApi

from flows.status import take_stock
from flows.steps.backup.manifest import KEYS, MIRROR, OBJECTS, PREFECT, STATE, WAREHOUSE, read_manifest
from flows.steps.backup.restore import restore_backup
from flows.steps.backup.shelf import find_backup
from flows.steps.backup.take import take_backup
from flows.steps.run import run_outstanding
from services.errors import BackupError, BusyError
from services.settings import BackupSettings, Settings
from services.wiring import Services, open_services

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Silent(BaseHTTPRequestHandler):
    """No letter is read here."""


def with_backups(world: Outside, redis_port: int) -> Settings:
    """The settings of a stack, with a database of Prefect's and a Redis of the gateway's."""
    url = world.settings.state.url.get_secret_value()
    server, _, name = url.rpartition("/")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create database prefect_{name}")  # type: ignore[call-overload]
    backup = BackupSettings(
        prefect_database_url=SecretStr(f"{server}/prefect_{name}"), redis_url=SecretStr(f"redis://127.0.0.1:{redis_port}/0")
    )
    return world.settings.model_copy(update={"backup": backup})


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Settings]]:
    """Two stacks that know nothing of each other."""
    redis_server = shutil.which("redis-server")
    if not (PROGRAMS / "initdb").exists() or redis_server is None:
        pytest.skip("no PostgreSQL 15 or no redis-server here: make system-deps")
    folder = tmp_path_factory.mktemp("worlds")
    with ExitStack() as stack:
        made = []
        for name in ("first", "second"):
            world = stack.enter_context(outside_world(folder / name, Silent, VisionApi()))
            port = free_port()
            (folder / name / "redis").mkdir()
            options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder / name / "redis"), "--save", ""]
            server = subprocess.Popen([redis_server, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(server.wait)
            stack.callback(server.terminate)
            wait_for_redis(port, server)
            made.append(with_backups(world, port))
        yield made[0], made[1]


def wait_for_redis(port: int, server: subprocess.Popen[bytes]) -> None:
    import redis

    deadline = time.monotonic() + 60
    with redis.Redis(port=port) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                assert server.poll() is None and time.monotonic() < deadline, "redis-server does not answer"
                time.sleep(0.1)


def redis_of(settings: Settings) -> object:
    import redis

    return redis.Redis.from_url(settings.backup.redis_url.get_secret_value())


def ask(url: SecretStr, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url.get_secret_value(), autocommit=True) as connection:
        cursor = connection.execute(query)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def fill(services: Services) -> None:
    for dataset, text in (("areas", AREAS), ("facilities", FACILITIES), ("address_points", REGISTER)):
        services.intake.receive_dataset(iter([text.encode()]), f"{dataset}.csv", dataset, None, "cli", utc_now())
    for number in range(3):
        services.intake.receive_submission(form(number + 1), None, utc_now(), idempotency_key=f"k{number}")
    run_outstanding(services, clock=utc_now)


def test_a_stack_comes_back_in_an_empty_one(worlds: tuple[Settings, Settings], tmp_path: Path) -> None:
    first, second = worlds
    with redis_of(first) as keys:  # type: ignore[attr-defined]
        keys.set("apikey-1", '{"rate": 100}')
    ask(first.backup.prefect_database_url, "create table flow_run (id int primary key, name text)")
    ask(first.backup.prefect_database_url, "insert into flow_run select i, 'run ' || i from generate_series(1, 50) i")
    ask(second.backup.prefect_database_url, "create table flow_run (id int); insert into flow_run values (7)")
    with open_services(first) as services:
        fill(services)
        located = requests(services)
        result = take_backup(services, tmp_path / "backups", keep=None, clock=utc_now, say=silent)
    with pytest.raises(BackupError, match="an empty platform only"):
        restore_backup(first, tmp_path / "backups", clock=utc_now, say=silent)
    assert sum(located.values()) == 3 and result.counts["damaged"] == 0
    manifest = read_manifest(find_backup(tmp_path / "backups"))
    kinds = {name: part.kind for name, part in manifest.parts.items()}
    assert kinds == {
        **{STATE: "postgres", WAREHOUSE: "parquet", OBJECTS: "pool"},
        **{PREFECT: "postgres", MIRROR: "postgres", KEYS: "redis"},
    }

    with open_services(second) as served, served.state.database.reading(), pytest.raises(BusyError, match="docker compose stop"):
        restore_backup(second, tmp_path / "backups", clock=utc_now, say=silent)
    restored = restore_backup(second, tmp_path / "backups", clock=utc_now, say=silent)
    assert "Left out" not in restored.message
    assert ask(second.backup.prefect_database_url, "select count(*), max(name) from flow_run") == [(50, "run 9")]
    assert ask(second.postgis.url, "select count(*) from public_map.areas") == [(1,)]
    with redis_of(second) as keys:  # type: ignore[attr-defined]
        assert keys.get("apikey-1") == b'{"rate": 100}'
    with open_services(second) as services:
        assert requests(services) == located
        assert take_stock(services).differences == []
        services.intake.receive_submission(form(1), None, utc_now(), idempotency_key="k0")
        services.intake.receive_submission(form(9), None, utc_now(), idempotency_key="new")
        run_outstanding(services, clock=utc_now)
        assert sum(requests(services).values()) == 4
        newest = "select state, is_full_refresh from gold.builds order by finished_at desc limit 1"
        assert services.warehouse.query(newest) == [{"state": "published", "is_full_refresh": 0}]
        assert ask(second.postgis.url, "select count(*) from restricted_map.requests") == [(4,)]
        # What a second backup finds there is all that the first one had, and the form that came since.
        again = take_backup(services, tmp_path / "again", keep=None, clock=utc_now, say=silent)
    assert again.counts["objects"] == manifest.objects + 2
