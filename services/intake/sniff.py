"""What a file is, by its first bytes; its name may say anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

# Enough for every signature, and for the start of a GeoJSON file with a long list of properties in front.
HEAD_BYTES = 1 << 16

Purpose = Literal["letter", "dataset", ""]

_LETTERS = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
    b"II+\x00": "image/tiff",
    b"MM\x00+": "image/tiff",
}
_OTHERS = {
    b"MZ": "a Windows program",
    b"\x7fELF": "a Linux program",
    b"\xfe\xed\xfa": "a macOS program",
    b"\xcf\xfa\xed\xfe": "a macOS program",
    b"\xca\xfe\xba\xbe": "a Java or macOS program",
    b"#!": "a script",
    b"PK\x05\x06": "an empty archive",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\xd0\xcf\x11\xe0": "an old Microsoft Office document",
    b"{\\rtf": "an RTF document",
    b"GIF8": "a GIF image",
    b"BM": "a BMP image",
    b"8BPS": "a Photoshop image",
    b"SQLite format 3": "a SQLite database",
    b"PAR1": "a Parquet file",
    b"%!PS": "a PostScript file",
    b"\x00\x00\x00\x0cjP  ": "a JPEG 2000 image",
}
_OFFICE = {b"xl/": "an Excel workbook", b"word/": "a Word document", b"ppt/": "a PowerPoint document"}
_HTML = re.compile(rb"\s*<(!doctype html|html|head|\?xml|svg)", re.IGNORECASE)
_GEOJSON = re.compile(rb'"(FeatureCollection|Feature|features)"')
# Control characters that no text file has: all below space but tab, line feed, form feed, return and Ctrl-Z.
_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0e-\x19\x1b-\x1f\x7f]")


@dataclass(frozen=True)
class Sniffed:
    """What a file is: `purpose` is empty for what is not accepted, `name` says it in words."""

    media_type: str
    purpose: Purpose
    name: str


def sniff(head: bytes) -> Sniffed:
    """Recognize a file by up to HEAD_BYTES from its start."""
    # Programs first: PDF readers look for their signature anywhere in the first kilobyte.
    for signature, name in _OTHERS.items():
        if head.startswith(signature) and not (signature in (b"BM", b"MZ", b"BZh") and _is_text(head)):
            return Sniffed("application/octet-stream", "", name)
    for signature, media_type in _LETTERS.items():
        if head.startswith(signature):
            return Sniffed(media_type, "letter", media_type.removeprefix("image/").upper())
    if b"%PDF-" in head[:1024]:
        return Sniffed("application/pdf", "letter", "PDF")
    if head.startswith(b"PK\x03\x04"):
        name = next((name for part, name in _OFFICE.items() if part in head), "a ZIP archive")
        return Sniffed("application/zip", "", name)
    if head[4:8] == b"ftyp":
        name = "a HEIC photo" if head[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"heif") else "a video or AVIF image"
        return Sniffed("application/octet-stream", "", name)
    if head.startswith(b"RIFF"):
        return Sniffed("application/octet-stream", "", "a WebP image" if head[8:12] == b"WEBP" else "a sound or video file")
    return _sniff_text(head)


def _sniff_text(head: bytes) -> Sniffed:
    if not _is_text(head):
        return Sniffed("application/octet-stream", "", "of no known type")
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _HTML.match(text):
        return Sniffed("text/html", "", "a web page or XML file")
    start = text.lstrip()[:1]
    if start == b"{" and _GEOJSON.search(text):
        return Sniffed("application/geo+json", "dataset", "GeoJSON")
    if start == b"{" or text.lstrip()[:2] in (b"[{", b"[\n", b"[\r"):
        return Sniffed("application/json", "", "JSON, but no GeoJSON")
    return Sniffed("text/csv", "dataset", "CSV")


def _is_text(head: bytes) -> bool:
    """Whether it could be text in some encoding; UTF-16 says so by its first two bytes."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return len(head) > 2
    # A dirty text file may hold a stray control character (its row is rejected later); of compressed bytes a tenth are such.
    return len(_NO_TEXT.findall(head)) * 50 <= len(head)
