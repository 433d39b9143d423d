"""A data file of unknown format opened for a contract: format, encoding and dialect are found out, other encodings become UTF-8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.contracts import DatasetContract
from services.errors import ContractError
from services.tabular.base import Mapping, Reader
from services.tabular.csv_reader import CsvReader
from services.tabular.dialect import Dialect, find_dialect, has_decimal_comma, map_dialect
from services.tabular.encoding import narrow_encoding, transcode, unify_line_ends, wide_encoding
from services.tabular.geojson_reader import GeoJsonReader, looks_like_geojson
from services.tabular.scan import Scan, is_utf8, scan

HEAD_BYTES = 1 << 16
UTF8, UTF8_WITH_MARK = "utf-8", "utf-8-sig"
FOREIGN_FORMATS = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"%PDF", "a PDF"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database or GeoPackage"),
)


@dataclass(frozen=True)
class CsvFile:
    """A CSV file made readable: `path` is UTF-8 with newlines."""

    path: Path
    encoding: str
    dialect: Dialect

    @property
    def has_mark(self) -> bool:
        """Whether a byte order mark stands before the first field."""
        return self.encoding == UTF8_WITH_MARK

    def is_clean(self, seen: Scan) -> bool:
        """Whether ClickHouse's own reader, if it reads the file without an error, saw the same rows as the careful one would."""
        doubled = (self.dialect.quote, self.dialect.escape) == ('"', '"')
        return seen.is_clean and (seen.quote_count == 0 or doubled)


def file_format(path: Path) -> str:
    """csv or geojson, by content; ContractError for what is neither."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head.strip(b" \t\r\n\xef\xbb\xbf\0"):
        raise ContractError("The file is empty: there is nothing to load.")
    for magic, name in FOREIGN_FORMATS:
        if head.startswith(magic):
            raise ContractError(f"The file is {name}; data files are CSV or GeoJSON. Save it as CSV (UTF-8) and try again.")
    return "geojson" if looks_like_geojson(head) else "csv"


def open_csv(path: Path, contracts: Sequence[DatasetContract], folder: Path) -> CsvFile:
    """Find out encoding and dialect; a file in another encoding, or with lone carriage returns, is rewritten into `folder`."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    encoding = wide_encoding(head)
    seen = scan(path) if encoding in (None, UTF8_WITH_MARK) else Scan()
    encoding = encoding or narrow_encoding(seen)
    if encoding not in (UTF8, UTF8_WITH_MARK):
        path = _rewritten(path, encoding, folder)
        seen = scan(path)
    if seen.has_lone_return and seen.line_count <= 1:
        target = folder / "lines.csv"
        unify_line_ends(path, target)
        path = target
    return CsvFile(path, encoding, find_dialect(path, contracts))


def looks_clean(path: Path) -> bool:
    """Whether the first bytes are text in UTF-8 with lines, so that it is worth trying the quick way while the rest is looked at."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if wide_encoding(head) not in (None, UTF8_WITH_MARK) or b"\0" in head or b"\n" not in head:
        return False
    return is_utf8(head[: head.rindex(b"\n")])


def open_quickly(path: Path, contract: DatasetContract) -> tuple[CsvReader, CsvFile]:
    """Of a file that looks clean: the dialect from its beginning, without reading the rest."""
    with path.open("rb") as opened:
        has_mark = opened.read(3) == b"\xef\xbb\xbf"
    file = CsvFile(path, UTF8_WITH_MARK if has_mark else UTF8, find_dialect(path, [contract]))
    return _reader(file, contract), file


def open_reader(path: Path, contract: DatasetContract, folder: Path) -> Reader:
    """The careful reader for any accepted format; a rewritten copy may be kept in `folder`, which must outlive the reader."""
    if file_format(path) == "geojson":
        return GeoJsonReader(path, contract)
    return _reader(open_csv(path, [contract], folder), contract)


def _reader(file: CsvFile, contract: DatasetContract) -> CsvReader:
    mapping = map_dialect(contract, file.dialect)
    comma = has_decimal_comma(contract, file.dialect, mapping)
    return CsvReader(file.path, contract, file.dialect, _with_notes(mapping, file, comma), has_decimal_comma=comma)


def _with_notes(mapping: Mapping, file: CsvFile, comma: bool) -> Mapping:
    notes = list(mapping.warnings)
    if file.encoding not in (UTF8, UTF8_WITH_MARK):
        notes.append(f"read as {file.encoding}, not UTF-8: look at names with umlauts or accents")
    if file.dialect.title_lines:
        notes.append(f"lines above the header that were passed over: {file.dialect.title_lines}")
    if comma:
        notes.append("decimal commas of positions were read as points")
    return Mapping(mapping.headers, mapping.columns, mapping.unknown_columns, tuple(notes))


def _rewritten(path: Path, encoding: str, folder: Path) -> Path:
    target = folder / "utf-8.csv"
    transcode(path, encoding, target)
    return target
