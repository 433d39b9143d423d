"""What people decided about one subject, folded: the rule of silver.int_corrections__latest over the live rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# What a correction may change of an extraction; null leaves the reader's word.
CORRECTABLE = ("sender_name", "street", "housenumber", "postcode", "city", "letter_date", "facility_kind")
ADDRESS = ("street", "housenumber", "postcode", "city")


@dataclass(frozen=True)
class Fold:
    """`action` is the newest decision (empty without one), `fields` what was corrected since the last reopen, `place` the newest
    place or correct of the address since then, else the newest correct: the position is its (the machine's when it is None)."""

    action: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    place: Mapping[str, Any] | None = None


def fold(corrections: Sequence[Mapping[str, Any]]) -> Fold:
    """Fold the corrections of one subject, the oldest first; a reopen undoes all before it."""
    # The API folds by itself because it answers before the first build has made silver's view; a test compares the two.
    folded = Fold()
    for correction in corrections:
        if correction["action"] == "reopen":
            folded = Fold("reopen")
            continue
        given = {name: correction[name] for name in CORRECTABLE if correction[name] is not None}
        stays = correction["action"] not in ("correct", "place") or (folded.place and _is_placing(folded.place) > _is_placing(correction))
        folded = Fold(correction["action"], {**folded.fields, **given}, folded.place if stays else correction)
    return folded


def _is_placing(correction: Mapping[str, Any]) -> bool:
    """Whether it says where, and not only what or when."""
    return correction["action"] == "place" or any(correction[name] is not None for name in ADDRESS)
