"""The `cartulary` command."""

from __future__ import annotations

import json
import logging
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from typer.core import TyperGroup

from flows.doctor import examine
from flows.serve import serving, utc_now
from flows.steps.run import run_outstanding
from services.errors import ConfigurationError, PlatformError
from services.settings import Settings
from services.wiring import Services, open_services

out = Console()
err = Console(stderr=True)

DOOR = "cli"
CHUNK = 1 << 20


class SentenceGroup(TyperGroup):
    """Ends every command with exit code 0 or with one sentence that says what to do."""

    def invoke(self, ctx: Any) -> Any:
        """Turn expected errors into their sentence."""
        try:
            return super().invoke(ctx)
        except PlatformError as error:
            err.print(f"[bold red]error:[/] {error}", highlight=False)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            err.print("Interrupted. Nothing is lost: `cartulary run` goes on where this stopped.")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=SentenceGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Letters, files and requests become a coverage map, on your own machine.",
)
letters_app = typer.Typer(no_args_is_help=True, help="Take letters in.")
keys_app = typer.Typer(no_args_is_help=True, help="API keys: create, list, revoke.")
dataset_app = typer.Typer(no_args_is_help=True, help="Datasets: scaffold a new one.")
app.add_typer(letters_app, name="letters")
app.add_typer(keys_app, name="keys")
app.add_typer(dataset_app, name="dataset")

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.callback()
def main(
    ctx: typer.Context,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept (default: CARTULARY_DATA_DIR or ./data).")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what happens inside.")] = False,
) -> None:
    """Settings come from the environment; --data-dir wins."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=err, show_path=False)],
        force=True,
    )
    ctx.obj = Settings(data_dir=data_dir) if data_dir else Settings()


@contextmanager
def _services(ctx: typer.Context) -> Iterator[Services]:
    with open_services(ctx.obj) as services:
        yield services


def _print_json(result: Any) -> None:
    def plain(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        if isinstance(value, datetime):
            return value.isoformat()
        if hasattr(value, "model_dump"):
            return value.model_dump(mode="json")
        return str(value)

    sys.stdout.write(json.dumps(result, default=plain, ensure_ascii=False, indent=2) + "\n")


def _print_table(title: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        out.print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    out.print(table)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=err, transient=True
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
