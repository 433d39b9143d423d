"""Links for one large file: used once, by one sender at a time, for an hour."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from services.errors import ConflictError, GoneError, NotFoundError
from services.state.state import State
from services.state.upload_sessions import LEASE, LIFETIME, Announced, Transfer

FILE = Announced(file_name="a.csv", purpose="dataset", dataset="areas", mode="", door="api", max_bytes=20_000_000_000)


def test_a_link_takes_its_file_once(state: State, now: datetime) -> None:
    link = state.upload_sessions.create(FILE, now)
    assert link.expires_at == now + timedelta(hours=1)
    transfer = state.upload_sessions.begin(link.token, now)
    assert (transfer.session_id, transfer.file) == (link.session_id, FILE)
    assert state.upload_sessions.finish(transfer, now)
    with pytest.raises(GoneError, match="used already"):
        state.upload_sessions.begin(link.token, now)
    assert not state.upload_sessions.release(transfer), "what is used stays used"
    with pytest.raises(GoneError):
        state.upload_sessions.begin(link.token, now)


def test_a_link_is_nothing_to_whoever_guesses_or_comes_late(state: State, now: datetime) -> None:
    link = state.upload_sessions.create(FILE, now)
    for guess in ("", "guessed", link.session_id, link.token[:-1]):
        with pytest.raises(NotFoundError, match="not known"):
            state.upload_sessions.begin(guess, now)
    state.upload_sessions.begin(link.token, now + LIFETIME)
    other = state.upload_sessions.create(FILE, now)
    with pytest.raises(GoneError, match="too old"):
        state.upload_sessions.begin(other.token, now + LIFETIME + timedelta(seconds=1))


def test_a_transfer_that_broke_frees_the_link(state: State, now: datetime) -> None:
    link = state.upload_sessions.create(FILE, now)
    first = state.upload_sessions.begin(link.token, now)
    with pytest.raises(ConflictError, match="Another transfer"):
        state.upload_sessions.begin(link.token, now)
    assert state.upload_sessions.release(first)
    second = state.upload_sessions.begin(link.token, now)
    assert not state.upload_sessions.release(first), "only its own attempt"
    assert state.upload_sessions.finish(second, now)


def test_a_killed_process_frees_the_link_after_its_lease(state: State, now: datetime) -> None:
    link = state.upload_sessions.create(FILE, now)
    dead = state.upload_sessions.begin(link.token, now)
    assert state.upload_sessions.confirm(dead, now + timedelta(seconds=30))
    later = now + timedelta(seconds=31) + LEASE
    with pytest.raises(ConflictError):
        state.upload_sessions.begin(link.token, later - timedelta(seconds=2))
    alive = state.upload_sessions.begin(link.token, later)
    assert not state.upload_sessions.confirm(dead, later)
    assert not state.upload_sessions.finish(dead, later), "two must not both have it"
    assert state.upload_sessions.finish(alive, later)


def test_of_racing_senders_one_wins(state: State, now: datetime) -> None:
    link = state.upload_sessions.create(FILE, now)
    won: list[Transfer] = []
    refused: list[ConflictError] = []

    def send() -> None:
        try:
            won.append(state.upload_sessions.begin(link.token, now))
        except ConflictError as error:
            refused.append(error)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 7)


def test_old_links_are_forgotten_but_not_under_a_transfer(state: State, now: datetime) -> None:
    links = [state.upload_sessions.create(FILE, now) for _ in range(3)]
    used = state.upload_sessions.begin(links[0].token, now)
    state.upload_sessions.finish(used, now)
    end = now + LIFETIME
    under_way = state.upload_sessions.begin(links[1].token, end)
    state.upload_sessions.create(FILE, end)
    assert state.upload_sessions.forget_expired(now) == 0
    assert state.upload_sessions.forget_expired(end + timedelta(seconds=1)) == 2
    assert state.upload_sessions.finish(under_way, end + timedelta(seconds=2))
    assert state.upload_sessions.forget_expired(end + timedelta(seconds=3)) == 1


def test_the_token_is_not_in_the_database(state: State, now: datetime) -> None:
    link = state.upload_sessions.create(FILE, now)
    with state.database.reading() as connection:
        assert link.token not in str(connection.execute(text("select * from upload_sessions")).all())
