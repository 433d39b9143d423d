"""A real Nominatim with the demo town in it: imported once per test process, served over HTTP, stopped and started at will."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.demo.osm import write_osm
from flows.demo.town import Town, build_town
from services.settings import PROJECT_ROOT
from tests.postgres_support import PostgresServer, free_port

PROGRAM = PROJECT_ROOT / ".venv" / "nominatim" / "bin" / "nominatim"
SEED = 7
SETTINGS = """
NOMINATIM_DATABASE_DSN="pgsql:host=127.0.0.1;port={port};user=postgres;dbname=nominatim"
NOMINATIM_DATABASE_WEBUSER=nominatim_ro
NOMINATIM_IMPORT_STYLE=address
NOMINATIM_TOKENIZER=icu
NOMINATIM_LANGUAGES=en,fr,nl,de
NOMINATIM_LOG_FILE={log}
"""


@dataclass
class NominatimServer:
    """A Nominatim of the demo town: `start` and `stop` bring it and take it away, its log tells what it was asked."""

    directory: Path
    town: Town
    port: int = 0  # chosen at the first start, and kept
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def questions(self) -> int:
        """How many searches it has answered since it was imported."""
        log = self.directory / "questions.log"
        return len(log.read_text("utf-8").splitlines()) if log.exists() else 0

    def import_town(self, postgres: PostgresServer) -> None:
        postgres.execute("create role nominatim_ro login")
        write_osm(self.town, self.directory / "town.osm")
        settings = SETTINGS.format(port=postgres.port, log=self.directory / "questions.log")
        (self.directory / ".env").write_text(settings, encoding="utf-8")
        # The program looks for osm2pgsql and its own settings from the project directory.
        with (self.directory / "import.log").open("wb") as log:
            command = [str(PROGRAM), "import", "--osm-file", "town.osm", "--offline", "--no-updates", "--threads", "2"]
            done = subprocess.run(command, cwd=self.directory, stdout=log, stderr=subprocess.STDOUT, timeout=180)
        assert done.returncode == 0, (self.directory / "import.log").read_text("utf-8")[-4000:]

    def start(self) -> None:
        self.port = self.port or free_port()
        with (self.directory / "serve.log").open("ab") as log:
            command = [str(PROGRAM), "serve", "--server", f"127.0.0.1:{self.port}"]
            self._process = subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, (self.directory / "serve.log").read_text("utf-8")[-4000:]
            assert time.monotonic() < deadline, "Nominatim did not answer within 60 s"
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None

    def _answers(self) -> bool:
        """Whether it answers a search: the first one takes much longer than /status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", "/search?q=0&format=jsonv2&limit=1")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@pytest.fixture(scope="session")
def nominatim_import(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NominatimServer]:
    """The server of this test process, with the demo town of seed 7."""
    if not PROGRAM.exists() or shutil.which("osm2pgsql") is None:
        pytest.skip("no Nominatim here: make system-deps nominatim")
    server = NominatimServer(tmp_path_factory.mktemp("nominatim"), build_town(SEED))
    server.import_town(postgres)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def nominatim(nominatim_import: NominatimServer) -> NominatimServer:
    """The server, running, whatever the test before did to it."""
    if nominatim_import._process is None:
        nominatim_import.start()
    return nominatim_import
