"""What the commands share: the services of their settings, and how they print for people and for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from services.wiring import Services

out = Console()
err = Console(stderr=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@contextmanager
def opened_services(ctx: typer.Context) -> Iterator[Services]:
    """All services of this command's settings, until the block ends."""
    from services.wiring import open_services

    with open_services(ctx.obj) as services:
        yield services


def print_json(result: Any) -> None:
    """Write a result to standard output as JSON: dataclasses, models and times included."""

    def plain(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        if isinstance(value, datetime):
            return value.isoformat()
        if hasattr(value, "model_dump"):
            return value.model_dump(mode="json")
        return str(value)

    sys.stdout.write(json.dumps(result, default=plain, ensure_ascii=False, indent=2) + "\n")


def print_table(title: str, rows: list[dict[str, Any]]) -> None:
    """Show rows that have the same keys as a table for people."""
    if not rows:
        out.print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    out.print(table)
