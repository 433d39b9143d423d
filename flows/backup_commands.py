"""`cartulary backup` and `cartulary restore`: everything into a folder, and back into an empty platform."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flows.clock import utc_now
from flows.console import JsonFlag, err, opened_services, out, print_json, print_table
from flows.steps.backup.manifest import problems, read_manifest
from flows.steps.backup.shelf import DATED, Shelf, find_backup
from services.errors import BackupError, ConfigurationError

NOW = "now"
FolderArgument = Annotated[Path | None, typer.Argument(help="Where all backups are (default: CARTULARY_BACKUP__DIRECTORY).")]


class BackupGroup(TyperGroup):
    """`cartulary backup DIR` takes a backup: whatever is no command's name is the folder."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name in front where it is left out."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = [NOW, *args]
        return super().parse_args(ctx, args)


backup_app = typer.Typer(
    cls=BackupGroup, rich_markup_mode="markdown", help="Back everything up: `cartulary backup DIR`; verify and list backups."
)


@backup_app.command(NOW)
def backup_now(
    ctx: typer.Context,
    folder: FolderArgument = None,
    keep_days: Annotated[int | None, typer.Option(min=1, help="Throw older backups away (default: keep all).")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Save warehouse, state, objects and what else is configured into a dated folder below DIR; others work on meanwhile."""
    from flows.steps.backup.take import BACKUP, take_backup
    from flows.steps.record import StepResult
    from flows.steps.run import run_step

    keep = timedelta(days=keep_days) if keep_days else None
    taken: list[StepResult] = []

    with opened_services(ctx) as services, err.status("backup") as status:

        def take() -> StepResult:
            result = take_backup(
                services, _folder(ctx, folder), keep=keep, clock=utc_now, say=lambda text: status.update(f"backup: {text}")
            )
            taken.append(result)
            return result

        run_step(services, BACKUP, take, clock=utc_now)
    [result] = taken
    if as_json:
        print_json(result)
    else:
        out.print(result.message, highlight=False, soft_wrap=True)
        out.print(", ".join(f"{name} {count}" for name, count in result.counts.items()))
    if result.counts["damaged"]:
        raise typer.Exit(1)


@backup_app.command("list")
def backup_list(ctx: typer.Context, folder: FolderArgument = None, as_json: JsonFlag = False) -> None:
    """The complete backups of a folder, the newest first."""
    rows = []
    for path in reversed(Shelf(_folder(ctx, folder)).backups()):
        manifest = read_manifest(path)
        own = sum(file.size for file in manifest.files.values())
        rows.append(
            {
                "backup": path.name,
                "rows": manifest.rows,
                "objects": manifest.objects,
                "bytes": own,
                "parts": ", ".join(sorted(manifest.parts)),
            }
        )
    print_json(rows) if as_json else print_table("Backups", rows)


@backup_app.command("verify")
def backup_verify(ctx: typer.Context, folder: FolderArgument = None, as_json: JsonFlag = False) -> None:
    """Read every byte of a backup, or of all in a folder, and compare it with its hash; nothing is restored."""
    path = _folder(ctx, folder)
    chosen = [find_backup(path)] if DATED.fullmatch(path.resolve().name) else Shelf(path).backups()
    if not chosen:
        raise BackupError(f"There is no complete backup in {path}: name the folder that `cartulary backup` wrote into.")
    known: set[str] = set()
    found = {}
    with err.status("verify") as status:
        for one in chosen:
            status.update(f"verify: {one.name}")
            try:
                found[one.name] = problems(one, read_manifest(one), known)
            except BackupError as error:
                found[one.name] = [str(error)]
    if as_json:
        print_json(found)
    else:
        for name, wrong in found.items():
            out.print(f"{name}  {'whole' if not wrong else 'DAMAGED'}", highlight=False)
            for sentence in wrong[:20]:
                out.print(f"  {sentence}", highlight=False, soft_wrap=True)
    if any(found.values()):
        raise typer.Exit(1)


def restore(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A backup, or the folder of all: then the newest one.")],
    as_json: JsonFlag = False,
) -> None:
    """Bring a backup back into an empty platform, and compare all of it with what was saved. Broken off, run it again."""
    from flows.steps.backup.restore import restore_backup

    with err.status("restore") as status:
        result = restore_backup(ctx.obj, folder, clock=utc_now, say=lambda text: status.update(f"restore: {text}"))
    if as_json:
        print_json(result)
        return
    out.print(result.message, highlight=False, soft_wrap=True)
    out.print(", ".join(f"{name} {count}" for name, count in result.counts.items()))
    out.print("Next: cartulary run")


def _folder(ctx: typer.Context, folder: Path | None) -> Path:
    if folder is not None:
        return folder
    if configured := ctx.obj.backup.directory:
        return Path(configured)
    raise ConfigurationError("Say where: `cartulary backup DIR`, or set CARTULARY_BACKUP__DIRECTORY.")
