"""The journal of builds, and the exchange of gold for gold_next that can be killed at any moment and finished later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from services.errors import PublishError
from services.warehouse.client import Warehouse

SQL = Path(__file__).with_name("sql")


@dataclass(frozen=True)
class Build:
    """One build as the journal has it: what it saw and how far it came."""

    generation: int
    state: str
    fingerprint: str
    seen_until: datetime
    inputs: Mapping[str, Mapping[str, int]]
    tables: Mapping[str, str]
    started_at: datetime
    public_row: Mapping[str, Any] = field(default_factory=dict)


def read_sql(name: str) -> str:
    """The query of that name beside the steps."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def journal(warehouse: Warehouse) -> list[Build]:
    """The last hundred builds, newest first."""
    return [
        Build(
            generation=row["generation"],
            state=row["last_state"],
            fingerprint=row["fingerprint"],
            seen_until=row["seen_until"],
            inputs=json.loads(row["inputs"] or "{}"),
            tables=json.loads(row["tables"] or "{}"),
            started_at=row["started_at"],
            public_row=json.loads(row["public_row"] or "{}"),
        )
        for row in warehouse.query(read_sql("journal"))
    ]


def write_journal(warehouse: Warehouse, build: Build, *, changed_after: datetime) -> None:
    """Add a state of a build."""
    row = {
        "generation": build.generation,
        "state": build.state,
        "fingerprint": build.fingerprint,
        "changed_after": changed_after,
        "seen_until": build.seen_until,
        "inputs": json.dumps(build.inputs),
        "tables": json.dumps(build.tables),
        "public_row": json.dumps(build.public_row),
        "started_at": build.started_at,
    }
    warehouse.insert("bronze.build_journal", [row])


def table_uuids(warehouse: Warehouse, database: str) -> dict[str, str]:
    """Name and UUID of each table; an exchange swaps names, never UUIDs."""
    return {row["name"]: row["uuid"] for row in warehouse.query(read_sql("table_uuids")) if row["database"] == database}


def clear_next(warehouse: Warehouse) -> None:
    """Drop whatever lies in gold_next."""
    if names := sorted(table_uuids(warehouse, "gold_next")):
        warehouse.command("drop table if exists " + ", ".join(f"gold_next.`{name}`" for name in names) + " sync")


def clone_gold(warehouse: Warehouse, names: Iterable[str]) -> None:
    """Give gold_next a copy of these gold tables; the copy shares the parts on disk and costs no reading."""
    for name in names:
        warehouse.command(f"create table gold_next.`{name}` clone as gold.`{name}`")


def exchange(warehouse: Warehouse, tables: Mapping[str, str]) -> None:
    """Bring these tables (name and UUID) from gold_next into gold; those that are there already stay, so that it can be repeated."""
    gold, following = table_uuids(warehouse, "gold"), table_uuids(warehouse, "gold_next")
    waiting = [name for name, uuid in sorted(tables.items()) if gold.get(name) != uuid and following.get(name) == uuid]
    pairs = [(f"gold_next.`{name}`", f"gold.`{name}`", name in gold) for name in waiting]
    if swaps := [f"{new} and {old}" for new, old, is_there in pairs if is_there]:
        warehouse.command("exchange tables " + ", ".join(swaps))
    if renames := [f"{new} to {old}" for new, old, is_there in pairs if not is_there]:
        warehouse.command("rename table " + ", ".join(renames))


def publish_tables(warehouse: Warehouse, build: Build, tables: Mapping[str, str], row: Mapping[str, Any]) -> None:
    """Exchange these tables (name and UUID) and record the build; from the first write on, a killed run is finished by
    `finish_publishing`. PublishError when gold does not have just these tables then."""
    publishing = replace(build, state="publishing", tables=tables, public_row=row)
    write_journal(warehouse, publishing, changed_after=build.started_at)
    _publish(warehouse, publishing)


def finish_publishing(warehouse: Warehouse, build: Build) -> None:
    """Finish the exchange of a build whose process died in the middle of it."""
    messages = (build.public_row.get("message"), "finished after the process had died")
    _publish(warehouse, replace(build, public_row={**build.public_row, "message": "; ".join(filter(None, messages))}))


def _publish(warehouse: Warehouse, build: Build) -> None:
    exchange(warehouse, build.tables)
    there = table_uuids(warehouse, "gold")
    if others := sorted(name for name, uuid in build.tables.items() if there.get(name) != uuid):
        write_journal(warehouse, replace(build, state="failed"), changed_after=build.started_at)
        message = f"Build {build.generation} was published only in part, since somebody else changed {', '.join(others)} meanwhile"
        raise PublishError(f"{message}: the next run builds everything anew.", retryable=True)
    if not warehouse.scalar(
        "select count() from gold.builds where generation = {g:UInt64} and state = 'published'", {"g": build.generation}
    ):
        record_build(warehouse, build, "published", build.public_row)
    write_journal(warehouse, replace(build, state="published"), changed_after=build.started_at)
    clear_next(warehouse)


def record_build(warehouse: Warehouse, build: Build, state: str, row: Mapping[str, Any]) -> None:
    """Add a row to gold.builds, the build's public record."""
    finished_at = warehouse.scalar("select now64(3, 'UTC')")
    own = {"generation": build.generation, "state": state, "fingerprint": build.fingerprint, "started_at": build.started_at}
    warehouse.insert("gold.builds", [{**row, **own, "finished_at": finished_at}])
