"""A private PostgreSQL with PostGIS for one test process: Debian's packages, a folder of its own, a free port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
ENABLE = "make system-deps"
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
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class PostgresServer:
    """A running cluster: `stop` and `start` take the server away and bring it back with its data."""

    directory: Path
    port: int

    def url(self, database: str = "postgres", user: str = "postgres", password: str = "") -> str:
        credentials = f"{user}:{password}" if password else user
        return f"postgresql://{credentials}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self._control("start", "-w", "-l", str(self.directory / "log"))

    def stop(self) -> None:
        self._control("stop", "-m", "immediate", "-w")

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
    server = PostgresServer(directory, free_port())
    try:
        run_as_postgres(
            [str(PROGRAMS / "initdb"), "-D", str(directory / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        )
        with (directory / "data" / "postgresql.conf").open("a") as file:
            file.write(f"{SETTINGS}port = {server.port}\nunix_socket_directories = '{directory}'\n")
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL per test process; each test makes databases of its own in it."""
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
