"""Puts the question to a vision model together: the instructions of a prompt file, and the pages as pictures."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from services.extraction.base import LetterFile
from services.extraction.pages import encode_jpeg, open_page, pages_to_read, turn
from services.extraction.vision_answer import answer_schema, kinds

# The version stands in the file's name, and a change of the words is a new file: what was stored says which words were used.
PROMPT_VERSION = "letter_v1"
REPAIR_VERSION = "repair_v1"
# Handwriting keeps its thin strokes: at quality 85 an A4 page of 1540 pixels has about 250 kB.
_JPEG_QUALITY = 85

Message = dict[str, Any]


@dataclass(frozen=True)
class PageJpeg:
    """One page as it is sent."""

    content: bytes
    width: int
    height: int


@cache
def prompt(version: str) -> str:
    """The words of a prompt file."""
    return files(__package__).joinpath("prompts", f"{version}.md").read_text("utf-8")


def draw_pages(letter: LetterFile, rotations: Sequence[int], max_side: int) -> list[PageJpeg]:
    """The pages that matter, upright, at most `max_side` pixels long; `rotations` are what the offline reader turned each of them by
    (degrees, clockwise). ExtractionError when the file cannot be decoded."""
    pages = []
    for place, number in enumerate(pages_to_read(letter.pages)):
        image = open_page(letter.path, letter.media_type, number, max_side=max_side).image
        upright = turn(image, rotations[place] if place < len(rotations) else 0)
        pages.append(PageJpeg(encode_jpeg(upright, quality=_JPEG_QUALITY), width=upright.shape[1], height=upright.shape[0]))
    return pages


def first_messages(pages: Sequence[PageJpeg]) -> list[Message]:
    """Instructions for the system, and one message with all pages."""
    parts: list[Message] = [{"type": "text", "text": f"The letter has {len(pages)} page{'s' if len(pages) > 1 else ''}, given in order."}]
    for page in pages:
        url = "data:image/jpeg;base64," + base64.b64encode(page.content).decode("ascii")
        parts.append({"type": "image_url", "image_url": {"url": url}})
    system = prompt(PROMPT_VERSION).replace("{kinds}", ", ".join(kinds()[1:]))
    return [{"role": "system", "content": system}, {"role": "user", "content": parts}]


def repair_messages(answer: str, problem: str) -> list[Message]:
    """The turn that tells the model what was wrong with its answer."""
    text = prompt(REPAIR_VERSION).replace("{problem}", problem)
    return [{"role": "assistant", "content": answer or "{}"}, {"role": "user", "content": text}]


def response_format() -> dict[str, Any]:
    """What makes a server hold the model to the schema."""
    return {"type": "json_schema", "json_schema": {"name": "letter", "schema": answer_schema(), "strict": True}}


def question_key(pages: Sequence[PageJpeg], model: str, url: str) -> str:
    """SHA-256 of all that decides about the answer: pictures, words, schema, model and who serves it."""
    digest = hashlib.sha256()
    for page in pages:
        digest.update(hashlib.sha256(page.content).digest())
    asked = [prompt(PROMPT_VERSION), prompt(REPAIR_VERSION), answer_schema(), model, url]
    digest.update(json.dumps(asked, ensure_ascii=False, sort_keys=True).encode())
    return digest.hexdigest()
