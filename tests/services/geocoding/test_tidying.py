"""Addresses as readers and hurried writers leave them, put right before anybody is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extraction.words import vocabulary
from services.geocoding.base import Address
from services.geocoding.tidying import tidy

NAMES = st.from_regex(r"\A[A-ZÄÖÜÉ][a-zäöüéß]{3,12}( [A-ZÄÖÜÉ][a-zäöüéß]{3,12}){0,2}\Z").filter(
    lambda name: not set(name.lower().split()) & set(vocabulary("unit_words"))
)
NUMBERS = st.from_regex(r"\A[1-9][0-9]{0,2}( ?[a-z]| bis| ter)?\Z")


@pytest.mark.parametrize(
    ("street", "housenumber", "expected"),
    [
        ("Molenweg8", "", ("Molenweg", "8")),
        ("Hauptstr.12a", "", ("Hauptstr.", "12a")),
        ("Dorfstrasse  5 ,", "", ("Dorfstrasse", "5")),
        ("14 Orchard Lane", "", ("Orchard Lane", "14")),
        ("12 bis rue de l'Église", "", ("rue de l'Église", "12 bis")),
        ("Kerkstraat 5 bus 3", "", ("Kerkstraat", "5")),
        ("Kerkstraat", "5bus 3", ("Kerkstraat", "5")),
        ("Flat 2, 14 Orchard Lane", "", ("Orchard Lane", "14")),
        ("Orchard Lane, Flat 2", "14", ("Orchard Lane", "14")),
        ("Orchard Lane", "14a, Flat 2", ("Orchard Lane", "14a")),
        # Numbers that belong to the name, and words that are units elsewhere.
        ("Rue du 8 Mai 1945", "", ("Rue du 8 Mai 1945", "")),
        ("11 Novembre", "", ("11 Novembre", "")),
        ("Straße des 17. Juni", "3", ("Straße des 17. Juni", "3")),
        ("Siedlung A 5", "", ("Siedlung A 5", "")),
        ("Am Stock 5", "12", ("Am Stock 5", "12")),
        ("Flat 2", "14", ("Flat 2", "14")),
    ],
)
def test_parts_find_their_fields(street: str, housenumber: str, expected: tuple[str, str]) -> None:
    tidied = tidy(Address(street, housenumber, " 9490", "Vaduz "))
    assert (tidied.street, tidied.housenumber) == expected
    assert (tidied.postcode, tidied.city) == ("9490", "Vaduz")


@given(NAMES, NUMBERS)
def test_a_tidy_address_stays_as_it_is(street: str, housenumber: str) -> None:
    address = Address(street, housenumber, "9490", "Vaduz")
    assert tidy(address) == address


@given(NAMES, NUMBERS, st.sampled_from(vocabulary("unit_words")), st.integers(1, 99))
def test_a_flat_changes_nothing(street: str, housenumber: str, unit: str, flat: int) -> None:
    assert tidy(Address(street, f"{housenumber}, {unit} {flat}")) == Address(street, housenumber)


@given(st.text(max_size=60), st.text(max_size=20))
def test_whatever_comes_is_tidied_once_and_for_all(street: str, housenumber: str) -> None:
    tidied = tidy(Address(street, housenumber))
    assert tidy(tidied) == tidied
