"""A `cartulary warehouse` in a process of its own, and a warehouse without anybody's rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.settings import Settings
from services.warehouse.client import Warehouse
from services.warehouse.owner import Owner, read_owner

CARTULARY = (sys.executable, "-c", "from flows.cli import app; app()")
START_SECONDS = 60


def environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CARTULARY_")} | more


def empty(warehouse: Warehouse) -> None:
    """The warehouse as `migrate` leaves it, without a row and without anything that dbt built."""
    rows = warehouse.query(
        "select database, name, engine from system.tables where database in ('bronze', 'silver', 'gold', 'gold_next') "
        "order by engine = 'Dictionary' desc, engine = 'View' desc"
    )
    for row in rows:
        table = f"{row['database']}.`{row['name']}`"
        if row["name"] == "schema_migrations":
            continue
        if row["database"] == "bronze" or row["name"] == "builds":
            warehouse.command(f"truncate table {table}")
        else:
            kind = {"Dictionary": "dictionary", "View": "view"}.get(row["engine"], "table")
            warehouse.command(f"drop {kind} if exists {table} sync")


class ServingProcess:
    """A command that answers ClickHouse's HTTP interface for a data directory; it may be stopped or killed and started again."""

    def __init__(
        self, data_dir: Path, command: Sequence[str] = ("warehouse", "--port", "0"), more: Mapping[str, str] | None = None
    ) -> None:
        self.settings = Settings(_env_file=None, data_dir=data_dir)
        self._command = [*CARTULARY, "--data-dir", str(data_dir), *command]
        self._environment = environment(**(more or {}))
        self._log = data_dir.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self.is_answering():
            assert self._process.poll() is None and time.monotonic() < deadline, self._log.read_text(encoding="utf-8")
            time.sleep(0.05)

    def log(self) -> str:
        """All that it has written so far."""
        return self._log.read_text(encoding="utf-8")

    def is_answering(self) -> bool:
        owner = read_owner(self.directory)
        return owner is not None and owner.port > 0 and self._process is not None and owner.pid == self._process.pid

    @property
    def directory(self) -> Path:
        return self.settings.data_dir / "warehouse"

    @property
    def owner(self) -> Owner:
        owner = read_owner(self.directory)
        assert owner is not None
        return owner

    def signal(self, number: int) -> None:
        """Send a signal and wait for the end."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(timeout=60)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGINT)

    def reset_peak(self) -> int:
        """Forget how much memory it had at most; returns what it has now."""
        assert self._process is not None
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5", encoding="utf-8")
        return self.memory_bytes()

    def memory_bytes(self, of: str = "VmRSS") -> int:
        """Memory of the process now (VmRSS) or at most (VmHWM)."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(f"{of}:"))
