"""The folder that holds all backups: one dated folder each, what they share, and what may be thrown away."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.steps.backup.manifest import INDEX, MANIFEST, POOL
from services.errors import BackupError
from services.object_store.backup import Pool, entries

DATED = re.compile(r"\d{4}-\d{2}-\d{2}T\d{6}Z")
SPELLING = "%Y-%m-%dT%H%M%SZ"
PARTIAL = ".partial-"
# Where a ClickHouse server writes its own part: its disk for backups.
ARCHIVES = "warehouse"
ARCHIVE = ".zip"


@dataclass(frozen=True)
class Shelf:
    """A folder of backups; only one process writes into it at a time."""

    folder: Path

    @property
    def pool(self) -> Pool:
        """The objects of all backups."""
        return Pool(self.folder / POOL)

    def archive(self, name: str) -> Path:
        """Where the server's own part of a backup lies."""
        return self.folder / ARCHIVES / f"{name}{ARCHIVE}"

    def backups(self) -> list[Path]:
        """The complete backups, the oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if DATED.fullmatch(path.name) and (path / MANIFEST).is_file())

    def begin(self, now: datetime) -> Path:
        """An empty folder for a new backup, which looks like none until `finish`; what killed ones left behind goes."""
        name = now.astimezone(UTC).strftime(SPELLING)
        try:
            self.pool.folder.mkdir(parents=True, exist_ok=True)
            self._forget_partial()
            if (self.folder / name).exists():
                raise BackupError(f"There is a backup of this second already: {self.folder / name}. Try again.", retryable=True)
            partial = self.folder / f"{PARTIAL}{name}"
            # Names and letters of people are in it.
            partial.mkdir(mode=0o700)
        except OSError as cause:
            raise BackupError(f"{self.folder} cannot be written ({cause.strerror}): check the disk and its permissions.") from cause
        return partial

    def finish(self, partial: Path) -> Path:
        """Give a backup that is whole its name."""
        for path in (*partial.rglob("*"), partial, *self.pool.folder.glob("??"), self.pool.folder):
            _sync(path)
        done = partial.with_name(partial.name.removeprefix(PARTIAL))
        partial.rename(done)
        _sync(self.folder)
        return done

    def prune(self, keep: timedelta | None, now: datetime) -> int:
        """Throw backups away that are older, never the newest one, and what no kept backup names; returns how many backups."""
        removed = 0
        if keep is not None:
            for path in self.backups()[:-1]:
                if datetime.strptime(path.name, SPELLING).replace(tzinfo=UTC) < now - keep:
                    # By another name first: killed in the middle, the rest looks like no backup.
                    path.rename(path.with_name(f"{PARTIAL}{path.name}"))
                    removed += 1
        self._forget_partial()
        self.pool.sweep({entry.sha256 for path in self.backups() for entry in entries(path / INDEX)})
        return removed

    def _forget_partial(self) -> None:
        for left in self.folder.glob(f"{PARTIAL}*"):
            shutil.rmtree(left)
        kept = {path.name for path in self.backups()}
        for archive in (self.folder / ARCHIVES).glob(f"*{ARCHIVE}"):
            if DATED.fullmatch(archive.stem) and archive.stem not in kept:
                archive.unlink()


def find_backup(path: Path) -> Path:
    """The backup that is meant: a dated folder itself, or the newest one of the folder that holds them; BackupError when there is none."""
    if DATED.fullmatch(path.resolve().name):
        return path.resolve()
    if found := Shelf(path).backups():
        return found[-1].resolve()
    raise BackupError(f"There is no complete backup in {path}: name the folder that `cartulary backup` wrote into.")


def _sync(path: Path) -> None:
    """Have the operating system write a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
