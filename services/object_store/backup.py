"""Objects in a pool that all backups of one folder share: named by the hash of their bytes, so that each is kept once."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from services.backup.contents import Content, Tally
from services.errors import BackupError, NotFoundError, ObjectStoreError, vendor_errors
from services.object_store.base import CHUNK_BYTES, MANIFEST_SUFFIX, ObjectStore, file_chunks

# Reading one object from S3 is mostly waiting.
AT_ONCE = 8
BATCH = 1000
CONTENT_ADDRESSED = "uploads/"
PART = ".part"


@dataclass(frozen=True)
class Entry:
    """One object of a backup: its key in the store, the hash and the number of its bytes."""

    key: str
    sha256: str
    size: int

    def line(self) -> bytes:
        """As the index has it, and as it counts for the content hash."""
        return json.dumps([self.key, self.sha256, self.size], separators=(",", ":")).encode()


@dataclass(frozen=True)
class SavedObjects:
    """What was saved: all entries together, how many came into the pool, and the keys whose bytes are not what they should be."""

    content: Content
    new: frozenset[str]
    damaged: tuple[str, ...]


class Pool:
    """Files below one folder, each named by the SHA-256 of its bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the bytes with this hash lie."""
        return self.folder / sha256[:2] / sha256

    def has(self, sha256: str, size: int) -> bool:
        """Whether they are here in their full length."""
        try:
            return self.path(sha256).stat().st_size == size
        except OSError:
            return False

    def add(self, chunks: Iterable[bytes]) -> tuple[str, int, bool]:
        """Keep these bytes; returns their hash, how many there are, and whether they are new here."""
        self.folder.mkdir(parents=True, exist_ok=True)
        digest, count = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=PART)
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    count += file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            sha256 = digest.hexdigest()
            is_new = not self.has(sha256, count)
            if is_new:
                target = self.path(sha256)
                target.parent.mkdir(exist_ok=True)
                Path(name).replace(target)
            return sha256, count, is_new
        finally:
            Path(name).unlink(missing_ok=True)

    def sweep(self, kept: set[str]) -> int:
        """Delete everything that is not named, and what a killed backup left half written; returns how many objects."""
        count = 0
        for left in self.folder.glob(f"*{PART}"):
            left.unlink(missing_ok=True)
        for path in self.folder.glob("??/*"):
            if path.name not in kept:
                path.unlink(missing_ok=True)
                count += 1
        return count


def file_digest(path: Path) -> tuple[str, int]:
    """SHA-256 (hexadecimal) and bytes of a file, as they are read back from the disk."""
    digest, count = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            count += len(chunk)
    return digest.hexdigest(), count


def save(objects: ObjectStore, pool: Pool, index: Path) -> SavedObjects:
    """Bring all objects into the pool and list them in `index`; what is there already is not read again where its key is its hash.

    An object whose bytes do not have the hash that its key says is damaged in the store: it is named, and left out unless the pool
    still has it from an earlier backup. ObjectStoreError when the store does not answer.
    """
    counted, new, damaged = Tally(), set(), []
    doing = f"{pool.folder} cannot be written: check its space and permissions"
    with (
        vendor_errors(BackupError, doing, OSError, retryable=True),
        index.open("wb") as file,
        ThreadPoolExecutor(AT_ONCE, "objects") as workers,
    ):
        keys = objects.list("")
        while batch := list(islice(keys, BATCH)):
            for key, kept in zip(batch, workers.map(lambda key: _keep(objects, pool, key), batch), strict=True):
                if kept is None:
                    damaged.append(key)
                    continue
                entry, is_new = kept
                counted.add(entry.line())
                file.write(entry.line() + b"\n")
                if is_new:
                    new.add(entry.sha256)
    return SavedObjects(counted.content(), frozenset(new), tuple(sorted(damaged)))


def _keep(objects: ObjectStore, pool: Pool, key: str) -> tuple[Entry, bool] | None:
    own = key.rpartition("/")[2] if key.startswith(CONTENT_ADDRESSED) and not key.endswith(MANIFEST_SUFFIX) else ""
    with suppress(NotFoundError):  # deleted since it was listed, or damaged: both are told below
        if own and pool.has(own, size := objects.size(key)):
            return Entry(key, own, size), False
        with objects.open(key) as stream:
            sha256, count, is_new = pool.add(iter(lambda: stream.read(CHUNK_BYTES), b""))
        if not own or sha256 == own:
            return Entry(key, sha256, count), is_new
    if own and pool.path(own).exists():
        return Entry(key, own, pool.path(own).stat().st_size), False
    return None


def entries(index: Path) -> Iterator[Entry]:
    """The objects of a backup; BackupError when its index is damaged."""
    with index.open("rb") as file:
        for line in file:
            try:
                yield Entry(*json.loads(line))
            except (ValueError, TypeError) as cause:
                raise BackupError(f"{index} is damaged: take another backup.") from cause


def check(pool: Pool, index: Path, wanted: Content, known: set[str], *, only: frozenset[str] | None = None) -> list[str]:
    """What is wrong with the objects of a backup: missing, or other bytes than their hash says. `known` are hashes that were found good
    before, and grows; of all but `only` the length alone is looked at."""
    wrong, counted = [], Tally()
    for entry in entries(index):
        counted.add(entry.line())
        if entry.sha256 in known:
            continue
        is_read = only is None or entry.sha256 in only
        if not pool.has(entry.sha256, entry.size) or (is_read and file_digest(pool.path(entry.sha256))[0] != entry.sha256):
            wrong.append(f"the object {entry.key} is missing or damaged ({pool.path(entry.sha256)})")
        else:
            known.add(entry.sha256)
    if counted.content() != wanted:
        wrong.append(f"{index.name} does not list the objects that were saved")
    return wrong


def restore(objects: ObjectStore, pool: Pool, index: Path) -> tuple[int, int]:
    """Put every object of the backup into the store; returns how many were put and how many of the store's own were kept.

    What the store has under a key stays, since it may have been accepted after the backup, unless the key says that its bytes are
    damaged.
    """
    put = kept = 0
    with ThreadPoolExecutor(AT_ONCE, "objects") as workers:
        walk = entries(index)
        while batch := list(islice(walk, BATCH)):
            for outcome in workers.map(lambda entry: _bring_back(objects, pool, entry), batch):
                put += outcome == "put"
                kept += outcome == "kept"
    return put, kept


def _bring_back(objects: ObjectStore, pool: Pool, entry: Entry) -> str:
    there = stored_digest(objects, entry.key)
    if there == entry.sha256:
        return "there"
    if there and entry.key.rpartition("/")[2] != entry.sha256:
        return "kept"
    objects.put(entry.key, file_chunks(pool.path(entry.sha256)), _media_type(pool, entry))
    if stored_digest(objects, entry.key) != entry.sha256:
        raise ObjectStoreError(f"The object store does not give {entry.key} back as it was put: check its disk.", retryable=True)
    return "put"


def stored_digest(objects: ObjectStore, key: str) -> str:
    """SHA-256 of an object's bytes as the store gives them; empty when there is none."""
    digest = hashlib.sha256()
    if not objects.exists(key):  # also where there is no bucket yet
        return ""
    try:
        with objects.open(key) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    except NotFoundError:
        return ""
    return digest.hexdigest()


def _media_type(pool: Pool, entry: Entry) -> str:
    """Only S3 keeps it, and browsers are told the manifest's."""
    if entry.key.startswith(CONTENT_ADDRESSED) and not entry.key.endswith(MANIFEST_SUFFIX):
        return "application/octet-stream"
    return "application/json"
