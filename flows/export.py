"""`cartulary export`: what others open with their own programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.clock import utc_now

export_app = typer.Typer(no_args_is_help=True, help="Write files for other programs.")


@export_app.callback()
def export() -> None:
    """Write files for other programs."""


@export_app.command("qgis")
def export_qgis(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="The project file.")] = Path("cartulary.qgz"),
    restricted: Annotated[bool, typer.Option("--restricted", help="Also the exact requests, for those who may see them.")] = False,
    host: Annotated[str, typer.Option(help="PostGIS as QGIS reaches it, if other than from here.")] = "",
    port: Annotated[int, typer.Option(help="Its port, if other than from here.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a QGIS project of the map mirror: layers, styles and connections, without a password."""
    # What the mirror needs is installed with the stack only.
    from gis.qgis import export_qgis as write_project

    result = write_project(ctx.obj, out, now=utc_now(), restricted=restricted, host=host, port=port)
    if as_json:
        typer.echo(json.dumps({"path": str(result.path), "layers": result.layers}, ensure_ascii=False, indent=2))
        return
    typer.echo(f"{result.path}: {len(result.layers)} layers\nNext: open it in QGIS, which asks for the password of the database once.")
