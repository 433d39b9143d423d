"""Numbered DDL, applied once and recorded, in chDB and on a server alike."""

from __future__ import annotations

import re
from pathlib import Path

from services.errors import ConfigurationError, WarehouseError
from services.warehouse.client import Warehouse

DDL_DIR = Path(__file__).with_name("ddl")
DATABASES = ("bronze", "silver", "gold", "gold_next")
NOTHING_YET = ("UNKNOWN_DATABASE", "UNKNOWN_TABLE")
STATEMENT_END = re.compile(r";\s*(?:\n|$)")


def migrate(warehouse: Warehouse) -> list[str]:
    """Apply what is outstanding, in order; returns the names applied. Each file may be run twice without harm, so that a
    killed run is simply run again. Up to date, it costs one query."""
    applied = _applied(warehouse)
    known = sorted(DDL_DIR.glob("[0-9]*.sql"))
    newer = applied - {path.stem for path in known}
    if newer:
        raise ConfigurationError(
            f"The data was written by a newer version of Cartulary (it has {', '.join(sorted(newer))}): use that version or a newer one."
        )
    done = []
    for path in known:
        if path.stem in applied:
            continue
        for statement in _statements(path):
            warehouse.command(statement)
        warehouse.insert("bronze.schema_migrations", [{"name": path.stem}])
        done.append(path.stem)
    return done


def ddl(text: str) -> str:
    """Fill in what a cluster would have otherwise; the one place that names an engine."""
    return text.replace("{on_cluster}", "").replace("{engine}", "MergeTree")


def _applied(warehouse: Warehouse) -> set[str]:
    names = "select distinct name from bronze.schema_migrations"
    try:
        return {row["name"] for row in warehouse.query(names)}
    except WarehouseError as error:
        if error.name not in NOTHING_YET:
            raise
    for database in DATABASES:
        warehouse.command(f"create database if not exists {database}")
    for statement in _statements(DDL_DIR / "schema_migrations.sql"):
        warehouse.command(statement)
    return set()


def _statements(path: Path) -> list[str]:
    return [statement for statement in STATEMENT_END.split(ddl(path.read_text(encoding="utf-8"))) if statement.strip()]
