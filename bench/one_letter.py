"""The cost of one more letter, with a million requests in the warehouse and with none."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from flows.demo.generate import generate_town
from flows.steps.run import run_outstanding
from flows.steps.transform import transform
from services.settings import Settings
from services.wiring import Services, open_services

REQUESTS = 1_000_000
BOUND = 2.0
REPEATS = 3

SQL = Path(__file__).with_name("sql")


def _clock() -> datetime:
    return datetime.now(UTC)


def _load(services: Services, town: Path) -> None:
    for dataset in ("areas", "facilities", "address_points"):
        path = town / f"{dataset}.csv"
        services.intake.receive_dataset(iter([path.read_bytes()]), path.name, dataset, None, "cli", _clock())
    run_outstanding(services, clock=_clock)


def measure(count: int, town: Path) -> dict[str, float]:
    """Seconds for one letter, from bytes to gold, on top of `count` requests (median of some letters), and how many requests gold has."""
    letters = sorted((town / "letters").glob("*.jpg"))
    with tempfile.TemporaryDirectory() as directory, open_services(Settings(_env_file=None, data_dir=Path(directory))) as services:
        _load(services, town)
        if count:
            for name in ("bulk_submissions", "bulk_geocodes"):
                services.warehouse.command((SQL / f"{name}.sql").read_text(encoding="utf-8"), {"count": count})
            transform(services, now=_clock())
        seconds = []
        for letter in letters[: REPEATS + 1]:
            started = time.perf_counter()
            services.intake.receive_letter(iter([letter.read_bytes()]), letter.name, "cli", _clock())
            run_outstanding(services, clock=_clock)
            seconds.append(time.perf_counter() - started)
        requests = services.warehouse.scalar("select count() from gold.fct_requests")
        # The first letter also starts the reader's processes.
        return {"seconds": statistics.median(seconds[1:]), "requests": float(requests)}


def main() -> bool:
    """Print the ratio; whether it is within its bound."""
    with tempfile.TemporaryDirectory() as directory:
        generate_town(1, Path(directory))
        results = {}
        for count in (0, REQUESTS):
            # A process of its own: chDB opens one directory per process.
            answer = subprocess.run(
                [sys.executable, "-m", "bench.one_letter", str(count), directory], capture_output=True, text=True, check=False
            )
            if answer.returncode:
                sys.stdout.write(answer.stderr)
                return False
            results[count] = json.loads(answer.stdout.splitlines()[-1])
    ratio = results[REQUESTS]["seconds"] / results[0]["seconds"]
    few, many = (f"{results[count]['requests']:,.0f}" for count in (0, REQUESTS))
    sys.stdout.write(f"one letter on {few} requests: 1.00; on {many}: {ratio:.2f} (bound {BOUND})\n")
    return ratio <= BOUND


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]), Path(sys.argv[2]))) + "\n")
