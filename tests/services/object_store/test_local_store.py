"""What the directory promises beyond the contract: kill -9, foreign file systems, full or forbidden disks."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.errors import ObjectStoreError
from services.object_store.local import LocalObjectStore
from services.object_store.spool import Spool

WRITE_FOR_EVER = """
import sys
from pathlib import Path
from services.object_store.local import LocalObjectStore

store = LocalObjectStore(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    store.put("uploads/one", (bytes([number % 256]) * 100_000 for _ in range(20)), "text/plain")
    print(number, flush=True)
"""


@given(chunks=st.lists(st.binary(max_size=5000), max_size=20), name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,50}", fullmatch=True))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_bytes_come_back(tmp_path: Path, chunks: list[bytes], name: str) -> None:
    store = LocalObjectStore(tmp_path / "objects")
    content = b"".join(chunks)
    assert store.put(f"any/{name}", iter(chunks), "application/octet-stream") == len(content)
    assert store.read(f"any/{name}") == content
    assert store.size(f"any/{name}") == len(content)
    assert list(store.list("any/")) == [f"any/{name}"]
    store.delete(f"any/{name}")


def test_kill_9_never_leaves_half_an_object(tmp_path: Path) -> None:
    """A process that rewrites one object of 2 MB is killed twelve times; the object is always one whole version."""
    root = tmp_path / "objects"
    chance = random.Random(9)
    for _ in range(12):
        writer = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(root)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline()
        time.sleep(chance.uniform(0, 0.08))
        writer.send_signal(signal.SIGKILL)
        writer.wait(timeout=20)
        writer.stdout.close()
        store = LocalObjectStore(root)
        content = store.read("uploads/one")
        assert len(content) == 2_000_000
        assert len(set(content)) == 1
        assert list(store.list("")) == ["uploads/one"]
        del store  # its share of the lock goes with it
        LocalObjectStore(root)
        assert list((root / ".incoming").glob("*.part")) == []


def test_readers_see_one_of_the_writers_whole(tmp_path: Path) -> None:
    """Eight writers of one key and a reader: never a mixture, never half."""
    store = LocalObjectStore(tmp_path)
    contents = {bytes([65 + number]) * (200_000 + number) for number in range(8)}
    store.put("race", [min(contents)], "text/plain")
    seen: list[bytes] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(store.read("race"))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=store.put, args=("race", [content[:1000], content[1000:]], "text/plain")) for content in contents]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()
    assert seen
    assert set(seen) <= contents
    assert store.read("race") in contents


def test_the_spool_sweeps_only_what_dead_processes_left(tmp_path: Path) -> None:
    left = tmp_path / "left.part"
    left.write_bytes(b"from a killed process")
    first = Spool(tmp_path)
    assert not left.exists()
    with first.file() as (path, file):
        file.write(b"in use")
        Spool(tmp_path)
        assert path.exists()
    assert not path.exists()


def test_a_file_of_another_file_system_is_copied(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system: mount a tmpfs on /dev/shm")
    with Spool(memory / f"cartulary-test-{os.getpid()}").file() as (path, file):
        file.write(b"content" * 100_000)
        file.flush()
        store = LocalObjectStore(tmp_path / "objects")
        assert store.put_file("uploads/file", path, "text/plain") == 700_000
        assert not path.exists()
    assert store.read("uploads/file") == b"content" * 100_000
    (path.parent / ".lock").unlink()
    path.parent.rmdir()


def test_a_disk_that_refuses_is_our_error_and_retryable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(ObjectStoreError, match="check the disk") as caught:
        LocalObjectStore(tmp_path / "file")
    assert caught.value.retryable
    store = LocalObjectStore(tmp_path / "objects")
    store.put("a", [b"a file"], "text/plain")
    with pytest.raises(ObjectStoreError, match="write a/b"):
        store.put("a/b", [b"below a file"], "text/plain")
    assert store.read("a") == b"a file"


def test_memory_stays_flat_for_a_large_object(tmp_path: Path) -> None:
    """300 MB through put and open in a process of its own: at most 40 MB above what it had before."""
    script = """
import resource, sys
from pathlib import Path
from services.object_store.local import LocalObjectStore

store = LocalObjectStore(Path(sys.argv[1]))
block = bytes(1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert store.put("big", (block for _ in range(300)), "text/plain") == 300 << 20
with store.open("big") as stream:
    while stream.read(1 << 20):
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    answer = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120)
    assert int(answer.stdout) < 40_000
