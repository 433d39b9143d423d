"""Who has a data directory: the operating system's lock is the truth, a file beside it says how to reach its holder."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from services.errors import WarehouseError

OWNER_FILE = ".owner"


@dataclass(frozen=True)
class Owner:
    """The process that has the directory; without a port it answers nobody."""

    pid: int
    host: str = ""
    port: int = 0
    user: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return f"Owner(pid={self.pid}, host={self.host!r}, port={self.port})"


class DirectoryLock:
    """A data directory for this process alone; freed even by kill -9."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.owner_file = directory / OWNER_FILE
        self._file = (directory / ".lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            owner = read_owner(directory)
            raise WarehouseError(
                f"The data directory {directory} is in use by {f'process {owner.pid}' if owner else 'another process'}: "
                "stop that process first, or name another directory with --data-dir.",
                retryable=True,
            ) from None
        self.announce(Owner(os.getpid()))

    def announce(self, owner: Owner) -> None:
        """Say how to reach the holder: whole or not at all, and to nobody but the same user."""
        # Made anew each time: the mode counts only for a new file.
        new = self.owner_file.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(owner), file)
        new.replace(self.owner_file)

    def release(self) -> None:
        """Give the directory free."""
        if not self._file.closed:
            self.owner_file.unlink(missing_ok=True)
            self._file.close()


def read_owner(directory: Path) -> Owner | None:
    """What the owner file says, true only as long as somebody holds the lock; None when it says nothing."""
    try:
        return Owner(**json.loads((directory / OWNER_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
