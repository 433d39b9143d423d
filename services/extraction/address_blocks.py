"""Finds every address in a letter, whoever's it is: a street with its town, or a town that stands alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
from services.extraction.words import is_office, plain, starts_with


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


def find_addresses(letter: Outline) -> Iterator[AddressBlock]:
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
        # Readers take a written capital for a small letter.
        if looks_like_place(text[:1].upper() + text[1:]) and not is_sentence(text) and not is_office(text) and len(text) > 3:
            return text
    return ""
