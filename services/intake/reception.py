"""Takes bytes in: hashed while they are written, stopped at the limit, bounded memory for any size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.errors import ObjectStoreError, vendor_errors
from services.object_store.spool import Spool


@dataclass(frozen=True)
class Received:
    """A file as it came: `sha256` and `byte_count` of what was read, which is the limit plus one byte when it was too large."""

    path: Path
    sha256: str
    byte_count: int
    is_too_large: bool


@contextmanager
def received(spool: Spool, chunks: Iterable[bytes], max_bytes: int) -> Iterator[Received]:
    """Write chunks to a temporary file, gone at the end unless it was moved; reading stops one byte above the limit."""
    digest = hashlib.sha256()
    count = 0
    with ExitStack() as stack:
        with _disk_errors():
            path, file = stack.enter_context(spool.file())
        for chunk in chunks:  # errors of the sender stay his own
            part = memoryview(chunk)[: max_bytes + 1 - count]
            digest.update(part)
            with _disk_errors():
                file.write(part)
            count += len(part)
            if count > max_bytes:
                break
        with _disk_errors():
            file.flush()
        yield Received(path, digest.hexdigest(), count, count > max_bytes)


@contextmanager
def _disk_errors() -> Iterator[None]:
    doing = "The received bytes could not be written: check the space and the permissions of the data directory"
    with vendor_errors(ObjectStoreError, doing, OSError, retryable=True):
        yield
