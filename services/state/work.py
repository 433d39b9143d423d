"""The outstanding work: who claims what, for how long, and when it is tried again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select, tuple_, update

from services.state.database import Database
from services.state.locks import is_gone
from services.state.rounds import add_round, drop_rounds, is_repeated, start_next_round, waiting_rounds
from services.state.tables import work

BACKOFF = timedelta(seconds=10)
# Whoever was away may be back any minute, after a weekend too: nothing that may succeed later is ever given up.
LONGEST_BACKOFF = timedelta(minutes=10)
# Keys in one statement: far below SQLite's 32,766 parameters, with ten columns a row.
BATCH = 1000
# Failures after which an item goes behind what was asked for meanwhile, and after which people are told of it.
PATIENCE, WORTH_TELLING = 5, 3
DONE: Mapping[str, Any] = {"state": "done", "attempts": 0, "error": "", "owner": "", "lease_until": None}


@dataclass(frozen=True)
class WorkItem:
    """One piece of work: `attempts` counts those that failed before."""

    kind: str
    key: str
    payload: Mapping[str, Any]
    attempts: int
    state: str
    error: str


class WorkQueue:
    """Work items by (kind, key), in the order in which they were added; the database decides who gets which."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        kind: str,
        keys: Iterable[str],
        *,
        payload: Mapping[str, Mapping[str, Any]] | None = None,
        now: datetime,
        again: bool = False,
        in_turn: bool = False,
    ) -> int:
        """Add what is not there yet; returns how many items were added or, with `again`, put at the end of the queue.

        `payload` is by key. Items that are there stay as they are, whatever their state, unless `again`: then those done,
        failed or pending become the last ones with the new payload, and those claimed just now become pending once more, with
        the new payload, when their holder is through. With `in_turn` a pending payload is not replaced by another one either:
        the new one waits until the item is through with those before.
        """
        count = 0
        for start, batch in _batches(keys):
            # One microsecond apart, so that the order of the keys is the order of the work.
            rows = [_new_row(kind, key, (payload or {}).get(key, {}), now, start + index) for index, key in enumerate(batch)]
            # Whoever adds the same keys waits for us: in one order, or two could wait for each other.
            rows.sort(key=lambda row: str(row["key"]))
            with self._database.writing() as connection:
                statement = self._database.insert(work).on_conflict_do_nothing(index_elements=["kind", "key"])
                new: set[str] = set(connection.execute(statement.returning(work.c.key), rows).scalars())
                count += len(new)
                if again:
                    count += self._add_again(connection, kind, [row for row in rows if row["key"] not in new], in_turn=in_turn)
        return count

    def _add_again(self, connection: Connection, kind: str, rows: list[dict[str, Any]], *, in_turn: bool) -> int:
        """Let items that are at work now (or, in turn, wait with another payload) have another round; renew all others."""
        items = {item.key: item for item in _locked(connection, kind, [row["key"] for row in rows])}
        busy = [key for key, item in items.items() if item.state == "claimed" or (in_turn and item.state == "pending")]
        waiting = waiting_rounds(connection, kind, busy)
        renewed = []
        for row in rows:
            item, behind = items[row["key"]], waiting.get(row["key"], [])
            is_same = item.state == "pending" and item.payload == row["payload"]
            if row["key"] not in busy or (is_same and not behind):
                renewed.append(row)
            elif not in_turn:
                add_round(connection, kind, row["key"], row["payload"], row["added_at"], is_only=True)
            elif row["payload"] not in behind and not is_same:
                add_round(connection, kind, row["key"], row["payload"], row["added_at"])
        if renewed:
            insert = self._database.insert(work)
            values = {column: insert.excluded[column] for column in ("state", "payload", "attempts", "error", "added_at", "not_before")}
            connection.execute(insert.on_conflict_do_update(index_elements=["kind", "key"], set_=values), renewed)
        return len(rows)

    def claim(
        self, kind: str, *, limit: int, owner: str, lease_seconds: float, now: datetime, keys: Sequence[str] | None = None
    ) -> list[WorkItem]:
        """Take up to `limit` items (of these keys) that are due and nobody holds, or whose holder's lease is over.

        Nobody else gets them until the lease ends or they are done, failed or released.
        """
        if keys is not None and not keys:
            return []
        # Two questions, since each finds its rows through the index, however many are done: 0.5 ms at a million.
        is_overdue = and_(work.c.state == "claimed", work.c.lease_until < now)
        is_due = and_(work.c.state == "pending", work.c.not_before <= now)
        found: list[str] = []
        with self._database.writing() as connection:
            for is_free in (is_overdue, is_due):
                chosen = select(work.c.key).where(work.c.kind == kind, is_free).order_by(work.c.added_at, work.c.key)
                if keys is not None:
                    chosen = chosen.where(work.c.key.in_(keys))
                found += connection.execute(chosen.limit(limit - len(found)).with_for_update(skip_locked=True)).scalars()
            for batch in _slices(found):
                lease_until = now + timedelta(seconds=lease_seconds)
                connection.execute(update(work).where(_is(kind, batch)).values(state="claimed", owner=owner, lease_until=lease_until))
            rows = [row for batch in _slices(found) for row in connection.execute(select(work).where(_is(kind, batch)))]
        order = {key: position for position, key in enumerate(found)}
        return sorted((_item(row) for row in rows), key=lambda item: order[item.key])

    def renew(self, kind: str, keys: Sequence[str], *, owner: str, lease_seconds: float, now: datetime) -> set[str]:
        """Lengthen the leases that the owner still holds; returns their keys: whatever is missing belongs to somebody else now."""
        held: set[str] = set()
        for batch in _slices(keys):
            with self._database.writing() as connection:
                mine = [str(item.key) for item in _held(connection, kind, batch, owner)]
                lease_until = now + timedelta(seconds=lease_seconds)
                connection.execute(update(work).where(_is(kind, mine)).values(lease_until=lease_until))
                held.update(mine)
        return held

    def done(self, kind: str, keys: Iterable[str], *, owner: str) -> None:
        """Mark items that the owner still holds as done; those that were asked for again meanwhile become pending."""
        for _, batch in _batches(keys):
            with self._database.writing() as connection:
                # Locked before they are looked at: what is asked for from now on waits until they are done.
                finished = []
                for item in _held(connection, kind, batch, owner):
                    if item.is_wanted_again:
                        start_next_round(connection, kind, item.key)
                    else:
                        finished.append(str(item.key))
                connection.execute(update(work).where(_is(kind, finished)).values(DONE))

    def withdraw(self, kind: str, keys: Iterable[str]) -> None:
        """Mark items as done that nobody need do any more, whoever holds them, with all that waits behind them."""
        for _, batch in _batches(keys):
            with self._database.writing() as connection:
                _locked(connection, kind, batch)
                drop_rounds(connection, kind, batch)
                connection.execute(update(work).where(_is(kind, batch)).values(is_wanted_again=0, **DONE))

    def fail(self, kind: str, key: str, error: str, retryable: bool, now: datetime, *, owner: str) -> None:
        """Note a failed attempt at an item that the owner still holds: if retryable, it is tried again after 10, 20, 40 … s, at last
        every ten minutes; if not, no more.

        What was asked for meanwhile comes next: at once after a final failure or where it is the same, else when the item is done or
        failed five times; then it waits behind.
        """
        with self._database.writing() as connection:
            found = _held(connection, kind, [key], owner)
            if not found:
                return
            item = found[0]
            attempts = item.attempts + 1
            if item.is_wanted_again and (not retryable or attempts >= PATIENCE or is_repeated(connection, kind, key, item.payload)):
                if retryable and item.payload not in waiting_rounds(connection, kind, [key]).get(key, []):
                    add_round(connection, kind, key, item.payload, item.added_at)
                start_next_round(connection, kind, key)
                return
            connection.execute(
                update(work)
                .where(_is(kind, [key]))
                .values(
                    state="pending" if retryable else "failed",
                    attempts=attempts,
                    error=_told(error),
                    not_before=now + min(BACKOFF * 2 ** min(attempts - 1, 10), LONGEST_BACKOFF),
                    owner="",
                    lease_until=None,
                )
            )

    def release(self, kind: str, keys: Iterable[str], *, owner: str, error: str = "") -> None:
        """Give items that the owner holds back as they were: what stopped them was no fault of theirs."""
        for _, batch in _batches(keys):
            with self._database.writing() as connection:
                mine = [str(item.key) for item in _held(connection, kind, batch, owner)]
                given_back = {"state": "pending", "error": _told(error), "owner": "", "lease_until": None}
                connection.execute(update(work).where(_is(kind, mine)).values(given_back))

    def release_leases(self, kinds: Sequence[str] | None = None) -> int:
        """Make all claimed items (of these kinds) pending: for whoever knows himself alone at them; returns how many."""
        is_claimed = work.c.state == "claimed"
        if kinds is not None:
            is_claimed = and_(is_claimed, work.c.kind.in_(kinds))
        return self._change_all(is_claimed, {"state": "pending", "owner": "", "lease_until": None})

    def release_dead(self) -> int:
        """Make pending what processes of this machine claimed that are no more (see `locks.is_gone`); returns how many items."""
        statement = select(work.c.owner).where(work.c.state == "claimed").distinct()
        with self._database.reading() as connection:
            dead = [row.owner for row in connection.execute(statement) if is_gone(row.owner)]
        is_left = and_(work.c.state == "claimed", work.c.owner.in_(dead))
        return self._change_all(is_left, {"state": "pending", "owner": "", "lease_until": None}) if dead else 0

    def get(self, kind: str, key: str) -> WorkItem | None:
        """One item, or None."""
        with self._database.reading() as connection:
            row = connection.execute(select(work).where(_is(kind, [key]))).one_or_none()
        return None if row is None else _item(row)

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of items by kind and state (pending, claimed, done, failed)."""
        statement = select(work.c.kind, work.c.state, func.count()).group_by(work.c.state, work.c.kind)
        result: dict[str, dict[str, int]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(statement):
                result.setdefault(str(row[0]), {})[str(row[1])] = int(row[2])
        return result

    def oldest(self) -> dict[str, datetime]:
        """When the oldest outstanding item of each kind was added."""
        statement = select(work.c.kind, func.min(work.c.added_at)).where(work.c.state.in_(("pending", "claimed"))).group_by(work.c.kind)
        with self._database.reading() as connection:
            return {str(row[0]): row[1] for row in connection.execute(statement)}

    def outstanding(self, kind: str | None = None) -> int:
        """Number of items that are pending or claimed."""
        statement = select(func.count()).select_from(work).where(work.c.state.in_(("pending", "claimed")))
        if kind is not None:
            statement = statement.where(work.c.kind == kind)
        with self._database.reading() as connection:
            return int(connection.execute(statement).scalar_one())

    def failed(self, kind: str | None = None) -> list[WorkItem]:
        """Items that will not be tried again unless a person says so, with their last error."""
        statement = select(work).where(work.c.state == "failed").order_by(work.c.kind, work.c.added_at)
        if kind is not None:
            statement = statement.where(work.c.kind == kind)
        with self._database.reading() as connection:
            return [_item(row) for row in connection.execute(statement)]

    def struggling(self) -> list[WorkItem]:
        """Outstanding items that failed three times or more, with their last error: they are tried again, for ever."""
        is_struggling = and_(work.c.state.in_(("pending", "claimed")), work.c.attempts >= WORTH_TELLING)
        with self._database.reading() as connection:
            rows = connection.execute(select(work).where(is_struggling).order_by(work.c.kind, work.c.added_at))
            return [_item(row) for row in rows]

    def retry_failed(self, kind: str | None = None) -> int:
        """Make failed items pending with all their attempts again; returns how many."""
        is_failed = work.c.state == "failed"
        renewed = {"state": "pending", "attempts": 0, "not_before": work.c.added_at}
        return self._change_all(is_failed if kind is None else and_(is_failed, work.c.kind == kind), renewed)

    def _change_all(self, condition: ColumnElement[bool], values: Mapping[str, Any]) -> int:
        """Change all items of which the condition holds, locked in the same order as everywhere."""
        chosen = select(work.c.kind, work.c.key).where(condition).order_by(work.c.kind, work.c.key).with_for_update()
        statement = update(work).where(tuple_(work.c.kind, work.c.key).in_(chosen)).values(values)
        with self._database.writing() as connection:
            return len(connection.execute(statement.returning(work.c.key)).all())


def _new_row(kind: str, key: str, payload: Mapping[str, Any], now: datetime, position: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "key": key,
        "state": "pending",
        "payload": dict(payload),
        "attempts": 0,
        "error": "",
        "owner": "",
        "is_wanted_again": 0,
        "added_at": now + timedelta(microseconds=position),
        "not_before": now,
    }


def _is(kind: str, keys: Sequence[str]) -> ColumnElement[bool]:
    return and_(work.c.kind == kind, work.c.key.in_(keys))


def _locked(connection: Connection, kind: str, keys: Sequence[str]) -> Sequence[Any]:
    """The items as they are now, nobody else's until the transaction ends; locked in the order of their keys by everybody, so that no
    two can wait for each other."""
    return connection.execute(select(work).where(_is(kind, keys)).order_by(work.c.key).with_for_update()).all()


def _held(connection: Connection, kind: str, keys: Sequence[str], owner: str) -> list[Any]:
    """Those of these items that the owner still holds: who stood still for longer than a lease changes nothing that is another's now."""
    return [item for item in _locked(connection, kind, keys) if item.state == "claimed" and item.owner == owner]


def _told(error: str) -> str:
    """An error as it is kept: Postgres takes no NUL in a text."""
    return error.replace("\0", "")[:4000]


def _batches(keys: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Batches of different keys with the position of the first."""
    rest = iter(dict.fromkeys(keys))
    start = 0
    while batch := list(islice(rest, BATCH)):
        yield start, batch
        start += len(batch)


def _slices(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + BATCH] for start in range(0, len(keys), BATCH))


def _item(row: Any) -> WorkItem:
    return WorkItem(kind=row.kind, key=row.key, payload=row.payload, attempts=row.attempts, state=row.state, error=row.error)
