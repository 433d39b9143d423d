"""Weighs a vision model's answer without asking the model how sure it is: against its own transcription, by the rules that find a
sender, and by what the offline reader saw."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from rapidfuzz import fuzz

from services.extraction.address_blocks import AddressBlock
from services.extraction.address_lines import CityPart, StreetPart
from services.extraction.base import Extraction, Line
from services.extraction.blocks import outline
from services.extraction.own_addresses import OwnAddress
from services.extraction.sender import find_sender
from services.extraction.vision_answer import AnsweredAddress, VisionAnswer
from services.extraction.words import plain

# What a second look is worth, against the thresholds min_agreement and min_witnessed of evidence_rules.csv.
WITNESSED = 1.0
UNWITNESSED = 0.85
CONTRADICTED = 0.4
# Whose address it is, against min_sender_score.
RULES_SILENT = 0.7
RULES_CONTRADICT = 0.4
# The offline reader contradicts only where its own reading would have been believed.
_SURE_SENDER, _SURE_READING = 0.6, 0.8
_SAME_STREET = 80
_NUMBER_MISSING = 0.3
_NOT_THE_SENDERS = frozenset({"recipient", "office", "body"})
# Lines of a transcription laid out as if typed: a blank line leaves a gap that parts two blocks.
_LINE_HEIGHT, _LINE_STEP, _CHAR_WIDTH = 30.0, 40.0, 15.0


def judge(answer: VisionAnswer, model: str, raw: str, offline: Extraction | None, own: Sequence[OwnAddress]) -> Extraction:
    """The extraction of an answer; `offline` is what the offline reader made of the same pages, `own` is where no sender lives."""
    text = "\n".join(answer.transcription).strip()
    rotations = offline.page_rotations if offline else ()
    if not text:
        return Extraction(outcome="unreadable", page_rotations=rotations, raw=raw)
    fields: dict[str, Any] = {
        "outcome": "read",
        "sender_name": answer.sender_name,
        "letter_date": answer.letter_date,
        "language": answer.language,
        "facility_kind": answer.facility_kind,
        "text": text,
        "page_rotations": rotations,
        "raw": json.dumps({"model": model, "answer": raw}, ensure_ascii=False),
    }
    senders = _distinct(
        [
            address
            for address in answer.addresses
            if address.role == "sender" and _is_address(address) and not any(place.is_at(_block(address)) for place in own)
        ]
    )
    if not senders:
        return Extraction(**fields)
    claimed = senders[0]
    witness = _witness(claimed, offline)
    lines = [line for line in text.splitlines() if line.strip()]
    street_score, city_score = street_in(claimed.street, claimed.housenumber, lines), city_in(claimed.postcode, claimed.city, lines)
    is_where_offline_says = offline is not None and witness == WITNESSED and _is_same(claimed, _address_of(offline))
    return Extraction(
        **fields,
        street=claimed.street,
        housenumber=claimed.housenumber,
        postcode=claimed.postcode,
        city=claimed.city,
        street_score=street_score,
        city_score=city_score,
        agreement_score=min(witness, street_score if claimed.street else 1.0, city_score),
        sender_score=0.0 if len(senders) > 1 else _sender_score(claimed, answer, own),
        address_page=offline.address_page if offline and is_where_offline_says else 0,
        address_box=offline.address_box if offline and is_where_offline_says else (),
    )


def street_in(street: str, housenumber: str, lines: Sequence[str]) -> float:
    """How well a street and its number stand together in one line, 0 to 1: 1 to the letter, at most .3 without the number."""
    return max((_part_in(street, housenumber, line) for line in lines), default=0.0) if street else 0.0


def city_in(postcode: str, city: str, lines: Sequence[str]) -> float:
    """How well a town and its postcode stand in one line or two that follow each other, 0 to 1."""
    if not (postcode or city):
        return 1.0
    pairs = [f"{line} {following}" for line, following in zip(lines, [*lines[1:], ""], strict=True)]
    return max((_part_in(city or postcode, postcode, text) for text in (*lines, *pairs)), default=0.0)


def _part_in(name: str, number: str, line: str) -> float:
    found, wanted = plain(line), plain(name)
    likeness = 1.0 if wanted in found else fuzz.partial_ratio(wanted, found) / 100 if len(found) >= len(wanted) else 0.0
    return round(likeness if _has_number(number, found) else min(likeness, _NUMBER_MISSING), 4)


def _has_number(number: str, words: str) -> bool:
    """Whether '12a' stands among the words as such or as '12 a', and not inside '112a'."""
    glued = plain(number).replace(" ", "")
    if not glued:
        return True
    spaced = r"\s?".join(map(re.escape, glued))
    return re.search(rf"(?<!\w){spaced}(?!\w)", words) is not None


def _sender_score(claimed: AnsweredAddress, answer: VisionAnswer, own: Sequence[OwnAddress]) -> float:
    """Whether the rules that find a sender agree with the model about whose address it is."""
    others = [address for address in answer.addresses if address.role == "recipient"]
    if any(_is_same(claimed, other) for other in others):
        return 0.0
    lines = _laid_out(answer.transcription)
    heights = [_LINE_STEP * (page.count("\n") + 2) for page in answer.transcription]
    best = find_sender(outline(lines), heights, own) if lines else None
    if best is None:
        return RULES_SILENT
    block = best.block
    found = AnsweredAddress(
        role="other",
        name="",
        street=block.street.street[:200] if block.street else "",
        housenumber=block.street.housenumber[:40] if block.street else "",
        postcode=block.city.postcode[:20] if block.city else "",
        city=block.city.city[:200] if block.city else "",
    )
    if _is_same(claimed, found):
        return RULES_CONTRADICT if _NOT_THE_SENDERS & set(block.reasons) else max(RULES_SILENT, best.score)
    return RULES_CONTRADICT if best.score >= _SURE_SENDER else RULES_SILENT


def _witness(claimed: AnsweredAddress, offline: Extraction | None) -> float:
    """What the offline reader says to the street and number: the same, nothing, or with certainty something else."""
    if offline is None or not claimed.street:
        return UNWITNESSED
    if street_in(claimed.street, claimed.housenumber, offline.text.splitlines()) >= _SAME_STREET / 100:
        return WITNESSED
    is_sure = (
        offline.outcome == "read"
        and bool(offline.street)
        and offline.sender_score >= _SURE_SENDER
        and min(offline.agreement_score, offline.street_score) >= _SURE_READING
    )
    return CONTRADICTED if is_sure and not _is_same(claimed, _address_of(offline)) else UNWITNESSED


def _is_same(one: AnsweredAddress, other: AnsweredAddress) -> bool:
    """The same number in a street of nearly the same name; a town counts where both have no street."""
    if _glued(one.housenumber) != _glued(other.housenumber):
        return False
    if one.street or other.street:
        return fuzz.ratio(_glued(one.street), _glued(other.street)) >= _SAME_STREET
    return fuzz.ratio(_glued(one.postcode + one.city), _glued(other.postcode + other.city)) >= _SAME_STREET


def _glued(text: str) -> str:
    return plain(text).replace(" ", "").replace("strasse", "str")


def _is_address(address: AnsweredAddress) -> bool:
    return bool(address.street or address.postcode or address.city)


def _distinct(addresses: Sequence[AnsweredAddress]) -> list[AnsweredAddress]:
    kept: list[AnsweredAddress] = []
    for address in addresses:
        if not any(_is_same(address, other) for other in kept):
            kept.append(address)
    return kept


def _address_of(extraction: Extraction) -> AnsweredAddress:
    return AnsweredAddress(
        role="sender",
        name="",
        street=extraction.street[:200],
        housenumber=extraction.housenumber[:40],
        postcode=extraction.postcode[:20],
        city=extraction.city[:200],
    )


def _block(address: AnsweredAddress) -> AddressBlock:
    street = StreetPart(address.street, address.housenumber, 1.0) if address.street else None
    city = CityPart(address.postcode, address.city, 1.0) if address.postcode or address.city else None
    return AddressBlock(street, city, None, None, address.name, 0.0, ())


def _laid_out(pages: Sequence[str]) -> list[Line]:
    return [
        Line(text.strip(), 1.0, 0.0, top, _CHAR_WIDTH * max(len(text.strip()), 1), top + _LINE_HEIGHT, page)
        for page, content in enumerate(pages, 1)
        for top, text in ((_LINE_STEP * (place + 1), text) for place, text in enumerate(content.split("\n")))
        if text.strip()
    ]
