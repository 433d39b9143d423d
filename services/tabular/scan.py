"""One quick pass over a file's bytes: is it clean enough for ClickHouse's own CSV reader, and how many lines has it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

# What fits in the processor's cache: 0.17 s for 300 MB, with 4 MB at a time 0.4 s.
CHUNK_BYTES = 1 << 18
MAX_LINE_BYTES = 1 << 26
# Lines with bytes beyond ASCII that are kept to find out the encoding.
SAMPLE_LINES = 400


@dataclass
class Scan:
    """What the bytes are like."""

    byte_count: int = 0
    line_count: int = 0
    quote_count: int = 0
    has_nul: bool = False
    has_lone_return: bool = False
    has_spaced_quote: bool = False
    invalid_lines: int = 0
    foreign_lines: int = 0
    foreign_sample: list[bytes] = field(default_factory=list)

    @property
    def is_utf8(self) -> bool:
        """Whether all bytes are UTF-8."""
        return self.invalid_lines == 0

    @property
    def is_clean(self) -> bool:
        """Whether ClickHouse and the careful reader are sure to see the same rows in it, once ClickHouse has read it without an error."""
        broken = self.has_nul or self.has_lone_return or self.has_spaced_quote
        return self.is_utf8 and not broken and self.quote_count % 2 == 0


def scan(path: Path) -> Scan:
    """Read the file once (about 1.7 GB/s); `line_count` counts a last line without its newline too."""
    result = Scan()
    carry = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            result.byte_count += len(chunk)
            end = chunk.rfind(b"\n") + 1
            _look(result, carry + chunk[:end])
            carry = chunk[end:] if end else carry + chunk
            if len(carry) > MAX_LINE_BYTES:
                # No newline for 64 MB: whatever this is, its lines need no further look for cleanliness.
                _look(result, carry)
                carry = b""
    if carry:
        _look(result, carry)
        result.line_count += 1
    return result


def _look(result: Scan, block: bytes) -> None:
    codes = np.frombuffer(block, np.uint8)
    newlines = codes == 10
    result.line_count += int(np.count_nonzero(newlines))
    if b'"' in block:
        result.quote_count += int(np.count_nonzero(codes == 34))
        # A blank before a quote: one reader takes it for a quoted field, the other does not.
        result.has_spaced_quote |= b' "' in block
    result.has_nul |= b"\0" in block
    if b"\r" in block:
        result.has_lone_return |= block.count(b"\r") != block.count(b"\r\n")
    if not is_utf8(block):
        _sample(result, block)
    elif len(result.foreign_sample) < SAMPLE_LINES and not block.isascii():
        result.foreign_lines += 1


def is_utf8(block: bytes) -> bool:
    """Whether the bytes are valid UTF-8; about 3 GB/s."""
    if block.isascii():
        return True
    offsets = np.array([0, len(block)], dtype=np.int64).tobytes()
    text = pa.Array.from_buffers(pa.large_binary(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(block)])
    try:
        text.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _sample(result: Scan, block: bytes) -> None:
    for line in block.split(b"\n"):
        if line.isascii():
            continue
        result.foreign_lines += 1
        try:
            line.decode()
        except UnicodeDecodeError:
            result.invalid_lines += 1
            if len(result.foreign_sample) < SAMPLE_LINES:
                result.foreign_sample.append(line[:2000])
