"""How long each container took to be ready, and how much memory it took: from Docker's events and statistics while the stack runs."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

UNITS = {"B": 1 / 1e6, "KiB": 1024 / 1e6, "MiB": 1.048576, "GiB": 1073.741824, "kB": 1e-3, "MB": 1.0, "GB": 1000.0}
SAMPLE_SECONDS = 5.0


@dataclass
class Measure:
    """Events of the first start, and memory from then on."""

    docker: Sequence[str]
    project: str
    began: float = 0.0
    took: float = 0.0
    started: dict[str, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)
    idle: dict[str, float] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Listen and ask until the block ends."""
        self.begin()
        try:
            yield
        finally:
            self._stop.set()
            self._sampler.join()

    def begin(self) -> None:
        """Listen from now on."""
        self.began = time.time()
        self._lines = tempfile.TemporaryFile("w+")  # noqa: SIM115 open until the start is over
        filters = [f"label=com.docker.compose.project={self.project}", "event=start", "event=health_status", "event=die"]
        command = [*self.docker, "events", "--format", "json", *(part for one in filters for part in ("--filter", one))]
        self._listener = subprocess.Popen(command, stdout=self._lines, stderr=subprocess.DEVNULL)
        self._stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def started_up(self) -> None:
        """The first start is over: seconds per service, and memory of the services at rest."""
        self.took = time.time() - self.began
        self._listener.terminate()
        self._listener.wait()
        self._lines.seek(0)
        for line in self._lines:
            event = json.loads(line)
            attributes = event["Actor"]["Attributes"]
            service = attributes["com.docker.compose.service"]
            at = event["timeNano"] / 1e9 - self.began
            if event["Action"] == "start":
                self.started.setdefault(service, at)
            elif event["Action"] == "health_status: healthy" or (event["Action"] == "die" and attributes.get("exitCode") == "0"):
                self.ready.setdefault(service, at)
        self._lines.close()
        self.idle = self.memory()

    def memory(self) -> dict[str, float]:
        """Megabytes by service, now."""
        command = [*self.docker, "stats", "--no-stream", "--format", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        found = {}
        for line in done.stdout.splitlines():
            one = json.loads(line)
            # Of `compose run` there is another container of the same service.
            if one["Name"].startswith(f"{self.project}-") and "-run-" not in one["Name"]:
                used = one["MemUsage"].split(" / ")[0]
                unit = next(unit for unit in sorted(UNITS, key=len, reverse=True) if used.endswith(unit))
                service = one["Name"].removeprefix(f"{self.project}-").rpartition("-")[0]
                found[service] = float(used.removesuffix(unit)) * UNITS[unit]
        return found

    def table(self) -> list[str]:
        """A line per service: when it started and was ready, counted from `up`, and its memory after the start and at most."""
        names = sorted({*self.started, *self.peak}, key=lambda name: self.started.get(name, 0.0))
        lines = [f"{'service':20}{'started s':>10}{'ready s':>10}{'took s':>8}{'idle MB':>9}{'peak MB':>9}"]
        for name in names:
            start, ready = self.started.get(name), self.ready.get(name)
            took = ready - start if start is not None and ready is not None else None
            cells = [_cell(start, 10), _cell(ready, 10), _cell(took, 8), _cell(self.idle.get(name), 9, 0), _cell(self.peak.get(name), 9, 0)]
            lines.append(f"{name:20}{''.join(cells)}")
        lines.append(f"{'all':20}{'':10}{self.took:10.1f}{'':8}{sum(self.idle.values()):9.0f}{'':9}")
        return lines

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            for service, megabytes in self.memory().items():
                self.peak[service] = max(megabytes, self.peak.get(service, 0.0))


def _cell(value: float | None, width: int, digits: int = 1) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"
