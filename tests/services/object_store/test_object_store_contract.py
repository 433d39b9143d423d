"""What every object store promises."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from services.errors import NotFoundError, ObjectStoreError
from services.object_store.base import Manifest, ObjectStore

MEGABYTE = 1 << 20


def manifest(key: str, now: datetime) -> Manifest:
    return Manifest(
        kind="upload",
        object_key=key,
        sha256="ab" * 32,
        byte_count=3,
        media_type="text/csv",
        file_name="Häuser & Höfe.csv",
        purpose="dataset",
        dataset="facilities",
        door="cli",
        received_at=now,
        details={"mode": None, "pages": 2},
    )


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 300], ids=["empty", "one byte", "binary"])
def test_what_was_put_is_read_again(store: ObjectStore, make_store: Callable[[], ObjectStore], content: bytes) -> None:
    assert store.put("uploads/ab/abc", [content], "application/octet-stream") == len(content)
    again = make_store()
    assert again.read("uploads/ab/abc") == content
    assert again.size("uploads/ab/abc") == len(content)
    assert again.exists("uploads/ab/abc")
    with again.open("uploads/ab/abc") as stream:
        assert stream.read(1) + stream.read() == content


def test_a_large_object_goes_through_in_chunks_of_any_size(store: ObjectStore) -> None:
    """37 MB in uneven chunks: more than two parts of an S3 upload."""
    block = bytes(range(251)) * 4001
    chunks = [block[: 1 + i * 7919] for i in range(80)] + [block] * 24
    digest = hashlib.sha256(b"".join(chunks)).hexdigest()
    total = sum(map(len, chunks))
    assert total > 33 * MEGABYTE
    assert store.put("uploads/big", iter(chunks), "application/octet-stream") == total
    assert store.size("uploads/big") == total
    read = hashlib.sha256()
    with store.open("uploads/big") as stream:
        while piece := stream.read(3 * MEGABYTE + 1):
            read.update(piece)
    assert read.hexdigest() == digest
    with store.local_path("uploads/big") as path:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


def test_a_second_put_replaces_the_first(store: ObjectStore) -> None:
    store.put("a/b", [b"a long first text"], "text/plain")
    store.put("a/b", [b"short"], "text/plain")
    assert store.read("a/b") == b"short"
    assert list(store.list("a/")) == ["a/b"]


@pytest.mark.parametrize("bytes_before", [0, 10, 40 * MEGABYTE])
def test_a_put_that_breaks_off_leaves_nothing(store: ObjectStore, bytes_before: int) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(0, bytes_before, MEGABYTE):
            yield b"x" * min(MEGABYTE, bytes_before)
        raise ConnectionResetError("the sender went away")

    with pytest.raises(ConnectionResetError, match="the sender went away"):
        store.put("uploads/half", chunks(), "text/plain")
    assert not store.exists("uploads/half")
    assert list(store.list("")) == []


def test_a_put_that_breaks_off_leaves_what_was_there(store: ObjectStore) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"new"
        raise ValueError("no")

    store.put("a/b", [b"old"], "text/plain")
    with pytest.raises(ValueError, match="no"):
        store.put("a/b", chunks(), "text/plain")
    assert store.read("a/b") == b"old"


def test_a_file_is_taken_away_when_it_was_put(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_bytes(b"content" * 1000)
    assert store.put_file("uploads/ab/file", source, "text/plain") == 7000
    assert not source.exists()
    assert store.read("uploads/ab/file") == b"content" * 1000


def test_missing_objects_are_not_found(store: ObjectStore) -> None:
    store.put("there", [b"1"], "text/plain")
    assert not store.exists("not/there")
    for call in (store.read, store.size, store.manifest):
        with pytest.raises(NotFoundError, match=r"no (such )?object"):
            call("not/there")
    with pytest.raises(NotFoundError), store.open("not/there"):
        pass
    with pytest.raises(NotFoundError), store.local_path("not/there"):
        pass
    store.delete("not/there")


def test_a_new_store_is_empty(store: ObjectStore) -> None:
    assert not store.exists("a")
    assert list(store.list("")) == []


def test_list_gives_the_keys_of_a_prefix(store: ObjectStore) -> None:
    keys = {"uploads/ab/abc", "uploads/ab/abx", "uploads/cd/cde", "submissions/1.json", "submissions/12.json", "other"}
    for key in keys:
        store.put(key, [b"1"], "text/plain")
    assert set(store.list("")) == keys
    assert set(store.list("uploads/")) == {key for key in keys if key.startswith("uploads/")}
    assert set(store.list("uploads/ab/ab")) == {"uploads/ab/abc", "uploads/ab/abx"}
    assert set(store.list("submissions/1")) == {"submissions/1.json", "submissions/12.json"}
    assert list(store.list("nothing/")) == []


def test_list_goes_past_the_thousand_keys_of_one_answer(store: ObjectStore) -> None:
    for number in range(1020):
        store.put(f"many/{number}", [b""], "text/plain")
    assert len(set(store.list("many/"))) == 1020


def test_delete_removes_one_object(store: ObjectStore) -> None:
    store.put("a/b", [b"1"], "text/plain")
    store.put("a/c", [b"2"], "text/plain")
    store.delete("a/b")
    assert not store.exists("a/b")
    assert list(store.list("")) == ["a/c"]


def test_a_manifest_stands_beside_its_object(store: ObjectStore, now: datetime) -> None:
    written = manifest("uploads/ab/abc", now)
    assert not store.has_manifest("uploads/ab/abc")
    store.put_manifest("uploads/ab/abc", written)
    assert store.has_manifest("uploads/ab/abc")
    assert store.manifest("uploads/ab/abc") == written
    assert list(store.list("uploads/")) == ["uploads/ab/abc.manifest.json"]


def test_a_damaged_manifest_is_said_so(store: ObjectStore) -> None:
    store.put("a.manifest.json", [b"{"], "application/json")
    with pytest.raises(ObjectStoreError, match="manifest of a is damaged"):
        store.manifest("a")


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", ".hidden", "a/.b", "a b", "ä", "a\n", "x" * 600])
def test_keys_that_stores_understand_differently_are_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(ObjectStoreError, match="is no object key"):
        store.put(key, [b"1"], "text/plain")
    with pytest.raises(ObjectStoreError, match="is no object key"), store.open(key):
        pass


def test_many_threads_write_at_once(store: ObjectStore) -> None:
    """Eight writers, each its own object and all the same one with the same bytes, as two uploads of one file do."""
    shared = b"shared" * 50_000

    def write(number: int) -> None:
        store.put(f"own/{number}", [bytes([number]) * 100_000], "text/plain")
        store.put("shared", [shared[:1000], shared[1000:]], "text/plain")

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert store.read("shared") == shared
    assert {store.read(key) for key in store.list("own/")} == {bytes([number]) * 100_000 for number in range(8)}
