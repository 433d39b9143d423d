"""Answers of a geocoder are given again until they expire, on SQLite and on Postgres."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.state.geocode_cache import BATCH, KeptAnswer
from services.state.state import State

DAY = timedelta(days=1)


def test_answers_are_given_until_they_expire(state: State, now: datetime) -> None:
    cache = state.geocode_cache
    cache.put_many({"found": KeptAnswer('[{"lat": "1"}]', now + 2 * DAY), "nothing": KeptAnswer("[]", now + DAY)})
    assert cache.get_many(["found", "nothing", "unknown"], now) == {"found": '[{"lat": "1"}]', "nothing": "[]"}
    assert cache.get_many(["found", "nothing"], now + DAY) == {"found": '[{"lat": "1"}]'}
    assert cache.get_many([], now) == {}


def test_a_new_answer_takes_the_place_of_the_old(state: State, now: datetime) -> None:
    state.geocode_cache.put_many({"key": KeptAnswer("[]", now)})
    state.geocode_cache.put_many({"key": KeptAnswer('["later"]', now + DAY)})
    assert state.geocode_cache.get_many(["key"], now) == {"key": '["later"]'}


def test_expired_answers_are_deleted_and_no_other(state: State, now: datetime) -> None:
    state.geocode_cache.put_many({"old": KeptAnswer("[]", now), "new": KeptAnswer("[]", now + DAY)})
    assert state.geocode_cache.forget_expired(now) == 1
    assert state.geocode_cache.forget_expired(now) == 0
    assert state.geocode_cache.get_many(["old", "new"], now - DAY) == {"new": "[]"}


def test_more_answers_than_one_statement_takes(state: State, now: datetime) -> None:
    answers = {f"key {number:05}": KeptAnswer(f"[{number}]", now + DAY) for number in range(2 * BATCH + 1)}
    state.geocode_cache.put_many(answers)
    assert state.geocode_cache.get_many(list(answers), now) == {key: kept.answer for key, kept in answers.items()}
