"""API keys: shown once, kept as a hash, checked quickly, revoked for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta

import pytest

from services.errors import ConfigurationError, NotFoundError
from services.gateway.keys import KeyRegistry
from services.settings import Settings
from services.state.state import State


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    opened = State.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def registry(state: State) -> KeyRegistry:
    return KeyRegistry(state)


def test_a_key_is_known_by_its_secret(registry: KeyRegistry, now: datetime) -> None:
    made = registry.create("Grafana", ["read", "exact"], now)
    assert made.secret.startswith(f"ctl_{made.key_id}_")
    assert len(made.secret) > 50
    found = registry.verify(made.secret, now)
    assert found is not None
    assert (found.key_id, found.name, found.scopes) == (made.key_id, "Grafana", {"read", "exact"})
    assert not hasattr(found, "secret")


def test_whatever_is_not_the_secret_is_refused(registry: KeyRegistry, now: datetime) -> None:
    made = registry.create("one", ["read"], now)
    other = registry.create("two", ["read"], now)
    id_and_secret = made.secret.split("_", 2)
    for wrong in (
        "",
        "ctl",
        "ctl__",
        f"ctl_{made.key_id}_",
        made.secret[:-1],
        made.secret + "x",
        made.secret.upper(),
        f"ctl_{other.key_id}_{id_and_secret[2]}",
        f"ctl_unknown_{id_and_secret[2]}",
        f"xyz_{made.key_id}_{id_and_secret[2]}",
        "ctl_' or 1=1 --_x",
        "ctl_ü_ü",
    ):
        assert registry.verify(wrong, now) is None, wrong


def test_a_revoked_key_is_refused_at_once_and_elsewhere_within_seconds(state: State, now: datetime) -> None:
    here, elsewhere = KeyRegistry(state), KeyRegistry(state)
    made = here.create("phone line", ["intake"], now)
    assert here.verify(made.secret, now)
    assert elsewhere.verify(made.secret, now)
    here.revoke(made.key_id, now)
    assert here.verify(made.secret, now) is None
    assert elsewhere.verify(made.secret, now + timedelta(seconds=6)) is None
    with pytest.raises(NotFoundError, match="no valid key"):
        here.revoke(made.key_id, now)
    [listed] = here.list()
    assert listed.revoked_at == now


def test_the_list_tells_everything_but_secrets(registry: KeyRegistry, now: datetime) -> None:
    made = [registry.create(name, ["read"], now + timedelta(seconds=index)) for index, name in enumerate(("a", "b"))]
    listed = registry.list()
    assert [key.name for key in listed] == ["a", "b"]
    for key in made:
        assert key.secret.split("_", 2)[2] not in str([asdict(entry) for entry in listed])


def test_the_secret_is_not_in_the_database(registry: KeyRegistry, state: State, settings: Settings, now: datetime) -> None:
    made = registry.create("a", ["read"], now)
    registry.verify(made.secret, now)
    state.close()
    content = b"".join(path.read_bytes() for path in (settings.data_dir / "state").iterdir())
    assert made.key_id.encode() in content
    assert made.secret.split("_", 2)[2].encode() not in content


def test_keys_survive_a_restart(settings: Settings, now: datetime) -> None:
    first = State.open(settings)
    made = KeyRegistry(first).create("a", ["read"], now)
    first.close()
    second = State.open(settings)
    assert KeyRegistry(second).verify(made.secret, now) is not None
    second.close()


@pytest.mark.parametrize("scopes", [[], ["write"], ["read", "root"]])
def test_only_scopes_that_exist(registry: KeyRegistry, now: datetime, scopes: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="choose from"):
        registry.create("a", scopes, now)
    assert registry.list() == ()


def test_a_known_key_is_checked_in_less_than_a_millisecond(registry: KeyRegistry, now: datetime) -> None:
    made = registry.create("a", ["read"], now)
    registry.verify(made.secret, now)
    started = time.perf_counter()
    for _ in range(200):
        assert registry.verify(made.secret, now)
    assert (time.perf_counter() - started) / 200 < 0.001
