"""The metrics of all runs: each has a process of its own, and only the flows' process lives long enough to be asked."""

# mypy: allow-untyped-calls
from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

DONE = "done"
SUMMED = ("counter", "histogram")


class RunsCollector(Collector):
    """Counters and histograms of all processes below the directory that prometheus_client calls PROMETHEUS_MULTIPROC_DIR.

    Files of ended processes are added up in one file of each kind, or every run would leave some for ever. Gauges are left out:
    a process that has ended has no state.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._processes = MultiProcessCollector(None, str(directory))

    def collect(self) -> Iterator[Metric]:
        """The sums over all processes since the flows' process started."""
        with self._lock:
            self._fold()
            metrics = list(self._processes.collect())
        return (metric for metric in metrics if metric.type != "gauge")

    def _fold(self) -> None:
        for path in self._directory.glob("*.db"):
            kind, _, process = path.stem.rpartition("_")
            if process == DONE or _is_alive(int(process)):
                continue
            if kind in SUMMED:
                self._add(path, self._directory / f"{kind}_{DONE}.db")
            path.unlink()

    @staticmethod
    def _add(source: Path, target: Path) -> None:
        sums = MmapedDict(str(target))
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(source)):
            sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
        sums.close()


def forget_ended(directory: Path) -> None:
    """Begin anew: what ended processes left is deleted, what a run that still lives (of a killed process of the flows) counts is kept."""
    for path in directory.glob("*.db"):
        process = path.stem.rpartition("_")[2]
        if process == DONE or not _is_alive(int(process)):
            path.unlink()


def runs_registry(directory: Path) -> CollectorRegistry:
    """What the flows' process answers at /metrics: all runs, and its own CPU and memory."""
    registry = CollectorRegistry()
    registry.register(RunsCollector(directory))
    ProcessCollector(registry=registry)
    return registry


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
