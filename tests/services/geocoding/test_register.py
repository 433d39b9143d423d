"""The register as a geocoder: typos, missing parts, missing houses, doubles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.geocoding.base import Address, Geocode
from services.geocoding.register import RegisterGeocoder
from services.warehouse.client import Warehouse
from tests.services.geocoding.register_data import EAST, drop_register, load_register, small_register


@pytest.fixture
def geocoder(warehouse: Warehouse) -> Iterator[RegisterGeocoder]:
    load_register(warehouse, small_register())
    yield RegisterGeocoder(warehouse)
    drop_register(warehouse)


def ask(geocoder: RegisterGeocoder, *parts: str) -> Geocode:
    return geocoder.geocode({"it": Address(*parts)})["it"]


def test_no_register_answers_none(warehouse: Warehouse) -> None:
    drop_register(warehouse)
    assert ask(RegisterGeocoder(warehouse), "Dorfstrasse", "5", "9490", "Vaduz").precision == "none"


def test_an_empty_register_answers_none(warehouse: Warehouse) -> None:
    load_register(warehouse, [])
    assert ask(RegisterGeocoder(warehouse), "Dorfstrasse", "5", "9490", "Vaduz").precision == "none"


@pytest.mark.parametrize(
    ("parts", "address_id"),
    [
        (("Dorfstrasse", "5", "9490", "Vaduz"), "Vaduz/Dorfstrasse/5"),
        (("Dorfstr.", "5", "9497", "Triesenberg"), "Triesenberg/Dorfstrasse/5"),
        (("DORFSTRASSE", "7 A", "FL-9490", "VADUZ"), "Vaduz/Dorfstrasse/7a"),
        (("Alvicrueg", "7", "9490", "Vaduz"), "Vaduz/Alvierweg/7"),
        (("Alvierweg", "7", "9430", "Vaduz"), "Vaduz/Alvierweg/7"),
        (("Rotenboden strasse", "40", "9497", "Triesewberg"), "Triesenberg/Rotenbodenstrasse/40"),
        (("Haberacherstrasse", "22", "9497", "Triesenberg"), "Triesenberg/Haberacherstrasse/22"),
        (("Boedastrasse", "11", "9497", "Triesenberg"), "Triesenberg/Bödastrasse/11"),
        (("Rue du Moulin", "12bis", "54210", "Valmorin"), "Valmorin/rue du Moulin/12 bis"),
        (("Orchard Lane", "14", "WX47QD", "Little Wexcombe"), "Little Wexcombe/Orchard Lane/14"),
        (("Dorfstrasse", "5", "", "Vaduz"), "Vaduz/Dorfstrasse/5"),
        (("Dorfstrasse", "5", "9490", ""), "Vaduz/Dorfstrasse/5"),
    ],
)
def test_finds_the_house(geocoder: RegisterGeocoder, parts: tuple[str, ...], address_id: str) -> None:
    found = ask(geocoder, *parts)
    assert (found.precision, found.address_id) == ("house", address_id)
    assert found.is_housenumber_equal == 1
    assert found.longitude is not None and found.uncertainty_m is not None and found.uncertainty_m < 50


def test_a_missing_house_gives_the_street_and_never_a_similar_streets_house(geocoder: RegisterGeocoder) -> None:
    found = ask(geocoder, "Bödastrasse", "39", "9497", "Triesenberg")
    assert (found.precision, found.matched_street, found.address_id) == ("street", "Bödastrasse", "")
    assert [candidate.address_id for candidate in found.candidates if candidate.street == "Bodastrasse"] == ["Triesenberg/Bodastrasse/39"]


def test_a_missing_house_is_not_taken_from_another_town(geocoder: RegisterGeocoder) -> None:
    found = ask(geocoder, "Dorfstrasse", "9", "9490", "Vaduz")
    assert (found.precision, found.matched_city) == ("street", "Vaduz")


def test_ladder_ends_at_postcode_town_and_nothing(geocoder: RegisterGeocoder) -> None:
    assert ask(geocoder, "Nirgendgasse", "4", "9490", "Vaduz").precision == "postcode"
    town = ask(geocoder, "", "", "", "Triesenberg")
    assert (town.precision, town.matched_city) == ("city", "Triesenberg")
    assert ask(geocoder, "Nirgendgasse", "4", "1234", "Anderswo").precision == "none"


def test_the_margin_counts_the_same_street_in_another_town(geocoder: RegisterGeocoder) -> None:
    sure = ask(geocoder, "Dorfstrasse", "5", "9490", "Vaduz")
    unsure = ask(geocoder, "Dorfstrasse", "5", "9490", "Triesenberg")
    assert sure.candidate_margin > 0.1
    assert unsure.candidate_margin < 0.1


def test_the_margin_counts_streets_that_differ_by_accents_only(geocoder: RegisterGeocoder) -> None:
    found = ask(geocoder, "Bodastrasse", "41", "9497", "Triesenberg")
    assert found.address_id == "Triesenberg/Bodastrasse/41"
    assert 0 < found.candidate_margin < 0.05


@pytest.mark.parametrize(("step", "is_clear"), [(EAST / 5, True), (EAST * 5, False)])
def test_doubles_are_one_place_only_when_close(warehouse: Warehouse, step: float, is_clear: bool) -> None:
    rows = [("a", "Dorfstrasse", "5", "9490", "Vaduz", 9.5, 47.1), ("b", "Dorfstrasse", "5", "9490", "Vaduz", 9.5 + step, 47.1)]
    load_register(warehouse, rows)
    found = ask(RegisterGeocoder(warehouse), "Dorfstrasse", "5", "9490", "Vaduz")
    assert found.precision == "house"
    assert (found.candidate_margin > 0.5) is is_clear


def test_doubles_with_and_without_postcode_are_one_place(warehouse: Warehouse) -> None:
    rows = [("a", "Dorfstrasse", "5", "9490", "Vaduz", 9.5, 47.1), ("b", "Dorfstrasse", "5", "", "Vaduz", 9.5001, 47.1)]
    load_register(warehouse, rows)
    assert ask(RegisterGeocoder(warehouse), "Dorfstrasse", "5", "9490", "Vaduz").candidate_margin > 0.5


def test_a_batch_answers_every_key_as_single_questions_do(geocoder: RegisterGeocoder) -> None:
    addresses = {row[0]: Address(row[1], row[2], row[3], row[4]) for row in small_register()}
    addresses["odd"] = Address("Straße with 'quotes' \\ and \n lines", "½", "''", "\\'")
    addresses["empty"] = Address()
    batch = geocoder.geocode(addresses)
    assert list(batch) == list(addresses)
    for key in ("Vaduz/Dorfstrasse/5", "Valmorin/rue du Moulin/12 bis", "odd", "empty"):
        assert batch[key] == geocoder.geocode({key: addresses[key]})[key]
    assert all(batch[row[0]].address_id == row[0] for row in small_register())
    assert batch["empty"].precision == batch["odd"].precision == "none"
