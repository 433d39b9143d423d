"""Temporary files that outlive no process: what kill -9 left behind is swept at the next start."""

from __future__ import annotations

import fcntl
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


class Spool:
    """A directory of half-received files, shared by any number of threads and processes of one machine."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        lock = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # Everybody holds the lock together; whoever gets it alone knows that all files here are of dead processes.
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in directory.glob("*.part"):
                left.unlink(missing_ok=True)
        fcntl.flock(lock, fcntl.LOCK_SH)
        weakref.finalize(self, os.close, lock)

    @contextmanager
    def file(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A new empty file, gone at the end unless it was moved away."""
        handle, name = tempfile.mkstemp(dir=self.directory, suffix=".part")
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield path, file
        finally:
            path.unlink(missing_ok=True)
