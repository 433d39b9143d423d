"""What people decided about one subject, folded: the rule of silver.int_corrections__latest over the live rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# What a correction may change of an extraction; null leaves the reader's word.
CORRECTABLE = ("sender_name", "street", "housenumber", "postcode", "city", "letter_date", "facility_kind")


@dataclass(frozen=True)
class Fold:
    """`action` is the newest decision (empty without one), `fields` what was corrected since the last reopen, `place` the newest
    correct or place since then: the position is its (the machine's when it is None)."""

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
        place = correction if correction["action"] in ("correct", "place") else folded.place
        folded = Fold(correction["action"], {**folded.fields, **given}, place)
    return folded
