"""Keys of addresses, made by the warehouse's SQL functions."""

from __future__ import annotations

import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.warehouse.client import Warehouse

WORDS = st.text(alphabet=string.ascii_letters + "äöüéèßçñ -'.", min_size=1, max_size=30)
SLOW = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def key(warehouse: Warehouse, function: str, text: str) -> str:
    return str(warehouse.scalar(f"select {function}({{text:String}})", {"text": text}))


@pytest.mark.parametrize(
    "spellings",
    [
        ["Fürst-Franz-Josef-Straße", "Furst Franz Josef Strasse", "FÜRST-FRANZ-JOSEF-STR.", "Fürst-Franz-Josef Straße"],
        ["Schaaner Strasse", "Schaanerstrasse", "Schaaner-Str.", "Schaanerstraße"],
        ["Rue de l’Église", "rue de l'Eglise", "Rue de l´église"],
        ["St. Martins-Ring", "Sankt-Martins-Ring", "Sankt Martinsring"],
        ["Bd Saint-Michel", "boulevard St Michel", "Bd. Saint Michel"],
        ["Main Street", "Main St", "MAIN ST."],
        ["Station Rd", "Station Road"],
        ["Kerkstraat", "Kerkstr."],
        ["Wiesengass", "Wiesengasse"],
        ["Landstrasse", "Landstrassse", "Landstasse"],
    ],
)
def test_spellings_of_one_street_have_one_key(warehouse: Warehouse, spellings: list[str]) -> None:
    assert len({key(warehouse, "normalizeStreet", spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Rotenboden", "Rotenbodenstrasse"),
        ("Rosenweg", "Rasenweg"),
        ("Station Road", "Stanton Road"),
        ("rue du Moulin", "rue du Marlin"),
        ("Kirchweg", "Kirchgasse"),
        ("Via Roma", "Viale Roma"),
    ],
)
def test_streets_that_differ_have_different_keys(warehouse: Warehouse, one: str, other: str) -> None:
    assert key(warehouse, "normalizeStreet", one) != key(warehouse, "normalizeStreet", other)


def test_accents_alone_are_told_apart_by_the_accented_key(warehouse: Warehouse) -> None:
    names = ("Bodastrasse", "Bödastrasse")
    assert len({key(warehouse, "normalizeStreet", name) for name in names}) == 1
    assert len({key(warehouse, "normalizeStreetAccented", name) for name in names}) == 2


@pytest.mark.parametrize(
    ("read", "meant", "is_explained"),
    [
        ("alvicrueg", "alvierweg", True),
        ("tmpardid", "impardiel", True),
        ("dorfstr", "d0rfstr", True),
        ("bachstr", "buchstr", False),
        ("feldstr", "waldstr", False),
    ],
)
def test_usual_misreadings_share_a_skeleton(warehouse: Warehouse, read: str, meant: str, is_explained: bool) -> None:
    assert (key(warehouse, "ocrSkeleton", read) == key(warehouse, "ocrSkeleton", meant)) is is_explained


@pytest.mark.parametrize(
    ("function", "text", "expected"),
    [
        ("normalizeHousenumber", "12 A", "12a"),
        ("normalizeHousenumber", "Nr. 12a", "12a"),
        ("normalizeHousenumber", "12 bis", "12bis"),
        ("normalizeHousenumber", "20'", "20"),
        ("normalizeHousenumber", "3-7", "3-7"),
        ("normalizeHousenumber", "", ""),
        ("normalizePostcode", "FL-9490", "9490"),
        ("normalizePostcode", "D 80331", "80331"),
        ("normalizePostcode", "1234 ab", "1234AB"),
        ("normalizePostcode", "wx4 7qd", "WX47QD"),
        ("normalizePostcode", "E1 6AN", "E16AN"),
        ("normalizeCity", "Balzers (FL)", "balzers"),
        ("normalizeCity", "St. Gallen", "stgallen"),
        ("normalizeCity", "Sankt Gallen", "stgallen"),
        ("streetStem", "burkatstr", "burkat"),
        ("streetStem", "ruedumoulin", "moulin"),
    ],
)
def test_keys(warehouse: Warehouse, function: str, text: str, expected: str) -> None:
    assert key(warehouse, function, text) == expected


@SLOW
@given(text=WORDS)
def test_case_spaces_and_hyphens_never_matter(warehouse: Warehouse, text: str) -> None:
    plain = key(warehouse, "normalizeStreet", text.replace("-", " "))
    assert key(warehouse, "normalizeStreet", text.upper().replace("-", "  ")) == plain
    assert " " not in plain


@SLOW
@given(text=st.text(max_size=40))
def test_any_text_has_keys_and_normalizing_again_changes_nothing(warehouse: Warehouse, text: str) -> None:
    bare = key(warehouse, "normalizeText", text)
    assert key(warehouse, "normalizeText", bare) == bare
    number = key(warehouse, "normalizeHousenumber", text)
    assert key(warehouse, "normalizeHousenumber", number) == number
    assert key(warehouse, "normalizePostcode", text).isalnum() or not key(warehouse, "normalizePostcode", text)


@SLOW
@given(number=st.integers(1, 9999), letter=st.sampled_from(["", "a", "B", " c"]))
def test_housenumbers_keep_their_digits_and_letter(warehouse: Warehouse, number: int, letter: str) -> None:
    assert key(warehouse, "normalizeHousenumber", f"{number}{letter}") == f"{number}{letter.strip().lower()}"
