"""Which answers to one address stay, whoever is away and whatever register comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from flows.steps.geocode import geocode_outstanding
from services.geocoding.base import Address, Geocode
from services.warehouse import loads
from services.warehouse.loads import Load
from services.wiring import Services

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUSE = Geocode(geocoder="nominatim", precision="house", address_id="osm:node/1", longitude=9.5, latitude=47.1)
MOVED = HOUSE.model_copy(update={"longitude": 9.6})
STREET = Geocode(geocoder="register", precision="street", longitude=9.5, latitude=47.1)
NOMINATIMS_STREET = STREET.model_copy(update={"geocoder": "nominatim"})
PROVISIONAL = STREET.model_copy(update={"is_provisional": 1})


class Told:
    """A geocoder that answers what it was told."""

    name: Literal["nominatim"] = "nominatim"
    version = "1"

    def __init__(self, answer: Geocode) -> None:
        self.answer = answer

    def geocode(self, addresses: Mapping[str, Address]) -> dict[str, Geocode]:
        return dict.fromkeys(addresses, self.answer)

    def answers_for_good(self) -> bool:
        return not self.answer.is_provisional


@pytest.mark.parametrize(
    ("answers", "newest"),
    [
        ([HOUSE, PROVISIONAL], HOUSE),
        ([HOUSE, PROVISIONAL, MOVED], MOVED),
        ([HOUSE, STREET, PROVISIONAL], PROVISIONAL),
        ([NOMINATIMS_STREET, PROVISIONAL], PROVISIONAL),
        ([STREET, PROVISIONAL], PROVISIONAL),
        ([PROVISIONAL, HOUSE], HOUSE),
    ],
)
def test_each_answer_comes_with_a_new_register(services: Services, answers: list[Geocode], newest: Geocode) -> None:
    form = {"submission_id": "s1", "channel": "web", "street": "Seestrasse", "housenumber": "3", "city": "Lindach", "received_at": START}
    services.warehouse.insert("bronze.submissions", [form])
    for number, answer in enumerate(answers, start=1):
        now = START + timedelta(days=number)
        loads.publish(services.warehouse, Load(f"l{number}", f"u{number}", "address_points", "v", "replace", now))
        services.state.work.add("geocode", ["submission:s1"], now=now, again=True)
        geocode_outstanding(replace(services, geocoder=Told(answer)), clock=lambda now=now: now)  # type: ignore[misc]
    [row] = services.warehouse.query(
        "select geocoder, precision, longitude, is_provisional from bronze.geocodes order by geocoded_at desc, geocode_id desc limit 1"
    )
    assert row == {name: getattr(newest, name) for name in row}
