"""`cartulary migrate`, `publish` and `docs`: what a stack does once at each start, and a person now and then."""

from __future__ import annotations

import typer

from flows.clock import utc_now
from flows.console import JsonFlag, opened_services, out, print_json


def migrate(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Bring the warehouse's and the state's tables to this version; up to date, it changes nothing."""
    from services.state.state import State
    from services.warehouse.client import Warehouse
    from services.warehouse.migrate import migrate as migrate_warehouse

    with Warehouse.open(ctx.obj) as warehouse:
        applied = migrate_warehouse(warehouse)
    State.open(ctx.obj).close()
    if as_json:
        print_json({"applied": applied})
    else:
        out.print(f"applied: {', '.join(applied)}" if applied else "up to date")


def publish(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Compare every layer of the map mirror with gold, and tell GeoServer, although nothing seems to have changed."""
    from flows.steps.run import sync_map

    with opened_services(ctx) as services:
        result = sync_map(services, clock=utc_now)
    if as_json:
        print_json(result)
    else:
        counts = result.counts.get("publish", {})
        out.print(", ".join(f"{name} {count}" for name, count in counts.items()) or "nothing to publish")


def docs(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Write dbt's documentation of all models to dbt-docs/index.html below the data directory."""
    from flows.steps.document import FOLDER, document
    from flows.steps.run import run_step

    with opened_services(ctx) as services:
        run_step(services, "document", lambda: document(services), clock=utc_now)
        page = services.settings.data_dir / FOLDER / "index.html"
    print_json({"path": str(page)}) if as_json else out.print(str(page))
