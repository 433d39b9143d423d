"""What a saved part says of itself: how many rows it has, and a hash of their content that does not depend on their order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from services.errors import BackupError

MODULUS = 1 << 128


@dataclass(frozen=True)
class Content:
    """Rows of a table (objects of a store, keys of a gateway) and the hash of all of them; equal contents have equal hashes."""

    rows: int
    digest: str


Contents = dict[str, Content]


class Tally:
    """Adds up rows in any order; a row that comes twice counts twice."""

    def __init__(self) -> None:
        self._rows, self._sum = 0, 0

    def add(self, row: bytes) -> None:
        """Count one row by its bytes."""
        self._rows += 1
        self._sum = (self._sum + int.from_bytes(hashlib.sha256(row).digest()[:16], "big")) % MODULUS

    def content(self) -> Content:
        """What was counted so far."""
        return Content(self._rows, f"{self._sum:032x}")


def tally(rows: Iterable[bytes]) -> Content:
    """The content of these rows."""
    counted = Tally()
    for row in rows:
        counted.add(row)
    return counted.content()


def confirm_equal(part: str, wanted: Contents, found: Contents) -> None:
    """BackupError that names what differs from the backup, if anything does."""
    differing = sorted(name for name in wanted if found.get(name) != wanted[name])
    if differing:
        told = ", ".join(f"{name} ({_rows(found.get(name))} instead of {wanted[name].rows} rows)" for name in differing[:5])
        raise BackupError(f"After restoring, {part} is not what the backup holds: {told}. Run the same `cartulary restore` again.")


def _rows(content: Content | None) -> str:
    return "no" if content is None else str(content.rows)
