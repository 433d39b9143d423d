"""Objects into a pool and back, from every kind of store: each once, checked by its hash, nothing of the store lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from services.backup.contents import Content
from services.errors import BackupError
from services.object_store.backup import Pool, check, entries, restore, save, stored_digest
from services.object_store.base import MANIFEST_SUFFIX, ObjectStore
from services.object_store.local import LocalObjectStore

LETTER, FORM = b"a letter" * 1000, b'{"form": 1}'
MakeStore = Callable[[], ObjectStore]


def key_of(content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    return f"uploads/{sha256[:2]}/{sha256}"


@pytest.fixture
def filled(store: ObjectStore) -> ObjectStore:
    store.put(key_of(LETTER), [LETTER], "image/jpeg")
    store.put(key_of(LETTER) + MANIFEST_SUFFIX, [b'{"kind": "upload"}'], "application/json")
    store.put("submissions/1.json", [FORM], "application/json")
    store.put("submissions/2.json", [FORM], "application/json")
    return store


def found(store: ObjectStore) -> dict[str, bytes]:
    return {key: store.read(key) for key in store.list("")}


def test_everything_comes_back_into_an_empty_store(filled: ObjectStore, tmp_path: Path) -> None:
    pool, index = Pool(tmp_path / "pool"), tmp_path / "index"
    saved = save(filled, pool, index)
    assert saved.content.rows == 4 and not saved.damaged
    assert len(saved.new) == 3, "the same bytes are kept once"
    assert check(pool, index, saved.content, set()) == []
    other = LocalObjectStore(tmp_path / "other")
    assert restore(other, pool, index) == (4, 0)
    assert found(other) == found(filled)
    assert restore(other, pool, index) == (0, 0)
    again = save(other, Pool(tmp_path / "pool2"), tmp_path / "index2")
    assert again.content == saved.content


def test_into_a_store_that_has_something(filled: ObjectStore, tmp_path: Path) -> None:
    """What is damaged there is repaired; what was accepted later or written anew stays."""
    pool, index = Pool(tmp_path / "pool"), tmp_path / "index"
    save(filled, pool, index)
    filled.put(key_of(LETTER), [b"damaged"], "image/jpeg")
    filled.put(key_of(LETTER) + MANIFEST_SUFFIX, [b'{"kind": "upload", "received": "again"}'], "application/json")
    filled.put("submissions/3.json", [b"later"], "application/json")
    filled.delete("submissions/1.json")
    assert restore(filled, pool, index) == (2, 1)
    assert filled.read(key_of(LETTER)) == LETTER
    assert filled.read(key_of(LETTER) + MANIFEST_SUFFIX) == b'{"kind": "upload", "received": "again"}'
    assert filled.read("submissions/1.json") == FORM and filled.read("submissions/3.json") == b"later"


def test_the_next_backup_adds_only_what_is_new(filled: ObjectStore, tmp_path: Path) -> None:
    pool = Pool(tmp_path / "pool")
    save(filled, pool, tmp_path / "first")
    filled.put("submissions/3.json", [b"new"], "application/json")
    saved = save(filled, pool, tmp_path / "second")
    assert saved.new == {hashlib.sha256(b"new").hexdigest()}
    assert saved.content.rows == 5


def test_a_damaged_object_is_told_and_taken_from_before(filled: ObjectStore, tmp_path: Path) -> None:
    pool = Pool(tmp_path / "pool")
    save(filled, pool, tmp_path / "first")
    other = b"another letter"
    filled.put(key_of(other), [b"not it"], "image/jpeg")
    filled.put(key_of(LETTER), [b"rotten"], "image/jpeg")
    saved = save(filled, pool, tmp_path / "second")
    assert saved.damaged == (key_of(other),), "of the other one an earlier backup has the right bytes"
    assert {entry.key for entry in entries(tmp_path / "second")} == set(filled.list("")) - {key_of(other)}
    assert check(pool, tmp_path / "second", saved.content, set()) == []


def test_damage_in_the_pool_is_seen(filled: ObjectStore, tmp_path: Path) -> None:
    pool, index = Pool(tmp_path / "pool"), tmp_path / "index"
    saved = save(filled, pool, index)
    path = pool.path(hashlib.sha256(LETTER).hexdigest())
    path.write_bytes(LETTER[:-1] + b"?")
    assert check(pool, index, saved.content, set(), only=frozenset()) == [], "its length is right"
    assert [key_of(LETTER) in sentence for sentence in check(pool, index, saved.content, set())] == [True]
    path.write_bytes(LETTER[:-1])
    assert len(check(pool, index, saved.content, set(), only=frozenset())) == 1
    assert save(filled, pool, index).new == {hashlib.sha256(LETTER).hexdigest()}, "the next backup mends it"
    path.unlink()
    assert len(check(pool, index, saved.content, set())) == 1
    lines = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(b"".join(lines[:-1]))
    assert any("does not list" in sentence for sentence in check(pool, index, saved.content, set()))
    index.write_bytes(b"".join(lines)[:-9])
    with pytest.raises(BackupError, match="damaged"):
        check(pool, index, Content(4, ""), set())


def test_only_what_a_kept_backup_names_stays(filled: ObjectStore, tmp_path: Path) -> None:
    pool, index = Pool(tmp_path / "pool"), tmp_path / "index"
    save(filled, pool, index)
    (tmp_path / "pool" / "left.part").write_bytes(b"of a killed backup")
    kept = {entry.sha256 for entry in entries(index) if entry.key.startswith("uploads/")}
    assert pool.sweep(kept) == 1
    assert {path.name for path in (tmp_path / "pool").rglob("*") if path.is_file()} == kept


def test_a_missing_object_has_no_digest(store: ObjectStore) -> None:
    assert stored_digest(store, "uploads/none") == ""
