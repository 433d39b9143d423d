"""GeoJSON features one by one from a file of any size: a FeatureCollection, or one feature per line."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.errors import ContractError

CHUNK_SIGNS = 1 << 20
# The largest outlines of countries are some 20 MB.
MAX_FEATURE_SIGNS = 1 << 26
BLANKS = " \t\r\n\x1e"


class NumberText(str):
    """A JSON number as it was written: 9490 stays 9490 and 0.10 stays 0.10."""

    __slots__ = ()


@dataclass(frozen=True)
class Feature:
    """One feature: its text, its parsed value (numbers as NumberText), its line from 1, an objection if it is none."""

    text: str
    value: Any
    line: int
    offset: int
    objection: str = ""


_decoder = json.JSONDecoder(parse_float=NumberText, parse_int=NumberText, parse_constant=NumberText)


class _Text:
    """The file as text, of which only what is being read is held."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.buffer, self.at, self.line, self.is_whole = "", 0, 1, False

    def __enter__(self) -> _Text:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def offset(self) -> int:
        return self._file.tell()

    def more(self) -> bool:
        """Read on, twice as much as is held; False at the end of the file."""
        data = self._file.read(max(CHUNK_SIGNS, len(self.buffer) - self.at))
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as cause:
            raise ContractError(f"The GeoJSON file is not UTF-8 after line {self.line}, as it must be: convert it.") from cause
        self.buffer, self.at = self.buffer[self.at :] + text, 0
        self.is_whole = not data
        return not self.is_whole

    def peek(self) -> str:
        """The next sign that is no blank; empty at the end of the file."""
        while True:
            rest = self.buffer[self.at : self.at + 4096]
            stripped = rest.lstrip(BLANKS)
            self.skip(len(rest) - len(stripped))
            if stripped:
                return stripped[0]
            if not rest and not self.more():
                return ""

    def skip(self, count: int) -> str:
        """Go on by so many signs and return them."""
        text = self.buffer[self.at : self.at + count]
        self.line += text.count("\n")
        self.at += count
        return text

    def value(self, what: str) -> tuple[Any, str]:
        """The JSON value that starts here, and its text; ContractError when it is none."""
        self.peek()
        while True:
            try:
                value, end = _decoder.raw_decode(self.buffer, self.at)
                # A number at the end of what is held may go on.
                if end < len(self.buffer) or self.is_whole or not isinstance(value, NumberText):
                    return value, self.skip(end - self.at)
            except json.JSONDecodeError as cause:
                if self.is_whole or len(self.buffer) - self.at > MAX_FEATURE_SIGNS:
                    raise ContractError(f"The GeoJSON file is broken in {what} that starts in line {self.line}: {cause.msg}.") from cause
            except RecursionError as cause:
                raise ContractError(f"The GeoJSON file nests too deeply in {what} that starts in line {self.line}.") from cause
            self.more()


def features(path: Path) -> Iterator[Feature]:
    """All features in order; ContractError when the file is broken beyond one line."""
    with _Text(path) as text:
        if text.peek() != "{":
            raise ContractError("The file is not GeoJSON: it must start with {.")
        if _is_by_line(path):
            yield from _by_line(text)
        else:
            yield from _of_collection(text)


def _is_by_line(path: Path) -> bool:
    """Whether the first line alone is a whole feature."""
    with path.open("rb") as file:
        line = file.readline(MAX_FEATURE_SIGNS)
        has_more = bool(file.read(1))
    try:
        first = json.loads(line.decode("utf-8-sig").lstrip("\x1e"))
    except ValueError:
        return line.startswith((b"\x1e", b"\xef\xbb\xbf\x1e"))
    return isinstance(first, dict) and (first.get("type") == "Feature" or (has_more and "features" not in first and "type" in first))


def _by_line(text: _Text) -> Iterator[Feature]:
    while text.peek():
        line = text.line
        while (end := text.buffer.find("\n", text.at)) < 0 and len(text.buffer) - text.at < MAX_FEATURE_SIGNS and text.more():
            pass
        raw = text.skip((end if end >= 0 else len(text.buffer)) - text.at).strip(BLANKS)
        try:
            value = _decoder.decode(raw)
            yield Feature(raw, value, line, text.offset, "" if _is_feature(value) else "is not a GeoJSON feature")
        except (json.JSONDecodeError, RecursionError) as cause:
            yield Feature(raw, None, line, text.offset, f"is not a GeoJSON feature: {cause}")


def _of_collection(text: _Text) -> Iterator[Feature]:
    text.skip(1)
    found = False
    while (sign := text.peek()) == '"':
        key, _ = text.value("a name")
        if text.peek() != ":":
            raise ContractError(f"The GeoJSON file is broken in line {text.line}: a colon is missing after {key!r}.")
        text.skip(1)
        if key == "features" and text.peek() == "[":
            found = True
            yield from _of_array(text)
        else:
            text.value(f"the member {key!r}")
        if text.peek() == ",":
            text.skip(1)
    if not found:
        raise ContractError("The JSON file has no list of features: it must be a GeoJSON FeatureCollection, or have one Feature per line.")
    if sign != "}":
        raise ContractError(f"The GeoJSON file ends too early, in line {text.line}: was it cut off? Nothing was loaded.")


def _of_array(text: _Text) -> Iterator[Feature]:
    text.skip(1)
    while (sign := text.peek()) not in ("]", ""):
        line = text.line
        value, raw = text.value("the feature")
        yield Feature(raw, value, line, text.offset, "" if _is_feature(value) else "is not a GeoJSON feature")
        if text.peek() == ",":
            text.skip(1)
        elif text.peek() != "]":
            raise ContractError(f"The GeoJSON file is broken in line {text.line}: a comma is missing between features, or it was cut off.")
    if not sign:
        raise ContractError(f"The GeoJSON file ends too early, in line {text.line}: was it cut off? Nothing was loaded.")
    text.skip(1)


def _is_feature(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == "Feature"
