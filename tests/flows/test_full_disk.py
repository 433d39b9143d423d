"""A disk that is full is a reason to wait: the file says so, keeps its place, and is loaded when there is room."""

from __future__ import annotations

import errno
import shutil
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import pytest

from flows.steps import load
from flows.steps.load import load_outstanding
from services.errors import ObjectStoreError
from services.object_store import s3
from services.wiring import Services

AREAS = 'area_code,name,population,level,parent_code,geometry\n1,A,10,8,,"POLYGON((0 0,1 0,1 1,0 1,0 0))"\n'


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_waits_for_room(services: Services, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    services.intake.receive_dataset(iter([AREAS.encode()]), "areas.csv", "areas", None, "cli", now)
    services.intake.register_outstanding(now)
    with monkeypatch.context() as patched:
        patched.setattr(load, "_land_quickly", full)
        assert load_outstanding(services, now=now).counts["failed"] == 1
    struggling = services.state.work.counts()["load"]
    assert struggling == {"pending": 1}
    said = services.warehouse.scalar("select message from bronze.loads where state = 'failed'")
    assert said.startswith("The file could not be read in ")
    later = load_outstanding(services, now=now + timedelta(hours=1))
    assert (later.counts["failed"], later.counts["landed"]) == (0, 1)


def test_a_copy_that_does_not_fit_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    store = object.__new__(s3.S3ObjectStore)
    monkeypatch.setattr(s3.S3ObjectStore, "open", lambda *_: BytesIO())
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(ObjectStoreError, match="let TMPDIR name another disk") as caught, store.local_path("uploads/aa/b"):
        pass
    assert caught.value.retryable
