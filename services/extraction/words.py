"""The vocabulary of letters, and comparing words that a reader may have misread."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files

import yaml
from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d"})


def plain(text: str) -> str:
    """Lower case without accents; whatever is neither letter nor digit becomes one space."""
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    bare = "".join(char for char in folded if not unicodedata.combining(char))
    return re.sub(r"[^\w]+|_", " ", bare).strip()


@cache
def vocabulary(name: str) -> tuple[str, ...]:
    """Words of one list of vocabulary.yml, plain and without repetition."""
    lists = yaml.safe_load(files(__package__).joinpath("vocabulary.yml").read_text("utf-8"))
    return tuple(dict.fromkeys(plain(str(word)) for word in lists[name]))


@cache
def facility_keywords() -> dict[str, dict[str, tuple[str, ...]]]:
    """Keywords per facility kind and language, plain."""
    kinds = yaml.safe_load(files(__package__).joinpath("facility_keywords.yml").read_text("utf-8"))
    return {kind: {language: tuple(plain(word) for word in words) for language, words in spoken.items()} for kind, spoken in kinds.items()}


def starts_with(text: str, name: str, *, at_least: float = 84) -> bool:
    """Whether the text begins with one of the list's phrases; long phrases may have a few wrong letters."""
    bare = plain(text)
    for phrase in vocabulary(name):
        head = bare[: len(phrase)]
        ends = len(bare) <= len(phrase) or bare[len(phrase)] == " "
        if head == phrase and ends:
            return True
        if len(phrase) >= 6 and fuzz.ratio(head, phrase) >= at_least:
            return True
    return False


def has_word(text: str, name: str, *, at_least: float = 86) -> bool:
    """Whether a word of the text is in the list; words of six letters and more may have a few wrong ones."""
    bare = plain(text)
    wanted = vocabulary(name)
    words = bare.split()
    phrases = [phrase for phrase in wanted if " " in phrase]
    if any(word in wanted for word in words) or any(f" {phrase} " in f" {bare} " for phrase in phrases):
        return True
    long = [phrase for phrase in wanted if len(phrase) >= 6 and " " not in phrase]
    return any(len(word) >= 6 and process.extractOne(word, long, scorer=fuzz.ratio, score_cutoff=at_least) for word in words)


def is_office(text: str) -> bool:
    """Whether the text names an office: by a word, by the end or the beginning of a compound ('Planungsamt', 'Gemeentebestuur'),
    or by a phrase in which a letter may be wrong ('Vi1le de Korvenau')."""
    if has_word(text, "office_words"):
        return True
    words = plain(text).split()
    if any(len(word) >= len(end) + 3 and _is_near(word[-len(end) :], end) for word in words for end in vocabulary("office_endings")):
        return True
    if any(len(word) >= len(start) and _is_near(word[: len(start)], start) for word in words for start in vocabulary("office_starts")):
        return True
    phrases = [phrase for phrase in vocabulary("office_words") if " " in phrase]
    tuples = [" ".join(words[place : place + size]) for size in (2, 3, 4) for place in range(len(words) - size + 1)]
    return any(_is_near(several, phrase) for several in tuples for phrase in phrases)


def _is_near(text: str, known: str) -> bool:
    """Equal, or one letter apart in seven and more."""
    return text == known or (len(known) >= 7 and Levenshtein.distance(text, known, score_cutoff=1) <= 1)


def is_initial(text: str) -> bool:
    """Whether the text begins with a single letter and a dot, as names do."""
    return re.match(r"\s*[^\W\d]\.", text) is not None


def share_of_words(text: str, name: str) -> float:
    """Share of the text's words that are in the list exactly, 0 to 1."""
    words = plain(text).split()
    wanted = set(vocabulary(name))
    return sum(word in wanted for word in words) / len(words) if words else 0.0
