"""What Nominatim is asked about an address: each spelling from the house upwards, structured and as free text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from services.geocoding.base import Address, Geocode
from services.geocoding.ladder import MIN_STREET

# Below this margin or likeness the register's spelling is a guess: then only the spelling as read is asked.
CONFIDENT_MARGIN = 0.1
CONFIDENT_STREET = 0.8

Aim = Literal["house", "street", "place"]


@dataclass(frozen=True)
class Question:
    """One search: structured by street, city and postcode, or one free text."""

    street: str = ""
    city: str = ""
    postcode: str = ""
    text: str = ""

    def parameters(self) -> str | Mapping[str, str]:
        """As geopy takes it."""
        parts = {"street": self.street, "city": self.city, "postalcode": self.postcode}
        return self.text or {name: value for name, value in parts.items() if value}

    def key(self, scope: Sequence[str]) -> str:
        """The same for all spellings between which the server makes no difference, within the scope: countries and version."""
        parts = [" ".join(part.casefold().split()) for part in (self.street, self.city, self.postcode, self.text)]
        return hashlib.sha256(json.dumps([parts, list(scope)]).encode()).hexdigest()


@dataclass(frozen=True)
class Step:
    """A question, what it is to find, and with which of the address's spellings it asks."""

    question: Question
    aim: Aim
    spelling: int


def repaired(address: Address, known: Geocode) -> Address:
    """The address as the register spells it, as far as the register's answer is confident."""
    is_street_sure = (
        known.precision in ("house", "street")
        and known.street_similarity >= CONFIDENT_STREET
        and known.candidate_margin >= CONFIDENT_MARGIN
    )
    is_place_sure = bool(known.is_postcode_equal) or known.city_similarity >= MIN_STREET
    street = known.matched_street if is_street_sure else address.street
    city = known.matched_city if is_place_sure and known.matched_city else address.city
    postcode = known.matched_postcode if is_place_sure and known.matched_postcode else address.postcode
    return replace(address, street=street, postcode=postcode, city=city)


def steps(address: Address, known: Geocode) -> list[Step]:
    """All that may be asked about a tidy address, in order: with the register's spelling, as read, and with spaces where capitals stand
    within a word ('SintOda'). Without town and postcode nothing is asked: any street of that name in the world would answer."""
    if not (address.city or address.postcode):
        return []
    spaced = replace(address, street=_spaced(address.street), city=_spaced(address.city))
    asked: dict[Question, Step] = {}
    for spelling, spelled in enumerate((repaired(address, known), address, spaced)):
        for question, aim in _questions(spelled):
            asked.setdefault(question, Step(question, aim, spelling))
    return sorted(asked.values(), key=lambda step: step.aim == "place")


def _questions(address: Address) -> Iterator[tuple[Question, Aim]]:
    town = " ".join(part for part in (address.postcode, address.city) if part)
    if address.street and address.housenumber:
        numbered = f"{address.housenumber} {address.street}"
        yield Question(street=numbered, city=address.city, postcode=address.postcode), "house"
        yield Question(text=f"{address.street} {address.housenumber}, {town}"), "house"
        if address.city and address.postcode:
            # A wrong postcode is overlooked by the server, a wrong town is not.
            yield Question(street=numbered, postcode=address.postcode), "house"
    if address.street:
        yield Question(street=address.street, city=address.city, postcode=address.postcode), "street"
    if address.city:
        yield Question(city=address.city, postcode=address.postcode), "place"
    if address.postcode:
        yield Question(postcode=address.postcode), "place"


def _spaced(text: str) -> str:
    return re.sub(r"(?<=[^\W\d_][a-zà-ÿ])(?=[A-ZÀ-Þ][a-zà-ÿ])", " ", text)
