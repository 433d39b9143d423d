"""Objects as plain files below one directory: written beside, synced to disk, then renamed into place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from services.errors import NotFoundError, ObjectStoreError, vendor_errors
from services.object_store.base import CHUNK_BYTES, ObjectStore, checked_key
from services.object_store.spool import Spool


class LocalObjectStore(ObjectStore):
    """An ObjectStore in a directory; survives kill -9 and power loss after `put` has returned."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        with _errors("open the object store"):
            self._spool = Spool(self.root / ".incoming")

    def put(self, key: str, chunks: Iterable[bytes], media_type: str) -> int:
        """Store all chunks under the key or nothing; the media type is kept by the manifest alone."""
        target = self._path(key)
        count = 0
        with ExitStack() as stack:
            with _errors(f"write {key}"):
                path, file = stack.enter_context(self._spool.file())
            for chunk in chunks:  # errors of the giver stay his own
                with _errors(f"write {key}"):
                    count += file.write(chunk)
            with _errors(f"write {key}"):
                file.flush()
                self._move(path, target)
        return count

    def put_file(self, key: str, path: Path, media_type: str) -> int:
        """Move a file into the store; it is copied first when it lies on another file system."""
        target = self._path(key)
        with _errors(f"write {key}"):
            count = path.stat().st_size
            if path.stat().st_dev == self.root.stat().st_dev:
                self._move(path, target)
                return count
            with self._spool.file() as (copy, file):
                with path.open("rb") as source:
                    shutil.copyfileobj(source, file, CHUNK_BYTES)
                file.flush()
                self._move(copy, target)
            path.unlink()
        return count

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Read an object as a stream; NotFoundError when there is none."""
        path = self._path(key)
        with _found(key):
            file = path.open("rb")
        with file:
            yield file

    def exists(self, key: str) -> bool:
        """Whether there is an object under the key."""
        path = self._path(key)
        with _errors(f"look for {key}"):
            return path.is_file()

    def size(self, key: str) -> int:
        """Bytes of an object; NotFoundError when there is none."""
        path = self._path(key)
        with _found(key):
            return path.stat().st_size

    def list(self, prefix: str) -> Iterator[str]:
        """Keys that start with the prefix."""
        folder = prefix.rpartition("/")[0]
        start = self._path(folder) if folder else self.root
        for path in self._walk(start):
            key = path.relative_to(self.root).as_posix()
            if key.startswith(prefix):
                yield key

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        path = self._path(key)
        with _errors(f"delete {key}"):
            path.unlink(missing_ok=True)

    @contextmanager
    def local_path(self, key: str) -> Iterator[Path]:
        """The object's own file: read it, never write to it."""
        path = self._path(key)
        with _found(key):
            path.stat()
        yield path

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def _move(self, source: Path, target: Path) -> None:
        """Rename a file into place so that neither its bytes nor its name can be lost afterwards."""
        _sync(source)
        is_new_folder = not target.parent.exists()
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        _sync(target.parent)
        if is_new_folder:
            for folder in target.parent.parents:
                _sync(folder)
                if folder == self.root:
                    break

    def _walk(self, folder: Path) -> Iterator[Path]:
        with _errors(f"list {folder}"):
            if not folder.is_dir():
                return
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from self._walk(Path(entry.path))
            else:
                yield Path(entry.path)


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    """Turn the operating system's errors into ours."""
    with vendor_errors(ObjectStoreError, f"Could not {doing}: check the disk and its permissions", OSError, retryable=True):
        yield


@contextmanager
def _found(key: str) -> Iterator[None]:
    """The same for reading, where a missing file is a missing object."""
    try:
        with _errors(f"read {key}"):
            yield
    except ObjectStoreError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise NotFoundError(f"There is no object {key} in the store.") from error
        raise


def _sync(path: Path) -> None:
    """Have the operating system write a file or folder to disk (fsync)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
