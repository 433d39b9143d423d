"""Placeholders are found, and no secret that `cartulary init` makes is ever taken for one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flows.init import ALPHABET, LENGTH, SECRETS
from flows.placeholder import is_placeholder

KNOWN = """
    changeme CHANGE_ME_please change-me change.me changeit changeme-please-now replace-me replace_this REPLACEME
    <password> <your-key-here> your_password your-redis-password YOUR_SECRET_KEY your-api-token placeholder a-placeholder
    example example-token x xxxx xxxxxxxxxxxx todo TODO password Passwort secret supersecret admin default test
    geoserver postgres rustfsadmin minioadmin qaIACxO6wMR3 123 1234 12345 123456 12345678 123456789012 123456abc
"""
WORDS = ("changeme", "changeit", "replaceme", "yourpassword", "placeholder", "example", "password", "123456", "xxxx")


@pytest.mark.parametrize("value", KNOWN.split())
def test_known_ones_are_found(value: str) -> None:
    assert is_placeholder(value) and is_placeholder(f"admin:{value}")


@st.composite
def secrets(draw: st.DrawFn, length: int) -> str:
    """Any text that init may draw, with more of what people write than chance would put there."""
    parts = draw(st.lists(st.one_of(st.sampled_from(WORDS), st.text(ALPHABET, max_size=8)), max_size=8))
    start = "".join(parts)[:length]
    return start + draw(st.text(ALPHABET, min_size=length - len(start), max_size=length - len(start)))


@pytest.mark.parametrize("prefix", ["", "admin:", "ctl_0123456789ab_"])
@given(long=secrets(LENGTH), short=secrets(20))
@example(long="x" * LENGTH, short="x" * 20)
@example(long="123" + "a" * 37, short="1234567" + "9" * 13)
def test_no_secret_of_ours_is_one(prefix: str, long: str, short: str) -> None:
    assert not is_placeholder(f"{prefix}{long}") and not is_placeholder(short)


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_of_that_kind(name: str) -> None:
    """The property above speaks of every secret, as long as each has a run of twenty letters and digits of the alphabet at its end."""
    value = SECRETS[name]()
    assert set(value[-20:]) <= set(ALPHABET) and not is_placeholder(value)


def test_a_secret_of_another_program_may_hold_any_word_by_chance() -> None:
    assert not is_placeholder("aXxXxb7TODOq9changeit4secretpassword")
