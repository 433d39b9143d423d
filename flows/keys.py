"""`cartulary keys`: API keys made, listed and revoked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from flows.clock import utc_now
from flows.console import JsonFlag, opened_services, out, print_json, print_table

keys_app = typer.Typer(no_args_is_help=True, help="API keys: create, list, revoke.")


@keys_app.command("create")
def keys_create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Who or what uses it.")],
    scope: Annotated[list[str], typer.Option(help="intake, read, review, exact, admin; may be repeated.")] = ["read"],  # noqa: B006
    as_json: JsonFlag = False,
) -> None:
    """Create an API key; it is shown once."""
    with opened_services(ctx) as services:
        created = services.keys.create(name, scope, utc_now())
    print_json(created) if as_json else out.print(f"{created.secret}\n(shown once; send it as X-API-Key)", highlight=False)


@keys_app.command("list")
def keys_list(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """All keys, without their secrets."""
    with opened_services(ctx) as services:
        keys = [asdict(key) for key in services.keys.list()]
    print_json(keys) if as_json else print_table("API keys", keys)


@keys_app.command("revoke")
def keys_revoke(
    ctx: typer.Context, key_id: Annotated[str, typer.Argument(help="As `keys list` shows it.")], as_json: JsonFlag = False
) -> None:
    """Revoke a key at once."""
    with opened_services(ctx) as services:
        services.keys.revoke(key_id, utc_now())
    print_json({"revoked": key_id}) if as_json else out.print(f"revoked {key_id}")
