"""What every object store promises: whole objects or none, streamed both ways, a manifest beside each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.errors import ObjectStoreError

MANIFEST_SUFFIX = ".manifest.json"
CHUNK_BYTES = 1 << 20

# Segments start with a letter or digit, so that "..", hidden files and "//" cannot be said: S3 servers differ on them.
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


class Manifest(BaseModel):
    """What is known about an object besides its bytes; enough to write its bronze rows again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["upload", "submission", "correction"]
    object_key: str = Field(description="empty when the bytes were refused and only this trace is kept")
    sha256: str
    byte_count: int
    media_type: str
    file_name: str = ""
    purpose: str = Field(default="", description="letter or dataset, for uploads")
    dataset: str = ""
    door: str = Field(description="api, cli, portal or demo")
    received_at: datetime
    details: dict[str, Any] = Field(default_factory=dict)


class ObjectStore(Protocol):
    """Bytes under keys; all errors are ObjectStoreError (retryable when the store did not answer) or NotFoundError."""

    def put(self, key: str, chunks: Iterable[bytes], media_type: str) -> int:
        """Store all chunks under the key, replacing what was there, or nothing at all; returns the number of bytes."""
        ...

    def put_file(self, key: str, path: Path, media_type: str) -> int:
        """Store a local file and take it away (moved where that is possible); returns the number of bytes."""
        ...

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Read an object as a stream; NotFoundError when there is none."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is an object under the key."""
        ...

    def size(self, key: str) -> int:
        """Bytes of an object; NotFoundError when there is none."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Keys that start with the prefix, manifests among them, in no promised order."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object (not its manifest, which is an object of its own); a missing one is no error."""
        ...

    def local_path(self, key: str) -> AbstractContextManager[Path]:
        """A file for tools that want one, to be read only while inside; NotFoundError when there is no object."""
        ...

    def public_url(self, key: str, file_name: str, media_type: str) -> str | None:
        """Where a browser may fetch the object itself, as a file of this name, within the next minutes; None: nowhere."""
        return None

    def read(self, key: str) -> bytes:
        """Read a small object at once."""
        with self.open(key) as stream:
            return stream.read()

    def put_manifest(self, key: str, manifest: Manifest) -> None:
        """Store the manifest of the object under the key."""
        self.put(key + MANIFEST_SUFFIX, [manifest.model_dump_json(indent=1).encode()], "application/json")

    def manifest(self, key: str) -> Manifest:
        """Read the manifest of the object under the key; NotFoundError when there is none."""
        try:
            return Manifest.model_validate_json(self.read(key + MANIFEST_SUFFIX))
        except ValidationError as cause:
            raise ObjectStoreError(f"The manifest of {key} is damaged: restore it from a backup. {cause}") from cause

    def has_manifest(self, key: str) -> bool:
        """Whether the object under the key was accepted: its manifest is written last."""
        return self.exists(key + MANIFEST_SUFFIX)


def checked_key(key: str) -> str:
    """Return the key if every store can hold it; ObjectStoreError otherwise."""
    if not _KEY.fullmatch(key) or len(key) > 512:
        raise ObjectStoreError(f"{key!r} is no object key: use letters, digits, '.', '_', '-' in segments separated by '/'.")
    return key


def attachment(file_name: str) -> str:
    """Content-Disposition that saves a file under this name (RFC 6266), whatever letters are in it."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", file_name) or "file"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name or plain, safe='')}"


def file_chunks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes in chunks of one megabyte."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
