"""Turns the readings of a letter's pages into one extraction: address, date, language, and what is asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from services.extraction.base import Extraction, LetterFile, Line
from services.extraction.blocks import Outline, outline
from services.extraction.details import find_date, find_facility_kind, find_language
from services.extraction.own_addresses import OwnAddress
from services.extraction.pages import open_page, pages_to_read
from services.extraction.reader import LineReader, PageReading
from services.extraction.readings import Verified, verify
from services.extraction.sender import SenderAddress, find_sender, signed_name

# Below this the whole letter is noise: nothing that was read can be trusted.
MIN_READABLE = 0.6


def read_letter(reader: LineReader, letter: LetterFile, own: Sequence[OwnAddress] = ()) -> Extraction:
    """Read all pages that matter and put the extraction together, the sender not being at an `own` address;
    raises ExtractionError if the file cannot be decoded."""
    readings = [reader.read(open_page(letter.path, letter.media_type, number).image, number) for number in pages_to_read(letter.pages)]
    lines = [line for reading in readings for line in reading.lines]
    rotations = tuple(reading.rotation for reading in readings)
    if not lines or float(np.mean([line.score for line in lines])) < MIN_READABLE:
        return Extraction(outcome="unreadable", text="\n".join(line.text for line in lines), page_rotations=rotations)
    return compose(reader, readings, outline(lines), own)


def compose(reader: LineReader, readings: Sequence[PageReading], letter: Outline, own: Sequence[OwnAddress] = ()) -> Extraction:
    """The extraction of a letter that was read."""
    by_page = {reading.lines[0].page: reading for reading in readings if reading.lines}
    heights = [float(reading.page.shape[0]) for reading in readings]
    sender = find_sender(letter, heights, own)
    verified = verify(reader, by_page, sender.block) if sender else None
    body = [letter.is_body(line) for line in letter.lines]
    address = set(map(id, sender.block.lines)) if sender else set()
    text = "\n".join(line.text for line in letter.lines)
    running = " ".join(line.text for line, is_body in zip(letter.lines, body, strict=True) if is_body and id(line) not in address)
    language = find_language(running if len(running) > 40 else text)
    fields: dict[str, Any] = {
        "outcome": "read",
        "letter_date": find_date([line.text for line in letter.lines], body),
        "language": language,
        "facility_kind": find_facility_kind(running or text, language),
        "text": text,
        "page_rotations": tuple(reading.rotation for reading in readings),
        "raw": _raw(letter, sender, verified),
    }
    if sender and verified:
        fields |= _address_fields(letter, sender, verified, by_page)
    return Extraction(**fields)


def _address_fields(letter: Outline, sender: SenderAddress, verified: Verified, by_page: dict[int, PageReading]) -> dict[str, Any]:
    page = sender.block.lines[0].page
    return {
        "sender_name": sender.block.name or signed_name(letter),
        "street": verified.street,
        "housenumber": verified.housenumber,
        "postcode": verified.postcode,
        "city": verified.city,
        "street_score": verified.street_score,
        "city_score": verified.city_score,
        "agreement_score": verified.agreement,
        "sender_score": sender.score,
        "address_page": page,
        "address_box": _box(sender.block.lines, by_page[page]),
    }


def _box(lines: Sequence[Line], reading: PageReading) -> tuple[float, ...]:
    """Box around the address lines of one page, as shares of the upright page: from the corners as they lie, not unskewed."""
    height, width = reading.page.shape[:2]
    corners = np.concatenate([reading.quads[line.index] for line in lines if line.page == lines[0].page])
    margin = lines[0].height
    left, top = corners.min(axis=0) - (margin, 1.6 * margin)
    right, bottom = corners.max(axis=0) + margin
    edges = (left / width, top / height, right / width, bottom / height)
    return tuple(round(float(min(max(edge, 0.0), 1.0)), 4) for edge in edges)


def _raw(letter: Outline, sender: SenderAddress | None, verified: Verified | None) -> str:
    """All that the reader answered, for explanations and for scoring again later."""
    answer = {
        "lines": [
            {
                "page": line.page,
                "text": line.text,
                "score": round(line.score, 4),
                "box": [round(edge) for edge in (line.left, line.top, line.right, line.bottom)],
            }
            for line in letter.lines
        ],
        "sender": {"weight": round(sender.block.weight, 3), "reasons": sender.block.reasons} if sender else None,
        "others": [
            {
                "street": block.street.street if block.street else "",
                "city": block.city.city if block.city else "",
                "weight": round(block.weight, 3),
                "reasons": block.reasons,
            }
            for block in (sender.others if sender else ())
        ],
        "readings": verified.readings if verified else [],
    }
    return json.dumps(answer, ensure_ascii=False)
