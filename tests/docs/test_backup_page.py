"""What docs/backup.md has people type does what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import yaml

from flows.steps.backup.restore import STOP
from services.settings import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "backup.md").read_text(encoding="utf-8")
STACK = yaml.safe_load((PROJECT_ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
ARCHIVE = "warehouse/2026-03-01T011000Z.zip"


def modes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): f"{path.stat().st_mode & 0o7777:o}" for path in sorted(folder.rglob("*"))}


def test_a_copy_comes_into_the_volume_for_those_who_read_it_there(tmp_path: Path) -> None:
    """Whatever became of modes on the way: people's data for the flows alone, the server's part for the server too."""
    [script] = re.findall(r"sh -c '(umask[^']+)'", PAGE)
    volume, copy = tmp_path / "backups", tmp_path / "copy"
    for kind, (folder_mode, file_mode) in {"as it was": (0o700, 0o600), "as others keep it": (0o755, 0o644)}.items():
        for name in ("2026-03-01T011000Z/manifest.json", "2026-03-01T011000Z/state/state.dump", "objects/aa/aaa", ARCHIVE):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_text(kind)
            (copy / name).chmod(file_mode)
        for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
            folder.chmod(folder_mode)
        # As the job of compose.yaml leaves the volume.
        (volume / "warehouse").mkdir(parents=True)
        volume.chmod(0o771)
        (volume / "warehouse").chmod(0o2770)
        ours = script.replace("/copy/", f"{copy}/").replace("/backups/", f"{volume}/")
        subprocess.run(["sh", "-c", ours], check=True, timeout=30)
        assert (volume / ARCHIVE).read_text() == kind
        assert modes(volume) == {
            **{"2026-03-01T011000Z": "700", "2026-03-01T011000Z/manifest.json": "600"},
            **{"2026-03-01T011000Z/state": "700", "2026-03-01T011000Z/state/state.dump": "600"},
            **{"objects": "700", "objects/aa": "700", "objects/aa/aaa": "600"},
            **{"warehouse": "2770", ARCHIVE: "644"},
        }, kind
        assert volume.stat().st_mode & 0o777 == 0o771, kind
        shutil.rmtree(volume)
        shutil.rmtree(copy)


def test_it_stops_the_services_that_a_restore_asks_for() -> None:
    assert STOP in PAGE.splitlines()
    assert len(re.findall(r"docker compose stop", PAGE)) == 1
    assert set(STOP.removeprefix("docker compose stop ").split()) <= set(STACK)


def test_the_stack_has_the_server_write_its_part_unless_env_says_otherwise() -> None:
    """An empty value counts: it means Parquet files."""
    settings = yaml.safe_load((PROJECT_ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["flows"]["environment"]
    assert settings["CARTULARY_BACKUP__WAREHOUSE_DISK"] == "${CARTULARY_BACKUP__WAREHOUSE_DISK-backups}"
    assert "`CARTULARY_BACKUP__WAREHOUSE_DISK=backups`" in PAGE and "`CARTULARY_BACKUP__WAREHOUSE_DISK=`" in PAGE
