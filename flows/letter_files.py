"""Which files of what somebody named are letters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

LETTER_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".pdf"}


def letter_files(paths: Iterable[Path]) -> tuple[list[Path], int]:
    """Files as named, folders searched for letters; and how many other files lie in those folders."""
    files, left = [], 0
    for path in paths:
        if path.is_file():
            files.append(path)
            continue
        for found in sorted(path.rglob("*")):
            if found.suffix.lower() in LETTER_SUFFIXES and found.is_file():
                files.append(found)
            else:
                left += found.is_file()
    return files, left
