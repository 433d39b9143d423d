"""Finds the sender's address in a letter: not the recipient's, not a place named in the text, not the archive's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz

from services.extraction.address_lines import (
    CityPart,
    StreetPart,
    find_city,
    find_garbled_city,
    find_street,
    has_strong_street_word,
    looks_like_place,
    segments,
    split_one_line,
)
from services.extraction.base import Line
from services.extraction.blocks import Block, Outline, is_sentence
from services.extraction.words import has_word, plain, starts_with

# Weights of what speaks for a block, found on letters of several layouts; differences below CLEAR leave doubt.
BASE = 1.0
CITY = 1.0
CITY_WITHOUT_POSTCODE = 0.3
STREET = 0.6
TOP = 0.5
FIRST = 0.4
SIGNED = 1.2
MARKED = 1.5
UNDER_SIGNATURE = 0.8
RECIPIENT = -1.6
OFFICE = -1.5
BODY = -1.8
LATER_PAGE = -0.5
GOOD = 2.4
CLEAR = 0.9
FOREIGN = 0.5


@dataclass(frozen=True)
class Piece:
    """A part of a line between commas."""

    text: str
    line: Line


@dataclass(frozen=True)
class AddressBlock:
    """An address found in the letter, with how much speaks for its being the sender's."""

    street: StreetPart | None
    city: CityPart | None
    street_line: Line | None
    city_line: Line | None
    name: str
    weight: float
    reasons: tuple[str, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines that carry the address."""
        found = [line for line in (self.street_line, self.city_line) if line is not None]
        return tuple(found[:1]) if len(found) == 2 and found[0] is found[1] else tuple(found)

    def is_same(self, other: AddressBlock) -> bool:
        """Whether two blocks give the same address."""
        mine, theirs = (_address_text(block) for block in (self, other))
        return fuzz.ratio(mine, theirs) >= 85


def _address_text(block: AddressBlock) -> str:
    street = f"{block.street.street} {block.street.housenumber}" if block.street else ""
    return plain(f"{street} {block.city.postcode} {block.city.city}" if block.city else street)


@dataclass(frozen=True)
class SenderAddress:
    """The best block, and `score` 0 to 1: how clearly it is the sender's and no other's."""

    block: AddressBlock
    score: float
    others: tuple[AddressBlock, ...]


def find_sender(letter: Outline, heights: Sequence[float]) -> SenderAddress | None:
    """Choose the sender's address; `heights` are the pages' heights in pixels, in the order of page numbers from 1."""
    blocks = [_weigh(found, letter, heights) for found in _addresses(letter)]
    if not blocks:
        return None
    first = min((block for block in blocks if "body" not in block.reasons), key=lambda block: _place(block, letter), default=None)
    blocks = [replace(block, weight=block.weight + FIRST) if block is first else block for block in blocks]
    ranked = sorted(blocks, key=lambda block: -block.weight)
    best = ranked[0]
    others = tuple(block for block in ranked[1:] if not block.is_same(best))
    second = others[0].weight if others else 0.0
    good = min(1.0, max(0.0, (best.weight - 0.6) / (GOOD - 0.6)))
    clear = min(1.0, max(0.0, 0.2 + 0.8 * (best.weight - second) / CLEAR))
    # An office's, a recipient's or a place named in the text stays doubtful even when it is the only address.
    foreign = {"office", "recipient", "body"} & set(best.reasons) and not {"signed", "marked", "under_signature"} & set(best.reasons)
    return SenderAddress(block=best, score=round(good * clear * (FOREIGN if foreign else 1.0), 4), others=others)


def _place(block: AddressBlock, letter: Outline) -> int:
    return min(letter.position(line) for line in block.lines)


def _addresses(letter: Outline) -> Iterator[AddressBlock]:
    """Every address of the letter: streets with their towns, then towns that stand alone below a name."""
    used: set[int] = set()
    found: list[AddressBlock] = []
    for block in letter.blocks:
        pieces = _pieces(block)
        for place, piece in enumerate(pieces):
            street = None if _is_city_line(piece.text) else find_street(piece.text)
            if street is None:
                continue
            city_piece = _city_near(pieces, place) or _city_below(piece, letter)
            city = _city_of(city_piece.text) if city_piece else None
            if city is None and street.certainty < 0.6:
                continue
            if city_piece is not None:
                used.add(id(city_piece.line))
            city_line = city_piece.line if city_piece else None
            found.append(AddressBlock(street, city, piece.line, city_line, _name(pieces, place), 0.0, ()))
    yield from found
    for block in letter.blocks:
        pieces = _pieces(block)
        for place, piece in enumerate(pieces):
            city = find_city(piece.text)
            if city is not None and id(piece.line) not in used and not letter.is_body(piece.line):
                yield AddressBlock(None, city, None, piece.line, _name(pieces, place), 0.0, ())


def _pieces(block: Block) -> list[Piece]:
    pieces: list[Piece] = []
    for line in block.lines:
        for text in segments(line.text):
            pair = split_one_line(text)
            pieces.extend(Piece(part, line) for part in (pair or (text,)))
    return pieces


def _is_city_line(text: str) -> bool:
    """Whether '1010 Wien' is a town and not house 1010: four digits and no word that only streets have."""
    city = find_city(text)
    return city is not None and city.certainty == 1.0 and not has_strong_street_word(city.city)


def _city_of(text: str) -> CityPart | None:
    bare = CityPart("", text.strip(" .,:;()"), 0.5) if looks_like_place(text) else None
    return find_city(text) or bare or find_garbled_city(text)


def _city_near(pieces: Sequence[Piece], place: int) -> Piece | None:
    """The town that follows within three pieces; a postcode wins over a bare name, and no other street may stand between.
    A British postcode without a town takes its town from the piece above it."""
    bare: Piece | None = None
    for piece in pieces[place + 1 : place + 5]:
        city = find_city(piece.text)
        if city is not None and not (city.certainty < 1 and bare is not None):
            if not city.city and bare is not None:
                return Piece(f"{bare.text} {piece.text}", piece.line)
            return piece
        if find_street(piece.text) is not None and not looks_like_place(piece.text):
            break
        if looks_like_place(piece.text) and not is_sentence(piece.line.text):
            bare = piece
    following = pieces[place + 1] if place + 1 < len(pieces) else None
    if bare is None and following is not None and find_garbled_city(following.text) is not None:
        return following
    return bare


def _city_below(piece: Piece, letter: Outline) -> Piece | None:
    """A town with postcode a little below, in a block of its own: writers leave wide gaps."""
    line = piece.line
    for other in letter.lines:
        near = other.page == line.page and 0 < other.top - line.top < 4.5 * line.height
        overlaps = min(other.right, line.right) > max(other.left, line.left) - line.height
        if near and overlaps and find_city(other.text) is not None:
            return Piece(other.text, other)
    return None


def _name(pieces: Sequence[Piece], place: int) -> str:
    """The person above or before the street; empty when none is there."""
    for piece in reversed(pieces[max(0, place - 3) : place]):
        text = piece.text.strip()
        if starts_with(text, "sender_markers"):
            text = text.split(":", 1)[-1].strip() if ":" in text else ""
        if looks_like_place(text) and not is_sentence(text) and not has_word(text, "office_words") and len(text) > 3:
            return text
    return ""


def signed_name(letter: Outline) -> str:
    """The name below the closing formula; empty when none is there."""
    return next((line.text.strip() for line in letter.signature() if looks_like_place(line.text)), "")


def _weigh(found: AddressBlock, letter: Outline, heights: Sequence[float]) -> AddressBlock:
    """Add up what speaks for and against the block's being the sender's."""
    line = found.lines[0]
    block = letter.block_of(line)
    weight, reasons = BASE, []
    if found.street is not None:
        weight += STREET * found.street.certainty
    if found.city is not None:
        weight += CITY * found.city.certainty if found.city.postcode else CITY_WITHOUT_POSTCODE
    height = heights[line.page - 1] if line.page <= len(heights) else max(other.bottom for other in letter.lines)
    weight += TOP * (1 - min(line.top / max(height, 1.0), 1.0))
    parts = (
        ("later_page", line.page > 1, LATER_PAGE),
        ("signed", _is_signed(found.name, line, letter), SIGNED),
        ("marked", _is_marked(block, line, letter, "sender_markers"), MARKED),
        ("under_signature", letter.is_after_closing(line), UNDER_SIGNATURE),
        ("recipient", _is_marked(block, line, letter, "recipient_markers"), RECIPIENT),
        ("office", _is_office(block, found), OFFICE),
        ("body", _is_in_body(found, letter), BODY),
    )
    for reason, holds, value in parts:
        if holds:
            weight += value
            reasons.append(reason)
    return replace(found, weight=weight, reasons=tuple(reasons))


def _is_signed(name: str, line: Line, letter: Outline) -> bool:
    """The name above the address comes back as the signature."""
    if len(plain(name)) < 4:
        return False
    candidates = letter.signature() or letter.lines[-2:]
    below = [other for other in candidates if other is not line and letter.position(other) > letter.position(line)]
    return any(fuzz.token_set_ratio(plain(name), plain(other.text)) >= 80 for other in below)


def _is_marked(block: Block, line: Line, letter: Outline, markers: str) -> bool:
    """A marker begins one of the block's lines down to the address, or the short line right above the block."""
    lines = [other for other in block.lines if other.top <= line.top + line.height / 2]
    above = [
        other
        for other in letter.lines
        if other.page == line.page and 0 < block.top - other.bottom < 1.5 * line.height and abs(other.left - block.left) < 4 * line.height
    ]
    return any(starts_with(other.text, markers) and not is_sentence(other.text) for other in (*lines, *above) if len(other.text) < 50)


def _is_office(block: Block, found: AddressBlock) -> bool:
    own = [part for part in (found.street and found.street.street, found.city and found.city.city) if part]
    texts = [line.text for line in block.lines]
    for part in own:
        texts = [text.replace(part, " ") for text in texts]
    return any(has_word(text, "office_words") for text in texts)


def _is_in_body(found: AddressBlock, letter: Outline) -> bool:
    """The address stands in running text."""
    line = found.lines[0]
    if letter.is_body(line):
        return True
    if letter.is_after_closing(line):
        return False
    block = letter.block_of(line)
    sentences = sum(is_sentence(other.text) for other in block.lines)
    return sentences >= 2 or (sentences >= 1 and len(block.lines) <= 3)
