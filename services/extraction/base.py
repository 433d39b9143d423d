"""What every reader of letters takes and gives: files in, one extraction or one error per letter out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from services.errors import ExtractionError

Pixels = NDArray[np.uint8]
Outcome = Literal["read", "unreadable", "failed"]
# How one question to a model ended; whatever is no `ok` or `other_model` is also what is told when the letter had to be read otherwise.
AttemptOutcome = Literal[
    "ok",
    "other_model",
    "invalid_json",
    "wrong_schema",
    "cut_off",
    "refusal",
    "rate_limited",
    "server_error",
    "timeout",
    "disconnected",
    "misconfigured",
    "bad_request",
]

# Problems that pass without a change of the letter: one that had to be read by a fallback is read again when the chosen reader answers.
OUTAGES = frozenset({"rate_limited", "server_error", "timeout", "disconnected", "misconfigured", "circuit_open"})


@dataclass(frozen=True)
class LetterFile:
    """One letter as a file on disk: `pages` is the number of pages that it has."""

    letter_id: str
    path: Path
    media_type: str
    pages: int = 1


@dataclass(frozen=True)
class PageImage:
    """One page as pixels: `image` is uint8 of shape (height, width, 3), blue-green-red; `number` counts from 1."""

    number: int
    image: Pixels


@dataclass(frozen=True)
class Line:
    """One line of text on a page; coordinates are pixels of the upright, unskewed page, scores 0 to 1."""

    text: str
    score: float
    left: float
    top: float
    right: float
    bottom: float
    page: int = 1
    index: int = -1
    char_scores: tuple[float, ...] = field(default=(), repr=False)

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.bottom - self.top


@dataclass(frozen=True)
class Attempt:
    """One question to a model about a letter: a row of bronze.extraction_attempts; `cost` is in the currency of the prices, what is
    cached was paid for before, `raw` is the answer as it came, and `cache_key` the object that keeps it (empty: none)."""

    requested_model: str
    returned_model: str
    prompt_version: str
    outcome: AttemptOutcome
    input_tokens: int
    output_tokens: int
    cost: float
    latency_ms: float
    raw: str
    started_at: datetime
    is_cached: bool = False
    cache_key: str = ""


@dataclass(frozen=True)
class Reader:
    """Who truly read a letter."""

    name: str
    version: str
    model: str


class Extraction(BaseModel):
    """What was read from one letter: the columns of bronze.extractions from `outcome` to `problem`; `reader` is who read it, where
    that is not simply the extractor itself."""

    model_config = ConfigDict(frozen=True)

    outcome: Outcome
    sender_name: str = ""
    street: str = ""
    housenumber: str = ""
    postcode: str = ""
    city: str = ""
    letter_date: date | None = None
    language: str = Field(default="", description="ISO 639-1, empty when unknown")
    facility_kind: str = ""
    text: str = ""
    street_score: float = Field(default=0.0, ge=0, le=1)
    city_score: float = Field(default=0.0, ge=0, le=1)
    agreement_score: float = Field(default=0.0, ge=0, le=1)
    sender_score: float = Field(default=0.0, ge=0, le=1)
    address_page: int = Field(default=0, ge=0)
    address_box: tuple[float, ...] = Field(default=(), description="left, top, right, bottom as shares of the upright page")
    page_rotations: tuple[int, ...] = ()
    raw: str = ""
    is_fallback: bool = Field(default=False, description="another reader than the chosen one had to read it")
    problem: str = Field(default="", description="what kept the chosen reader from a usable answer: an outcome of an attempt, or its like")
    reader: Reader | None = Field(default=None, exclude=True)
    attempts: tuple[Attempt, ...] = Field(default=(), exclude=True)


class Extractor(Protocol):
    """Reads letters; results come as each one is done, in any order."""

    @property
    def name(self) -> str:
        """Kind of reader: ocr or vision."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same letter could be read differently."""
        ...

    @property
    def model(self) -> str:
        """Name of the model that reads."""
        ...

    def extract(self, letters: Sequence[LetterFile]) -> Iterator[tuple[str, Extraction | ExtractionError]]:
        """Yield (letter_id, extraction or error) for every letter, as each is done."""
        ...

    def retakes(self) -> int:
        """How many letters that a fallback had to read may be read again now: none while the reader is away, one to see whether
        it is back, many when it answers."""
        ...

    def close(self) -> None:
        """Give back processes and memory; the extractor may be used again afterwards."""
        ...
