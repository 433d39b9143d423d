"""Reads the address lines again in other ways, and says how far all readings agree."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rapidfuzz import fuzz

from services.extraction.address_blocks import AddressBlock
from services.extraction.address_lines import CityPart, StreetPart, find_city, find_garbled_city, find_street, segments, split_one_line
from services.extraction.base import Line
from services.extraction.consensus import part_of_line, pivot, vote
from services.extraction.reader import DOUBT_CUTS, SECOND_CUTS, LineReader, PageReading
from services.extraction.words import plain

# Readings all scored above this that spell the same leave no doubt; otherwise the lines are read three times more.
SURE = 0.97
# A number whose digits were only ever seen as letters ('Raistrasseg') is a guess, however often it is seen.
GUESSED = 0.5
# Right sixes and eights mostly reach .99 in one reading at least; a b taken for a 6 stayed below .98 in all.
SURE_DIGIT = 0.985


@dataclass(frozen=True)
class Verified:
    """The address as most readings have it. Scores are 0 to 1: `street_score` and `city_score` are the reader's own for the lines
    chosen (the latter times the share of readings that have the same postcode); `agreement` is the share of readings with the same
    house number, less up to half of it where the street's name differs among them."""

    street: str
    housenumber: str
    postcode: str
    city: str
    street_score: float
    city_score: float
    agreement: float
    readings: list[dict[str, Any]] = field(default_factory=list)


def verify(reader: LineReader, by_page: Mapping[int, PageReading], block: AddressBlock) -> Verified:
    """Read the block's lines a second and third time, and more often where those differ."""
    lines = list(block.lines)
    found = {id(line): [line] for line in lines}
    _add(reader, by_page, found, lines, SECOND_CUTS)
    doubtful = [line for line in lines if _is_doubtful(found[id(line)])]
    _add(reader, by_page, found, doubtful, DOUBT_CUTS)
    streets = [(street, line) for line in _of(found, block.street_line) if (street := _street_in(line.text)) is not None]
    cities = [(city, line) for line in _of(found, block.city_line) if (city := _city_in(line.text, block.city)) is not None]
    readings = [{"text": line.text, "score": round(line.score, 4)} for line in lines for line in found[id(line)]]
    best_street, street_score, agreement = _choose_street(streets, len(_of(found, block.street_line)), block)
    best_city, city_score = _choose_city(cities, len(_of(found, block.city_line)), block)
    if block.street is None:
        agreement = _likeness(best_city.city, [part.city for part, _ in cities])
    return Verified(
        street=best_street.street,
        housenumber=best_street.housenumber,
        postcode=best_city.postcode,
        city=best_city.city,
        street_score=street_score,
        city_score=city_score,
        agreement=round(agreement, 4),
        readings=readings,
    )


def _add(
    reader: LineReader,
    by_page: Mapping[int, PageReading],
    found: Mapping[int, list[Line]],
    lines: Sequence[Line],
    cuts: Sequence[tuple[float, float, float]],
) -> None:
    for page in sorted({line.page for line in lines}):
        here = [line for line in lines if line.page == page]
        for line, again in zip(here, reader.read_again(by_page[page], [line.index for line in here], cuts), strict=True):
            found[id(line)].extend(again)


def _of(found: Mapping[int, list[Line]], line: Line | None) -> list[Line]:
    return found[id(line)] if line is not None else []


def _is_doubtful(readings: Sequence[Line]) -> bool:
    spelled = {plain(line.text).replace(" ", "") for line in readings}
    guessed = any((part := _street_in(line.text)) is not None and part.is_number_guessed for line in readings)
    return len(spelled) > 1 or guessed or min(line.score for line in readings) < SURE


def _parts(text: str) -> list[str]:
    return [part for segment in segments(text) for part in (split_one_line(segment) or (segment,))]


def _street_in(text: str) -> StreetPart | None:
    return next((part for piece in _parts(text) if find_city(piece) is None and (part := find_street(piece)) is not None), None) or next(
        (part for piece in _parts(text) if (part := find_street(piece)) is not None), None
    )


def _city_in(text: str, first: CityPart | None) -> CityPart | None:
    """The town in a reading; without a postcode in the first, the piece that is most like it."""
    found = next((part for find in (find_city, find_garbled_city) for piece in _parts(text) if (part := find(piece)) is not None), None)
    if first is None or first.postcode:
        if found is not None and not found.city and first is not None:
            return CityPart(found.postcode, first.city, found.certainty)
        return found
    best = max(_parts(text), key=lambda piece: fuzz.ratio(plain(piece), plain(first.city)), default="")
    return CityPart("", best, 0.5) if best else None


def _number_key(number: str) -> str:
    return plain(number).replace(" ", "")


def _choose_street(found: Sequence[tuple[StreetPart, Line]], count: int, block: AddressBlock) -> tuple[StreetPart, float, float]:
    """The street most like all readings, the number most of them have, the mean score, and how far they agree."""
    if not found or block.street is None:
        return StreetPart("", "", 0.0), 0.0, 0.0
    votes: defaultdict[str, float] = defaultdict(float)
    for part, line in found:
        votes[_number_key(part.housenumber)] += line.score * (GUESSED if part.is_number_guessed else 1.0)
    number = max(votes, key=lambda seen: votes[seen])
    same = [part for part, _ in found if _number_key(part.housenumber) == number]
    share = len(same) / count
    if all(part.is_number_guessed for part in same):
        share = min(share, GUESSED)
    if _may_be_suffix(number, [line for part, line in found if _number_key(part.housenumber) == number]):
        share = min(share, GUESSED)
    names = [part.street for part, _ in found]
    street, score = _voted([(part.street, line) for part, line in found])
    shown = next((part.housenumber for part in same if not part.is_number_guessed), same[0].housenumber)
    return StreetPart(street, shown, 1.0), round(score, 4), share * (1 + _likeness(street, names)) / 2


def _may_be_suffix(number: str, lines: Sequence[Line]) -> bool:
    """Whether 76 may be 7b, and 78 be 7B: no reading is sure of the last digit."""
    if re.fullmatch(r"\d+[68]", number) is None:
        return False
    scores = [score for line in lines for score in _last_digit_scores(line, number)]
    return bool(scores) and max(scores) < SURE_DIGIT


def _last_digit_scores(line: Line, number: str) -> list[float]:
    """The score of the number's last digit in a line, as often as the number stands there; none where characters have no scores."""
    if len(line.char_scores) != len(line.text):
        return []
    return [line.char_scores[found.end() - 1] for found in re.finditer(rf"(?<!\d){number}(?!\d)", line.text)]


def _choose_city(found: Sequence[tuple[CityPart, Line]], count: int, block: AddressBlock) -> tuple[CityPart, float]:
    """The postcode most readings have and the town most like all of them, with its score times the share that agrees."""
    if not found:
        return block.city or CityPart("", "", 0.0), 0.0
    votes: defaultdict[str, float] = defaultdict(float)
    for part, line in found:
        votes[part.postcode.replace(" ", "")] += line.score * part.certainty
    code = max(votes, key=lambda seen: votes[seen])
    same = [part for part, _ in found if part.postcode.replace(" ", "") == code]
    city, score = _voted([(part.city, line) for part, line in found])
    return CityPart(same[0].postcode, city, 1.0), round(score * len(same) / count, 4)


def _voted(found: Sequence[tuple[str, Line]]) -> tuple[str, float]:
    """The spelling on which the readings settle, and the best score among readings of their pivot."""
    readings = [part_of_line(text, line.text, line.score, line.char_scores) for text, line in found]
    middle = pivot(readings).text
    return vote(readings), max(line.score for text, line in found if text == middle)


def _likeness(chosen: str, names: Sequence[str]) -> float:
    """Mean likeness of all readings to the one chosen, 0 to 1; spaces and accents do not count."""
    mine = plain(chosen).replace(" ", "")
    values = [fuzz.ratio(mine, plain(name).replace(" ", "")) / 100 for name in names]
    return sum(values) / len(values) if values else 0.0
