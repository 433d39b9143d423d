"""Puts several readings of the same words together, letter by letter, each vote weighted by the reader's own score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from services.extraction.words import plain

# Misread letters mostly have scores below .9, right ones above .97: a high power keeps one clear reading ahead of two dim ones.
_POWER = 4


@dataclass(frozen=True)
class Reading:
    """Words as read once, with a score from 0 to 1 for each character."""

    text: str
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean score of the characters; 0 without any."""
        return sum(self.scores) / len(self.scores) if self.scores else 0.0


def part_of_line(part: str, line: str, line_score: float, char_scores: Sequence[float]) -> Reading:
    """A part of a line as a reading of its own; the line's score stands in where characters have none."""
    start = line.find(part)
    if start < 0 or len(char_scores) != len(line):
        return Reading(part, (line_score,) * len(part))
    return Reading(part, tuple(char_scores[start : start + len(part)]))


def pivot(readings: Sequence[Reading]) -> Reading:
    """The reading most like all others, each weighted by its score."""
    bare = [(plain(reading.text), reading.mean) for reading in readings]
    weights = [sum(score**_POWER * fuzz.ratio(mine, theirs) for theirs, score in bare) + 20 * own for mine, own in bare]
    return readings[max(range(len(readings)), key=lambda place: weights[place])]


def vote(readings: Sequence[Reading]) -> str:
    """Align all readings with the pivot and choose each character, and each gap, by weighted vote; ties go to the pivot."""
    if not readings:
        return ""
    middle = pivot(readings)
    if all(reading.text == middle.text for reading in readings):
        return middle.text
    length = len(middle.text)
    places: list[dict[str, float]] = [defaultdict(float) for _ in range(length)]
    gaps: list[dict[str, float]] = [defaultdict(float) for _ in range(length + 1)]
    for reading in readings:
        _cast(reading, middle, places, gaps)
    chosen = [_winner(gaps[0], "")]
    for place, char in enumerate(middle.text):
        chosen.extend((_winner(places[place], char), _winner(gaps[place + 1], "")))
    return " ".join("".join(chosen).split())


def _cast(reading: Reading, middle: Reading, places: list[dict[str, float]], gaps: list[dict[str, float]]) -> None:
    weights = [score**_POWER for score in reading.scores]
    dim = min(weights, default=0.0)
    inserted: set[int] = set()
    for step in Levenshtein.opcodes(middle.text, reading.text):
        start, other = step.src_start, step.dest_start
        if step.tag in ("equal", "replace"):
            for offset in range(step.src_end - start):
                places[start + offset][reading.text[other + offset]] += weights[other + offset]
        elif step.tag == "delete":
            for place in range(start, step.src_end):
                places[place][""] += dim
        else:
            gaps[start][reading.text[other : step.dest_end]] += min(weights[other : step.dest_end])
            inserted.add(start)
    mean = reading.mean**_POWER
    for gap in range(len(gaps)):
        if gap not in inserted:
            gaps[gap][""] += mean


def _winner(votes: dict[str, float], default: str) -> str:
    return max(votes, key=lambda char: (votes[char], char == default)) if votes else default
