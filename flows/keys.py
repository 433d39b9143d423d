"""`cartulary keys`: API keys made, listed and revoked, in the state database or at the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows.clock import utc_now
from flows.console import JsonFlag, out, print_json, print_table
from services.errors import ConfigurationError

if TYPE_CHECKING:
    from services.gateway.base import Keys

keys_app = typer.Typer(no_args_is_help=True, help="API keys: create, list, revoke.")


@keys_app.command("create")
def keys_create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Who or what uses it.")],
    scope: Annotated[list[str], typer.Option(help="submit, intake, read, review, exact, admin; may be repeated.")] = ["read"],  # noqa: B006
    as_json: JsonFlag = False,
) -> None:
    """Create an API key; it is shown once."""
    with _opened(ctx) as keys:
        created = keys.create(name, scope, utc_now())
    print_json(created) if as_json else out.print(f"{created.secret}\n(shown once; send it as X-API-Key)", highlight=False)


@keys_app.command("list")
def keys_list(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """All keys, without their secrets."""
    with _opened(ctx) as keys:
        found = [asdict(key) for key in keys.list()]
    print_json(found) if as_json else print_table("API keys", found)


@keys_app.command("revoke")
def keys_revoke(
    ctx: typer.Context, key_id: Annotated[str, typer.Argument(help="As `keys list` shows it.")], as_json: JsonFlag = False
) -> None:
    """Revoke a key at once."""
    with _opened(ctx) as keys:
        keys.revoke(key_id, utc_now())
    print_json({"revoked": key_id}) if as_json else out.print(f"revoked {key_id}")


@keys_app.command("provision")
def keys_provision(
    ctx: typer.Context,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the gateway.")] = 120.0,
    as_json: JsonFlag = False,
) -> None:
    """Make the portal's and the public form's keys at the gateway, as the settings name them; run again, it changes nothing."""
    from services.gateway.tyk import TykKeys, provision

    with _opened(ctx) as keys:
        if not isinstance(keys, TykKeys):
            raise ConfigurationError("CARTULARY_GATEWAY__URL is empty: without a gateway there are no keys to provision.")
        done = [asdict(key) for key in provision(keys, ctx.obj.gateway, clock=utc_now, wait_seconds=wait)]
    print_json(done) if as_json else print_table("Keys of the gateway", done)


@contextmanager
def _opened(ctx: typer.Context) -> Iterator[Keys]:
    """Where the keys are, and nothing else: no warehouse needs to be there."""
    from services.wiring import open_keys

    with open_keys(ctx.obj) as keys:
        yield keys
