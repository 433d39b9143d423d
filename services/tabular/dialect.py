"""The dialect of a CSV file found out: delimiter, quote, escape, where the header is, decimal commas."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from services.contracts import DatasetContract
from services.errors import ContractError
from services.tabular.base import Mapping, map_by_order, map_columns

SAMPLE_BYTES = 1 << 18
DELIMITERS = (",", ";", "\t", "|")
# A title, a date and an empty line may stand above the header; more is no table.
HEADER_SEARCH_LINES = 30
DECIMAL_COMMA = re.compile(r"\s*[+-]?\d{1,3},\d+\s*")


@dataclass(frozen=True)
class Dialect:
    """How the rows of one CSV file are written; `header` is empty when there is none, `skip_lines` are the lines before the first row."""

    delimiter: str
    quote: str
    escape: str
    header: tuple[str, ...]
    skip_lines: int
    title_lines: int
    field_count: int
    sample_rows: tuple[tuple[str, ...], ...]


def connect() -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, small, and without leave to fetch extensions."""
    return duckdb.connect(
        ":memory:",
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "memory_limit": "512MB", "threads": 1},
    )


def sample_text(path: Path, size: int = SAMPLE_BYTES) -> str:
    """The beginning of a UTF-8 file, whole lines where possible, without byte order mark."""
    with path.open("rb") as file:
        head = file.read(size)
        whole = not file.read(1)
    if not whole and b"\n" in head:
        head = head[: head.rfind(b"\n") + 1]
    return head.decode("utf-8", "replace").removeprefix("\ufeff").replace("\0", "")


def find_dialect(path: Path, contracts: Sequence[DatasetContract]) -> Dialect:
    """The dialect of a UTF-8 file; the header is the line with most columns of one of the contracts, else DuckDB's sniffer is asked.

    Raises ContractError when the file is empty.
    """
    text = sample_text(path)
    if not text.strip():
        raise ContractError("The file holds no text: there is nothing to load.")
    lines = text.splitlines(keepends=True)
    delimiter, quote, escape, sniffed_skip, sniffed_header = _sniff(text)
    found = max((_best_header(lines, contract, each) for contract in contracts for each in (delimiter, *DELIMITERS)), default=None)
    if found is not None and found[0] > 0:
        _, before, delimiter = found[0], -found[1], found[2]
    else:
        before = sniffed_skip
    if quote not in ('"', "'"):
        quote = '"'
    escape = escape if escape == "\\" else quote
    reader = _reader(lines[before:], delimiter, quote, escape)
    first = next(reader, [])
    has_header = bool(found and found[0] > 0) or (not contracts and sniffed_header)
    rows = [row for row in ([] if has_header else [first]) + list(_some(reader, 1000)) if row]
    return Dialect(
        delimiter=delimiter,
        quote=quote,
        escape=escape,
        header=tuple(cell.strip() for cell in first) if has_header else (),
        skip_lines=before + (len(_header_lines(lines[before:], delimiter, quote, escape)) if has_header else 0),
        title_lines=before,
        field_count=len(first) if has_header else _usual_length(rows),
        sample_rows=tuple(tuple(row) for row in rows[:200]),
    )


def map_dialect(contract: DatasetContract, dialect: Dialect) -> Mapping:
    """The file's fields as columns of the contract."""
    if dialect.header:
        return map_columns(contract, dialect.header)
    return map_by_order(contract, dialect.field_count)


def has_decimal_comma(contract: DatasetContract, dialect: Dialect, mapping: Mapping) -> bool:
    """Whether positions are written as 9,52: then most sampled values of the positions' columns are."""
    places = [place for name in contract.of_type("longitude", "latitude") if (place := mapping.place(name)) is not None]
    values = [row[place] for row in dialect.sample_rows for place in places if place < len(row) and row[place].strip()]
    return bool(values) and sum(bool(DECIMAL_COMMA.fullmatch(value)) for value in values) * 2 > len(values)


def _best_header(lines: list[str], contract: DatasetContract, delimiter: str) -> tuple[int, int, str]:
    """Score, minus the number of lines before the header, delimiter: the greatest is the best."""
    best = (0, 0, delimiter)
    for index, line in enumerate(lines[:HEADER_SEARCH_LINES]):
        cells = next(_reader(lines[index : index + 5], delimiter, '"', '"'), []) if line.strip() else []
        matched = sum(column is not None for column in contract.match(cells))
        # A single known word among values is chance, unless the whole line is that one column.
        score = matched if matched >= 2 or matched == len(cells) == 1 else 0
        best = max(best, (score, -index, delimiter))
    return best


def _sniff(text: str) -> tuple[str, str, str, int, bool]:
    with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as file, connect() as duck:
        file.write(text)
        file.flush()
        try:
            row = duck.execute(
                "select Delimiter, Quote, Escape, SkipRows, HasHeader "
                "from sniff_csv(?, sample_size = 2000, ignore_errors = true, all_varchar = true, strict_mode = false)",
                [file.name],
            ).fetchone()
        except duckdb.Error:
            row = None
    if row is None or row[0] not in DELIMITERS:
        return _most_regular(text), '"', '"', 0, False
    return str(row[0]), str(row[1] or ""), str(row[2] or ""), int(row[3] or 0), bool(row[4])


def _most_regular(text: str) -> str:
    """The delimiter that stands most often in the lines, where the sniffer has no answer."""
    lines = text.splitlines()[:100]
    return max(DELIMITERS, key=lambda sign: (sum(sign in line for line in lines), text.count(sign)))


def _reader(lines: Sequence[str], delimiter: str, quote: str, escape: str) -> _Rows:
    return _Rows(lines, delimiter, quote, escape)


class _Rows:
    """Python's CSV reader over the sample: ends at what it cannot read, since the sample only helps to guess."""

    def __init__(self, lines: Sequence[str], delimiter: str, quote: str, escape: str) -> None:
        backslash = escape if escape == "\\" else None
        self._rows = csv.reader(lines, delimiter=delimiter, quotechar=quote, doublequote=backslash is None, escapechar=backslash)

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> list[str]:
        try:
            return next(self._rows)
        except csv.Error:
            raise StopIteration from None

    @property
    def lines_read(self) -> int:
        return self._rows.line_num


def _header_lines(lines: list[str], delimiter: str, quote: str, escape: str) -> list[str]:
    rows = _reader(lines, delimiter, quote, escape)
    next(rows, None)
    return lines[: rows.lines_read]


def _some(rows: _Rows, count: int) -> list[list[str]]:
    return [row for row, _ in zip(rows, range(count), strict=False)]


def _usual_length(rows: Sequence[Sequence[str]]) -> int:
    lengths = [len(row) for row in rows]
    return max(set(lengths), key=lengths.count) if lengths else 0
