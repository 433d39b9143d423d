"""GeoServer is brought into the wanted state from any state, over real HTTP against an imitation with the real one's quirks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import psycopg
import pytest
from geoserver_imitation import GeoServerImitation
from map_rows import TABLES, fill_mirror
from sqlalchemy import Column, MetaData, Table, Text

from gis.publish import PublishResult, publish
from gis.tables import AREA_COVERAGE
from services.errors import ConfigurationError, PublishError
from services.metrics import METRICS
from services.settings import Settings
from services.tracing import run_scope

REQUESTS = "cartulary_restricted:requests"


@pytest.fixture(scope="module")
def filled(postgres: Any) -> Iterator[Settings]:
    name = postgres.create_database(postgis=True)
    yield fill_mirror(postgres.url(name))
    postgres.drop_database(name)


@pytest.fixture
def geoserver() -> Iterator[GeoServerImitation]:
    imitation = GeoServerImitation(checks_database=True).start()
    yield imitation
    imitation.stop()


@pytest.fixture
def settings(filled: Settings, geoserver: GeoServerImitation) -> Settings:
    return with_geoserver(filled, url=geoserver.url)


def with_geoserver(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"geoserver": settings.geoserver.model_validate({**settings.geoserver.model_dump(), **changes})})


def run(settings: Settings, tables: list[Table] | None = None, changed: tuple[str, ...] = ()) -> PublishResult:
    return publish(settings, TABLES if tables is None else tables, changed=changed, sleep=lambda seconds: time.sleep(seconds / 20))


def seen_by_anybody(geoserver: GeoServerImitation) -> str:
    return httpx2.get(f"{geoserver.url}/wms", params={"request": "GetCapabilities"}).text


def test_second_run_changes_nothing(settings: Settings, geoserver: GeoServerImitation) -> None:
    first = run(settings)
    assert first.created > 30 and geoserver.refusals == []
    geoserver.writes.clear()
    second = run(settings)
    assert geoserver.writes == []
    assert (second.created, second.updated, second.removed, second.truncated) == (0, 0, 0, ())
    # What was made by GeoServer itself with another thing (a layer with its feature type) is settled as well.
    assert second.unchanged == first.created + first.updated + first.unchanged


def test_layers_carry_what_the_tables_say(settings: Settings, geoserver: GeoServerImitation) -> None:
    run(settings)
    state = geoserver.state
    coverage = state.feature_types["cartulary", "mirror", "area_coverage"]
    names = [attribute["name"] for attribute in coverage["attributes"]["attribute"]]
    assert "coverage_share" in names and "geometry" in names and "row_hash" not in names
    assert coverage["abstract"] == AREA_COVERAGE.comment and coverage["srs"] == "EPSG:4326" and coverage["enabled"] is True
    box = coverage["latLonBoundingBox"]
    assert 9.3 < box["minx"] < box["maxx"] < 9.8 and 47.0 < box["miny"] < box["maxy"] < 47.3
    layer = state.layers["cartulary:area_coverage"]
    assert layer["defaultStyle"]["name"] == "cartulary:area_coverage_pharmacy"
    assert {style["name"] for style in layer["styles"]["style"]} == {
        f"cartulary:area_coverage_{kind}" for kind in ("pharmacy", "school", "hospital", "zoo")
    }
    group = state.groups["cartulary", "map"]
    assert [entry["name"].split(":")[1] for entry in group["publishables"]["published"]] == [
        "area_coverage",
        "areas",
        "request_cells",
        "facilities",
    ]
    assert "workspaces/cartulary/styles/kind_zoo.svg" in state.files
    assert state.contact["contactEmail"] == "maps@lindenau.example" and state.contact["contactPerson"] == "Claudius Ptolomaeus"
    assert "cartulary:map" in state.tile_layers


def test_restricted_is_closed_at_every_moment(settings: Settings, geoserver: GeoServerImitation) -> None:
    geoserver.state.rules["cartulary_restricted.requests.r"] = "*"
    run(settings)
    assert ("cartulary_restricted", "mirror", "requests") in geoserver.state.feature_types
    assert geoserver.state.exposed == []
    assert REQUESTS not in seen_by_anybody(geoserver) and "cartulary:areas" in seen_by_anybody(geoserver)
    tile = httpx2.get(f"{geoserver.url}/gwc/service/wms", params={"layers": REQUESTS})
    assert tile.status_code == 400 and REQUESTS not in geoserver.state.tile_layers
    assert "CARTULARY_RESTRICTED" in geoserver.state.roles


def test_only_changed_layers_lose_their_tiles(settings: Settings, geoserver: GeoServerImitation) -> None:
    run(settings)
    result = run(settings, changed=("facilities", "requests"))
    assert result.truncated == ("cartulary:facilities", "cartulary:map") and geoserver.state.truncated == list(result.truncated)
    assert run(settings, changed=("catchments",)).truncated == ("cartulary:catchments",)


def test_a_changed_password_is_sent_once(settings: Settings, geoserver: GeoServerImitation) -> None:
    run(settings)
    geoserver.writes.clear()
    changed = with_geoserver(settings, public_password="another-secret")
    assert run(changed).updated == 1
    assert geoserver.writes == [("PUT", "/rest/workspaces/cartulary/datastores/mirror")]
    assert geoserver.state.stores["cartulary", "mirror"]["parameters"]["passwd"] == "another-secret"
    geoserver.writes.clear()
    run(changed)
    assert geoserver.writes == []


def test_what_somebody_broke_is_mended(settings: Settings, geoserver: GeoServerImitation) -> None:
    run(settings)
    geoserver.state.files["workspaces/cartulary/styles/areas.sld"] = b"<StyledLayerDescriptor/>"
    geoserver.state.layers["cartulary:areas"]["enabled"] = False
    geoserver.state.stores["cartulary", "mirror"]["parameters"]["host"] = "elsewhere"
    geoserver.state.rules["cartulary_restricted.*.r"] = "*"
    result = run(settings)
    assert (result.created, result.updated) == (0, 4)
    assert run(settings).updated == 0


def test_a_new_column_is_seen_after_a_reset(settings: Settings, geoserver: GeoServerImitation) -> None:
    run(settings)
    grown = MetaData(schema="public_map")
    columns = [
        Column(column.name, column.type, nullable=column.nullable, primary_key=column.primary_key) for column in AREA_COVERAGE.columns
    ]
    table = Table("area_coverage", grown, *columns, Column("remark", Text))
    with psycopg.connect(settings.postgis.url.get_secret_value()) as connection:
        connection.execute("alter table public_map.area_coverage add column remark text")
    tables = [table if other.name == "area_coverage" else other for other in TABLES]
    try:
        result = run(settings, tables)
        assert result.updated == 1 and geoserver.refusals == []
        assert ("PUT", "/rest/workspaces/cartulary/datastores/mirror/reset") in geoserver.writes
        assert run(settings, tables).updated == 0
    finally:
        with psycopg.connect(settings.postgis.url.get_secret_value()) as connection:
            connection.execute("alter table public_map.area_coverage drop column remark")


def test_what_is_gone_goes_and_what_others_made_stays(settings: Settings, geoserver: GeoServerImitation) -> None:
    run(settings)
    state = geoserver.state
    state.workspaces["theirs"] = {"name": "theirs"}
    state.styles |= {("cartulary", "theirs"), ("theirs", "old")}
    state.files["workspaces/cartulary/styles/theirs.sld"] = b"<sld:StyledLayerDescriptor xmlns:sld='x'/>"
    state.feature_types["cartulary", "mirror", "theirs"] = {"name": "theirs"}
    result = run(settings, [table for table in TABLES if table.name != "catchments"])
    assert result.removed == 1 + 4  # the layer, and its style for each kind
    assert ("cartulary", "mirror", "catchments") not in state.feature_types
    assert not [path for path in state.files if "catchments" in path]
    assert {("cartulary", "theirs"), ("theirs", "old")} <= state.styles
    assert ("cartulary", "mirror", "theirs") in state.feature_types
    # And back again: the files of the old styles are no obstacle.
    assert run(settings).created >= 5


def test_a_style_whose_file_stayed_is_written_again(settings: Settings, geoserver: GeoServerImitation) -> None:
    """A DELETE without `purge` leaves the file, and GeoServer then answers 403 to the new style."""
    geoserver.state.files["workspaces/cartulary/styles/areas.sld"] = b"<old/>"
    run(settings)
    assert ("cartulary", "areas") in geoserver.state.styles and geoserver.refusals == []


def test_public_address_keeps_all_other_settings(settings: Settings, geoserver: GeoServerImitation) -> None:
    settings = with_geoserver(settings, public_url="https://maps.lindenau.example/geoserver/")
    run(settings)
    document = geoserver.state.settings.decode()
    assert "<proxyBaseUrl>https://maps.lindenau.example/geoserver</proxyBaseUrl>" in document
    assert "<numDecimals>8</numDecimals>" in document and "<featureTypeCacheSize>0</featureTypeCacheSize>" in document
    geoserver.writes.clear()
    run(settings)
    assert geoserver.writes == []


def test_waits_for_a_slow_start(settings: Settings, geoserver: GeoServerImitation) -> None:
    """Nothing listens, then Tomcat knows no such page, then 503, then it answers."""
    geoserver.stop()
    geoserver.starting_answers = [404, 503, 503]
    later = threading.Timer(0.5, geoserver.start)
    later.start()
    assert run(settings).created > 30
    later.join()


def test_gives_up_in_bounded_time_and_says_that_it_may_be_tried_again(settings: Settings, geoserver: GeoServerImitation) -> None:
    geoserver.stop()
    started = time.monotonic()
    with pytest.raises(PublishError, match="is it running") as caught:
        run(with_geoserver(settings, timeout_seconds=1))
    assert caught.value.retryable and time.monotonic() - started < 5


@pytest.mark.parametrize("writes", [1, 3, 6, 13, 25, 33, 39])
def test_a_restart_in_the_middle_is_completed_by_the_next_run(filled: Settings, writes: int) -> None:
    """Killed after any of its writes, before the answer is sent."""
    geoserver = GeoServerImitation(checks_database=True).start()
    settings = with_geoserver(filled, url=geoserver.url)
    geoserver.dies_after_writes = writes
    with pytest.raises(PublishError) as caught:
        run(settings)
    assert caught.value.retryable
    geoserver.stop()
    geoserver.starting_answers = [503]
    geoserver.start()
    run(settings)
    whole = GeoServerImitation(checks_database=True).start()
    run(with_geoserver(filled, url=whole.url))
    assert geoserver.state == whole.state
    assert geoserver.state.exposed == []
    geoserver.stop()
    whole.stop()


def test_wrong_credentials_are_told_without_a_secret(settings: Settings, geoserver: GeoServerImitation) -> None:
    geoserver.password = "changed"
    with pytest.raises(PublishError, match="CARTULARY_GEOSERVER__PASSWORD") as caught:
        run(settings)
    assert not caught.value.retryable and "secret" not in str(caught.value)


def test_secrets_in_an_answer_are_masked(settings: Settings, geoserver: GeoServerImitation, monkeypatch: pytest.MonkeyPatch) -> None:
    """GeoServer repeats what its database said, which may be anything."""
    from geoserver_state import Refused

    def refuse(*_: object) -> None:
        raise Refused(500, "cannot connect with password public-secret")

    monkeypatch.setattr("geoserver_rest.Rest.save_feature_type", refuse)
    with pytest.raises(PublishError, match=r"500 .*password \*\*\*") as caught:
        run(settings)
    assert caught.value.retryable


def test_parameters_that_do_not_connect_are_found_out(settings: Settings) -> None:
    with pytest.raises(PublishError, match="500"):
        run(with_geoserver(settings, database_name="nowhere"))


def test_empty_tables_publish_with_a_box(postgis_database: str, geoserver: GeoServerImitation) -> None:
    settings = with_geoserver(fill_mirror(postgis_database, {}), url=geoserver.url)
    run(settings)
    assert geoserver.state.feature_types["cartulary", "mirror", "areas"]["latLonBoundingBox"]["minx"] == -180
    assert geoserver.state.layers["cartulary:area_coverage"]["defaultStyle"]["name"] == "cartulary:area_coverage_pharmacy"
    geoserver.writes.clear()
    run(settings)
    assert geoserver.writes == []


def test_calls_carry_the_run_id_and_are_counted(settings: Settings, geoserver: GeoServerImitation) -> None:
    def calls() -> float:
        return (
            METRICS.registry.get_sample_value(
                "cartulary_capability_calls_total", {"capability": "geoserver", "call": "read", "outcome": "done"}
            )
            or 0.0
        )

    before = calls()
    with run_scope("run-7"):
        run(settings)
    assert geoserver.run_ids == {"run-7"} and calls() > before + 30


def test_settings_that_are_missing_are_named(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="CARTULARY_GEOSERVER__URL"):
        run(with_geoserver(settings, url=""))
    with pytest.raises(ConfigurationError, match="CARTULARY_POSTGIS__URL"):
        run(settings.model_copy(update={"postgis": settings.postgis.model_copy(update={"url": type(settings.postgis.url)("")})}))
