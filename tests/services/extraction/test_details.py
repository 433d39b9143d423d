"""Dates, languages and kinds of facility."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extraction.details import dates_in, find_date, find_facility_kind, find_language
from services.extraction.words import facility_keywords


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Vaduz, 12.3.2026", date(2026, 3, 12)),
        ("12/03/26", date(2026, 3, 12)),
        ("2026-03-12", date(2026, 3, 12)),
        ("Kleinröden, 12. März 2026", date(2026, 3, 12)),
        ("17. Mzrz 2025", date(2025, 3, 17)),
        ("Schöppenau, 4. 0ktober 2024", date(2024, 10, 4)),
        ("le 1er février 2026", date(2026, 2, 1)),
        ("12 augustus 2026", date(2026, 8, 12)),
        ("March 5, 2026", date(2026, 3, 5)),
        ("5th of May 2O26", date(2026, 5, 5)),
        ("3 de enero de 2026", date(2026, 1, 3)),
        ("7 gennaio 2026", date(2026, 1, 7)),
        ("26|11|2025", date(2025, 11, 26)),
        ("12/25/2026", date(2026, 12, 25)),
    ],
)
def test_dates(text: str, expected: date) -> None:
    assert list(dates_in(text))[:1] == [expected]


@pytest.mark.parametrize("text", ["31.2.2026", "99.99.2026", "Dorfstrasse 5", "9490 Vaduz", "19 de juio de 2024", "Tel. 12 34 56"])
def test_what_is_no_date(text: str) -> None:
    assert list(dates_in(text)) == []


@given(day=st.dates(date(1950, 1, 1), date(2090, 12, 31)))
def test_every_day_is_read_back(day: date) -> None:
    assert list(dates_in(f"{day.day}.{day.month}.{day.year}")) == [day]
    assert next(dates_in(f"{day:%Y-%m-%d}")) == day


def test_the_heads_date_wins_over_one_in_the_text() -> None:
    assert find_date(["am 1.1.2020 war es anders als heute im Dorf", "Vaduz, 12.3.2026"], [True, False]) == date(2026, 3, 12)
    assert find_date(["nichts"], [False]) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("seit die Apotheke geschlossen hat, muss ich für jedes Rezept weit fahren", "de"),
        ("depuis que la pharmacie est fermée, nous devons faire vingt kilomètres", "fr"),
        ("sinds het postkantoor dicht is moeten wij voor elk pakket ver rijden", "nl"),
        ("WE HAVE NOT SEEN A POLICE OFFICER FOR MONTHS IN OUR VILLAGE", "en"),
        ("nel nostro paese non c'è più una farmacia per gli anziani", "it"),
        ("en el barrio no hay biblioteca y los niños no tienen libros", "es"),
        ("nur wenige Worte", ""),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert find_language(text) == language


@pytest.mark.parametrize(
    ("text", "language", "kind"),
    [
        ("seit die Apotheke zu ist, muss ich für jedes Rezept weit fahren", "de", "pharmacy"),
        ("seit die Apolheke zu ist", "de", "pharmacy"),
        ("der Schulweg unserer Kinder ist zu lang, wir bitten um eine Schule", "de", "school"),
        ("the nearest surgery is far away and there is no doctor", "en", "doctor"),
        ("il n'y a plus de médecin ici", "fr", "doctor"),
        ("wij vragen om een bushalte", "nl", "bus_stop"),
        ("necesitamos un parque infantil", "es", "playground"),
        ("we want a fire station", "de", "fire_station"),
        ("wir wünschen alles Gute", "de", ""),
    ],
)
def test_facility_kinds(text: str, language: str, kind: str) -> None:
    assert find_facility_kind(text, language) == kind


def test_every_kind_has_keywords_in_every_language() -> None:
    languages = {language for spoken in facility_keywords().values() for language in spoken}
    assert languages == {"de", "en", "fr", "nl", "it", "es", "pt"}
    assert all(set(spoken) == languages and all(spoken.values()) for spoken in facility_keywords().values())
