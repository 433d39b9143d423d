"""Reads the rest of a letter: its date, its language and the kind of facility that it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from importlib import import_module
from typing import Any

from rapidfuzz import fuzz, process

from services.extraction.words import facility_keywords, plain

LANGUAGES = ("de", "fr", "nl", "en", "it", "es", "pt")
_MONTH_LANGUAGES = (*LANGUAGES, "da", "sv", "nb", "pl", "cs", "ca", "lb")
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december")
_NUMERIC = re.compile(r"(?<!\d)(\d{1,2})\s?[./|-]\s?(\d{1,2})\s?[./|-]\s?(\d{4}|\d{2})(?!\d)")
_ISO = re.compile(r"(?<!\d)((?:19|20)\d{2})-(\d{1,2})-(\d{1,2})(?!\d)")
_WORD = r"([0O]?[^\W\d]{3,12})"
_YEAR = r"((?:19|20|2O)[\dO]{2})(?!\d)"
_DAY_FIRST = re.compile(rf"(?<!\d)(\d{{1,2}})\s?(?:st|nd|rd|th|er|e|\.|º|°)?\s*(?:of\s|de\s|d')?\s*{_WORD}\.?\s*(?:de|del)?,?\s*{_YEAR}")
_MONTH_FIRST = re.compile(rf"{_WORD}\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+{_YEAR}")
_LOOKALIKE_DATE = re.compile(r"(?<![\w])([\dOoIlSB]{1,2})\s?([.,])\s?([\dOoIlSB]{1,2})\s?[.,]\s?([\dOoIlSB]{4})(?![\w])")
_TO_DIGITS = str.maketrans({"O": "0", "o": "0", "I": "1", "l": "1", "S": "5", "B": "8"})
_FIRST_YEAR, _LAST_YEAR = 1900, 2099


@cache
def month_names() -> dict[str, int]:
    """Month by its name or abbreviation, plain, in all languages that are read: dateparser's own data."""
    names: dict[str, int] = {}
    for language in _MONTH_LANGUAGES:
        info = import_module(f"dateparser.data.date_translation_data.{language}").info
        for number, month in enumerate(_MONTHS, start=1):
            for name in info[month]:
                names.setdefault(plain(name), number)
    return {name: number for name, number in names.items() if len(name) >= 3}


def _month(word: str) -> int | None:
    names = month_names()
    bare = plain(word.replace("0", "o"))
    if bare in names:
        return names[bare]
    long = [name for name in names if len(name) >= 4]
    found = process.extract(bare, long, scorer=fuzz.ratio, score_cutoff=74, limit=8) if len(bare) >= 4 else []
    best = {names[name] for name, score, _ in found if score == found[0][1]}
    # As near to June as to July is neither.
    return best.pop() if len(best) == 1 else None


def _checked(year: int, month: int | None, day: int) -> date | None:
    if month is None or not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def dates_in(text: str) -> Iterator[date]:
    """Every date of a line; day before month, unless only the other way is possible."""
    for year, month, day in _ISO.findall(text):
        yield from _only(_checked(int(year), int(month), int(day)))
    for day, month, year in _NUMERIC.findall(text):
        full = int(year) + (2000 if len(year) == 2 else 0)
        yield from _only(_checked(full, int(month), int(day)) or _checked(full, int(day), int(month)))
    for day, name, year in _DAY_FIRST.findall(text):
        yield from _only(_checked(_year(year), _month(name), int(day)))
    for name, day, year in _MONTH_FIRST.findall(text):
        yield from _only(_checked(_year(year), _month(name), int(day)))
    for day, _, month, year in _LOOKALIKE_DATE.findall(_NUMERIC.sub(" ", text)):
        yield from _only(_checked(*(int(part.translate(_TO_DIGITS)) for part in (year, month, day))))


def _year(text: str) -> int:
    return int(text.replace("O", "0"))


def _only(found: date | None) -> Iterator[date]:
    if found is not None:
        yield found


def find_date(lines: Sequence[str], body: Sequence[bool]) -> date | None:
    """The letter's own date: in its head or foot before one named in the text, and where little else stands in the line."""
    found: list[tuple[float, int, date]] = []
    for place, (text, is_body) in enumerate(zip(lines, body, strict=True)):
        rest = len(re.sub(r"[\W\d]", "", text))
        found.extend(((2.0 if is_body else 0.0) + (1.0 if rest > 28 else 0.0), place, day) for day in dates_in(text))
    return min(found)[2] if found else None


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # its model lies in the package

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(LANGUAGES))
    return identifier


def find_language(text: str) -> str:
    """ISO 639-1 of the text, of the languages that letters come in; empty when there are too few words to tell."""
    words = re.findall(r"[^\W\d]{2,}", text)
    if len(words) < 6:
        return ""
    language, _ = _identifier().classify(" ".join(words).lower())
    return str(language)


def find_facility_kind(body: str, language: str) -> str:
    """The kind of facility that the text speaks of most; in its own language first, in all when that finds none."""
    words = plain(body).split()
    for languages in ((language,), LANGUAGES):
        weights = {kind: _weight(words, spoken, languages) for kind, spoken in facility_keywords().items()}
        best = max(weights, key=lambda kind: weights[kind])
        if weights[best] > 0:
            return best
    return ""


def _weight(words: Sequence[str], spoken: dict[str, tuple[str, ...]], languages: Sequence[str]) -> float:
    """Sum over the keywords of the best hit of each: 1 for the word itself, less for a compound or a misread word; what is named
    first counts a little more."""
    keywords = dict.fromkeys(word for language in languages for word in spoken.get(language, ()))
    total = 0.0
    for keyword in keywords:
        hits = [hit * (1 - 0.1 * place / max(len(words), 1)) for place, hit in _hits(words, keyword)]
        total += max(hits, default=0.0)
    return total


def _hits(words: Sequence[str], keyword: str) -> Iterator[tuple[int, float]]:
    length = keyword.count(" ") + 1
    for place in range(len(words) - length + 1):
        word = " ".join(words[place : place + length])
        if word == keyword:
            yield place, 1.0
        elif len(keyword) >= 5 and word.startswith(keyword):
            yield place, 0.8
        elif len(keyword) >= 6 and abs(len(word) - len(keyword)) <= 2 and fuzz.ratio(word, keyword) >= 84:
            yield place, 0.7
