"""Lets dbt-clickhouse build in chDB: one function of the adapter is replaced until it ships a driver of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from dbt.adapters.clickhouse.httpclient import ChHttpClient

from services.settings import WarehouseSettings

PATCHED = "_create_client"
ADAPTERS_OWN = getattr(ChHttpClient, PATCHED)


def chdb_path(directory: Path) -> str:
    """Where the engine of a warehouse directory lives; a process opens one path only, so every client spells it this way."""
    return str((directory / "clickhouse").resolve())


def use_chdb(directory: Path, memory_bytes: int) -> None:
    """From now on dbt's clients in this process open chDB at `directory`, until `use_server`. After an update of the adapter that moved
    the function, importing this module is an AttributeError."""

    def create_client(self: Any, credentials: Any) -> Client:
        # chDB has neither sessions nor quorums; what else the adapter sets is the same.
        settings = {name: value for name, value in self._conn_settings.items() if name != "session_id"}
        return clickhouse_connect.get_client(
            interface="chdb",
            path=chdb_path(directory),
            settings={**settings, "max_memory_usage": memory_bytes},
            query_limit=0,
        )

    setattr(ChHttpClient, PATCHED, create_client)


def use_server(settings: WarehouseSettings) -> None:
    """Hand the server's address to dbt's profile, which reads nothing but its environment; the adapter is as its makers wrote it.

    Where a user of its own is set for builds, it is dbt's: that one cannot write bronze, nor what readers see of gold.
    """
    setattr(ChHttpClient, PATCHED, ADAPTERS_OWN)
    user, password = (settings.dbt_username, settings.dbt_password) if settings.dbt_username else (settings.username, settings.password)
    os.environ.update(
        {
            "DBT_CARTULARY_HOST": settings.host,
            "DBT_CARTULARY_PORT": str(settings.port),
            "DBT_CARTULARY_USER": user,
            "DBT_ENV_SECRET_CARTULARY_PASSWORD": password.get_secret_value(),
            "DBT_CARTULARY_SECURE": str(settings.secure),
        }
    )
