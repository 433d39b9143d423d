"""API keys: shown once, kept as a hash, checked quickly, revoked for ever; in the state database and at the gateway."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import pytest
from gateway_support import Tyk

from services.errors import ConfigurationError, NotFoundError
from services.gateway.base import Keys
from services.gateway.keys import KeyRegistry
from services.gateway.tyk import TykKeys
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


@pytest.fixture
def at_the_gateway() -> Iterator[TykKeys]:
    with Tyk("http://127.0.0.1:9") as tyk:
        keys = TykKeys(tyk.settings())
        yield keys
        keys.close()


@pytest.fixture(params=["registry", "at_the_gateway"])
def keys(request: pytest.FixtureRequest) -> Keys:
    """Each implementation in turn."""
    found: Any = request.getfixturevalue(request.param)
    return found


def test_a_key_is_known_by_its_secret(keys: Keys, now: datetime) -> None:
    made = keys.create("Bürgerbüro, 1. Stock", ["read", "exact"], now)
    assert made.secret.startswith(f"ctl_{made.key_id}_")
    assert len(made.secret) > 50
    found = keys.verify(made.secret, now)
    assert found is not None
    assert (found.key_id, found.name, found.scopes) == (made.key_id, "Bürgerbüro, 1. Stock", {"read", "exact"})
    assert not hasattr(found, "secret")


def test_whatever_is_not_the_secret_is_refused(keys: Keys, now: datetime) -> None:
    made = keys.create("one", ["read"], now)
    other = keys.create("two", ["read"], now)
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
        "../keys",
    ):
        assert keys.verify(wrong, now) is None, wrong


def test_the_list_tells_everything_but_secrets(keys: Keys, now: datetime) -> None:
    made = [keys.create(name, ["read"], now + timedelta(seconds=index)) for index, name in enumerate(("a", "b"))]
    listed = keys.list()
    assert [(key.key_id, key.name, key.scopes, key.created_at) for key in listed] == [
        (key.key_id, key.name, key.scopes, key.created_at) for key in made
    ]
    for key in made:
        assert key.secret.split("_", 2)[2] not in str([asdict(entry) for entry in listed])


def test_a_revoked_key_is_no_key_and_the_others_stay(keys: Keys, now: datetime) -> None:
    made, other = keys.create("one", ["read"], now), keys.create("two", ["read"], now)
    keys.revoke(made.key_id, now)
    assert keys.verify(made.secret, now) is None
    assert keys.verify(other.secret, now) is not None
    assert other.key_id in {key.key_id for key in keys.list() if key.revoked_at is None}
    assert made.key_id not in {key.key_id for key in keys.list() if key.revoked_at is None}
    for unknown in (made.key_id, "unknown"):
        with pytest.raises(NotFoundError, match="no valid key"):
            keys.revoke(unknown, now)


@pytest.mark.parametrize("scopes", [[], ["write"], ["read", "root"]])
def test_only_scopes_that_exist(keys: Keys, now: datetime, scopes: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="choose from"):
        keys.create("a", scopes, now)
    assert keys.list() == ()


def test_a_revoked_key_is_refused_at_once_and_elsewhere_within_seconds(state: State, now: datetime) -> None:
    here, elsewhere = KeyRegistry(state), KeyRegistry(state)
    made = here.create("phone line", ["intake"], now)
    assert here.verify(made.secret, now)
    assert elsewhere.verify(made.secret, now)
    here.revoke(made.key_id, now)
    assert here.verify(made.secret, now) is None
    assert elsewhere.verify(made.secret, now + timedelta(seconds=6)) is None
    [listed] = here.list()
    assert listed.revoked_at == now


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


def test_a_known_key_is_checked_in_less_than_a_millisecond(registry: KeyRegistry, now: datetime) -> None:
    made = registry.create("a", ["read"], now)
    registry.verify(made.secret, now)
    started = time.thread_time()
    for _ in range(200):
        assert registry.verify(made.secret, now)
    assert (time.thread_time() - started) / 200 < 0.001
