"""The gateway's keys out of one real Redis and into another one."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from postgres_support import free_port

from services.errors import BackupError, ConfigurationError
from services.gateway.backup import key_contents, restore_keys, save_keys, saved_keys

redis = pytest.importorskip("redis", reason="redis is missing: .venv/bin/uv pip install -r requirements-dev.lock")
PASSWORD = "a-secret-of-the-test"


@pytest.fixture
def now() -> datetime:
    """When this test begins: a Redis counts by the real clock, and others may have run for minutes before."""
    return datetime.now(UTC)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A Redis of this test alone, as compose.yaml starts it; its URL."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server here: make system-deps, or apt-get install redis-server")
    folder.mkdir()
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--requirepass", PASSWORD, "--appendonly", "yes"]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    try:
        deadline = time.monotonic() + 20
        with redis.Redis.from_url(url) as client:
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    assert server.poll() is None and time.monotonic() < deadline
                    time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("redis")
    with running(folder / "a") as first, running(folder / "b") as second:
        yield first, second


@pytest.fixture
def ask(servers: tuple[str, str]) -> Iterator[Callable[[str], redis.Redis]]:
    clients = []

    def open_client(url: str) -> redis.Redis:
        clients.append(redis.Redis.from_url(url))
        return clients[-1]

    for url in servers:
        open_client(url).flushall()
    yield open_client
    for client in clients:
        client.close()


def test_keys_come_back_with_their_time(servers: tuple[str, str], ask: Callable[[str], redis.Redis], tmp_path: Path, now: datetime) -> None:
    source, target = ask(servers[0]), ask(servers[1])
    for number in range(1200):
        source.set(f"apikey-{number:04}", json.dumps({"rate": 100, "meta_data": {"consumer": f"Böll {number}"}}))
    source.set("apikey-short", b"\x00\xff", px=3_600_000)
    source.set("apikey-over", "x", px=3_600_000)
    source.hset("apikey-odd", mapping={"a": "1"})
    source.set("quota-0001", 17, px=60_000)
    source.set("rate-limit-x", 3)
    target.set("apikey-0001", "older")
    target.set("apikey-new", "made here")
    path = tmp_path / "keys.jsonl"
    saved = save_keys(servers[0], path, now)
    assert saved["keys"].rows == 1203 and saved_keys(path, now) == saved
    restore_keys(servers[1], path, now)
    restore_keys(servers[1], path, now)
    assert key_contents(servers[1], path, now) == saved
    assert target.get("apikey-0001") == source.get("apikey-0001")
    assert target.get("apikey-short") == b"\x00\xff" and 3_500_000 < target.pttl("apikey-short") <= 3_600_000
    assert target.hgetall("apikey-odd") == {b"a": b"1"}
    assert target.get("quota-0001") == b"17" and target.get("rate-limit-x") is None
    assert target.get("apikey-new") == b"made here", "a key that the backup does not know stays"
    target.set("apikey-0001", "changed")
    assert key_contents(servers[1], path, now) != saved


def test_a_key_whose_time_is_over_stays_away(
    servers: tuple[str, str], ask: Callable[[str], redis.Redis], tmp_path: Path, now: datetime
) -> None:
    ask(servers[0]).set("apikey-short", "x", px=60_000)
    ask(servers[0]).set("apikey-long", "x")
    path = tmp_path / "keys.jsonl"
    save_keys(servers[0], path, now)
    later = now + timedelta(minutes=2)
    restore_keys(servers[1], path, later)
    assert ask(servers[1]).keys("*") == [b"apikey-long"]
    assert key_contents(servers[1], path, later) == saved_keys(path, later)


def test_who_does_not_answer_is_told_without_the_password(tmp_path: Path, now: datetime) -> None:
    with pytest.raises(BackupError, match="does not answer") as caught:
        save_keys(f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0", tmp_path / "keys", now)
    assert caught.value.retryable and PASSWORD not in str(caught.value)
    with pytest.raises(ConfigurationError, match="is no URL of a Redis") as wrong:
        save_keys(f"http://{PASSWORD}@x", tmp_path / "keys", now)
    assert PASSWORD not in str(wrong.value)


def test_a_wrong_password_is_refused(servers: tuple[str, str], tmp_path: Path, now: datetime) -> None:
    with pytest.raises(BackupError, match="Redis"):
        save_keys(servers[0].replace(PASSWORD, "wrong"), tmp_path / "keys", now)


def test_a_damaged_file_is_told(tmp_path: Path, now: datetime) -> None:
    path = tmp_path / "keys"
    path.write_text('{"key": "YQ==", "du', encoding="utf-8")
    with pytest.raises(BackupError, match="damaged"):
        saved_keys(path, now)
