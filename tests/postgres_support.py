"""A private PostgreSQL with PostGIS for one test process: Debian's packages, a folder of its own, a free port."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from container_support import POSTGIS, Running, images_wanted, running_image

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
ENABLE = "make system-deps"
FIRST_PORT, PORTS = 16_000, 4_000
_numbers = itertools.count(random.randrange(PORTS))
SETTINGS = """
listen_addresses = '127.0.0.1'
shared_buffers = 128MB
fsync = off
full_page_writes = off
synchronous_commit = off
jit = off
max_connections = 100
"""


def free_port() -> int:
    """A port that nobody takes before, or between two starts of, the server it is for: below those that the system hands out by itself,
    and each worker has its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = FIRST_PORT + worker * PORTS + next(_numbers) % PORTS
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


class Power(Protocol):
    """Takes the server away and brings it back with its data."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class PostgresServer:
    """A running server of which this test process alone knows."""

    port: int
    power: Power

    def url(self, database: str = "postgres", user: str = "postgres", password: str = "") -> str:
        credentials = f"{user}:{password}" if password else user
        return f"postgresql://{credentials}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self.power.start()

    def stop(self) -> None:
        self.power.stop()

    def execute(self, sql: str, database: str = "postgres") -> None:
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(sql)  # type: ignore[call-overload]

    def create_database(self, *, postgis: bool = False) -> str:
        """A new empty database (with PostGIS in it); returns its name."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.execute(f"create database {name}")
        if postgis:
            self.execute("create extension postgis", name)
        return name

    def drop_database(self, name: str) -> None:
        self.execute(f"drop database if exists {name} with (force)")


@dataclass
class Cluster:
    """A folder with a cluster of Debian's PostgreSQL."""

    directory: Path

    def start(self) -> None:
        self._control("start", "-w", "-l", str(self.directory / "log"))

    def stop(self) -> None:
        self._control("stop", "-m", "immediate", "-w")

    def _control(self, action: str, *arguments: str) -> None:
        run_as_postgres([str(PROGRAMS / "pg_ctl"), "-D", str(self.directory / "data"), action, *arguments])


def run_as_postgres(command: list[str]) -> None:
    """PostgreSQL refuses to run as root; there it runs as the user that Debian made for it."""
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
    # Output into a file: a server keeps the pipe of its starter open, and reading to its end would wait for ever.
    with tempfile.TemporaryFile() as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd="/", timeout=60)
        log.seek(0)
        assert done.returncode == 0, log.read().decode()


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A fresh cluster until the block ends; trust for everybody on loopback."""
    # Below /tmp, not below pytest's own folder, which no other user may enter.
    directory = Path(tempfile.mkdtemp(prefix="cartulary-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres", "postgres")
    cluster, options = Cluster(directory), ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    try:
        run_as_postgres([str(PROGRAMS / "initdb"), "-D", str(directory / "data"), *options])
        port = free_port()
        with (directory / "data" / "postgresql.conf").open("a") as file:
            file.write(f"{SETTINGS}port = {port}\nunix_socket_directories = '{directory}'\n")
        cluster.start()
        yield PostgresServer(port, cluster)
        cluster.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def running_postgis_image() -> Iterator[PostgresServer]:
    """The image of compose.yaml, trusting everybody on loopback too."""
    port = free_port()
    with running_image(POSTGIS, port=5432, host_port=port, environment={"POSTGRES_HOST_AUTH_METHOD": "trust"}) as container:
        server = PostgresServer(port, Restarted(container, port))
        wait_for(server)
        yield server


@dataclass
class Restarted:
    """A container that counts as started when it answers."""

    container: Running
    port: int

    def start(self) -> None:
        self.container.start()
        wait_for(PostgresServer(self.port, self))

    def stop(self) -> None:
        self.container.stop()


def wait_for(server: PostgresServer, seconds: float = 60.0) -> None:
    import psycopg

    deadline = time.monotonic() + seconds
    while True:
        try:
            server.execute("select 1")
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL per test process; each test makes databases of its own in it."""
    if images_wanted():
        with running_postgis_image() as server:
            yield server
        return
    if not (PROGRAMS / "initdb").exists():
        pytest.skip(f"no PostgreSQL 15 here: {ENABLE}")
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_database(postgres: PostgresServer) -> Iterator[str]:
    """libpq URL of an empty database of this test."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def postgis_database(postgres: PostgresServer) -> Iterator[str]:
    """libpq URL of an empty database with PostGIS, of this test."""
    name = postgres.create_database(postgis=True)
    yield postgres.url(name)
    postgres.drop_database(name)
