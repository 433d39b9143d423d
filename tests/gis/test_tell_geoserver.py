"""GeoServer is told what is new, and everything again when it has forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from geoserver_imitation import GeoServerImitation
from map_rows import fill_mirror

from flows.steps.publish import tell_geoserver
from gis.geoserver.access import ROLE
from gis.mirror import open_mirror, write_state
from services.errors import PublishError
from services.settings import Settings


@pytest.fixture
def geoserver() -> Iterator[GeoServerImitation]:
    imitation = GeoServerImitation().start()
    yield imitation
    imitation.stop()


@pytest.fixture
def settings(postgis_database: str, geoserver: GeoServerImitation, now: datetime) -> Settings:
    filled = fill_mirror(postgis_database)
    with open_mirror(filled.postgis) as connection:
        write_state(connection, "gold 1", ["areas"], now)
    return with_geoserver(filled, url=geoserver.url)


def with_geoserver(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"geoserver": settings.geoserver.model_copy(update=changes)})


def test_what_it_knows_is_not_told_again(settings: Settings, geoserver: GeoServerImitation) -> None:
    assert tell_geoserver(settings, False) > 0
    geoserver.writes.clear()
    assert tell_geoserver(settings, False) == 0
    assert geoserver.writes == []


def test_what_it_forgot_is_told_again(settings: Settings, geoserver: GeoServerImitation) -> None:
    tell_geoserver(settings, False)
    geoserver.state.roles.remove(ROLE)
    assert tell_geoserver(settings, False) == 1
    assert ROLE in geoserver.state.roles


def test_away_is_a_fault_only_while_there_is_something_to_tell(settings: Settings, geoserver: GeoServerImitation, now: datetime) -> None:
    tell_geoserver(settings, False)
    geoserver.stop()
    assert tell_geoserver(settings, False) == 0
    with open_mirror(settings.postgis) as connection:
        write_state(connection, "gold 2", ["areas"], now)
    with pytest.raises(PublishError) as raised:
        tell_geoserver(with_geoserver(settings, timeout_seconds=1), False)
    assert raised.value.retryable
