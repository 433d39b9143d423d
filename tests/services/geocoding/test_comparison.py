"""Places of OpenStreetMap measured against an address: as the register measures its own, house numbers letter by letter."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.geocoding.base import Address
from services.geocoding.comparison import Comparison, Finding, joined
from services.geocoding.ladder import PlaceMatch, StreetMatch
from services.geocoding.osm_places import OsmPlace, parse_places
from services.geocoding.register import Found, RegisterGeocoder
from services.warehouse.client import Warehouse
from tests.services.geocoding.register_data import drop_register, load_register, small_register

HERE = {"osm_type": "node", "osm_id": 7, "lat": 47.1, "lon": 9.5, "boundingbox": ["47.0999", "47.1001", "9.4999", "9.5001"]}
ADDRESS = {"road": "Dorfstrasse", "village": "Vaduz", "postcode": "9490"}
ASKED = Address("Dorfstrasse", "5", "9490", "Vaduz")
NUMBERS = st.tuples(st.integers(1, 999), st.sampled_from(["", "a", "b", "z", "bis", "ter"]))


def house(number: str, **address: str) -> OsmPlace:
    return OsmPlace.model_validate({**HERE, "place_rank": 30, "address": {**ADDRESS, "house_number": number, **address}})


def match(warehouse: Warehouse, asked: Address, *places: OsmPlace) -> list[StreetMatch | PlaceMatch | None]:
    return Comparison(warehouse).match([Finding(asked, place, "[]") for place in places])


def spelled(number: tuple[int, str], spelling: int) -> str:
    digits, suffix = number
    return (f"{digits}{suffix}", f"{digits} {suffix}".strip(), f"{digits}{suffix.upper()}", f" {digits}  {suffix} ")[spelling]


@hypothesis_settings(max_examples=25)
@given(asked=NUMBERS, spelling=st.integers(0, 3), found=st.lists(st.tuples(NUMBERS, st.integers(0, 3)), min_size=20, max_size=40))
def test_house_numbers_are_equal_however_they_are_spelled_and_else_not(
    warehouse: Warehouse, asked: tuple[int, str], spelling: int, found: list[tuple[tuple[int, str], int]]
) -> None:
    near = [(asked, 1), ((asked[0], ""), 0), ((asked[0], "a"), 0), ((asked[0] * 10, asked[1]), 0)]
    places = [*found, *near]
    matches = match(
        warehouse, replace(ASKED, housenumber=spelled(asked, spelling)), *(house(spelled(number, how)) for number, how in places)
    )
    assert [match is not None for match in matches] == [number == asked for number, _ in places]


@pytest.mark.parametrize("asked", ["3bis", "3 bis", "19A"])
def test_no_house_is_taken_for_its_neighbour(warehouse: Warehouse, asked: str) -> None:
    assert match(warehouse, replace(ASKED, housenumber=asked), house("3"), house("19"), house("19b")) == [None, None, None]


@pytest.mark.parametrize(
    ("postcode", "city", "is_taken"),
    [
        ("9490", "Vaduz", True),
        ("9490", "Triesenberg", True),
        ("8000", "Vaduz", True),
        ("", "Vaduz", True),
        ("9490", "", True),
        ("8000", "Triesenberg", False),
        ("8000", "", False),
        ("", "Triesenberg", False),
        ("9491", "Wadern", False),
    ],
)
def test_postcode_or_town_must_agree(warehouse: Warehouse, postcode: str, city: str, is_taken: bool) -> None:
    [found] = match(warehouse, replace(ASKED, postcode=postcode, city=city), house("5"))
    assert (found is not None) is is_taken


def test_a_town_goes_by_all_its_names(warehouse: Warehouse) -> None:
    place = house("5", town="Korvenau", village="Vaduz", suburb="Ebenholz")
    for name in ("Korvenau", "Vaduz", "Ebenholz", "EBENHOLZ"):
        [found] = match(warehouse, replace(ASKED, city=name), place)
        assert isinstance(found, StreetMatch)
        assert (found.place.city.casefold(), found.place.city_similarity) == (name.casefold(), 1)
    [found] = match(warehouse, replace(ASKED, city=""), place)
    assert isinstance(found, StreetMatch)
    assert found.place.city == "Korvenau", "the largest, when none was asked for"


def test_a_street_is_measured_as_the_register_measures_it(warehouse: Warehouse) -> None:
    load_register(warehouse, small_register())
    read = [
        ("Dorfstrase", "9490", "Vaduz"),
        ("Alvicrueg", "9490", "Vaduz"),
        ("Bodastrasse", "9497", "Triesewberg"),
        ("Dorfstr.", "9490", "Vadus"),
    ]
    asked = {street: Address(street, "5", postcode, city) for street, postcode, city in read}
    compared = 0
    for offer in RegisterGeocoder(warehouse).find(asked).items():
        address, found = asked[offer[0]], offer[1]
        for street in found.streets:
            if street.street_similarity < 0.7 or street.place.similarity < 0.7:
                continue
            place = house("5", road=street.street, village=street.place.city, postcode=street.place.postcode)
            [mine] = match(warehouse, address, place)
            assert isinstance(mine, StreetMatch)
            for name in ("street_edits", "street_similarity", "street_key", "accented_key"):
                assert getattr(mine, name) == getattr(street, name)
            for name in ("similarity", "city_similarity", "is_postcode_equal", "city_key", "postcode_key"):
                assert getattr(mine.place, name) == getattr(street.place, name)
            compared += 1
    assert compared >= 4
    drop_register(warehouse)


def test_more_findings_than_one_question_takes(warehouse: Warehouse) -> None:
    places = [house(str(number), town="Korvenau", suburb=f"Quarter {number}") for number in range(300)]
    found = match(warehouse, replace(ASKED, housenumber="299"), *places)
    assert [at for at, one in enumerate(found) if one] == [299]
    assert match(warehouse, ASKED) == []


def test_what_is_no_answer_to_an_address_is_left_out() -> None:
    entries = [
        {**HERE, "place_rank": 30, "address": ADDRESS},
        {**HERE, "place_rank": 4, "addresstype": "country", "address": {"country": "Liechtenstein"}},
        {**HERE, "place_rank": 30, "osm_id": None, "address": {**ADDRESS, "house_number": "5"}},
        {"place_rank": 26},
        {**HERE, "place_rank": 26, "addresstype": "road", "address": ADDRESS},
        {**HERE, "place_rank": 21, "addresstype": "postcode", "address": {"postcode": "9490"}},
        {**HERE, "place_rank": 16, "addresstype": "town", "address": {"town": "Vaduz"}},
    ]
    assert [place.kind for place in parse_places(entries)] == ["street", "place", "place"]


def test_a_hamlet_stands_for_a_street(warehouse: Warehouse) -> None:
    place = OsmPlace.model_validate({**HERE, "place_rank": 30, "address": {"house_number": "5", "hamlet": "Masescha", "village": "Vaduz"}})
    [found] = match(warehouse, replace(ASKED, street="Masescha"), place)
    assert isinstance(found, StreetMatch)
    assert (found.street, found.address_id) == ("Masescha", "osm:node/7")


def known_street(**changes: object) -> StreetMatch:
    place = PlaceMatch("vaduz", "9490", "Vaduz", "9490", 9.5, 47.1, 900.0, True, 1.0, 1.0)
    street = StreetMatch(place, "dorfstr", "dorfstr", "Dorfstrasse", 0, 1.0, 9.5, 47.1, 200.0, "", "")
    return replace(street, **changes)  # type: ignore[arg-type]


def test_a_house_belongs_to_the_registers_street_whatever_its_town_is_called(warehouse: Warehouse) -> None:
    [found] = match(warehouse, ASKED, house("5", village="Ebenholz"))
    assert found is not None
    [known, house_found] = joined(Found([], [known_street()]), [found]).streets
    assert known.is_same_street(house_found)
    assert (house_found.place.city, house_found.place.geocoder, house_found.address_id) == ("Vaduz", "nominatim", "osm:node/7")


def test_the_registers_own_house_stays(warehouse: Warehouse) -> None:
    [found] = match(warehouse, ASKED, house("5"))
    assert found is not None
    offered = Found([], [known_street(address_id="official", housenumber="5", longitude=9.5005)])
    assert joined(offered, [found]).streets == offered.streets


def test_a_street_of_that_name_elsewhere_is_another_one(warehouse: Warehouse) -> None:
    [found] = match(warehouse, ASKED, house("5"))
    assert found is not None
    assert len(joined(Found([], [known_street(longitude=9.6)]), [found]).streets) == 2
