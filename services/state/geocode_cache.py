"""Answers of a geocoder that were paid for once: found or not, until they expire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import delete, select

from services.state.database import Database
from services.state.tables import geocode_cache

# Rows in one statement: far below SQLite's 32,766 parameters.
BATCH = 1000


@dataclass(frozen=True)
class KeptAnswer:
    """An answer as the geocoder gave it, and until when it may be given again."""

    answer: str
    expires_at: datetime


class GeocodeCache:
    """Answers by the hash of their question: the question itself, somebody's address, is not kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get_many(self, keys: Sequence[str], now: datetime) -> dict[str, str]:
        """The answers that are known and have not expired, by key."""
        known: dict[str, str] = {}
        with self._database.reading() as connection:
            for batch in _batches(keys):
                is_wanted = geocode_cache.c.key.in_(batch), geocode_cache.c.expires_at > now
                found = select(geocode_cache.c.key, geocode_cache.c.answer).where(*is_wanted)
                known.update((row.key, row.answer) for row in connection.execute(found))
        return known

    def put_many(self, answers: Mapping[str, KeptAnswer]) -> None:
        """Keep answers in place of those known before."""
        insert = self._database.insert(geocode_cache)
        renewed = {"answer": insert.excluded.answer, "expires_at": insert.excluded.expires_at}
        statement = insert.on_conflict_do_update(index_elements=["key"], set_=renewed)
        # In one order everywhere, so that two writers of the same keys never wait for each other in a circle.
        for batch in _batches(sorted(answers)):
            rows = [{"key": key, "answer": answers[key].answer, "expires_at": answers[key].expires_at} for key in batch]
            with self._database.writing() as connection:
                connection.execute(statement, rows)

    def forget_expired(self, now: datetime) -> int:
        """Delete what nobody will be given any more; returns how many answers."""
        # What another one renews or deletes at this moment is left to it: nobody waits.
        old = select(geocode_cache.c.key).where(geocode_cache.c.expires_at <= now).with_for_update(skip_locked=True)
        statement = delete(geocode_cache).where(geocode_cache.c.key.in_(old)).returning(geocode_cache.c.key)
        with self._database.writing() as connection:
            return len(connection.execute(statement).all())


def _batches(keys: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while batch := list(islice(rest, BATCH)):
        yield batch
