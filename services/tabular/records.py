"""A CSV file cut into its records: which lines belong together because a quoted field holds newlines, and which cannot be one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from services.tabular.scan import is_utf8

BLOCK_BYTES = 1 << 23
# A quote that is still open after so much is a mistake, not a long text.
MAX_OPEN_LINES = 2000
MAX_OPEN_BYTES = 1 << 22
MAX_LINE_BYTES = 1 << 26

OPEN_QUOTE = "a quote is opened and not closed as it should be"
NOT_UTF8 = "is not valid text in the file's encoding, UTF-8"
HAS_NUL = "contains a zero byte"
LONE_RETURN = "contains a carriage return outside of quotes"
TOO_LONG = f"a line is longer than {MAX_LINE_BYTES >> 20} MB"

State = Literal["whole", "open", "broken"]


@dataclass(frozen=True)
class Frame:
    """Some records in order. Record i is `blob[ends[i - 1]:ends[i]]` and ends with a newline; `numbers` and `lines` count from 1.

    `objections` says, by position, why a record cannot be read; `offset` is the byte of the file that was read up to.
    """

    blob: bytes
    ends: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.uint64]
    lines: npt.NDArray[np.uint64]
    objections: dict[int, str]
    offset: int

    def text(self, position: int) -> bytes:
        """One record without its newline."""
        return self.blob[(self.ends[position - 1] if position else 0) : self.ends[position] - 1]


def joined(first: Frame, second: Frame) -> Frame:
    """Two frames of one file as one."""
    return Frame(
        blob=first.blob + second.blob,
        ends=np.concatenate([first.ends, second.ends + len(first.blob)]),
        numbers=np.concatenate([first.numbers, second.numbers]),
        lines=np.concatenate([first.lines, second.lines]),
        objections=first.objections | {len(first.ends) + position: reason for position, reason in second.objections.items()},
        offset=second.offset,
    )


class Quoting:
    """Says of a line whether its quoted fields are closed, for one dialect."""

    def __init__(self, delimiter: str, quote: str, escape: str) -> None:
        d, q = re.escape(delimiter.encode()), re.escape(quote.encode())
        inside = rb"(?:[^" + q + rb"\\]++|\\(?s:.))*+" if escape == "\\" else rb"(?:[^" + q + rb"]++|" + q + q + rb")*+"
        # A field that does not start with a quote may hold quotes: they are just signs.
        field = rb"(?:" + q + inside + q + rb"|(?:[^" + q + d + rb"][^" + d + rb"]*+)?+)"
        rest = rb"(?:" + d + field + rb")*+"
        self.quote = quote.encode()
        unreturned = rb"(?:" + q + inside + q + rb"|(?:[^\r" + q + d + rb"][^\r" + d + rb"]*+)?+)"
        self._unreturned = re.compile(unreturned + rb"(?:" + d + unreturned + rb")*+")
        self._whole = re.compile(field + rest)
        self._opens = re.compile(rb"(?:" + field + d + rb")*+" + q + inside)
        self._still_open = re.compile(inside)
        self._closes = re.compile(inside + q + rest)
        self._closes_and_opens = re.compile(inside + q + d + rb"(?:" + field + d + rb")*+" + q + inside)

    def has_lone_return(self, record: bytes) -> bool:
        """Whether a record has a carriage return that is neither its end nor quoted."""
        return b"\r" in record and not self._unreturned.fullmatch(record)

    def state(self, line: bytes, *, is_open: bool) -> State:
        """What a record is after this line; `is_open` when the lines before left a quote open."""
        if not is_open:
            if self.quote not in line or self._whole.fullmatch(line):
                return "whole"
            return "open" if self._opens.fullmatch(line) else "broken"
        if self._still_open.fullmatch(line) or self._closes_and_opens.fullmatch(line):
            return "open"
        return "whole" if self._closes.fullmatch(line) else "broken"


def frames(path: Path, quoting: Quoting, skip_lines: int) -> Iterator[Frame]:
    """The records after the first `skip_lines` lines, about 8 MB at a time; empty lines are no records."""
    cutter = _Cutter(quoting)
    line_number = 1
    for block, offset, is_last in _blocks(path):
        while line_number <= skip_lines and block:
            block = block[block.index(b"\n") + 1 :]
            line_number += 1
        frame = cutter.cut(block, line_number, offset, is_last=is_last)
        line_number += block.count(b"\n")
        if len(frame.ends):
            yield frame


class _Cutter:
    def __init__(self, quoting: Quoting) -> None:
        self._quoting = quoting
        self._pending: list[bytes] = []
        self._row = 0

    def cut(self, block: bytes, first_line: int, offset: int, *, is_last: bool) -> Frame:
        if b"\r\n" in block and self._quoting.quote not in block:
            block = block.replace(b"\r\n", b"\n")
        has_odd_sign = self._quoting.quote in block or b"\0" in block or b"\r" in block
        is_plain = not (self._pending or has_odd_sign or b"\n\n" in block or block.startswith(b"\n"))
        if is_plain and is_utf8(block) and (len(block) <= MAX_LINE_BYTES):
            return self._plain(block, first_line, offset)
        return self._careful(block, first_line, offset, is_last=is_last)

    def _plain(self, block: bytes, first_line: int, offset: int) -> Frame:
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 10).astype(np.int64) + 1
        count = len(ends)
        numbers = np.arange(self._row + 1, self._row + 1 + count, dtype=np.uint64)
        lines = np.arange(first_line, first_line + count, dtype=np.uint64)
        self._row += count
        return Frame(block, ends, numbers, lines, {}, offset)

    def _careful(self, block: bytes, first_line: int, offset: int, *, is_last: bool) -> Frame:
        first_line -= len(self._pending)
        queue = self._pending + block.split(b"\n")[:-1]
        texts: list[bytes] = []
        lines: list[int] = []
        objections: dict[int, str] = {}
        start = 0
        while start < len(queue):
            end, state = self._extent(queue, start, is_last=is_last)
            if state == "open":
                break
            text = b"\n".join(queue[start:end]).removesuffix(b"\r")
            if text:
                objection = OPEN_QUOTE if state == "broken" else self._objection(text)
                if objection:
                    objections[len(texts)] = objection
                    text = text[:MAX_LINE_BYTES].decode("utf-8", "replace").encode()
                texts.append(text + b"\n")
                lines.append(first_line + start)
            start = end
        self._pending = queue[start:]
        numbers = np.arange(self._row + 1, self._row + 1 + len(texts), dtype=np.uint64)
        self._row += len(texts)
        ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
        return Frame(b"".join(texts), ends, numbers, np.array(lines, dtype=np.uint64), objections, offset)

    def _objection(self, text: bytes) -> str:
        if len(text) > MAX_LINE_BYTES:
            return TOO_LONG
        if b"\0" in text:
            return HAS_NUL
        if not is_utf8(text):
            return NOT_UTF8
        return LONE_RETURN if self._quoting.has_lone_return(text) else ""

    def _extent(self, queue: list[bytes], start: int, *, is_last: bool) -> tuple[int, State]:
        """Where the record that starts here ends; open when more lines are needed, broken when its first line alone is unreadable."""
        end = start + 1
        size = len(queue[start])
        state = self._quoting.state(queue[start].removesuffix(b"\r"), is_open=False)
        while state == "open":
            if end - start > MAX_OPEN_LINES or size > MAX_OPEN_BYTES or (is_last and end == len(queue)):
                return start + 1, "broken"
            if end == len(queue):
                return start, "open"
            size += len(queue[end])
            state = self._quoting.state(queue[end].removesuffix(b"\r"), is_open=True)
            end += 1
        return (start + 1, state) if state == "broken" else (end, state)


def _blocks(path: Path) -> Iterator[tuple[bytes, int, bool]]:
    """Whole lines, the byte read up to, and whether they are the last; the last line gets a newline if it has none."""
    carry = b""
    offset = 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(BLOCK_BYTES)
            if offset == 0:
                chunk = chunk.removeprefix(b"\xef\xbb\xbf")
            is_last = file.tell() - offset < BLOCK_BYTES
            offset = file.tell()
            if is_last:
                rest = carry + chunk
                yield rest if rest.endswith(b"\n") or not rest else rest + b"\n", offset, True
                return
            end = chunk.rfind(b"\n") + 1
            if end:
                yield carry + chunk[:end], offset, False
                carry = chunk[end:]
            elif len(carry) <= MAX_LINE_BYTES:
                # Of a line without end only so much is kept as shows that it is too long.
                carry += chunk
