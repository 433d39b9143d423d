"""What a sender gets back, and the ids that make the same bytes the same thing."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True)
class Receipt:
    """What was received under which id; `is_new` is false when the same was received before."""

    kind: Literal["letter", "dataset", "submission", "correction"]
    id: str
    upload_id: str
    is_new: bool
    state: Literal["stored", "refused"]
    reason: str
    file_name: str
    received_at: datetime


@dataclass(frozen=True)
class RegisterResult:
    """Number of accepted things whose bronze rows are there now, of those still outstanding, and keys of damaged objects."""

    registered: int
    outstanding: int
    damaged: tuple[str, ...] = ()


def letter_id(pages: Sequence[tuple[str, int]]) -> str:
    """The id of a letter from its ordered (upload_id, page number from 1): 32 hexadecimal digits."""
    text = "letter:" + ",".join(f"{upload_id}/{page}" for upload_id, page in pages)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def submission_id(idempotency_key: str) -> str:
    """The id of a submission that was sent with an idempotency key: sent again, it is the same submission."""
    return hashlib.sha256(f"submission:{idempotency_key}".encode()).hexdigest()[:32]


def plain_file_name(name: str) -> str:
    """The last part of a file's name, without control characters, at most 200 characters; never empty."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    printable = "".join(character for character in unicodedata.normalize("NFC", last) if unicodedata.category(character)[0] != "C")
    return printable.strip()[-200:] or "unnamed"
