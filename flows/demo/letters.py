"""The letters of the demo drawn on paper and scanned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from flows.demo.correspondence import Letter
from flows.demo.pen import HANDS, Ink, Pen
from flows.demo.scan import HEIGHT, WIDTH, Scan, blank, encode, scan

Box = tuple[int, int, int, int]
MARGIN = 130
RIGHT_COLUMN = 690
EDGE = 70  # nobody writes beyond the sheet
SUFFIXES = (".jpg", ".jpg", ".png", ".jpg", ".pdf", ".jpg", ".tif", ".jpg")
# Quarter turns of the pages that went into the scanner the wrong way round, by letter number.
TURNS = {5: 2, 12: 1, 22: 2, 27: 3}
TWO_PAGES = frozenset({6, 30, 36})
PAPERS = ((238, 238, 236), (244, 238, 220), (228, 233, 238))
INKS = ((38, 38, 44), (30, 48, 128), (20, 20, 26))


@dataclass(frozen=True)
class LetterFile:
    """One scanned letter as a file; `hand` names how it is written."""

    letter: Letter
    name: str
    hand: str
    content: bytes


def draw_letters(letters: list[Letter], seed: int) -> Iterator[LetterFile]:
    """Draw and scan the letters one after the other (about 0.2 s each on one core)."""
    for letter in letters:
        rng = np.random.default_rng([seed, 3, letter.number])
        hand = HANDS[(letter.number * 2 + letter.number // 5) % len(HANDS)]
        suffix = SUFFIXES[letter.number % len(SUFFIXES)]
        how = _scan_of(letter, suffix, rng)
        sheets = Sheets(letter, Pen(hand, rng))
        tilts = [how.angle * (1 if page == 0 else -0.6) for page in range(len(sheets.pages))]
        pages = [scan(ink, replace(how, angle=tilt), rng, sheets.address_box) for ink, tilt in zip(sheets.pages, tilts, strict=True)]
        yield LetterFile(letter, f"letter_{letter.number + 1:03d}{suffix}", hand.name, encode(pages, suffix, how.quality))


def _scan_of(letter: Letter, suffix: str, rng: np.random.Generator) -> Scan:
    """Scanner, paper and mishaps of a letter."""
    tilt = float(rng.uniform(1.0, 3.0)) * (1 if rng.random() < 0.5 else -1)
    shade = int(rng.integers(len(PAPERS)))
    return Scan(
        angle=tilt,
        turns=TURNS.get(letter.number, 0),
        wobble=float(rng.uniform(0.6, 1.1)),
        noise=float(rng.uniform(5, 11)),
        light=float(rng.uniform(12, 45)),
        paper=PAPERS[shade],
        ink=INKS[int(rng.integers(len(INKS)))],
        folds=bool(rng.random() < 0.45),
        quality=int(rng.integers(40, 72)),
        is_colour=suffix == ".jpg" and (letter.number % 3 == 0 or letter.case.damage == "stain"),
        damage=letter.case.damage,
    )


class Sheets:
    """Lays a letter out on one page or two; `address_box` is where the sender's address stands on the last one that has it."""

    def __init__(self, letter: Letter, pen: Pen) -> None:
        self._letter, self._pen = letter, pen
        self.pages: list[Ink] = [blank()]
        self.address_box: Box = (0, 0, WIDTH, HEIGHT)
        self._y = float(pen.rng.uniform(140, 200))
        self._jump = pen.line_height
        layout = "signature" if letter.number in TWO_PAGES else letter.layout
        {"top_left": self._top_left, "top_right": self._top_right, "header_line": self._header, "signature": self._no_head}[layout]()
        self._body()
        self._sign(with_address=layout == "signature")

    def _line(self, text: str, left: float = MARGIN, height: float = 1.0) -> None:
        self._pen.write(self.pages[-1], text, left, self._y)
        self._y += self._jump * height

    def _address(self, left: float) -> None:
        """Sender's name, street and city below each other."""
        top = self._y - self._jump
        lines = (self._letter.sender, self._letter.street_line, self._letter.city_line)
        width = max(self._pen.width(line) for line in lines)
        left = min(left, WIDTH - EDGE - width)
        for line in lines:
            self._line(line, left)
        self.address_box = _clip((left - 30, top + self._jump * 0.9, left + width + 40, self._y - self._jump * 0.4))

    def _recipient(self, left: float) -> None:
        for line in self._letter.recipient:
            self._line(line, left)

    def _date(self, left: float) -> None:
        self._y += self._jump * 0.8
        text = self._letter.date_text
        self._line(text, min(left, WIDTH - EDGE - self._pen.width(text)), 1.9)

    def _top_left(self) -> None:
        self._address(MARGIN)
        self._y += self._jump * 1.6
        self._recipient(MARGIN)
        self._date(RIGHT_COLUMN)

    def _top_right(self) -> None:
        self._address(RIGHT_COLUMN)
        self._y += self._jump * 1.4
        self._recipient(MARGIN)
        self._date(RIGHT_COLUMN)

    def _header(self) -> None:
        """The whole address in one line above everything, written smaller where it would not fit."""
        letter = self._letter
        text = ", ".join((letter.sender, letter.street_line, letter.city_line))
        limit = WIDTH - 2 * MARGIN + 60
        size = min(self._pen.hand.size, int(self._pen.hand.size * limit / self._pen.width(text)))
        pen = Pen(replace(self._pen.hand, size=size), self._pen.rng)
        pen.write(self.pages[-1], text, MARGIN - 30, self._y)
        self.address_box = _clip((MARGIN - 60, self._y - 1.3 * size, MARGIN + limit, self._y + 0.6 * size))
        self._y += self._jump * 2.6
        self._recipient(MARGIN)
        self._date(RIGHT_COLUMN)

    def _no_head(self) -> None:
        self._recipient(MARGIN)
        self._date(RIGHT_COLUMN)

    def _body(self) -> None:
        self._line(self._letter.salutation, height=1.7)
        lines = self._pen.wrap(self._letter.body, WIDTH - 2 * MARGIN)
        for number, line in enumerate(lines):
            if self._letter.number in TWO_PAGES and number == len(lines) // 2:
                self.pages.append(blank())
                self._y = 190.0
            self._line(line)
        self._y += self._jump * 0.8

    def _sign(self, *, with_address: bool) -> None:
        self._line(self._letter.closing, height=2.2)
        if with_address:
            self._address(MARGIN)
        else:
            self._line(self._letter.sender)


def _clip(box: tuple[float, float, float, float]) -> Box:
    left, top, right, bottom = box
    return max(int(left), 0), max(int(top), 0), min(int(right), WIDTH), min(int(bottom), HEIGHT)
