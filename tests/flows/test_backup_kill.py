"""kill -9 in the middle of a backup and of a restore, and the commands as people type them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from warehouse_support import CARTULARY, ServingProcess, environment

from flows.steps.backup.shelf import PARTIAL, Shelf, find_backup

FOLDER = Path(__file__).parent
WORKER = FOLDER / "backup_worker.py"
NEVER = "never"


def work(mode: str, data_dir: Path, *arguments: str, kill_at: str = NEVER) -> dict[str, Any] | None:
    """Let the worker go from one place to the next; None when it was killed, else what it has in the end."""
    command = [sys.executable, str(WORKER), mode, str(data_dir), *arguments]
    paths = environment(PYTHONPATH=f"{FOLDER}:{FOLDER.parent.parent}")
    child = subprocess.Popen(command, env=paths, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout and child.stdin
    told = []
    with child.stdin, child.stdout:
        for line in child.stdout:
            told.append(line.strip())
            if told[-1] == f"at {kill_at}":
                child.kill()
                child.wait()
                return None
            if told[-1].startswith("at "):
                child.stdin.write("\n")
                child.stdin.flush()
    assert child.wait() == 0 and kill_at == NEVER, told
    return dict(json.loads(told[-1])) if told and told[-1].startswith("{") else {}


def cartulary(*arguments: str, data_dir: Path | None = None, fails: bool = False) -> str:
    own = ["--data-dir", str(data_dir)] if data_dir else []
    done = subprocess.run([*CARTULARY, *own, *arguments], env=environment(), capture_output=True, text=True, timeout=120)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A data directory, and what is in it."""
    data_dir = tmp_path_factory.mktemp("filled") / "data"
    found = work("fill", data_dir)
    assert found and found["view"] == 25
    return data_dir, found


@pytest.mark.slow
def test_a_killed_backup_looks_like_none_and_the_next_one_cleans_up(filled: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    data_dir, found = filled
    for place in ("state", "bronze.submissions", "reading it back"):
        assert work("backup", data_dir, str(tmp_path / "backups"), kill_at=place) is None
        assert Shelf(tmp_path / "backups").backups() == []
        assert len(list((tmp_path / "backups").glob(f"{PARTIAL}*"))) == 1
    assert "no complete backup" in cartulary("restore", str(tmp_path / "backups"), data_dir=tmp_path / "none", fails=True)
    assert not (tmp_path / "none").exists()
    work("backup", data_dir, str(tmp_path / "backups"))
    assert len(Shelf(tmp_path / "backups").backups()) == 1
    assert list((tmp_path / "backups").glob(f"{PARTIAL}*")) == []
    assert (
        cartulary("sql", "select count() from system.databases where name = 'backup_snapshot'", "--format", "CSV", data_dir=data_dir)
        == "0\n"
    )
    assert work("restore", tmp_path / "other", str(tmp_path / "backups")) == found


@pytest.mark.slow
def test_a_killed_restore_is_run_again(filled: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    data_dir, found = filled
    backups, other = str(tmp_path / "backups"), tmp_path / "other"
    work("backup", data_dir, backups)
    places = ("objects", "bronze.uploads", "state", "registering what came in while the backup was taken")
    for place in places:
        assert work("restore", other, backups, kill_at=place) is None
        if place == "state":
            assert "is being restored here" in cartulary("status", data_dir=other, fails=True)
    assert work("restore", other, backups) == found
    assert "an empty platform only" in cartulary("restore", backups, data_dir=other, fails=True)


def test_the_commands_beside_a_server(filled: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    data_dir, found = filled
    backups, other = tmp_path / "backups", tmp_path / "other"
    serving = ServingProcess(data_dir)
    try:
        result = json.loads(cartulary("backup", str(backups), "--json", data_dir=data_dir))
        assert result["counts"]["objects"] == len(found["objects"])
        assert "other" not in result["message"]
    finally:
        serving.stop()
    assert cartulary("backup", "verify", str(backups)).split() == [find_backup(backups).name, "whole"]
    [listed] = json.loads(cartulary("backup", "list", str(backups), "--json"))
    assert listed["backup"] == find_backup(backups).name and listed["objects"] == len(found["objects"])
    assert "name a folder elsewhere" in cartulary("backup", "--keep-days", "3", str(data_dir / "state"), data_dir=data_dir, fails=True)
    assert "Say where" in cartulary("backup", data_dir=data_dir, fails=True)
    serving = ServingProcess(other)
    try:
        assert "stop it first" in cartulary("restore", str(backups), data_dir=other, fails=True)
    finally:
        serving.stop()
    restored = json.loads(cartulary("restore", str(find_backup(backups)), "--json", data_dir=other))
    assert restored["counts"]["objects"] == len(found["objects"])
    assert "reader" in cartulary("keys", "create", "reader", "--json", data_dir=other)
    path = find_backup(backups) / "warehouse" / "gold.of_forms.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    assert "gold.of_forms.parquet is damaged" in cartulary("backup", "verify", str(backups), fails=True)
