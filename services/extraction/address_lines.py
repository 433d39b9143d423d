"""Recognizes a street with house number, and a postcode with town, in single lines of text of many countries."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rapidfuzz.distance import DamerauLevenshtein

from services.extraction.words import plain, share_of_words, vocabulary

# Letters that readers take digits for, only ever used where a digit must stand.
DIGIT_LOOKALIKES = str.maketrans("OoQDIl|i!/ZzSsBT?gq", "0000111111225587799")
_NUMBER = r"\d{1,4}(?:\s?[a-zA-Z](?![a-zA-Z]))?(?:\s?(?:bis|ter|quater)\b)?(?:\s?[-/+]\s?\d{1,4}\s?[a-zA-Z]?(?![a-zA-Z]))?'?"
_TRAILING = re.compile(
    rf"^(?P<street>.*?[^\W\d].*?)[\s.,:]*(?:\b(?:nr|no|num|n°|nº)[\s.:°º]*|#|°)?(?P<number>{_NUMBER})[\s.,;:]*$", re.IGNORECASE
)
_LEADING = re.compile(rf"^[\s.,;:]*(?P<number>{_NUMBER})[\s,.:]+(?P<street>[^\W\d].*?)[\s.,;:]*$", re.IGNORECASE)
_COUNTRY = r"(?:(?P<country>FL|LI|CH|AT|DE|BE|NL|FR|LU|IT|ES|DK|SE|NO|PT|PL|CZ|A|D|B|F|L|I|E|N|S|P)\s?[-–—.\s]\s?)?"
_CITY = r"(?P<city>[^\W\d][^\d]*?)"
_POSTCODES = (
    # United Kingdom: the town stands before the code, or on the line above.
    ("gb", re.compile(r"^(?P<city>.*?)[\s,]*\b(?P<code>[A-Z]{1,2}[0-9OIl][A-Z0-9]?\s?[0-9OI][A-Z]{2})\W*$")),
    ("nl", re.compile(rf"^(?:NL\s?[-–]?\s?)?(?P<code>[1-9]\d{{3}}\s?[A-Z]{{2}})\b[\s,.]+{_CITY}\W*$")),
    ("pt", re.compile(rf"^{_COUNTRY}(?P<code>\d{{4}}-\d{{3}})[\s,.]+{_CITY}\W*$")),
    ("pl", re.compile(rf"^{_COUNTRY}(?P<code>\d{{2}}-\d{{3}})[\s,.]+{_CITY}\W*$")),
    ("se", re.compile(rf"^{_COUNTRY}(?P<code>\d{{3}}\s\d{{2}})[\s,.]+{_CITY}\W*$")),
    ("us", re.compile(r"^(?P<city>[^\W\d][^\d]*?),?\s+[A-Z]{2}\s+(?P<code>\d{5}(?:-\d{4})?)\W*$")),
    ("digits", re.compile(rf"^{_COUNTRY}(?P<code>\d{{4,6}})[\s,.:-]*{_CITY}\W*$")),
    ("doubtful", re.compile(rf"^{_COUNTRY}(?P<code>(?=[^\s]*\d[^\s]*\d)[0-9A-Za-z?]{{4,5}})[\s,.:]+{_CITY}\W*$")),
)  # fmt: skip
_DATE = re.compile(r"\b\d{1,2}\s?[./-]\s?\d{1,2}\s?[./-]\s?\d{2,4}\b|\b(19|20)\d{2}\s*[.)]?\s*$")
_PHONE = re.compile(r"\b(?:tel|telefon|telephone|fon|phone|fax|mob|mobil|mobile|iban|konto|www|https?)\b|@|\+\d{2}", re.IGNORECASE)


@dataclass(frozen=True)
class StreetPart:
    """A street and house number found in one segment; `certainty` 0 to 1: how much the words look like a street;
    `is_number_guessed`: letters were taken for its digits."""

    street: str
    housenumber: str
    certainty: float
    is_number_guessed: bool = False


@dataclass(frozen=True)
class CityPart:
    """A postcode and town found in one segment; `certainty` is lower where letters had to be taken for digits."""

    postcode: str
    city: str
    certainty: float


def segments(text: str) -> list[str]:
    """Cut a line at commas, semicolons, bullets and bars; a lone house number stays with its street."""
    parts = [part.strip() for part in re.split(r"[,;•·]|\s[-–—|]\s", text) if part.strip()]
    joined: list[str] = []
    for part in parts:
        before_number = bool(joined) and re.fullmatch(_NUMBER, part) is not None and not re.search(r"\d", joined[-1])
        after_number = bool(joined) and re.fullmatch(_NUMBER, joined[-1]) is not None
        if before_number or after_number:
            joined[-1] = f"{joined[-1]} {part}"
        else:
            joined.append(part)
    return joined


def is_street_like(name: str) -> float:
    """How much a name looks like a street: 1 with a street word, .6 with a usual beginning, .3 otherwise."""
    words = plain(name).split()
    if not words:
        return 0.0
    exact = vocabulary("street_words")
    if words[0] in exact or words[-1] in exact:
        return 1.0
    if any(_ends_like_street(word) for word in words):
        return 1.0
    if any(
        len(word) > 3 and DamerauLevenshtein.distance(word, known) <= 1
        for word in (words[0], words[-1])
        for known in exact
        if len(known) > 4
    ):
        return 0.9
    return 0.6 if len(words) > 1 and words[0] in vocabulary("street_starts") else 0.3


def has_strong_street_word(name: str) -> bool:
    """Whether a name of several words begins or ends with a word that towns do not have: '12 Orchard Lane', '5 rue du Port'."""
    words = plain(name).split()
    return len(words) > 1 and any(len(word) > 2 and word in vocabulary("street_words") for word in (words[0], words[-1]))


def _ends_like_street(word: str) -> bool:
    for ending in vocabulary("street_endings"):
        if len(word) > len(ending) + 1 and word.endswith(ending):
            return True
        if len(ending) >= 6 and len(word) > len(ending) + 2:
            tails = (word[-len(ending) :], word[-len(ending) + 1 :], word[-len(ending) - 1 :])
            if min(DamerauLevenshtein.distance(tail, ending) for tail in tails) <= 2:
                return True
    return False


def find_street(segment: str) -> StreetPart | None:
    """The street and number of a segment that consists of nothing else; None for sentences, dates, phone numbers."""
    text = _without_unit(segment.strip(" .,:;*"))
    if not text or _DATE.search(text) or _PHONE.search(text) or len(text) > 60:
        return None
    leading, trailing = _LEADING.match(text), _TRAILING.match(text)
    found = leading or trailing
    if leading and trailing and is_street_like(trailing["street"]) > is_street_like(leading["street"]):
        found = trailing
    if found is None and is_street_like(text) >= 0.9:
        # A lone stroke beside a digit is a one: 'I5 Chapel Close', 'Dorfweg 2l'.
        ones = re.sub(r"(?:(?<=^)|(?<=\s))[Il|](?=\d)|(?<=\d)[Il|](?=\d|$)", "1", text)
        found = _LEADING.match(ones) or _TRAILING.match(ones)
    is_guessed = found is None
    if found is None:
        found = _TRAILING.match(_digits_at_end(text))
    if found is None:
        return None
    # An abbreviation keeps its dot.
    street = found["street"].strip(" .,:;-–'\"") + ("." if found.string[found.end("street") :].startswith(".") else "")
    number, certainty = _clean_number(found["number"]), is_street_like(street)
    return StreetPart(street, number, certainty, is_guessed) if _is_plausible(street, number, certainty) else None


def _is_plausible(street: str, number: str, certainty: float) -> bool:
    """Whether a name can be a street's: no sentence, no 'Flat 2', and with a capital where nothing else says street."""
    words = plain(street).split()
    return (
        len("".join(words)) >= 2
        and len(words) <= 8
        and not number.startswith("0")
        and not (len(words) == 1 and words[0] in vocabulary("unit_words"))
        and (certainty > 0.3 or street[:1].isupper())
        and share_of_words(street, "sentence_words") <= 0.4
    )


def _digits_at_end(text: str) -> str:
    """'Raistrasseg' and 'Dorfweg l2': a number whose digits were taken for letters, behind a street word."""
    spaced = re.match(r"^(.*[^\W\d])\s+([OoIlSBZTgq|?\d]{1,3}[a-z]?)$", text)
    if spaced and is_street_like(spaced[1]) >= 0.9:
        return f"{spaced[1]} {spaced[2].translate(DIGIT_LOOKALIKES)}"
    glued = re.match(r"^(.*(?:strasse|straße|weg|gasse|straat|laan|platz))([gqlIO|])$", text, re.IGNORECASE)
    return f"{glued[1]} {glued[2].translate(DIGIT_LOOKALIKES)}" if glued else text


def _clean_number(number: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"(?<=\d)\s+(?=[a-zA-Z]$)", "", number.strip(" '"))).strip()


def _without_unit(text: str) -> str:
    """Cut 'Flat 2' and the like, at the end or the beginning of the segment."""
    words = "|".join(map(re.escape, vocabulary("unit_words")))
    text = re.sub(rf"[\s,/]+(?:{words})\.?\s*\d{{0,3}}\s?[a-zA-Z]?$", "", text, flags=re.IGNORECASE) if re.search(r"\d.*\d", text) else text
    return re.sub(rf"^(?:{words})\.?\s*\d{{1,3}}[a-zA-Z]?[\s,/]+(?=\S)", "", text, flags=re.IGNORECASE).strip()


def find_city(segment: str) -> CityPart | None:
    """The postcode and town of a segment that consists of nothing else."""
    text = segment.strip(" .,:;*()")
    if _DATE.search(text) or _PHONE.search(text) or len(text) > 60:
        return None
    for kind, pattern in _POSTCODES:
        found = pattern.match(text)
        if found is None:
            continue
        code = found["code"].translate(DIGIT_LOOKALIKES) if kind == "doubtful" else found["code"]
        city = found["city"].strip(" .,:;-–'\"")
        if (kind != "gb" and len(plain(city)) < 2) or len(city.split()) > 6 or share_of_words(city, "sentence_words") > 0.4:
            continue
        if city and not city[0].isupper() and kind not in ("digits", "doubtful"):
            continue
        return CityPart(code, city, 0.6 if kind == "doubtful" else 1.0)
    return None


def find_garbled_city(segment: str) -> CityPart | None:
    """Where a postcode must be but was misread: '3M195mouteluz' and '38A1 Kleinröden' still tell the town's name."""
    text = segment.strip(" .,:;*()")
    found = re.match(r"^(?P<code>\S{1,5}\d)\W*(?P<city>[^\W\d][^\d]{3,})$", text)
    if found is None or _DATE.search(text) or _PHONE.search(text) or sum(char.isdigit() for char in found["code"]) < 2:
        return None
    return CityPart(found["code"].translate(DIGIT_LOOKALIKES), found["city"].strip(" .,:;-"), 0.4)


def split_one_line(segment: str) -> tuple[str, str] | None:
    """'Dorfstr. 5 9490 Vaduz' as street part and city part; None when there are not both."""
    for found in re.finditer(r"\s(?=(?:[A-Z]{1,2}\s?-\s?)?\d{4,5}\s?[A-Z]{0,2}\s+[^\W\d])", segment):
        street, city = segment[: found.start()], segment[found.start() :]
        if find_street(street) and find_city(city):
            return street.strip(), city.strip()
    return None


def looks_like_place(segment: str) -> bool:
    """Whether a segment could be a town without postcode, or a name: one to four words, a capital first, no digits."""
    text = segment.strip(" .,:;()")
    words = text.split()
    if _PHONE.search(text):
        return False
    return (
        1 <= len(words) <= 4
        and len(text) >= 3
        and text[0].isupper()
        and not re.search(r"\d|[:@!?]", text)
        and share_of_words(text, "sentence_words") <= 0.34
    )
