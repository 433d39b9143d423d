"""What was asked of a work item while it was pending or claimed: payloads that wait for their turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, update

from services.state.tables import work, work_rounds


def waiting_rounds(connection: Connection, kind: str, keys: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Payloads that wait behind each of these items, where there are some."""
    statement = select(work_rounds.c.key, work_rounds.c.payload).where(work_rounds.c.kind == kind, work_rounds.c.key.in_(keys))
    waiting: dict[str, list[Mapping[str, Any]]] = {}
    for row in connection.execute(statement):
        waiting.setdefault(row.key, []).append(row.payload)
    return waiting


def add_round(
    connection: Connection, kind: str, key: str, payload: Mapping[str, Any], added_at: datetime, *, is_only: bool = False
) -> None:
    """Let a payload wait behind the item, in place of all that wait there if it is to be the only one."""
    if is_only:
        drop_rounds(connection, kind, [key])
    connection.execute(insert(work_rounds).values(kind=kind, key=key, payload=dict(payload), added_at=added_at))
    connection.execute(update(work).where(work.c.kind == kind, work.c.key == key).values(is_wanted_again=1))


def drop_rounds(connection: Connection, kind: str, keys: Sequence[str]) -> None:
    """Forget what waits behind these items."""
    connection.execute(delete(work_rounds).where(work_rounds.c.kind == kind, work_rounds.c.key.in_(keys)))


def is_repeated(connection: Connection, kind: str, key: str, payload: Mapping[str, Any]) -> bool:
    """Whether the next round of an item that is wanted again has the same payload."""
    of_item = and_(work_rounds.c.kind == kind, work_rounds.c.key == key)
    following = connection.execute(select(work_rounds.c.payload).where(of_item).order_by(work_rounds.c.round_id).limit(1)).first()
    return following is None or following.payload == dict(payload)


def start_next_round(connection: Connection, kind: str, key: str) -> None:
    """Make an item that is wanted again pending with the payload whose turn it is."""
    of_item = and_(work_rounds.c.kind == kind, work_rounds.c.key == key)
    waiting = connection.execute(select(work_rounds).where(of_item).order_by(work_rounds.c.round_id).limit(2)).all()
    values: dict[str, object] = {"state": "pending", "is_wanted_again": int(len(waiting) > 1), "attempts": 0, "error": "", "owner": ""}
    if waiting:
        first = waiting[0]
        values |= {"payload": first.payload, "added_at": first.added_at, "not_before": first.added_at}
        connection.execute(delete(work_rounds).where(work_rounds.c.round_id == first.round_id))
    connection.execute(update(work).where(work.c.kind == kind, work.c.key == key).values(lease_until=None, **values))
