"""Fixtures for all tests: one chDB engine per process, emptied rather than opened again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.settings import Settings
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate


@pytest.fixture(scope="session")
def session_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for this test process alone."""
    return tmp_path_factory.mktemp("cartulary")


@pytest.fixture(scope="session")
def warehouse(session_dir: Path) -> Iterator[Warehouse]:
    """A migrated chDB: one engine per process, since chDB opens one directory per process."""
    with Warehouse.open(Settings(_env_file=None, data_dir=session_dir)) as opened:
        migrate(opened)
        yield opened


@pytest.fixture
def clean_warehouse(warehouse: Warehouse) -> Warehouse:
    """The session's chDB without a row in bronze and without anything that dbt built."""
    for row in warehouse.query("select database, name, engine from system.tables where database in ('bronze', 'silver', 'gold', 'gold_next')"):
        table = f"{row['database']}.`{row['name']}`"
        if row["name"] == "schema_migrations":
            continue
        if row["database"] == "bronze" or row["name"] == "builds":
            warehouse.command(f"truncate table {table}")
        elif row["engine"] == "Dictionary":
            warehouse.command(f"drop dictionary if exists {table}")
        else:
            warehouse.command(f"drop table if exists {table} sync")
    return warehouse
