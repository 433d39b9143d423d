"""Finds the sender's address in a letter: not the recipient's, not a place named in the text, not the archive's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz

from services.extraction.address_blocks import AddressBlock, find_addresses
from services.extraction.address_lines import looks_like_place, segments
from services.extraction.base import Line
from services.extraction.blocks import Block, Outline, is_sentence
from services.extraction.own_addresses import OwnAddress
from services.extraction.words import is_initial, is_office, plain, starts_with

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
class SenderAddress:
    """The best block, and `score` 0 to 1: how clearly it is the sender's and no other's."""

    block: AddressBlock
    score: float
    others: tuple[AddressBlock, ...]


def find_sender(letter: Outline, heights: Sequence[float], own: Sequence[OwnAddress] = ()) -> SenderAddress | None:
    """Choose the sender's address; `heights` are the pages' heights in pixels, in the order of page numbers from 1;
    `own` are addresses that are never the sender's."""
    found = list(find_addresses(letter))
    blocks = [_weigh(block, found, letter, heights) for block in found if not any(address.is_at(block) for address in own)]
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
    return SenderAddress(block=best, score=round(good * clear * (1.0 if _is_trusted(best) else FOREIGN), 4), others=others)


def _is_trusted(block: AddressBlock) -> bool:
    """Whether something shows that the address is the sender's: being the only one that was read does not, as the sender's own may be
    smeared. An office's, a recipient's or a place named in the text needs the signature or a mark."""
    reasons = set(block.reasons)
    if {"signed", "marked"} & reasons:
        return True
    # Below the closing another's name may stand: some write the recipient at the foot.
    is_at_foot = "under_signature" in reasons and not block.name
    return (is_at_foot or "addressed" in reasons) and not {"office", "recipient", "body"} & reasons


def _place(block: AddressBlock, letter: Outline) -> int:
    return min(letter.position(line) for line in block.lines)


def signed_name(letter: Outline) -> str:
    """The name below the closing formula; empty when none is there."""
    return next((line.text.strip() for line in letter.signature() if looks_like_place(line.text)), "")


def _weigh(found: AddressBlock, all_found: Sequence[AddressBlock], letter: Outline, heights: Sequence[float]) -> AddressBlock:
    """Add up what speaks for and against the block's being the sender's."""
    line = found.lines[0]
    block = letter.block_of(line)
    own = _own_lines(block, found, all_found, letter)
    weight, reasons = BASE, []
    if found.street is not None:
        weight += STREET * found.street.certainty
    if found.city is not None:
        weight += CITY * found.city.certainty if found.city.postcode else CITY_WITHOUT_POSTCODE
    height = heights[line.page - 1] if line.page <= len(heights) else max(other.bottom for other in letter.lines)
    weight += TOP * (1 - min(line.top / max(height, 1.0), 1.0))
    parts = (
        ("later_page", line.page > 1, LATER_PAGE),
        ("signed", _is_signed(found, own, letter), SIGNED),
        ("marked", _is_marked(block, own, letter, "sender_markers"), MARKED),
        ("under_signature", letter.is_after_closing(line), UNDER_SIGNATURE),
        ("recipient", _is_marked(block, own, letter, "recipient_markers"), RECIPIENT),
        ("office", _is_office(own, found, letter), OFFICE),
        ("body", _is_in_body(found, letter), BODY),
        ("addressed", _is_addressed(found, own, letter), 0.0),
    )
    for reason, holds, value in parts:
        if holds:
            weight += value
            reasons.append(reason)
    return replace(found, weight=weight, reasons=tuple(reasons))


def _own_lines(block: Block, found: AddressBlock, all_found: Sequence[AddressBlock], letter: Outline) -> tuple[Line, ...]:
    """The block's lines that belong to the address: its own and those above, down from another address, running text or the closing."""
    mine = {id(line) for line in found.lines}
    ends = [place for place, line in enumerate(block.lines) if id(line) in mine]
    others = {id(line) for other in all_found if other is not found for line in other.lines}
    is_below = letter.is_after_closing(found.lines[0])
    starts = [
        place + 1
        for place, line in enumerate(block.lines[: ends[0]])
        if id(line) in others or letter.is_body(line) or (is_below and not letter.is_after_closing(line))
    ]
    return block.lines[max(starts, default=0) : ends[-1] + 1]


def _is_signed(found: AddressBlock, own: Sequence[Line], letter: Outline) -> bool:
    """The name above the address comes back as the signature, or is the signature."""
    line = found.lines[0]
    above = [other for other in own if other not in found.lines]
    signature = letter.signature() or letter.lines[-2:]
    if letter.is_below_closing(line) and above and above[0] is signature[0]:
        return len(plain(above[0].text)) >= 4
    names = [name for text in (found.name, *(other.text for other in above)) if len(name := plain(text)) >= 4]
    below = [plain(other.text) for other in signature if letter.position(other) > letter.position(line) and not is_sentence(other.text)]
    return any(fuzz.token_set_ratio(name, text) >= 80 or fuzz.ratio(_glued(name), _glued(text)) >= 85 for name in names for text in below)


def _is_marked(block: Block, own: Sequence[Line], letter: Outline, markers: str) -> bool:
    """A marker begins one of the address's lines, or the short line right above the block."""
    height = own[0].height
    above = [
        other
        for other in letter.lines
        if other.page == block.page and 0 < block.top - other.bottom < 1.5 * height and abs(other.left - block.left) < 4 * height
    ]
    return any(_begins_with(other, markers) for other in (*own, *(above if own[0] is block.lines[0] else ())))


def _begins_with(line: Line, markers: str) -> bool:
    """Whether a short line begins with a marker; 'A. Frick' is no 'à'."""
    is_running = is_sentence(line.text) and not is_office(line.text)
    return len(line.text) < 50 and starts_with(line.text, markers) and not is_initial(line.text) and not is_running


def _is_office(own: Sequence[Line], found: AddressBlock, letter: Outline) -> bool:
    """An office's words stand in the address's lines, other than in its street and town or in the name of who signs: Femke de Clerk."""
    parts = [part for part in (found.street and found.street.street, found.city and found.city.city) if part]
    signed = [_glued(line.text) for line in letter.signature()]
    for line in own:
        text = line.text
        for part in parts:
            text = text.replace(part, " ")
        if any(is_office(piece) and all(fuzz.ratio(_glued(piece), name) < 85 for name in signed) for piece in segments(text)):
            return True
    return False


def _glued(text: str) -> str:
    return plain(text).replace(" ", "")


def _is_addressed(found: AddressBlock, own: Sequence[Line], letter: Outline) -> bool:
    """A person's address in the letter's head that has the recipient below or beside it: it can only be the sender's."""
    mine = {id(line) for line in (*own, *found.lines)}
    place = _place(found, letter)
    if not found.name or (letter.salutation is not None and place > letter.salutation):
        return False
    head = letter.lines[: letter.salutation] if letter.salutation is not None else letter.lines
    top, page = min(line.top for line in own), own[0].page
    rest = [line for line in head if id(line) not in mine and line.page == page and line.bottom > top]
    if letter.salutation is None:
        rest = [line for line in rest if not is_sentence(line.text)]
    return any(_begins_with(line, "recipient_markers") or (len(line.text) < 60 and is_office(line.text)) for line in rest)


def _is_in_body(found: AddressBlock, letter: Outline) -> bool:
    """The address stands in running text."""
    line = found.lines[0]
    if letter.is_below_closing(line):
        return False
    if letter.is_body(line):
        return True
    if letter.is_after_closing(line):
        return False
    block = letter.block_of(line)
    sentences = sum(is_sentence(other.text) for other in block.lines)
    return sentences >= 2 or (sentences >= 1 and len(block.lines) <= 3)
