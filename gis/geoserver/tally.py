"""What a publication did: counts of what was created, updated, removed and left as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TOLERANCE = 1e-9


@dataclass
class Tally:
    """Counts of one publication, and the layers whose tiles were thrown away."""

    created: int = 0
    updated: int = 0
    removed: int = 0
    unchanged: int = 0
    truncated: list[str] = field(default_factory=list)

    def settle(self, current: Any, wanted: Any, *, create: Callable[[], None], update: Callable[[], None]) -> None:
        """Create what is not there (None), update what differs, and count either, or that nothing was to do."""
        if current is None:
            create()
            self.created += 1
        elif not holds(current, wanted):
            update()
            self.updated += 1
        else:
            self.unchanged += 1


def holds(current: Any, wanted: Any) -> bool:
    """Whether GeoServer's answer says all that is wanted; it may say more, and its numbers are as exact as doubles printed."""
    if isinstance(wanted, Mapping):
        return isinstance(current, Mapping) and all(holds(current.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str | bytes):
        found = listed(current)
        return len(found) == len(wanted) and all(holds(one, other) for one, other in zip(found, wanted, strict=True))
    if isinstance(wanted, float) and isinstance(current, int | float):
        return abs(current - wanted) <= TOLERANCE
    return bool(current == wanted)


def listed(value: Any) -> list[Any]:
    """GeoServer's JSON writes a list of one as the thing itself, and an empty one as an empty string."""
    if value in ("", None):
        return []
    return list(value) if isinstance(value, list) else [value]


def inner(answer: Any, *keys: str) -> list[Any]:
    """The list below these keys, wherever on the way GeoServer wrote an empty string for nothing."""
    for key in keys:
        answer = answer.get(key) if isinstance(answer, Mapping) else None
    return listed(answer)
