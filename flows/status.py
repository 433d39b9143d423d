"""Counts per layer and per state, and whether they add up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.wiring import Services

SQL = Path(__file__).with_name("sql")
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Stock:
    """What there is: rows per table, uploads and requests per state, loads, outstanding work; and what does not add up."""

    layers: Rows
    uploads: Rows
    letters: Rows
    requests: Rows
    loads: Rows
    work: Rows
    struggling: Rows
    builds: Rows
    differences: list[str]

    def tables(self) -> Iterator[tuple[str, Rows]]:
        """Title and rows of each part, for people."""
        yield "Rows per layer", self.layers
        yield "Uploads", self.uploads
        yield "Letters", self.letters
        yield "Requests on the map", self.requests
        yield "Newest loads", self.loads
        yield "Work", self.work
        yield "Work that keeps failing", self.struggling
        yield "Newest build", self.builds


def take_stock(services: Services) -> Stock:
    """Count everything and compare what should be equal; each difference is a sentence."""
    has_gold = bool(services.warehouse.scalar("select count() from system.tables where database = 'gold' and name = 'fct_requests'"))
    work = [
        {"kind": kind, "state": state, "count": count}
        for kind, states in services.state.work.counts().items()
        for state, count in states.items()
        if state != "done"
    ]
    return Stock(
        layers=_ask(services, "layers"),
        uploads=_ask(services, "uploads"),
        letters=_ask(services, "letters"),
        requests=_ask(services, "requests") if has_gold else [],
        loads=_ask(services, "loads"),
        work=work,
        struggling=[
            {"kind": item.kind, "key": item.key, "attempts": item.attempts, "error": item.error}
            for item in services.state.work.struggling()
        ],
        builds=_ask(services, "builds"),
        differences=list(_differences(services)),
    )


def _differences(services: Services) -> Iterator[str]:
    for row in _ask(services, "unbalanced_loads"):
        yield (
            f"load {row['load_id']} of {row['dataset']}: {row['landed_rows']} landed + {row['rejected_rows']} rejected "
            f"is not {row['received_rows']} received"
        )
    for row in _ask(services, "missing_rejections"):
        yield f"load {row['load_id']}: {row['rejected_rows']} rows rejected, but {row['kept_rows']} kept with their reasons"
    outstanding = services.state.work.outstanding("extract") + len(services.state.work.failed("extract"))
    unread = int(services.warehouse.scalar((SQL / "status_unread_letters.sql").read_text(encoding="utf-8")))
    if unread > outstanding:
        yield f"{unread} letters are unread, but only {outstanding} are queued: run `cartulary reprocess`"
    for row in _ask(services, "newest_objects"):
        if not services.objects.exists(row["object_key"]):
            yield f"object {row['object_key']} is missing from the object store: restore it from a backup"


def _ask(services: Services, name: str) -> Rows:
    return services.warehouse.query((SQL / f"status_{name}.sql").read_text(encoding="utf-8"))
