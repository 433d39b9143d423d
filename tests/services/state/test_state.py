"""Idempotency keys, sessions, and what the database itself promises."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from services.errors import ConfigurationError, ConflictError, StateError
from services.settings import Settings, StateSettings
from services.state.idempotency import StoredAnswer
from services.state.state import State


def test_the_second_request_gets_the_first_ones_answer(state: State, now: datetime) -> None:
    assert state.idempotency.begin("key", "hash", now) is None
    state.idempotency.finish("key", 202, '{"submission_id": "1"}')
    assert state.idempotency.begin("key", "hash", now) == StoredAnswer(202, '{"submission_id": "1"}')


def test_a_request_without_an_answer_is_carried_out_again(state: State, now: datetime) -> None:
    assert state.idempotency.begin("key", "hash", now) is None
    assert state.idempotency.begin("key", "hash", now) is None


def test_one_key_for_two_requests_is_a_conflict(state: State, now: datetime) -> None:
    state.idempotency.begin("key", "hash", now)
    with pytest.raises(ConflictError, match="new key"):
        state.idempotency.begin("key", "another", now)


def test_old_keys_are_forgotten(state: State, now: datetime) -> None:
    state.idempotency.begin("old", "hash", now - timedelta(days=8))
    state.idempotency.begin("new", "hash", now)
    assert state.idempotency.forget(now) == 0, "the old one is gone already"
    assert state.idempotency.begin("old", "another", now) is None
    with pytest.raises(ConflictError):
        state.idempotency.begin("new", "another", now)


def test_a_token_becomes_one_session(state: State, now: datetime) -> None:
    token = state.sessions.create_one_time_token(now)
    session = state.sessions.redeem(token, now + timedelta(minutes=1))
    assert session is not None
    assert session != token
    assert state.sessions.redeem(token, now + timedelta(minutes=1)) is None
    assert "admin" in state.sessions.session_scopes(session, now + timedelta(days=6))
    assert state.sessions.session_scopes(session, now + timedelta(days=8)) == frozenset()
    assert state.sessions.session_scopes(token, now) == frozenset()
    state.sessions.end(session)
    assert state.sessions.session_scopes(session, now) == frozenset()


def test_tokens_end_and_unknown_ones_are_nothing(state: State, now: datetime) -> None:
    token = state.sessions.create_one_time_token(now)
    assert state.sessions.redeem(token, now + timedelta(minutes=16)) is None
    assert state.sessions.redeem("guessed", now) is None
    assert state.sessions.session_scopes("", now) == frozenset()


def test_racing_redeems_of_one_token_make_one_session(state: State, now: datetime) -> None:
    token = state.sessions.create_one_time_token(now)
    got: list[str | None] = []
    threads = [threading.Thread(target=lambda: got.append(state.sessions.redeem(token, now))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len([session for session in got if session]) == 1


def test_no_secret_is_in_the_file(sqlite_state: State, sqlite_settings: Settings, now: datetime) -> None:
    token = sqlite_state.sessions.create_one_time_token(now)
    session = sqlite_state.sessions.redeem(token, now)
    assert session is not None
    sqlite_state.close()
    content = b"".join(path.read_bytes() for path in (sqlite_settings.data_dir / "state").iterdir())
    assert token.encode() not in content
    assert session.encode() not in content


def test_times_without_a_zone_are_refused(state: State, now: datetime) -> None:
    with pytest.raises(StateError, match="no time zone"):
        state.work.add("extract", ["a"], now=now.replace(tzinfo=None))


def test_a_database_that_does_not_open_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(StateError, match="open the state database") as caught:
        State.open(Settings(_env_file=None, data_dir=tmp_path / "file"))
    assert caught.value.retryable


def test_passwords_of_the_url_are_not_told(tmp_path: Path) -> None:
    url = SecretStr(f"sqlite://user:hidden-password@/{tmp_path}")
    with pytest.raises(StateError) as caught:
        State.open(Settings(_env_file=None, data_dir=tmp_path, state=StateSettings(url=url)))
    assert "hidden-password" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["no url: hidden-password", "postgresql://user:hidden-password@host:port/name", "oracel://u:hidden-password@h/n"]
)
def test_a_url_that_cannot_be_one_names_the_setting(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="CARTULARY_STATE__URL") as caught:
        State.open(Settings(_env_file=None, data_dir=tmp_path, state=StateSettings(url=SecretStr(url))))
    assert "hidden-password" not in str(caught.value)


def test_threads_open_a_new_database_at_once(state_settings: Settings, now: datetime) -> None:
    states: list[State] = []
    threads = [threading.Thread(target=lambda: states.append(State.open(state_settings))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(states) == 6
    assert sum(state.work.add("extract", ["a"], now=now) for state in states) == 1
    for state in states:
        state.close()


def test_a_failed_transaction_changes_nothing(state: State, now: datetime) -> None:
    with pytest.raises(StateError), state.database.writing() as connection:
        connection.execute(text("delete from work"))
        connection.execute(text("insert into work (kind) values ('half')"))
    assert state.work.counts() == {}
