"""The map mirror into a file and back, also into a server that has neither the extension nor the readers' roles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from api_support import fill_gold
from mirror_support import SPATIAL_INDEXES, mirror_settings, run_sync, value
from postgres_support import PostgresServer, running_postgres

from gis.backup import filled_tables, mirror_contents, restore_mirror, save_mirror
from services.settings import PostgisSettings
from services.warehouse.client import Warehouse


@pytest.fixture
def gold(clean_warehouse: Warehouse) -> Warehouse:
    fill_gold(clean_warehouse)
    return clean_warehouse


@pytest.fixture(scope="module")
def empty_server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A second server, of which roles of the first one know nothing."""
    with running_postgres() as server:
        yield server


def test_readers_read_in_an_empty_server(gold: Warehouse, postgis_database: str, empty_server: PostgresServer, tmp_path: Path) -> None:
    settings = mirror_settings(postgis_database)
    run_sync(gold, settings)
    with psycopg.connect(postgis_database, autocommit=True) as connection:
        connection.execute("create schema own; create table own.wells (id int primary key, geometry geometry(Point, 4326))")
        connection.execute("insert into own.wells select i, st_setsrid(st_point(9 + i / 100.0, 47), 4326) from generate_series(1, 20) i")
        connection.execute("create view own.map as select * from public_map.areas")
        connection.execute(f"grant usage on schema own to {settings.public_role}; grant select on own.wells to {settings.public_role}")  # type: ignore[call-overload]
    path = tmp_path / "mirror.dump"
    saved = save_mirror(settings, path)
    assert saved["own.wells"].rows == 20 and saved["restricted_map.requests"].rows == 61 and saved["map_mirror.state"].rows == 1
    assert not any(name.startswith("public.") for name in saved), "spatial_ref_sys is the extension's"

    name = empty_server.create_database()
    other = mirror_settings(empty_server.url(name)).model_copy(
        update={"public_role": settings.public_role, "restricted_role": settings.restricted_role}
    )
    assert filled_tables(other) == []
    restore_mirror(other, path)
    assert mirror_contents(other) == saved
    assert filled_tables(other) == ["postgis.own.wells"]
    assert_rights(empty_server.url(name), other)
    # Killed after it was complete and run again, or over what a sync has made meanwhile.
    run_sync(gold, other, is_forced=True)
    restore_mirror(other, path)
    assert mirror_contents(other) == saved
    assert_rights(empty_server.url(name), other)
    assert value(empty_server.url(name), "select count(*) from own.map") == 37
    # The next sync goes on from what the mirror remembers: nothing has to be brought over.
    result = run_sync(gold, other)
    assert {layer: change.inserted for layer, change in result.changes.items() if change.inserted} == {}
    assert value(empty_server.url(name), SPATIAL_INDEXES) == value(postgis_database, SPATIAL_INDEXES)


def assert_rights(url: str, settings: PostgisSettings) -> None:
    for role, may_see_requests in ((settings.public_role, False), (settings.restricted_role, True)):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"set role {role}")  # type: ignore[call-overload]
            assert connection.execute("select count(*) from public_map.areas").fetchone() == (37,)
            if may_see_requests:
                assert connection.execute("select count(*) from restricted_map.requests").fetchone() == (61,)
            else:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute("select count(*) from restricted_map.requests")
                assert connection.execute("select count(*) from own.wells").fetchone() == (20,)
