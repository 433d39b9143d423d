"""Puts right what readers and hurried writers do to an address before anybody is asked about it: lost spaces, flats, mixed-up fields."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from services.extraction.words import vocabulary
from services.geocoding.base import Address

_NUMBER = r"\d{1,3}\s?(?:[a-zA-Z]|bis|ter|quater)?"
# 'Molenweg8', 'Hauptstr. 12a'; four digits at the end are a year: 'Rue du 8 Mai 1945'.
_NUMBER_BEHIND = re.compile(rf"^(?P<street>.*[^\W\d_]{{2}}\.?)[\s,]*(?P<number>{_NUMBER})$", re.IGNORECASE)
# '14 Orchard Lane', but neither '11 Novembre' nor '2 Mai 1945'.
_NUMBER_BEFORE = re.compile(rf"^(?P<number>{_NUMBER})[\s,]+(?P<street>[^\W\d_]{{2,}}(?:[\s'’-]+[^\W\d_]+\.?)+)$", re.IGNORECASE)


def tidy(address: Address) -> Address:
    """The address with spaces put right, without flat or letter box, the house number in its own field; a tidy one stays as it is."""
    street, number = _spaced(address.street), _spaced(address.housenumber)
    number = _without_unit(number)
    if number or re.search(r"\d\D+\d", street):
        street = _without_unit(street)
    found = None if number else _NUMBER_BEFORE.match(street) or _NUMBER_BEHIND.match(street)
    if found:
        street, number = found["street"].strip(" ,"), found["number"]
    return replace(address, street=street, housenumber=number, postcode=_spaced(address.postcode), city=_spaced(address.city))


def _spaced(text: str) -> str:
    return " ".join(text.split()).strip(" ,;")


@cache
def _units() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """'…, Flat 2' or '…bus 3' at the end, behind a digit or a comma; 'Flat 2, …' at the beginning."""
    words = "|".join(re.escape(word) for word in vocabulary("unit_words"))
    behind = re.compile(rf"(?:(?<=[\d,])|(?<=\d[a-z]))[\s,/]*(?:{words})\.?\s*\d{{1,4}}\s?[a-z]?$", re.IGNORECASE)
    return behind, re.compile(rf"^(?:{words})\.?\s*\d{{1,4}}\s?[a-z]?[\s,/]+(?=\S)", re.IGNORECASE)


def _without_unit(text: str) -> str:
    behind, before = _units()
    return before.sub("", behind.sub("", text)).strip(" ,/") or text
