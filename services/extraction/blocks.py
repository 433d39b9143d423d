"""Groups the lines of a letter into blocks, and tells its head, body and signature apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.extraction.base import Line
from services.extraction.words import has_word, plain, share_of_words, starts_with

# Distances within a block, in line heights: measured boxes already reach over ascenders and descenders.
_MAX_GAP = 0.95
_MAX_SHIFT = 2.5
# A signature, an address, a postscript.
_MAX_BELOW_CLOSING = 9
_MAX_SIGNATURE = 5


@dataclass(frozen=True)
class Block:
    """Lines that stand together, from top to bottom."""

    lines: tuple[Line, ...]

    @property
    def page(self) -> int:
        """Page number, from 1."""
        return self.lines[0].page

    @property
    def top(self) -> float:
        """Upper edge in pixels."""
        return min(line.top for line in self.lines)

    @property
    def bottom(self) -> float:
        """Lower edge in pixels."""
        return max(line.bottom for line in self.lines)

    @property
    def left(self) -> float:
        """Left edge in pixels."""
        return min(line.left for line in self.lines)

    @property
    def right(self) -> float:
        """Right edge in pixels."""
        return max(line.right for line in self.lines)


@dataclass(frozen=True)
class Outline:
    """A letter's parts: lines in reading order, blocks, and where body and signature are (positions in `lines`)."""

    lines: tuple[Line, ...]
    blocks: tuple[Block, ...]
    salutation: int | None
    closing: int | None

    def position(self, line: Line) -> int:
        """Place of a line in reading order, from 0."""
        return next(place for place, other in enumerate(self.lines) if other is line)

    def is_body(self, line: Line) -> bool:
        """Whether the line is running text: between salutation and closing, or a sentence."""
        place = self.position(line)
        start = self.salutation
        end = self.closing if self.closing is not None else len(self.lines)
        between = start is not None and start < place < end
        return between or is_sentence(line.text)

    def is_after_closing(self, line: Line) -> bool:
        """Whether the line stands below the closing formula."""
        return self.closing is not None and self.position(line) > self.closing

    def is_below_closing(self, line: Line) -> bool:
        """Whether the line stands so close below the closing formula that it belongs to the signature."""
        if self.closing is None or line.page != self.lines[self.closing].page:
            return False
        return 0 < self.position(line) - self.closing <= _MAX_SIGNATURE

    def signature(self) -> tuple[Line, ...]:
        """Up to three lines below the closing formula."""
        return self.lines[self.closing + 1 : self.closing + 4] if self.closing is not None else ()

    def block_of(self, line: Line) -> Block:
        """The block in which the line stands."""
        return next(block for block in self.blocks if any(other is line for other in block.lines))


def is_sentence(text: str) -> bool:
    """Whether a line reads like running text: several words, some of which only sentences have."""
    words = plain(text).split()
    return len(words) >= 5 and share_of_words(text, "sentence_words") >= 0.18 and not text.strip().isupper()


def outline(lines: Sequence[Line]) -> Outline:
    """Bring lines into reading order and find the parts of the letter."""
    ordered = tuple(sorted(lines, key=lambda line: (line.page, line.top + line.height / 2, line.left)))
    salutation = next(
        (
            place
            for place, line in enumerate(ordered)
            if len(line.text) < 60 and starts_with(line.text, "salutations") and not _has_digit(line.text)
        ),
        None,
    )
    closings = [place for place, line in enumerate(ordered) if _is_closing(line.text, len(ordered) - 1 - place)]
    closing = next((place for place in reversed(closings) if salutation is None or place > salutation), None)
    return Outline(lines=ordered, blocks=_blocks(ordered), salutation=salutation, closing=closing)


def _is_closing(text: str, below: int) -> bool:
    """Whether a line closes a letter: by its beginning, or near the end (`below`: lines that follow) by a word that closings have."""
    if len(text) >= 60:
        return False
    is_near_end = below <= _MAX_BELOW_CLOSING and len(text.split()) <= 7 and not _has_digit(text)
    return starts_with(text, "closings") or (is_near_end and has_word(text, "closing_words"))


def _has_digit(text: str) -> bool:
    return any(char.isdigit() for char in text)


def _blocks(ordered: Sequence[Line]) -> tuple[Block, ...]:
    groups: list[list[Line]] = []
    for line in ordered:
        home = next((group for group in reversed(groups) if _belongs(line, group[-1])), None)
        if home is None:
            groups.append([line])
        else:
            home.append(line)
    return tuple(Block(tuple(group)) for group in groups)


def _belongs(line: Line, above: Line) -> bool:
    """Whether a line continues the block that ends with the line above: close below it, and flush left, right or centred."""
    height = max(min(line.height, above.height), 1.0)
    gap = line.top - above.bottom
    if line.page != above.page or not -0.6 * height < gap < _MAX_GAP * max(line.height, above.height):
        return False
    shifts = (line.left - above.left, line.right - above.right, (line.left + line.right - above.left - above.right) / 2)
    return min(abs(shift) for shift in shifts) < _MAX_SHIFT * height
