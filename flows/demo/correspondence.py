"""Who writes to the demo town, from where, in which language and about what; with the truth that a score needs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flows.demo.plan import Phrases, load_phrases
from flows.demo.town import AddressPoint, Town

FIRST_DAY = dt.date(2025, 7, 1)
DAYS = 180
LAYOUTS = ("top_left", "top_right", "signature", "header_line")
KINDS = ("pharmacy", "doctor", "school", "post_office", "kindergarten", "library", "supermarket", "playground", "bank", "bus_stop")


@dataclass(frozen=True)
class Case:
    """What is special about a letter: where it comes from and what happened to it.

    `kind` is ordinary, unreadable, absent_house, absent_street or wrong_postcode; `street` empty means any of the area.
    """

    area_code: str
    language: str
    kind: str = "ordinary"
    street: str = ""
    damage: str = ""
    written_postcode: str = ""


# Streets by name are traps: names that differ in a letter, and names that two quarters share.
CASES = (
    Case("DM-14", "de", street="Feldweg"),
    Case("DM-20", "fr"),
    Case("DM-30", "en", street="Mill Lane"),
    Case("DM-12", "de", street="Gartenweg"),
    Case("DM-40", "nl"),
    Case("DM-13", "it", street="Via del Porto"),
    Case("DM-14", "de", "absent_house", street="Bahnhofstrasse"),
    Case("DM-11", "de"),
    Case("DM-30", "en", street="Hill Lane"),
    Case("DM-11", "fr", street="Schulstrasse"),
    Case("DM-20", "fr", "unreadable", damage="blur"),
    Case("DM-15", "de"),
    Case("DM-14", "de", street="Gartenweg"),
    Case("DM-40", "nl", street="Molenweg"),
    Case("DM-20", "fr", "absent_street", street="Rue du Fort"),
    Case("DM-13", "it", street="Via del Ponte"),
    Case("DM-14", "de", street="Waldweg"),
    Case("DM-12", "en"),
    Case("DM-11", "de", "unreadable", damage="stain"),
    Case("DM-30", "en"),
    Case("DM-14", "de", "wrong_postcode", street="Feldweg", written_postcode="7411"),
    Case("DM-15", "de", street="Schulstrasse"),
    Case("DM-20", "fr"),
    Case("DM-40", "nl"),
    Case("DM-13", "it"),
    Case("DM-30", "en", "absent_house", street="High Street"),
    Case("DM-11", "de", street="Mühlgasse"),
    Case("DM-12", "de"),
    Case("DM-40", "nl", "unreadable", damage="smear"),
    Case("DM-16", "de"),
    Case("DM-20", "fr", street="Rue des Tilleuls"),
    Case("DM-14", "de"),
    Case("DM-14", "de", "absent_street", street="Waldgasse"),
    Case("DM-30", "en"),
    Case("DM-13", "it"),
    Case("DM-40", "nl", "wrong_postcode", street="Kerkstraat", written_postcode="7430"),
    Case("DM-15", "it"),
    Case("DM-13", "de", "unreadable", damage="stain"),
    Case("DM-20", "en"),
    Case("DM-11", "nl"),
)


@dataclass(frozen=True)
class Letter:
    """What one letter says; `longitude` and `latitude` are None if its address is not in the register."""

    number: int
    case: Case
    sender: str
    street: str
    housenumber: str
    postcode: str
    city: str
    longitude: float | None
    latitude: float | None
    written_on: dt.date
    date_text: str
    language: str
    facility_kind: str
    layout: str
    recipient: tuple[str, ...]
    salutation: str
    body: str
    closing: str

    @property
    def expected(self) -> str:
        """What a careful reader does with it: `located` or `review`."""
        return "located" if self.case.kind == "ordinary" else "review"

    @property
    def street_line(self) -> str:
        """Street and number in the order of the street's language."""
        is_number_first = self.case.area_code in {"DM-20", "DM-30"}
        return f"{self.housenumber} {self.street}" if is_number_first else f"{self.street} {self.housenumber}"

    @property
    def city_line(self) -> str:
        """Postcode and city as written, which may be wrong."""
        return f"{self.case.written_postcode or self.postcode} {self.city}"


def write_letters(town: Town, seed: int) -> list[Letter]:
    """The letters of a seed, one per case; their layouts and kinds go round so that each is met."""
    phrases = load_phrases()
    taken: set[str] = set()
    letters = []
    for number, case in enumerate(CASES):
        rng = np.random.default_rng([seed, 2, number])
        letters.append(_letter(town, phrases, number, case, rng, taken))
    return letters


def _letter(town: Town, phrases: Phrases, number: int, case: Case, rng: np.random.Generator, taken: set[str]) -> Letter:
    language = case.language
    street, housenumber, longitude, latitude = _origin(town, case, rng, taken)
    leaf = town.settlement(case.area_code)
    city = town.plan.city(leaf)
    written_on = FIRST_DAY + dt.timedelta(days=int(rng.integers(DAYS)))
    kind = KINDS[(number * 3 + int(rng.integers(2))) % len(KINDS)]
    return Letter(
        number=number,
        case=case,
        sender=sender_name(phrases, language, rng),
        street=street,
        housenumber=housenumber,
        postcode=leaf.postcode,
        city=city,
        longitude=longitude,
        latitude=latitude,
        written_on=written_on,
        date_text=_pick(phrases.dates[language], rng).format(
            day=written_on.day,
            month=phrases.months[language][written_on.month - 1],
            number=written_on.month,
            year=written_on.year,
            place=city,
        ),
        language=language,
        facility_kind=kind,
        layout=LAYOUTS[number % len(LAYOUTS)],
        recipient=_recipient(town, phrases, language, rng),
        salutation=_pick(phrases.salutations[language], rng),
        body=_pick(phrases.bodies[language], rng).format(kind=phrases.kinds[language][kind], decoy=_decoy(town, city, rng)),
        closing=_pick(phrases.closings[language], rng),
    )


def sender_name(phrases: Phrases, language: str, rng: np.random.Generator) -> str:
    """A given and a family name of the language."""
    return f"{_pick(phrases.given_names[language], rng)} {_pick(phrases.family_names[language], rng)}"


def _pick(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _origin(town: Town, case: Case, rng: np.random.Generator, taken: set[str]) -> tuple[str, str, float | None, float | None]:
    """Street, house number and position of the sender; no position if the register lacks the address."""
    local = [address for address in town.addresses if address.area_code == case.area_code]
    on_street = [address for address in local if not case.street or address.street == case.street]
    if case.kind == "absent_street":
        if on_street:
            raise ValueError(f"{case.street} is in the plan, so it cannot be an absent street: change the case.")
        return case.street, str(int(rng.integers(2, 24))), None, None
    if case.kind == "absent_house":
        return case.street, _missing_number(on_street, rng), None, None
    free = [address for address in on_street if address.address_id not in taken]
    if not free:
        raise ValueError(f"No address left on {case.street or 'any street'} in {case.area_code}: change the case or the plan.")
    home = free[int(rng.integers(len(free)))]
    taken.add(home.address_id)
    return home.street, home.housenumber, home.longitude, home.latitude


def _missing_number(addresses: Sequence[AddressPoint], rng: np.random.Generator) -> str:
    """A plausible number that the street does not have: a gap if there is one, else one beyond its end."""
    known = {int("".join(filter(str.isdigit, address.housenumber))) for address in addresses}
    gaps = sorted(set(range(2, max(known))) - known)
    return str(gaps[int(rng.integers(len(gaps)))] if gaps else max(known) + int(rng.integers(3, 9)))


def _recipient(town: Town, phrases: Phrases, language: str, rng: np.random.Generator) -> tuple[str, ...]:
    """The town hall, in two of three letters with its full address: a decoy for the reader."""
    name = _pick(phrases.recipients[language], rng)
    hall = next(place for place in town.plan.municipalities if place.town_hall)
    if rng.random() < 1 / 3 or hall.town_hall is None:
        return (name, hall.name)
    street = hall.town_hall.street
    seat = next(address for address in town.addresses if address.street == street)
    return (name, f"{street} {seat.housenumber}", f"{seat.postcode} {seat.city}")


def _decoy(town: Town, city: str, rng: np.random.Generator) -> str:
    """A place that is not the sender's, sometimes with a full street address."""
    away = [address for address in town.addresses if address.city != city]
    there = away[int(rng.integers(len(away)))]
    return f"{there.city} ({there.street} {there.housenumber})" if rng.random() < 0.3 else there.city


def truth_rows(letters: Sequence[Letter], files: Sequence[str], hands: Sequence[str]) -> Iterator[dict[str, str]]:
    """Rows of truth.csv in the order of the letters."""
    for letter, file, hand in zip(letters, files, hands, strict=True):
        yield {
            "file": file,
            "sender": letter.sender,
            "street": letter.street,
            "housenumber": letter.housenumber,
            "postcode": letter.postcode,
            "city": letter.city,
            "lat": "" if letter.latitude is None else f"{letter.latitude:.7f}",
            "lon": "" if letter.longitude is None else f"{letter.longitude:.7f}",
            "letter_date": letter.written_on.isoformat(),
            "font": hand,
            "language": letter.language,
            "facility_kind": letter.facility_kind,
            "expected": letter.expected,
            "case": letter.case.kind,
        }
