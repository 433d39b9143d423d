"""Numbered DDL, applied once and recorded, in chDB and on a server alike."""

from __future__ import annotations

import re
from pathlib import Path

from services.errors import ConfigurationError
from services.warehouse.client import Warehouse

DDL_DIR = Path(__file__).with_name("ddl")
DATABASES = ("bronze", "silver", "gold", "gold_next")
STATEMENT_END = re.compile(r";\s*(?:\n|$)")


def migrate(warehouse: Warehouse) -> list[str]:
    """Apply what is outstanding, in order; returns the names applied. Each file may be run twice without harm, so that a
    killed run is simply run again."""
    on_cluster = f"on cluster '{warehouse.settings.cluster}'" if warehouse.settings.cluster else ""
    engine = "ReplicatedMergeTree" if on_cluster else "MergeTree"
    for database in DATABASES:
        warehouse.command(f"create database if not exists {database} {on_cluster}")
    warehouse.command(
        f"create table if not exists bronze.schema_migrations {on_cluster} "
        "(name String, applied_at DateTime64(3, 'UTC') default now64(3, 'UTC')) "
        f"engine = {engine} order by name"
    )
    applied = {row["name"] for row in warehouse.query("select distinct name from bronze.schema_migrations")}
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
        text = path.read_text(encoding="utf-8").replace("{on_cluster}", on_cluster).replace("{engine}", engine)
        for statement in STATEMENT_END.split(text):
            if statement.strip():
                warehouse.command(statement)
        warehouse.insert("bronze.schema_migrations", [{"name": path.stem}])
        done.append(path.stem)
    return done
