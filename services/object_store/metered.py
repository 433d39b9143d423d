"""Any object store with its calls counted and timed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from services.metrics import METRICS
from services.object_store.base import ObjectStore

CAPABILITY = "objects"


class MeteredObjectStore(ObjectStore):
    """The store it is given; what a sender or a reader takes for its part of a stream is in the seconds too."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, key: str, chunks: Iterable[bytes], media_type: str) -> int:
        """Store all chunks under the key or nothing."""
        with METRICS.call(CAPABILITY, "put"):
            count = self._store.put(key, chunks, media_type)
        METRICS.observe_bytes("in", count)
        return count

    def put_file(self, key: str, path: Path, media_type: str) -> int:
        """Store a local file and take it away."""
        with METRICS.call(CAPABILITY, "put"):
            count = self._store.put_file(key, path, media_type)
        METRICS.observe_bytes("in", count)
        return count

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Read an object as a stream."""
        with METRICS.call(CAPABILITY, "read"), self._store.open(key) as stream:
            try:
                yield stream
            finally:
                METRICS.observe_bytes("out", stream.tell())

    def exists(self, key: str) -> bool:
        """Whether there is an object under the key."""
        with METRICS.call(CAPABILITY, "look"):
            return self._store.exists(key)

    def size(self, key: str) -> int:
        """Bytes of an object."""
        with METRICS.call(CAPABILITY, "look"):
            return self._store.size(key)

    def list(self, prefix: str) -> Iterator[str]:
        """Keys that start with the prefix."""
        with METRICS.call(CAPABILITY, "list"):
            yield from self._store.list(prefix)

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        with METRICS.call(CAPABILITY, "delete"):
            self._store.delete(key)

    @contextmanager
    def local_path(self, key: str) -> Iterator[Path]:
        """A file for tools that want one."""
        with METRICS.call(CAPABILITY, "read"), self._store.local_path(key) as path:
            METRICS.observe_bytes("out", path.stat().st_size)
            yield path

    def public_url(self, key: str, file_name: str, media_type: str) -> str | None:
        """Where a browser may fetch the object itself."""
        return self._store.public_url(key, file_name, media_type)
