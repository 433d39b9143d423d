"""Everything Cartulary talks to, as servers of one test that can be taken away and brought back."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from container_support import answers
from PIL import Image, ImageDraw, ImageFont
from postgres_support import PostgresServer, free_port, running_postgres
from pydantic import SecretStr
from vision_api import KEY, MODEL, Answer, Asked, VisionApi

from services.settings import (
    GeocodingSettings,
    ObjectStoreSettings,
    PostgisSettings,
    Settings,
    StateSettings,
    VisionSettings,
    WarehouseSettings,
)

BITS = 8
CELL = 40
WIDTH, HEIGHT = 1000, 1300
STREET, POSTCODE, CITY = "Birkenweg", "7100", "Lindach"
PROGRAMS = Path(sys.executable).parent


class Service(Protocol):
    """One thing that may be away."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Program:
    """A server in a process of its own, killed without warning and started again on the same port."""

    command: list[str]
    url: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TZ": "UTC", **self.environment}
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.folder, env=environment)
        deadline = time.monotonic() + 60
        while not answers(self.url):
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=20)


@dataclass
class WebServer:
    """An HTTP server in this process, on the same port whenever it is there."""

    handler: type[BaseHTTPRequestHandler]
    port: int = field(default_factory=free_port)
    server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), self.handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


def draw_letter(number: int) -> bytes:
    """A letter from the house of this number; black squares below say the number to the imitated model."""
    image = Image.new("L", (WIDTH, HEIGHT), 250)
    pen = ImageDraw.Draw(image)
    text = ["Anna Frick", f"{STREET} {number}", f"{POSTCODE} {CITY}", "", "", "Lindach, 3.2.2026", "", "Sehr geehrte Damen und Herren,", ""]
    text += ["die nächste Apotheke ist für mich zu weit weg.", "", "Freundliche Grüsse", "Anna Frick"]
    for line_number, line in enumerate(text):
        pen.text((90, 90 + 52 * line_number), line, fill=20, font=ImageFont.load_default(34))
    for bit in range(BITS):
        if number >> bit & 1:
            pen.rectangle((90 + bit * CELL * 2, 1180, 90 + bit * CELL * 2 + CELL, 1180 + CELL), fill=0)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def read_number(page: Image.Image) -> int:
    scale = page.width / WIDTH
    pixels = page.convert("L")
    squares = ((90 + bit * CELL * 2 + CELL / 2, 1180 + CELL / 2) for bit in range(BITS))
    return sum((int(pixels.getpixel((int(x * scale), int(y * scale))) < 128)) << bit for bit, (x, y) in enumerate(squares))  # type: ignore[operator]


def read_letter(asked: Asked) -> Answer:
    """What a good model answers about a letter of `draw_letter`."""
    number = read_number(asked.pictures[0])
    text = f"Anna Frick\n{STREET} {number}\n{POSTCODE} {CITY}\n\nLindach, 3.2.2026\n\nSehr geehrte Damen und Herren,\n\n"
    text += "die nächste Apotheke ist für mich zu weit weg.\n\nFreundliche Grüsse\nAnna Frick"
    sender = {"role": "sender", "name": "Anna Frick", "street": STREET, "housenumber": str(number), "postcode": POSTCODE, "city": CITY}
    return {
        "transcription": [text],
        "sender_name": "Anna Frick",
        "addresses": [sender],
        "letter_date": "2026-02-03",
        "language": "de",
        "facility_kind": "pharmacy",
    }


class NominatimHandler(BaseHTTPRequestHandler):
    """Knows every house of one street, and answers as Nominatim does."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        number = re.search(r"\b(\d{1,3})\b", asked.get("street") or asked.get("q", ""))
        is_known = STREET.lower() in (asked.get("street") or asked.get("q", "")).lower() and number
        content = json.dumps([self.house(number[1])] if is_known and number else []).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @staticmethod
    def house(number: str) -> dict[str, Any]:
        latitude = 47.11 + int(number) / 10_000
        return {
            "osm_type": "node",
            "osm_id": 1000 + int(number),
            "display_name": f"{number}, {STREET}, {CITY}, {POSTCODE}",
            "lat": str(latitude),
            "lon": "9.511",
            "category": "place",
            "type": "house",
            "addresstype": "place",
            "place_rank": 30,
            "importance": 1e-05,
            "boundingbox": [str(latitude - 5e-5), str(latitude + 5e-5), "9.51095", "9.51105"],
            "address": {"house_number": number, "road": STREET, "town": CITY, "postcode": POSTCODE},
        }

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass
class Outside:
    """All services by name, and the settings that name them."""

    settings: Settings
    services: dict[str, Service]
    postgis: PostgresServer


@contextmanager
def outside_world(folder: Path, model: type[BaseHTTPRequestHandler], api: VisionApi) -> Iterator[Outside]:
    """Every service running; `model` answers as the vision model."""
    with ExitStack() as stack:
        postgres, postgis = stack.enter_context(running_postgres()), stack.enter_context(running_postgres())
        state, gis = postgres.create_database(), postgis.create_database(postgis=True)
        vision, nominatim = WebServer(model), WebServer(NominatimHandler)
        api.port = vision.port
        warehouse_port, store_port = free_port(), free_port()
        (folder / "s3").mkdir(parents=True)
        warehouse = Program(
            [str(PROGRAMS / "cartulary"), "--data-dir", str(folder / "clickhouse"), "warehouse", "--port", str(warehouse_port)],
            f"http://127.0.0.1:{warehouse_port}/ping",
            folder / "clickhouse-home",
            {"CARTULARY_WAREHOUSE__PASSWORD": "of-this-test"},
        )
        store = Program(
            [
                str(PROGRAMS / "rclone"),
                "serve",
                "s3",
                "--addr",
                f"127.0.0.1:{store_port}",
                "--auth-key",
                "access,secret",
                str(folder / "s3"),
            ],
            f"http://127.0.0.1:{store_port}",
            folder / "s3-home",
        )
        running: dict[str, Service] = {
            "the vision model": vision,
            "Nominatim": nominatim,
            "the object store": store,
            "PostGIS": postgis,
            "the state database": postgres,
            "ClickHouse": warehouse,
        }
        for service in (vision, nominatim, store, warehouse):
            service.start()
            stack.callback(service.stop)
        settings = Settings(
            _env_file=None,
            data_dir=folder / "data",
            warehouse=WarehouseSettings(host="127.0.0.1", port=warehouse_port, password=SecretStr("of-this-test")),
            object_store=ObjectStoreSettings(
                endpoint_url=f"http://127.0.0.1:{store_port}", access_key="access", secret_key=SecretStr("secret"), timeout_seconds=30
            ),
            state=StateSettings(url=SecretStr(postgres.url(state))),
            vision=VisionSettings(url=api.url, api_key=SecretStr(KEY), model=MODEL, timeout_seconds=30, requests_per_minute=6000),
            geocoding=GeocodingSettings(nominatim_url=f"http://127.0.0.1:{nominatim.port}", timeout_seconds=15),
            postgis=PostgisSettings(url=SecretStr(postgis.url(gis)), timeout_seconds=30),
        )
        yield Outside(settings, running, postgis)
