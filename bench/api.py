"""Requests per second and p99 of one gold route, against a bare FastAPI route that answers the same bytes and against the raw query."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.formats import bbox_of
from api.pages import ListQuery
from api.routes.facilities import FACILITIES, facility_filters
from services.settings import ApiSettings, Settings
from services.wiring import open_services

ROWS = 20_000
LIMIT = 50
BBOX = "9.2,47.2,9.4,47.4"
CONNECTIONS = 8
SECONDS = 5.0
WARM_UP_SECONDS = 1.0
# Of the slower of its two parts, the route must keep this share: the rest is authentication, limit, cursor, model and headers.
BOUND = 0.4

GOLD = """
create table gold.dim_facilities engine = MergeTree order by facility_id as
select
    concat('node-', leftPad(toString(number), 6, '0')) as facility_id,
    concat('Facility ', toString(number)) as facility_name,
    cast(['pharmacy', 'school', 'bus_stop'][number % 3 + 1] as LowCardinality(String)) as facility_kind,
    'Main street' as street,
    toString(number % 200) as housenumber,
    '7001' as postcode,
    'Lindenau' as city,
    9 + (cityHash64(number, 1) % 1000000) / 1000000 as longitude,
    47 + (cityHash64(number, 2) % 1000000) / 1000000 as latitude,
    '7001' as area_code
from numbers({rows:UInt64})
"""


@dataclass(frozen=True)
class Speed:
    """What one kind of call reached."""

    per_second: float
    p99_ms: float


def _speed(seconds: list[float], elapsed: float) -> Speed:
    return Speed(len(seconds) / elapsed, 1000 * sorted(seconds)[int(len(seconds) * 0.99)])


async def _connection(port: int, request: bytes, until: float, seconds: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the server answered {head[:200]!r}")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - started)
    writer.close()


async def _ask(port: int, request: bytes, duration: float) -> Speed:
    """As many requests as CONNECTIONS connections get answered, each waiting for its answer."""
    seconds: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(_connection(port, request, started + duration, seconds) for _ in range(CONNECTIONS)))
    return _speed(seconds, time.perf_counter() - started)


def _request(path: str, key: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nAccept: application/json\r\n\r\n".encode()


def _start(app: FastAPI) -> int:
    """Serve an app in a thread; its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return int(listener.getsockname()[1])


def serve(directory: Path) -> None:
    """In a process of its own: serve the real app and a bare one, measure the raw query, and wait to be ended."""
    settings = Settings(_env_file=None, data_dir=directory, api=ApiSettings(requests_per_minute=10**9))
    with open_services(settings) as services:
        warehouse = services.warehouse
        warehouse.command(GOLD, {"rows": ROWS})
        query: ListQuery = FACILITIES.query
        parameters = query.parameters(None, facility_filters(BBOX), limit=LIMIT + 1)
        answer = {"items": warehouse.query(query.sql, parameters)[:LIMIT], "next_cursor": None}
        if not bbox_of(BBOX).is_given or len(answer["items"] or []) != LIMIT:
            raise RuntimeError("the bench asks for nothing")

        bare = FastAPI()

        @bare.get("/bare")
        def answer_bare() -> dict[str, object]:
            """The same bytes without any of our work."""
            return answer

        seconds: list[float] = []
        stop = time.perf_counter() + SECONDS

        def ask() -> None:
            while time.perf_counter() < stop:
                started = time.perf_counter()
                warehouse.query(query.sql, parameters)
                seconds.append(time.perf_counter() - started)

        started = time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(lambda _: ask(), range(CONNECTIONS)))
        raw = _speed(seconds, time.perf_counter() - started)
        found = {
            "key": services.keys.create("bench", ["read"], datetime.now(UTC)).secret,
            "port": _start(create_app(services, wake=lambda: None)),
            "bare_port": _start(bare),
            "raw": [raw.per_second, raw.p99_ms],
        }
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
        sys.stdin.readline()


def main() -> bool:
    """Print the ratios; whether the route keeps its share of the slower part."""
    with tempfile.TemporaryDirectory() as directory:
        child = subprocess.Popen([sys.executable, "-m", "bench.api", directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stdin is not None and child.stdout is not None
        try:
            found = json.loads(child.stdout.readline())
            path = f"/v1/facilities?bbox={BBOX}&limit={LIMIT}"
            calls = {"bare": (found["bare_port"], _request("/bare", "")), "route": (found["port"], _request(path, found["key"]))}
            speeds = {"raw": Speed(*found["raw"])}
            for name, (port, request) in calls.items():
                asyncio.run(_ask(port, request, WARM_UP_SECONDS))
                speeds[name] = asyncio.run(_ask(port, request, SECONDS))
        finally:
            child.stdin.close()
            child.wait(timeout=30)
    for name, title in (("raw", "the raw query"), ("bare", "a bare FastAPI route"), ("route", "GET /v1/facilities")):
        sys.stdout.write(f"{title:22} {speeds[name].per_second:8.0f} per second, p99 {speeds[name].p99_ms:6.1f} ms\n")
    share = speeds["route"].per_second / min(speeds["raw"].per_second, speeds["bare"].per_second)
    sys.stdout.write(
        f"route against bare {speeds['route'].per_second / speeds['bare'].per_second:.2f}, "
        f"against raw {speeds['route'].per_second / speeds['raw'].per_second:.2f}, "
        f"p99 against raw {speeds['route'].p99_ms / speeds['raw'].p99_ms:.2f}; "
        f"of the slower part {share:.2f} (at least {BOUND})\n"
    )
    return share >= BOUND


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
