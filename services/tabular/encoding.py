"""The encoding of a text file found out, and the file turned into UTF-8 without being held in memory."""

from __future__ import annotations

import codecs
from pathlib import Path

from charset_normalizer import from_bytes

from services.tabular.scan import Scan

CHUNK_BYTES = 1 << 20
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# One byte per sign: tried in this order where several fit equally well, since short files tell little.
LIKELY = ("cp1252", "iso8859_15", "latin_1", "cp1250", "iso8859_2", "cp1251", "cp1253", "cp1254", "cp850", "mac_roman")
# A file in UTF-8 with some broken lines has far more good ones; in any other encoding nearly all lines beyond ASCII are broken.
BROKEN_SHARE = 0.2


def wide_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark or regular zero bytes give away; None for encodings of single bytes and plain UTF-8."""
    for mark, encoding in BOMS:
        if head.startswith(mark):
            return encoding
    even, odd = head[0::2], head[1::2]
    if len(head) >= 8 and odd.count(0) > len(odd) * 0.6 and even.count(0) < len(even) * 0.1:
        return "utf-16-le"
    if len(head) >= 8 and even.count(0) > len(even) * 0.6 and odd.count(0) < len(odd) * 0.1:
        return "utf-16-be"
    return None


def narrow_encoding(scan: Scan) -> str:
    """The encoding of a file without byte order mark, after a scan; utf-8 also when only few lines are broken."""
    if scan.is_utf8 or scan.invalid_lines <= scan.foreign_lines * BROKEN_SHARE:
        return "utf-8"
    sample = b"\n".join(scan.foreign_sample)
    beyond_ascii = sum(byte > 127 for byte in sample)
    letters = sum(chr(byte).isalpha() for byte in sample if byte < 128)
    # Where letters of the Latin alphabet prevail, bytes beyond ASCII are accents, not halves of Chinese signs.
    is_latin = beyond_ascii < letters
    matches = from_bytes(sample, cp_isolation=list(LIKELY) if is_latin else None, threshold=0.5)
    found = {name for match in list(matches)[:3] for name in match.could_be_from_charset}
    best = matches.best()
    for encoding in LIKELY if is_latin else ():
        if encoding in found and _decodes(sample, encoding):
            return encoding
    return best.encoding if best else ("cp1252" if _decodes(sample, "cp1252") else "latin_1")


def transcode(path: Path, encoding: str, target: Path) -> None:
    """Write the file as UTF-8 without byte order mark; bytes that the encoding does not know become U+FFFD."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    with path.open("rb") as source, target.open("wb") as out:
        while chunk := source.read(CHUNK_BYTES):
            out.write(decoder.decode(chunk).encode())
        out.write(decoder.decode(b"", final=True).encode())


def unify_line_ends(path: Path, target: Path) -> None:
    """Write the file with newlines where it has lone carriage returns."""
    with path.open("rb") as source, target.open("wb") as out:
        carry = b""
        while chunk := source.read(CHUNK_BYTES):
            chunk = carry + chunk
            carry = b"\r" if chunk.endswith(b"\r") else b""
            out.write(chunk.removesuffix(carry).replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
        out.write(b"\n" if carry else b"")


def _decodes(sample: bytes, encoding: str) -> bool:
    """Whether the bytes are signs in this encoding, not control codes."""
    try:
        return not any("\x80" <= sign <= "\x9f" for sign in sample.decode(encoding))
    except UnicodeDecodeError:
        return False
