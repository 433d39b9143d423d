"""The mirror against a real PostGIS: what it holds, what travels, who may read, and what a broken sync leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from api_support import fill_gold
from mirror_support import SPATIAL_INDEXES, build, mirror_settings, rows, run_sync, value

from gis import layers, staging
from gis.gold import gold_models
from gis.layers import LAYERS
from gis.mirror import mirror_state, only_sync, open_mirror, write_published
from gis.sync import SyncResult
from gis.tables import PUBLIC, RESTRICTED
from services.errors import ConfigurationError, PublishError
from services.metrics import ALLOWED
from services.settings import PostgisSettings
from services.warehouse.client import Warehouse

COUNTS = {"areas": 37, "area_coverage": 148, "facilities": 23, "catchments": 23, "request_cells": 15, "requests": 61}
NOTHING = {"inserted": 0, "updated": 0, "deleted": 0, "repaired": 0, "left_out": 0}


@pytest.fixture
def gold(clean_warehouse: Warehouse) -> Warehouse:
    fill_gold(clean_warehouse)
    return clean_warehouse


@pytest.fixture
def mirror(postgis_database: str) -> Iterator[PostgisSettings]:
    settings = mirror_settings(postgis_database)
    yield settings
    # Roles are the server's, not the database's.
    with psycopg.connect(postgis_database, autocommit=True) as connection:
        for role in (settings.public_role, settings.restricted_role):
            if connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone():
                connection.execute(f"drop owned by {role}; drop role {role}")  # type: ignore[call-overload]


@pytest.fixture
def url(mirror: PostgisSettings) -> str:
    return mirror.url.get_secret_value()


def changed(result: SyncResult) -> dict[str, dict[str, int]]:
    """Only what is not nothing."""
    found = {name: {key: count for key, count in change.counts.items() if count} for name, change in result.changes.items()}
    return {name: counts for name, counts in found.items() if counts}


def without(sql: str, **values: str) -> str:
    """Gold's table with some values replaced: `column="expression"`."""
    return f"select * replace ({', '.join(f'{expression} as {column}' for column, expression in values.items())}) from gold.{sql}"


def test_mirror_holds_what_gold_has(gold: Warehouse, mirror: PostgisSettings, url: str) -> None:
    assert {name: change.inserted for name, change in run_sync(gold, mirror).changes.items()} == COUNTS
    area = rows(url, "select *, st_astext(geometry) as wkt, st_srid(geometry) as srid from public_map.areas where area_code = '0007'")[0]
    assert (area["area_name"], area["level"], area["population"], area["srid"]) == ('Area "7", north', 8, None, 4326)
    assert area["wkt"] == "MULTIPOLYGON(((9.07 47,9.08 47,9.08 48,9.07 47)))"
    expected = gold.query("select request_id, longitude, latitude, requested_on, evidence_score from gold.fct_requests order by request_id")
    found = rows(
        url,
        "select request_id, st_x(geometry) as longitude, st_y(geometry) as latitude, requested_on, evidence_score "
        'from restricted_map.requests order by request_id collate "C"',
    )
    assert found == expected
    assert (
        value(url, "select count(*) from public_map.request_cells where not st_isvalid(geometry) or geometrytype(geometry) <> 'POLYGON'")
        == 0
    )
    cell = gold.query("select h3_cell, longitude, latitude from gold.mart_requests_by_cell limit 1")[0]
    inside = f"st_contains(geometry, st_setsrid(st_makepoint({cell['longitude']}, {cell['latitude']}), 4326))"
    assert value(url, f"select {inside} from public_map.request_cells where h3_cell = '{cell['h3_cell']}'")


def test_tables_are_indexed_and_described_as_dbt_does(gold: Warehouse, mirror: PostgisSettings, url: str) -> None:
    run_sync(gold, mirror)
    assert value(url, SPATIAL_INDEXES) == len(LAYERS)
    keys = "select count(*) from pg_constraint where contype = 'p' and connamespace::regnamespace::text in ('public_map', 'restricted_map')"
    assert value(url, keys) == len(LAYERS)
    for table, model in (("public_map.areas", "dim_areas"), ("restricted_map.requests", "fct_requests")):
        assert value(url, f"select obj_description('{table}'::regclass)") == gold_models()[model].description
    described = "select col_description('public_map.area_coverage'::regclass, ordinal_position) from information_schema.columns "
    described += "where table_schema = 'public_map' and table_name = 'area_coverage' and column_name = 'level'"
    assert value(url, described) == gold_models()["dim_areas"].columns["level"].description
    # A description that was changed by hand, as after a change in dbt, is set again.
    with psycopg.connect(url) as connection:
        connection.execute("comment on table public_map.areas is 'other'")
    run_sync(gold, mirror, is_forced=True)
    assert value(url, "select obj_description('public_map.areas'::regclass)") == gold_models()["dim_areas"].description


def test_only_what_changed_travels(gold: Warehouse, mirror: PostgisSettings, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_sync(gold, mirror)
    assert run_sync(gold, mirror).changes == {}
    assert all(change.counts == NOTHING for change in run_sync(gold, mirror, is_forced=True).changes.values())
    copied: list[int] = []
    encode = staging.encode
    monkeypatch.setattr(staging, "encode", lambda batch, columns: (copied.append(batch.num_rows), encode(batch, columns))[1])
    some = gold.query("select request_id from gold.fct_requests order by request_id limit 3")
    first, second, third = (row["request_id"] for row in some)
    build(
        gold,
        "fct_requests",
        without(
            "fct_requests",
            state=f"if(request_id = '{first}', 'other', state)",
            request_id=f"if(request_id = '{second}', 'new', request_id)",
        )
        + f" where request_id != '{third}'",
    )
    before = rows(url, "select request_id, xmin::text as version from restricted_map.requests")
    assert changed(run_sync(gold, mirror)) == {"requests": {"inserted": 1, "updated": 1, "deleted": 2}}
    # Two rows that come, three hashes that go.
    assert copied == [2, 3]
    after = {
        row["request_id"]: row["version"] for row in rows(url, "select request_id, xmin::text as version from restricted_map.requests")
    }
    assert {row["request_id"] for row in before if after.get(row["request_id"]) != row["version"]} == {first, second, third}
    assert value(url, f"select state from restricted_map.requests where request_id = '{first}'") == "other"
    assert "new" in after


def test_null_and_empty_are_different(gold: Warehouse, mirror: PostgisSettings, url: str) -> None:
    run_sync(gold, mirror)
    build(gold, "fct_requests", without("fct_requests", uncertainty_m="null", nearest_facility_id="null"))
    assert changed(run_sync(gold, mirror)) == {"requests": {"updated": 61}}
    assert value(url, "select count(*) from restricted_map.requests where uncertainty_m is null and nearest_facility_id is null") == 61
    build(gold, "fct_requests", without("fct_requests", uncertainty_m="0", nearest_facility_id="''"))
    assert changed(run_sync(gold, mirror)) == {"requests": {"updated": 61}}
    assert value(url, "select count(*) from restricted_map.requests where uncertainty_m = 0 and nearest_facility_id = ''") == 61


def test_text_that_postgresql_cannot_hold_is_cleaned(gold: Warehouse, mirror: PostgisSettings, url: str) -> None:
    build(gold, "dim_facilities", without("dim_facilities", facility_name="concat(unhex('00C3'), 'é\\'%')"))
    run_sync(gold, mirror)
    assert value(url, "select distinct facility_name from public_map.facilities") == "\ufffdé'%"


def test_bad_geometries_are_repaired_or_left_out_and_reported(gold: Warehouse, mirror: PostgisSettings, url: str) -> None:
    shapes = {
        "0001": "MULTIPOLYGON (((9 47, 9.1 47.1, 9.1 47, 9 47.1, 9 47)))",  # a bow tie: two triangles
        "0002": "MULTIPOLYGON ()",
        "0003": "no geometry",
        "0004": "MULTIPOLYGON (((9 47, 9.1 47, 9.2 47, 9 47)))",  # a line
        "0005": "MULTIPOLYGON (((179 47, 181 47, 181 48, 179 47)))",
    }
    geometry = f"transform(area_code, {list(shapes)}, {list(shapes.values())}, geometry_wkt)"
    build(gold, "dim_areas", without("dim_areas", geometry_wkt=geometry))
    build(gold, "fct_requests", without("fct_requests", longitude="if(facility_kind = 'pharmacy' and area_code = '0000', nan, longitude)"))
    result = run_sync(gold, mirror)
    areas = result.changes["areas"]
    assert (areas.inserted, areas.repaired, areas.left_out) == (33, 1, 4)
    problems = dict(areas.problems)
    assert sorted(problems) == ["0001", "0002", "0003", "0004", "0005"]
    assert problems["0001"].startswith("repaired: Self-intersection") and problems["0003"] == "left out: unreadable"
    assert problems["0002"] == "left out: empty" or problems["0002"] == "left out: unreadable"
    assert problems["0004"].endswith("left out: empty") and problems["0005"] == "left out: outside of WGS84"
    assert "0001 (repaired" in result.report and result.counts["left_out"] >= 4 + 4 * 4 + 1
    assert value(url, "select st_numgeometries(geometry) from public_map.areas where area_code = '0001' and st_isvalid(geometry)") == 2
    assert result.changes["requests"].left_out == 1
    # What was left out is known and does not travel again; once repaired at its source it appears, and its problem goes.
    assert changed(run_sync(gold, mirror, is_forced=True)) == {}
    build(gold, "dim_areas", without("dim_areas", geometry_wkt="replace(geometry_wkt, '181', '180')"))
    again = run_sync(gold, mirror)
    assert again.changes["areas"].inserted == 1 and again.changes["areas"].problems == ()
    assert rows(url, "select key from map_mirror.problems where layer = 'areas' order by key") == [{"key": f"000{n}"} for n in range(1, 5)]


def test_a_row_that_becomes_bad_disappears(gold: Warehouse, mirror: PostgisSettings, url: str) -> None:
    run_sync(gold, mirror)
    build(gold, "dim_facilities", without("dim_facilities", longitude="if(facility_id = 'node-1', 200, longitude)"))
    assert changed(run_sync(gold, mirror))["facilities"] == {"deleted": 1, "left_out": 1}
    assert value(url, "select count(*) from public_map.facilities where facility_id = 'node-1'") == 0


def test_the_public_sees_no_position_and_no_small_number(gold: Warehouse, mirror: PostgisSettings, url: str) -> None:
    run_sync(gold, mirror)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"set role {mirror.public_role}")  # type: ignore[call-overload]
        for table in PUBLIC.tables:
            connection.execute(f"select * from {table}").fetchall()  # type: ignore[call-overload]
        for table in (*RESTRICTED.tables, "map_mirror.state", "map_mirror.problems"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select * from {table}")  # type: ignore[call-overload]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from public_map.areas")
        connection.execute("reset role")
        connection.execute(f"set role {mirror.restricted_role}")  # type: ignore[call-overload]
        for table in (*PUBLIC.tables, *RESTRICTED.tables):
            connection.execute(f"select * from {table}").fetchall()  # type: ignore[call-overload]
    # Requests are counted in one public table only, each once and in cells of 5 at least: no two numbers have a small difference.
    counting = [table.name for table in PUBLIC.tables.values() if any("request" in column.name for column in table.columns)]
    assert counting == ["request_cells"]
    assert [column.name for column in PUBLIC.tables["public_map.request_cells"].primary_key] == ["h3_cell"]
    assert value(url, "select min(request_count) from public_map.request_cells") >= 5


def test_grants_of_others_and_columns_of_tomorrow(gold: Warehouse, mirror: PostgisSettings, url: str) -> None:
    run_sync(gold, mirror)
    with psycopg.connect(url, autocommit=True) as connection:
        oid = connection.execute("select 'public_map.areas'::regclass::oid").fetchone()
        connection.execute(f"grant insert on public_map.areas to {mirror.public_role}")  # type: ignore[call-overload]
        # As an older version left it: without some columns, and with hashes of rows that had none of them.
        connection.execute("alter table public_map.areas drop column area_km2, drop column area_name")
        connection.execute("update public_map.areas set row_hash = row_hash + 1")
        run_sync(gold, mirror, is_forced=True)
        assert connection.execute("select 'public_map.areas'::regclass::oid").fetchone() == oid
        assert connection.execute("select has_table_privilege(%s, 'public_map.areas', 'insert')", (mirror.public_role,)).fetchone() == (
            True,
        )
        assert connection.execute("select min(area_km2), min(area_name) from public_map.areas").fetchone() == (1.5, 'Area "0", north')


def test_catchments_are_computed_only_from_other_places(
    gold: Warehouse, mirror: PostgisSettings, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync(gold, mirror)
    computed: list[int] = []
    compute = layers.catchment_polygons
    monkeypatch.setattr(layers, "catchment_polygons", lambda places, land: (computed.append(len(places)), compute(places, land))[1])
    shapes = "select facility_id, geometry::text as geometry from public_map.catchments order by 1"
    before = rows(url, shapes)
    build(gold, "mart_facility_catchments", without("mart_facility_catchments", address_point_count="address_point_count + 1"))
    assert changed(run_sync(gold, mirror))["catchments"] == {"updated": COUNTS["catchments"]}
    assert computed == [] and rows(url, shapes) == before
    build(gold, "dim_facilities", without("dim_facilities", longitude="if(facility_id = 'node-1', longitude + 0.001, longitude)"))
    # In several batches: none may take the polygons of before for those that another one computed.
    run_sync(gold, mirror, [replace(layer, rows_at_once=3) for layer in LAYERS])
    after = rows(url, shapes)
    assert computed and after != before
    with psycopg.connect(url) as connection:
        connection.execute("drop table public_map.catchments")
    run_sync(gold, mirror, is_forced=True)
    assert rows(url, shapes) == after


def test_two_syncs_exclude_each_other(gold: Warehouse, mirror: PostgisSettings) -> None:
    with open_mirror(mirror) as connection, only_sync(connection), pytest.raises(PublishError) as caught:
        run_sync(gold, mirror)
    assert caught.value.retryable
    assert run_sync(gold, mirror).counts["inserted"] == sum(COUNTS.values())


@pytest.mark.parametrize("where", ["fill", "check", "merge"])
def test_a_sync_that_dies_leaves_the_mirror_as_it_was(
    gold: Warehouse, mirror: PostgisSettings, url: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's end of the connection is killed at that point of the last layer, as kill -9 of the process ends it."""
    run_sync(gold, mirror)
    before = rows(url, "select * from restricted_map.requests order by 1") + rows(url, "select * from public_map.areas order by 1")
    build(gold, "dim_areas", without("dim_areas", population="7"))
    build(gold, "fct_requests", without("fct_requests", evidence_score="7") + " where facility_kind = 'pharmacy' and area_code != '0003'")
    whole = getattr(staging.Staging, where)

    def die(self: staging.Staging, *arguments: object) -> object:
        result = whole(self, *arguments)
        if self._layer.name == "requests":
            with psycopg.connect(url, autocommit=True) as other:
                other.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'cartulary%'")
        return result

    with monkeypatch.context() as patched:
        patched.setattr(staging.Staging, where, die)
        with pytest.raises(PublishError) as caught:
            run_sync(gold, mirror)
    assert caught.value.retryable
    assert rows(url, "select * from restricted_map.requests order by 1") + rows(url, "select * from public_map.areas order by 1") == before
    assert changed(run_sync(gold, mirror)) == {"areas": {"updated": 37}, "requests": {"updated": 60, "deleted": 1}}
    assert value(url, "select count(*) from restricted_map.requests where evidence_score = 7") == 60


def test_gold_that_changes_while_it_is_read_is_not_mixed(
    gold: Warehouse, mirror: PostgisSettings, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = staging.Staging.check

    def publish_meanwhile(self: staging.Staging) -> None:
        check(self)
        if self._layer.name == "areas":
            build(gold, "fct_requests", without("fct_requests", evidence_score="7"))

    with monkeypatch.context() as patched:
        patched.setattr(staging.Staging, "check", publish_meanwhile)
        with pytest.raises(PublishError) as caught:
            run_sync(gold, mirror)
    assert caught.value.retryable
    assert value(url, "select to_regclass('public_map.areas')") is None
    assert run_sync(gold, mirror).counts["inserted"] == sum(COUNTS.values())


def test_rows_that_somebody_else_moved_are_not_missed(
    gold: Warehouse, mirror: PostgisSettings, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync(gold, mirror)
    build(gold, "fct_requests", without("fct_requests", evidence_score="7") + " limit 60")
    check = staging.Staging.check

    def write_meanwhile(self: staging.Staging) -> None:
        check(self)
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("update restricted_map.requests set channel = 'by hand'")

    with monkeypatch.context() as patched:
        patched.setattr(staging.Staging, "check", write_meanwhile)
        with pytest.raises(PublishError) as caught:
            run_sync(gold, mirror)
    assert caught.value.retryable and "requests" in str(caught.value)
    assert changed(run_sync(gold, mirror)) == {"requests": {"updated": 60, "deleted": 1}}
    assert value(url, "select count(*) from restricted_map.requests where channel = 'by hand'") == 0


def test_readers_read_on(gold: Warehouse, mirror: PostgisSettings, url: str) -> None:
    """A long WFS read (a cursor in repeatable read) and short ones, all the while that syncs change every row."""
    run_sync(gold, mirror)
    stop = threading.Event()
    short: list[tuple[int, float, float]] = []
    errors: list[Exception] = []

    def read_shortly() -> None:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("set lock_timeout = '100ms'")
                while not stop.is_set():
                    row = connection.execute(
                        "select count(*), min(evidence_score), max(evidence_score) from restricted_map.requests"
                    ).fetchone()
                    short.append(row)  # type: ignore[arg-type]
        except psycopg.Error as error:
            errors.append(error)

    def until_read(generation: tuple[int, float, float]) -> None:
        deadline = time.monotonic() + 30
        while not errors and generation not in short[-1:]:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    thread = threading.Thread(target=read_shortly)
    thread.start()
    try:
        until_read((61, 90.0, 90.0))
        with psycopg.connect(url) as connection:
            connection.execute("set transaction isolation level repeatable read")
            with connection.cursor("long") as cursor:
                cursor.itersize = 1
                cursor.execute("select evidence_score from restricted_map.requests, public_map.areas")
                seen = cursor.fetchmany(5)
                for score in range(4):
                    build(gold, "fct_requests", without("fct_requests", evidence_score=str(score)) + f" limit {60 - score}")
                    assert run_sync(gold, mirror).changes["requests"].updated > 0
                seen += cursor.fetchall()
        assert len(seen) == 61 * 37 and {row[0] for row in seen} == {90.0}
        until_read((57, 3.0, 3.0))
    finally:
        stop.set()
        thread.join()
    assert not errors
    # Each read saw one generation as a whole.
    assert {(61, 90.0, 90.0)} < set(short) <= {(61, 90.0, 90.0), *((60 - score, float(score), float(score)) for score in range(4))}


def test_a_lock_of_somebody_else_is_waited_for_shortly(
    gold: Warehouse, mirror: PostgisSettings, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync(gold, mirror)
    build(gold, "fct_requests", without("fct_requests", evidence_score="7"))
    monkeypatch.setattr("gis.mirror.LOCK_SECONDS", 0.1)
    with psycopg.connect(url) as other:
        other.execute("lock table restricted_map.requests in share mode")
        with pytest.raises(PublishError) as caught:
            run_sync(gold, mirror)
    assert caught.value.retryable and "lock" in str(caught.value)
    assert run_sync(gold, mirror).changes["requests"].updated == 61


def test_what_the_map_server_was_not_told_is_remembered(gold: Warehouse, mirror: PostgisSettings) -> None:
    run_sync(gold, mirror)
    build(gold, "fct_requests", without("fct_requests", evidence_score="7"))
    with open_mirror(mirror) as connection:
        first = mirror_state(connection)
        assert first is not None and first.unpublished == tuple(sorted(COUNTS))
        write_published(connection, first, "told")
        run_sync(gold, mirror)
        second = mirror_state(connection)
        assert second is not None and (second.unpublished, second.published_version) == (("requests",), "told")
        # What was told before the newest sync does not count for it.
        write_published(connection, first, "told late")
        assert mirror_state(connection) == second


def test_faults_of_the_connection_are_sentences(mirror: PostgisSettings, url: str) -> None:
    secret = "hunter2"
    cases = {
        f"postgresql://postgres:{secret}@127.0.0.1:1/x": (PublishError, True),
        f"postgresql://postgres:{secret}@{url.rpartition('@')[2].rpartition('/')[0]}/nowhere": (PublishError, False),
        f"no url {secret}": (ConfigurationError, False),
    }
    for wrong, (kind, retryable) in cases.items():
        with pytest.raises(kind) as caught, open_mirror(mirror_settings(wrong), sleep=lambda seconds: None):
            pass
        assert caught.value.retryable is retryable
        assert secret not in str(caught.value)


def test_metrics_know_every_layer() -> None:
    assert {layer.name for layer in LAYERS} == ALLOWED["layer"]
    assert set(NOTHING) == ALLOWED["change"]
    assert {layer.table for layer in LAYERS} == {*PUBLIC.tables.values(), *RESTRICTED.tables.values()}


def test_a_long_fill_is_not_a_fault(mirror: PostgisSettings) -> None:
    """The first fill of a large mirror on a small machine takes longer than any question may."""
    hasty = mirror.model_copy(update={"timeout_seconds": 1.0})
    with open_mirror(hasty) as connection:
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(1.5)")
        with only_sync(connection):
            connection.execute("select pg_sleep(1.5)")
