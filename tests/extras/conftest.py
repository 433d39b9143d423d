"""A small gold that answers over HTTP, and the Python in which page and notebooks run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dbt_support import KINDS, START, Bronze, bare_services
from warehouse_support import ServingProcess

from flows.steps.transform import transform
from services.settings import PROJECT_ROOT
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate

EXTRAS = PROJECT_ROOT / "services" / "extras"


@dataclass(frozen=True)
class Gold:
    """A served warehouse: how to reach it, and what is in it."""

    environment: dict[str, str]
    warehouse: Warehouse

    def rows(self, query: str) -> list[dict[str, Any]]:
        return self.warehouse.query(query)


def reach(serving: ServingProcess) -> dict[str, str]:
    """The variables that compose.yaml gives to the extras; here the one user of `cartulary warehouse` stands for `bi`."""
    owner = serving.owner
    given = {"HOST": "127.0.0.1", "PORT": str(owner.port), "USER": owner.user, "PASSWORD": owner.token}
    return {name: value for name, value in os.environ.items() if not name.startswith(("CARTULARY_", "STREAMLIT_", "PYTHON"))} | {
        f"CLICKHOUSE_{name}": value for name, value in given.items()
    }


@pytest.fixture(scope="session")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gold]:
    """Two areas and their region, 120 houses, facilities, and 60 requests by three channels, built as always."""
    serving = ServingProcess(tmp_path_factory.mktemp("gold") / "data")
    with Warehouse.open(serving.settings) as warehouse:
        migrate(warehouse)
        bronze = Bronze(warehouse)
        bronze.town()
        for number in range(30):
            bronze.located_letter()
            bronze.submission(has_position=True)
            if number % 10 == 0:
                bronze.read(bronze.letter(), outcome="unreadable")
        services = bare_services(warehouse, serving.settings)
        transform(services, now=START)
        services.state.close()
        assert warehouse.scalar("select count() from gold.dim_facility_kinds where facility_count > 0") == len(KINDS)
        yield Gold(reach(serving), warehouse)
    serving.stop()


@pytest.fixture(scope="session")
def extras_python() -> Path:
    """The Python with the packages of page and notebooks; the product's own has none of them."""
    path = PROJECT_ROOT / ".venv" / "extras" / "bin" / "python"
    if not path.is_file():
        pytest.skip("the packages of the extras are missing: make extras")
    assert path != Path(sys.executable)
    return path
