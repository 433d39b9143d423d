"""Streets, house numbers, postcodes and towns in single lines of several countries."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extraction.address_lines import find_city, find_garbled_city, find_street, looks_like_place, segments, split_one_line


@pytest.mark.parametrize(
    ("line", "street", "number"),
    [
        ("Dorfstrasse 5", "Dorfstrasse", "5"),
        ("Dorfstr. 5", "Dorfstr.", "5"),
        ("Heiligkreuz 25", "Heiligkreuz", "25"),
        ("In der Egerta 11", "In der Egerta", "11"),
        ("Städtle 43", "Städtle", "43"),
        ("Im Feld 5a", "Im Feld", "5a"),
        ("Im Feld 5 a", "Im Feld", "5a"),
        ("Lindenallee Nr. 12", "Lindenallee", "12"),
        ("Rüteltistrasse 21", "Rüteltistrasse", "21"),
        ("Straße des 17. Juni 135", "Straße des 17. Juni", "135"),
        ("12 bis rue du Moulin", "rue du Moulin", "12 bis"),
        ("12, rue du Moulin", "rue du Moulin", "12"),
        ("14 Orchard Lane", "Orchard Lane", "14"),
        ("14 Orchard Lane Flat 2", "Orchard Lane", "14"),
        ("Flat 2, 14 Orchard Lane", "Orchard Lane", "14"),
        ("Via Garibaldi, 7", "Via Garibaldi", "7"),
        ("Calle Mayor, 3", "Calle Mayor", "3"),
        ("Molenweg 8 bus 3", "Molenweg", "8"),
        ("Hauptstraße 12-14", "Hauptstraße", "12-14"),
        ("I5 CHAPEL CLOSE", "CHAPEL CLOSE", "15"),
        ("Steineststrasse52", "Steineststrasse", "52"),
    ],
)
def test_finds_streets(line: str, street: str, number: str) -> None:
    parts = [part for segment in segments(line) if (part := find_street(segment)) is not None]
    assert [(part.street, part.housenumber) for part in parts] == [(street, number)]


def test_a_number_read_as_letters_is_marked_as_a_guess() -> None:
    part = find_street("Raistrasseg")
    assert part is not None
    assert (part.street, part.housenumber, part.is_number_guessed) == ("Raistrasse", "9", True)


@pytest.mark.parametrize(
    "line",
    ["12.3.2026", "Vaduz, 12. März 2026", "Tel. 05331 19378", "+423 232 11 22", "wir warten seit 3", "", "   ", "9490", "a@b.example 5"],
)
def test_what_is_no_street(line: str) -> None:
    assert find_street(line) is None


@pytest.mark.parametrize(
    ("line", "postcode", "city"),
    [
        ("9490 Vaduz", "9490", "Vaduz"),
        ("FL-9490 Vaduz", "9490", "Vaduz"),
        ("9494Schaan", "9494", "Schaan"),
        ("D-80331 München", "80331", "München"),
        ("F-54215 Saint-Aubry-le-Vieux", "54215", "Saint-Aubry-le-Vieux"),
        ("1234 AB Oosterdam", "1234 AB", "Oosterdam"),
        ("Little Wexcombe WX4 7QD", "WX4 7QD", "Little Wexcombe"),
        ("WX47QD", "WX47QD", ""),
        ("Springfield, IL 62701", "62701", "Springfield"),
        ("1000-205 Lisboa", "1000-205", "Lisboa"),
        ("9000 St. Gallen", "9000", "St. Gallen"),
    ],
)
def test_finds_towns(line: str, postcode: str, city: str) -> None:
    part = find_city(line)
    assert part is not None
    assert (part.postcode, part.city) == (postcode, city)


@pytest.mark.parametrize("line", ["12.3.2026", "Dorfstrasse 5", "Vaduz, 12.3.2026", "Tel. 9490 123", "Vaduz"])
def test_what_is_no_town(line: str) -> None:
    assert find_city(line) is None


def test_a_misread_postcode_still_gives_the_town_with_less_certainty() -> None:
    doubtful = find_city("T437 Criesenberg")
    assert doubtful is not None
    assert (doubtful.postcode, doubtful.city) == ("7437", "Criesenberg")
    assert doubtful.certainty < 1
    garbled = find_garbled_city("3M195monteluz")
    assert garbled is not None
    assert garbled.city == "monteluz"


def test_one_line_addresses_are_taken_apart() -> None:
    assert segments("Müller, Dorfstr. 5, 9490 Vaduz") == ["Müller", "Dorfstr. 5", "9490 Vaduz"]
    assert segments("Via Roma, 7, 28070 Borgosole") == ["Via Roma 7", "28070 Borgosole"]
    assert split_one_line("Dorfstr. 5 9490 Vaduz") == ("Dorfstr. 5", "9490 Vaduz")
    assert split_one_line("Dorfstr. 5") is None


@pytest.mark.parametrize(("text", "expected"), [("Vaduz", True), ("Anna Frick", True), ("Tel. Büro", False), ("und so weiter", False)])
def test_places_and_names(text: str, expected: bool) -> None:
    assert looks_like_place(text) is expected


@given(
    name=st.text(alphabet=string.ascii_lowercase + "äöü", min_size=4, max_size=12),
    number=st.integers(1, 999),
    suffix=st.sampled_from(["", "a", "b"]),
)
def test_any_street_and_number_come_back_as_written(name: str, number: int, suffix: str) -> None:
    street = f"{name.capitalize()}strasse"
    part = find_street(f"{street} {number}{suffix}")
    assert part is not None
    assert (part.street, part.housenumber) == (street, f"{number}{suffix}")


@given(text=st.text(max_size=80))
def test_no_text_breaks_the_rules(text: str) -> None:
    for segment in [text, *segments(text)]:
        street = find_street(segment)
        assert street is None or (street.housenumber and 0 <= street.certainty <= 1)
        find_city(segment)
        split_one_line(segment)
        looks_like_place(segment)
