"""A private PostgreSQL with PostGIS for one measurement: Debian's packages, a folder of its own, a free port."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
# As the stack's database has them for its memory; it keeps what it was told (fsync), for both sides alike.
SETTINGS = """
listen_addresses = '127.0.0.1'
shared_buffers = 512MB
maintenance_work_mem = 256MB
work_mem = 64MB
max_wal_size = 4GB
jit = off
"""


@contextmanager
def private_postgis() -> Iterator[str]:
    """libpq URL of an empty database with PostGIS; the server and its files are gone at the end of the block."""
    if not (PROGRAMS / "initdb").exists():
        sys.exit("no PostgreSQL 15 here: make system-deps")
    directory = Path(tempfile.mkdtemp(prefix="cartulary-bench-"))
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres", "postgres")
    data = directory / "data"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    previous = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        _run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"{SETTINGS}port = {port}\nunix_socket_directories = '{directory}'\n")
        _run("pg_ctl", "-D", data, "start", "-w", "-l", directory / "log")
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create extension postgis")
        yield url
    finally:
        if (data / "postmaster.pid").exists():
            _run("pg_ctl", "-D", data, "stop", "-m", "immediate", "-w")
        for number, handler in previous.items():
            signal.signal(number, handler)
        shutil.rmtree(directory, ignore_errors=True)


def _leave(number: int, _: object) -> None:
    """End by an exception, so that the server ends too."""
    sys.exit(128 + number)


def cpu_seconds(url: str) -> float:
    """What this process, the programs that it ran and the server at this URL took of all processors until now."""
    with psycopg.connect(url) as connection:
        row = connection.execute("select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)").fetchone()
    server = row[0] if row else ""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: the name in brackets may have spaces.
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if path.parent.name == server:
            ticks += sum(map(int, fields[11:15]))  # its own, and those of its processes that ended
        elif fields[1] == server:
            ticks += sum(map(int, fields[11:13]))
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return ticks / os.sysconf("SC_CLK_TCK") + sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _run(program: str, *arguments: object) -> None:
    command = [str(PROGRAMS / program), *map(str, arguments)]
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root; Debian made a user for it.
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
    # A server keeps the output of its starter open: a pipe would never end.
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd="/", timeout=120)
