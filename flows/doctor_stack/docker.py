"""The docker command, asked with a time limit; nothing that it is asked here changes anything."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.errors import PlatformError

MISSING, LATE = 127, 124
SECONDS = 20.0


class DockerError(PlatformError):
    """The docker command is missing, did not answer in time, or refused."""


@dataclass(frozen=True)
class Answer:
    """How a command ended and what it said; `code` is 127 when it is not installed and 124 when it took too long."""

    code: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """The last line that it complained with."""
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {self.code}"


class Docker:
    """The docker command in the folder of a compose.yaml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ask(self, *arguments: str, seconds: float = SECONDS) -> Answer:
        """Run it and wait at most so long; never raises."""
        return ask_command("docker", *arguments, folder=self.folder, seconds=seconds)

    def read(self, *arguments: str, seconds: float = SECONDS) -> str:
        """What it wrote; DockerError when it failed."""
        answer = self.ask(*arguments, seconds=seconds)
        if answer.code != 0:
            raise DockerError(f"`docker {' '.join(arguments[:4])}` failed: {answer.reason}")
        return answer.out

    def json(self, *arguments: str, seconds: float = SECONDS) -> Any:
        """What it wrote, as JSON; DockerError when it failed."""
        return json.loads(self.read(*arguments, seconds=seconds))

    def json_lines(self, *arguments: str, seconds: float = SECONDS) -> list[dict[str, Any]]:
        """One JSON object a line, as the docker command lists things; DockerError when it failed."""
        return [json.loads(line) for line in self.read(*arguments, seconds=seconds).splitlines() if line.strip()]


def ask_command(name: str, *arguments: str, folder: Path | None = None, seconds: float = SECONDS) -> Answer:
    """Run a command of the machine and wait at most so long; never raises."""
    path = shutil.which(name)
    if path is None:
        return Answer(MISSING, "", f"{name} is not installed")
    try:
        done = subprocess.run(  # noqa: S603 a fixed command, no shell
            [path, *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return Answer(LATE, "", f"no answer within {seconds:.0f} seconds")
    except OSError as error:
        return Answer(MISSING, "", str(error))
    return Answer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def version(text: str) -> tuple[int, int, int]:
    """Numbers of `28.5.2+dfsg4`, `v2.24.6` or `26.3-alpine`; zeros where there are none."""
    found = re.search(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2] or 0), int(found[3] or 0)) if found else (0, 0, 0)
