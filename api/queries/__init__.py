"""The SQL of the API: `*.sql` reads gold, `live/*.sql` the state of uploads, letters and reviews."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@cache
def load(name: str) -> str:
    """Text of `<name>.sql` below this folder, for example `areas` or `live/letters_page`."""
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def names() -> list[str]:
    """All queries, for the test that explains each of them."""
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.sql"))
