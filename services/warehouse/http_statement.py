"""What a statement is, as far as its way over HTTP depends on it: its data, its result's format, where files go into its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from services.warehouse.http_errors import ServerError

# ClickHouse's tokens, as far as words outside of quotes, comments and brackets are to be found.
TOKEN = re.compile(
    r"""
    (?P<blank>\s+ | --[^\n]* | //[^\n]* | \#[ !][^\n]* | /\*.*?\*/)
  | (?P<word>[A-Za-z_][A-Za-z0-9_$]*)
  | (?P<quoted>'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*` | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<number>[0-9][\w.]*)
  | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
DATA_START = re.compile(r"[ \t\f]*\r?\n?")
# Statements whose rows chDB can write into a file; the few others that answer with rows answer with few.
WITH_ROWS = frozenset({"select", "with", "from", "(", "show", "describe", "desc", "exists", "explain", "check"})
# After these the connection is not what it was, so that it serves no other request.
OF_SESSION = frozenset({"set", "use"})
# A word after one of these is a name, whatever it says.
BEFORE_NAMES = frozenset({"into", "table", "function", "."})


@dataclass(frozen=True)
class Statement:
    """A statement without its data; at `place` chDB is told the file of its data or of its result."""

    text: str
    kind: Literal["rows", "insert", "input", "other"]
    format: str = ""
    place: int = 0
    changes_session: bool = False

    def reading(self, path: str) -> str:
        """The text of an insert that takes its data from a file."""
        before, after = self.text[: self.place], self.text[self.place :]
        if self.kind == "input":
            return f"{before}file({quoted(path)}, '{self.format}', {after}"
        return f"{before} from infile {quoted(path)} {after} format {self.format}"

    def writing(self, path: str, compression: str, default_format: str) -> str:
        """The text of a question whose answer goes into a file."""
        before, after = self.text[: self.place], self.text[self.place :]
        own_format = "" if self.format else f"format {default_format}"
        return f"{before}\ninto outfile {quoted(path)} truncate compression '{compression}' {own_format} {after}"


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int
    depth: int

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these words, outside of brackets."""
        return self.depth == 0 and self.text in words


def insert_with_data(head: str, *, is_all: bool) -> tuple[Statement, int] | None:
    """The INSERT at the start of a text and where its data starts; None when the text is, so far, no such INSERT.

    The text may hold one character for each byte, since only ASCII is looked for. The data itself is never looked at.
    """
    place = input_at = input_end = 0
    is_select = False
    before = _Token("", "", 0, 0, 0)
    for token in _tokens(head):
        is_name = before.text in BEFORE_NAMES
        if not before.kind and token.text != "insert":
            return None
        if before.text == "input" and token.text == "(":
            input_at, input_end = before.start, token.end
        elif not is_name and token.is_word("select", "with"):
            is_select = True
        elif not is_name and not place and not is_select and token.is_word("settings", "format", "values"):
            place = token.start
        if token.is_word("values") and place and not is_select and not is_name:
            return Statement(head[:place] + head[place : token.start], "insert", "Values", place), token.end
        if before.is_word("format") and token.kind == "word" and (input_at or place) and (is_all or token.end < len(head)):
            start = DATA_START.match(head, token.end)
            name = head[token.start : token.end]
            if is_select:
                text = head[:input_at] + head[input_end : before.start]
                return Statement(text, "input", name, input_at), start.end() if start else token.end
            return Statement(head[: before.start], "insert", name, place), start.end() if start else token.end
        before = token
    return None


def statement(text: str) -> Statement:
    """What a whole statement is that brings no data; ServerError for several in one text, or one that names a file for its result."""
    tokens = list(_tokens(text))
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    if any(token.text == ";" for token in tokens):
        raise ServerError("SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
    text = text[: tokens[-1].end] if tokens else ""
    pairs = list(pairwise(tokens))
    if any(first.is_word("into") and second.is_word("outfile") for first, second in pairs):
        raise ServerError("NOT_IMPLEMENTED", "INTO OUTFILE is the client's business and not a server's")
    first = tokens[0].text if tokens else ""
    writes = any(word.is_word("insert") and into.is_word("into") for word, into in pairs)
    if first not in WITH_ROWS or writes:
        is_temporary = len(tokens) > 1 and tokens[1].is_word("temporary")
        return Statement(text, "other", changes_session=first in OF_SESSION or is_temporary)
    for index in range(len(tokens) - 2, 0, -1):
        is_last = index + 2 == len(tokens) or tokens[index + 2].is_word("settings")
        if tokens[index].is_word("format") and tokens[index + 1].kind == "word" and is_last:
            name = tokens[index + 1]
            return Statement(text, "rows", text[name.start : name.end], tokens[index].start)
    return Statement(text, "rows", place=len(text))


def quoted(text: str) -> str:
    """A ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _tokens(text: str) -> Iterator[_Token]:
    """Everything but blanks and comments; words in lower case, brackets as deep as what they hold."""
    depth = 0
    for match in TOKEN.finditer(text):
        kind = str(match.lastgroup if match.lastgroup != "tag" else "quoted")
        if kind == "blank":
            continue
        sign = match.group()
        depth -= sign in ")]}" and kind == "sign"
        yield _Token(kind, sign.lower() if kind == "word" else sign, match.start(), match.end(), depth)
        depth += sign in "([{" and kind == "sign"
