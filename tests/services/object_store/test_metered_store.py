"""What the metrics say about an object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import NotFoundError, ObjectStoreError
from services.metrics import METRICS
from services.object_store.base import ObjectStore
from services.object_store.local import LocalObjectStore
from services.object_store.metered import MeteredObjectStore


def value(name: str, **labels: str) -> float:
    return METRICS.registry.get_sample_value(name, labels) or 0.0


def calls(call: str, outcome: str = "done") -> float:
    return value("cartulary_capability_calls_total", capability="objects", call=call, outcome=outcome)


def moved(direction: str) -> float:
    return value("cartulary_object_store_bytes_total", direction=direction)


@pytest.fixture
def metered(store: ObjectStore) -> MeteredObjectStore:
    return MeteredObjectStore(store)


def test_calls_bytes_and_seconds_are_counted(metered: MeteredObjectStore, tmp_path: Path) -> None:
    before = {name: calls(name) for name in ("put", "read", "look", "list", "delete")}
    seconds = value("cartulary_capability_call_seconds_count", capability="objects", call="put")
    received, sent = moved("in"), moved("out")
    metered.put("a/b", [b"12345"], "text/plain")
    (tmp_path / "file").write_bytes(b"1234567")
    metered.put_file("a/c", tmp_path / "file", "text/plain")
    assert metered.read("a/b") == b"12345"
    with metered.open("a/c") as stream:
        assert stream.read(3) == b"123"
    with metered.local_path("a/c") as path:
        assert path.stat().st_size == 7
    assert metered.exists("a/b") and metered.size("a/b") == 5
    assert set(metered.list("a/")) == {"a/b", "a/c"}
    metered.delete("a/b")
    after = {name: calls(name) - count for name, count in before.items()}
    assert after == {"put": 2, "read": 3, "look": 2, "list": 1, "delete": 1}
    assert value("cartulary_capability_call_seconds_count", capability="objects", call="put") == seconds + 2
    assert (moved("in") - received, moved("out") - sent) == (12, 15)


def test_failures_are_counted_by_what_they_mean(metered: MeteredObjectStore, tmp_path: Path) -> None:
    metered.put("there", [b"1"], "text/plain")
    missing, refused, down = calls("read", "missing"), calls("read", "refused"), calls("put", "unavailable")
    with pytest.raises(NotFoundError):
        metered.read("not/there")
    with pytest.raises(ObjectStoreError):
        metered.read("../not/a/key")
    local = MeteredObjectStore(LocalObjectStore(tmp_path / "objects"))
    local.put("a", [b"1"], "text/plain")
    with pytest.raises(ObjectStoreError):
        local.put("a/b", [b"1"], "text/plain")
    assert (calls("read", "missing") - missing, calls("read", "refused") - refused, calls("put", "unavailable") - down) == (1, 1, 1)
