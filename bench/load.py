"""Bench (a): a CSV file through the loader against ClickHouse's own INSERT … SELECT … FROM file() into the same table, in the same run."""

from __future__ import annotations

import hashlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

MIN_RATIO = 0.8
MAX_EXTRA_MB = 300
ROUNDS = 3
ROWS_AT_ONCE = 20_000
DATASET = "address_points"


def run(size_mb: int = 1000) -> dict[str, Any]:
    """Load a file of that size both ways, in turn, each in a process of its own; seconds are the medians, memory the greatest peaks."""
    with tempfile.TemporaryDirectory(prefix="cartulary-bench-") as folder:
        path = Path(folder) / "address_points.csv"
        rows = write_csv(path, size_mb)
        results: dict[str, list[dict[str, float]]] = {"clickhouse": [], "cartulary": []}
        for _ in range(ROUNDS):
            for way, found in results.items():
                found.append(_measure(way, path))
    seconds = {way: sorted(result["seconds"] for result in found)[ROUNDS // 2] for way, found in results.items()}
    cpu = {way: sorted(result["cpu_seconds"] for result in found)[ROUNDS // 2] for way, found in results.items()}
    peaks = {way: max(result["peak_mb"] for result in found) for way, found in results.items()}
    counts = {int(result["rows"]) for found in results.values() for result in found}
    return {
        "size_mb": size_mb,
        "rows": rows,
        "is_complete": counts == {rows},
        "clickhouse_seconds": round(seconds["clickhouse"], 2),
        "cartulary_seconds": round(seconds["cartulary"], 2),
        "ratio": round(seconds["clickhouse"] / seconds["cartulary"], 2),
        "clickhouse_cpu_seconds": round(cpu["clickhouse"], 2),
        "cartulary_cpu_seconds": round(cpu["cartulary"], 2),
        "clickhouse_peak_mb": round(peaks["clickhouse"]),
        "cartulary_peak_mb": round(peaks["cartulary"]),
    }


def main() -> bool:
    """Print the measurements for 100 MB, 1 GB and 5 GB (or the sizes given to this module); whether the bounds hold."""
    sizes = [int(size) for size in sys.argv[1:] if size.isdecimal()] or [100, 1000, 5000]
    results = [run(size) for size in sizes]
    for result in results:
        sys.stdout.write(json.dumps(result) + "\n")
    return all(
        result["is_complete"]
        and (result["size_mb"] < 1000 or result["ratio"] >= MIN_RATIO)
        and result["cartulary_peak_mb"] <= result["clickhouse_peak_mb"] + MAX_EXTRA_MB
        for result in results
    )


def write_csv(path: Path, size_mb: int) -> int:
    """An address register of that many MB, the same each time; returns its rows."""
    chance = random.Random(1)
    streets = [f"{kind} {number}" for number in range(500) for kind in ("Mühlstraße", "Am Graben", "Rue du Four", "Lindenweg")]
    rows = size = 0
    with path.open("w", encoding="utf-8", buffering=1 << 20) as file:
        file.write("address_id,street,housenumber,postcode,city,lon,lat\n")
        while size < size_mb * 1_000_000:
            lines = [
                f"node/{10_000_000 + rows + index},{chance.choice(streets)},{chance.randint(1, 200)},{chance.randint(1000, 9999):05},"
                f"Lindenau,{9 + chance.random():.7f},{47 + chance.random():.7f}\n"
                for index in range(ROWS_AT_ONCE)
            ]
            rows += len(lines)
            text = "".join(lines)
            size += len(text.encode())
            file.write(text)
    return rows


def _measure(way: str, path: Path) -> dict[str, float]:
    answer = subprocess.run([sys.executable, "-m", "bench.load", "--way", way, str(path)], check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return result


def _load_one_way(way: str, path: Path) -> dict[str, float]:
    from flows.steps.load import load_upload
    from services.contracts import load_contracts
    from services.object_store.local import LocalObjectStore
    from services.settings import Settings
    from services.state.state import State
    from services.warehouse.client import Warehouse
    from services.warehouse.landing import Landing
    from services.warehouse.migrate import migrate

    with tempfile.TemporaryDirectory(prefix="cartulary-bench-") as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder))
        with Warehouse.open(settings) as warehouse:
            migrate(warehouse)
            contracts = load_contracts()
            Landing(warehouse, contracts[DATASET]).ensure_table()
            objects = LocalObjectStore(settings.data_dir / "objects")
            upload_id = hashlib.sha256(path.name.encode()).hexdigest()
            key = f"uploads/{upload_id[:2]}/{upload_id}"
            stored = settings.data_dir / "objects" / key
            stored.parent.mkdir(parents=True)
            stored.hardlink_to(path)
            columns = ", ".join(contracts[DATASET].column_names)
            cpu_started, started = time.process_time(), time.perf_counter()
            if way == "clickhouse":
                warehouse.command(
                    f"insert into bronze.{DATASET} ({columns}) select {columns} from file({{path:String}}, 'CSVWithNames')",
                    {"path": str(path)},
                )
            else:
                services: Any = SimpleNamespace(warehouse=warehouse, objects=objects, contracts=contracts, state=State.open(settings))
                load_upload(services, upload_id=upload_id, dataset=DATASET, mode=None, now=datetime.now(UTC))
            seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
            rows = warehouse.scalar(f"select count() from bronze.{DATASET}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak, "rows": float(rows)}


if __name__ == "__main__":
    if "--way" in sys.argv:
        sys.stdout.write(json.dumps(_load_one_way(sys.argv[2], Path(sys.argv[3]))) + "\n")
    else:
        sys.exit(0 if main() else 1)
