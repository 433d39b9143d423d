"""What every reader of letters takes and gives: files in, one extraction or one error per letter out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from services.errors import ExtractionError

Pixels = NDArray[np.uint8]
Outcome = Literal["read", "unreadable", "failed"]


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


class Extraction(BaseModel):
    """What was read from one letter: the columns of bronze.extractions from `outcome` to `raw`."""

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

    def close(self) -> None:
        """Give back processes and memory; the extractor may be used again afterwards."""
        ...
