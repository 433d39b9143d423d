"""kill -9 before and after every single step of taking a letter in: one row each, nothing lost, nothing twice."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.intake.intake import Intake
from services.object_store.local import LocalObjectStore
from services.settings import Settings
from services.state.state import State
from services.warehouse.client import Warehouse

CHILD = Path(__file__).with_name("intake_killer.py")
# Reads what the killed processes left: in a process of its own, since this one has its own chDB directory.
LOOK = """
import json, sys
from pathlib import Path
from services.settings import Settings
from services.warehouse.client import Warehouse

with Warehouse.open(Settings(_env_file=None, data_dir=Path(sys.argv[1]))) as warehouse:
    print(json.dumps({
        "uploads": warehouse.query("select upload_id as id, count() as count from bronze.uploads group by id"),
        "letters": warehouse.query("select letter_id as id, count() as count from bronze.letters group by id"),
    }))
"""


def run(*arguments: str) -> str:
    environment = {"PYTHONPATH": f"{CHILD.parents[3]}:{CHILD.parent}", "PATH": "/usr/bin:/bin", "TZ": "UTC"}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kill_9_before_and_after_every_step(tmp_path: Path) -> None:
    result = json.loads(run(str(CHILD), str(tmp_path)))
    assert result["last_code"] == 0
    points = result["points"]
    assert points > 15, "fewer steps than a registration has: the killer no longer knows them"
    found = json.loads(run("-c", LOOK, str(tmp_path)))
    assert {row["count"] for row in found["uploads"]} == {row["count"] for row in found["letters"]} == {1}
    # Accepted is what has a manifest: all of it is in bronze, and nothing else is.
    objects = LocalObjectStore(tmp_path / "objects")
    manifests = {key.split("/")[2].split(".")[0] for key in objects.list("uploads/") if key.endswith(".manifest.json")}
    assert {row["id"] for row in found["uploads"]} == manifests
    assert len(found["letters"]) == len(manifests)
    # Whatever was sent again after the kill, or was sent to the end, is there.
    assert len(manifests) >= points // 2
    state = State.open(Settings(_env_file=None, data_dir=tmp_path))
    counts = state.work.counts()
    state.close()
    assert counts["register"] == {"done": len(manifests)}
    assert counts["extract"] == {"pending": len(manifests)}
    for digest in manifests:
        assert hashlib.sha256(objects.read(f"uploads/{digest[:2]}/{digest}")).hexdigest() == digest


def test_a_slow_holder_whose_lease_is_over_writes_nothing(
    intake: Intake, clean_warehouse: Warehouse, state: State, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He is stopped between claim and insert; when he wakes, another one has registered his item."""
    renew = state.work.renew
    woken: list[int] = []

    def slow_renew(kind: str, keys: Sequence[str], *, owner: str, lease_seconds: float, now: datetime) -> set[str]:
        if not woken:
            woken.append(0)
            woken.append(intake.register_outstanding(now + timedelta(hours=1)).registered)
        return renew(kind, keys, owner=owner, lease_seconds=lease_seconds, now=now)

    monkeypatch.setattr(state.work, "renew", slow_renew)
    intake.receive_dataset([b"a,b\n1,2\n"], "a.csv", "areas", None, "cli", now)
    assert woken == [0, 1]
    assert clean_warehouse.scalar("select count() from bronze.uploads") == 1
