"""Each test of the state runs on SQLite and on a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.settings import Settings, StateSettings
from services.state.state import State


@pytest.fixture
def sqlite_settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path)


@pytest.fixture
def postgres_settings(tmp_path: Path, postgres_database: str) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path, state=StateSettings(url=SecretStr(postgres_database)))


@pytest.fixture(params=["sqlite", "postgres"])
def state_settings(request: pytest.FixtureRequest) -> Settings:
    """An empty database of this test alone."""
    settings: Settings = request.getfixturevalue(f"{request.param}_settings")
    return settings


@pytest.fixture
def state(state_settings: Settings) -> Iterator[State]:
    opened = State.open(state_settings)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_state(sqlite_settings: Settings) -> Iterator[State]:
    opened = State.open(sqlite_settings)
    yield opened
    opened.close()


@pytest.fixture
def postgres_state(postgres_settings: Settings) -> Iterator[State]:
    opened = State.open(postgres_settings)
    yield opened
    opened.close()
