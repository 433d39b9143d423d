"""The imitation of Tyk as a process of its own, with our own configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from pydantic import SecretStr

from services.settings import PROJECT_ROOT, GatewaySettings

CONTAINER = PROJECT_ROOT / "services" / "gateway" / "container"
IMITATION = Path(__file__).parent / "services" / "gateway" / "tyk_imitation.py"
SECRET, ADMIN_SECRET = "shared-by-tyk-and-api", "of-the-control-api"
PORTAL_KEY, FORM_KEY = "ctl_0a1b2c3d4e5f_portal-portal-portal-portal", "ctl_5f4e3d2c1b0a_form-form-form-form-form"


class Tyk:
    """A gateway in front of `upstream`; `stop` and `start` keep its ports and, with a file, its keys."""

    def __init__(self, upstream: str, keys_file: Path | None = None, redis_url: str = "") -> None:
        self._upstream, self._keys_file, self._redis_url = upstream, keys_file, redis_url
        self._ports = (0, 0)
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self._ports[1]}"

    def settings(self, **changed: object) -> GatewaySettings:
        """What Cartulary is told about it."""
        told = GatewaySettings(
            secret=SecretStr(SECRET),
            url=self.control_url,
            admin_secret=SecretStr(ADMIN_SECRET),
            portal_key=SecretStr(PORTAL_KEY),
            form_key=SecretStr(FORM_KEY),
        )
        return told.model_copy(update=changed)

    def start(self) -> Tyk:
        command = [sys.executable, str(IMITATION), "--host", "127.0.0.1"]
        command += ["--conf", str(CONTAINER / "tyk.conf"), "--apps", str(CONTAINER / "apps"), "--policies", str(CONTAINER / "policies")]
        command += ["--port", str(self._ports[0]), "--control-port", str(self._ports[1]), "--upstream", self._upstream]
        command += ["--keys-file", str(self._keys_file)] if self._keys_file else []
        command += ["--redis-url", self._redis_url] if self._redis_url else []
        given = {"TYK_GW_SECRET": ADMIN_SECRET, "TYK_SECRET_GATEWAY": SECRET}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **given})
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the imitation did not start: its words are above"
        first, second = json.loads(line)
        self._ports = (first, second)
        return self

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=20)
            assert self._process.stdout
            self._process.stdout.close()
            self._process = None

    def __enter__(self) -> Tyk:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
