"""The careful reader of CSV files: DuckDB splits the records, its reject table says which do not have the right fields."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.contracts import DatasetContract
from services.tabular.base import Column, Mapping, Progress, Reading, batch_table
from services.tabular.dialect import Dialect, connect
from services.tabular.geometry import read_polygons
from services.tabular.records import OPEN_QUOTE, Frame, Quoting, frames, joined

REASONS = {
    "MISSING COLUMNS": "has {found} fields instead of {expected}",
    "TOO MANY COLUMNS": "has {found} fields instead of {expected}",
    "UNQUOTED VALUE": OPEN_QUOTE,
}
UNREADABLE = "cannot be split into fields"
MIN_LINE_SIZE = 1 << 21
# Single records from all over the file are read so many at a time.
WANTED_AT_ONCE = 20_000
Wanted = Callable[[int, int], Sequence[int]]


class NotCleanError(Exception):
    """The file is not as clean as it looked."""


@dataclass(frozen=True)
class _Part:
    """Records by their positions in a frame, the fields of those accepted, and why the others were not."""

    positions: Sequence[int]
    fields: pa.Table
    rejects: dict[int, str]


class CsvReader:
    """A CSV file in UTF-8 of a known dialect, opened for one contract; memory stays at some blocks of 8 MB."""

    def __init__(
        self, path: Path, contract: DatasetContract, dialect: Dialect, mapping: Mapping, *, has_decimal_comma: bool = False
    ) -> None:
        self.mapping = mapping
        self.reading = Reading()
        self._path, self._contract, self._dialect = path, contract, dialect
        self.has_decimal_comma = has_decimal_comma
        self._repaired = 0

    def batches(self, progress: Progress = lambda done, total: None, wanted: Wanted | None = None) -> Iterator[pa.Table]:
        """All records as batches, in order, or only those whose numbers `wanted` gives for a range; what is no row has an objection.

        With `wanted`, NotCleanError is raised as soon as a record is found that another reader may have cut differently.
        """
        self.reading.received = 0
        quoting = Quoting(self._dialect.delimiter, self._dialect.quote, self._dialect.escape)
        total = self._path.stat().st_size
        pending: Frame | None = None
        with connect() as duck, tempfile.TemporaryDirectory() as folder:
            block = Path(folder) / "block.csv"
            for frame in frames(self._path, quoting, self._dialect.skip_lines):
                self.reading.received += len(frame.ends)
                part = frame if wanted is None else _part(frame, wanted)
                pending = part if pending is None else joined(pending, part)
                if wanted is None or len(pending.ends) >= WANTED_AT_ONCE:
                    yield self._read(pending, duck, block)
                    pending = None
                progress(frame.offset, total)
            if pending is not None and len(pending.ends):
                yield self._read(pending, duck, block)
        if self._repaired:
            self.reading.warnings.append(f"polygons that crossed themselves and were repaired: {self._repaired}")

    def _read(self, frame: Frame, duck: duckdb.DuckDBPyConnection, block: Path) -> pa.Table:
        objections = {position: ("", reason) for position, reason in frame.objections.items()}
        readable = [position for position in range(len(frame.ends)) if position not in objections]
        parts = list(self._split(duck, block, frame, readable))
        for part in parts:
            objections |= {position: ("", reason) for position, reason in part.rejects.items()}
        accepted = [position for part in parts for position in part.positions if position not in part.rejects]
        fields = pa.concat_tables([part.fields for part in parts]) if parts else None
        columns = self._columns(fields, np.array(accepted, dtype=np.int64), len(frame.ends))
        self._read_geometries(columns, objections)
        offsets = np.concatenate([[0], frame.ends]).astype(np.int64)
        raw: Column = pa.Array.from_buffers(
            pa.large_string(), len(frame.ends), [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(frame.blob)]
        )
        return batch_table(columns, frame.numbers, frame.lines, raw, objections)

    def _split(self, duck: duckdb.DuckDBPyConnection, block: Path, frame: Frame, positions: Sequence[int]) -> Iterator[_Part]:
        """Split the records into fields. Some broken ones DuckDB drops silently: then halves are tried, down to the one it drops."""
        if not positions:
            return
        is_all = len(positions) == len(frame.ends)
        block.write_bytes(frame.blob if is_all else b"".join(frame.text(position) + b"\n" for position in positions))
        answer = self._ask_duckdb(duck, block)
        if answer is not None and _adds_up(*answer, len(positions)):
            yield _Part(positions, answer[0], {positions[index]: reason for index, reason in answer[1].items()})
        elif len(positions) == 1:
            yield _Part(
                positions,
                pa.table({f"c{index}": pa.array([], pa.string()) for index in range(self._dialect.field_count)}),
                {positions[0]: UNREADABLE},
            )
        else:
            half = len(positions) // 2
            yield from self._split(duck, block, frame, positions[:half])
            yield from self._split(duck, block, frame, positions[half:])

    def _ask_duckdb(self, duck: duckdb.DuckDBPyConnection, block: Path) -> tuple[pa.Table, dict[int, str]] | None:
        """The rows that DuckDB accepts, and why it rejects others, by their place in the block; None when it gives up."""
        count = self._dialect.field_count
        duck.execute("drop table if exists reject_errors; drop table if exists reject_scans")
        try:
            fields = duck.sql(
                "select * from read_csv(?, auto_detect = false, header = false, delim = ?, quote = ?, escape = ?, new_line = '\\n', "
                "columns = ?, all_varchar = true, store_rejects = true, rejects_limit = 0, strict_mode = true, max_line_size = ?, "
                "parallel = false)",
                params=[
                    str(block),
                    self._dialect.delimiter,
                    self._dialect.quote,
                    self._dialect.escape,
                    {f"c{index}": "VARCHAR" for index in range(count)},
                    max(block.stat().st_size + 1, MIN_LINE_SIZE),
                ],
            ).to_arrow_table()
            rows = duck.execute(
                "select line - 1 as position, arg_min(error_type, column_idx) as kind, arg_max(error_message, byte_position) as message "
                "from reject_errors group by line"
            ).fetchall()
        except duckdb.Error:
            return None
        return fields, {int(position): _reason(str(kind), str(message), count) for position, kind, message in rows}

    def _columns(self, fields: pa.Table | None, positions: npt.NDArray[np.int64], count: int) -> dict[str, Column]:
        """The contract's columns for all records; empty text where the file lacks the column or the record was rejected."""
        nothing = pa.array([""] * count, pa.large_string())
        columns: dict[str, Column] = {}
        for name in self._contract.column_names:
            place = self.mapping.place(name)
            if place is None or fields is None:
                columns[name] = nothing
                continue
            values: Column = fields.column(place).combine_chunks().cast(pa.large_string()).fill_null("")
            if self.has_decimal_comma and name in self._contract.of_type("longitude", "latitude"):
                values = pc.replace_substring(values, ",", ".", max_replacements=1)
            columns[name] = values if len(values) == count else _scattered(values, positions, count)
        return columns

    def _read_geometries(self, columns: dict[str, Column], objections: dict[int, tuple[str, str]]) -> None:
        for name in self._contract.of_type("geometry"):
            texts = [str(text) for text in columns[name].to_pylist()]
            results, unreadable, repaired = read_polygons(texts)
            self._repaired += repaired
            columns[name] = pa.array(results, pa.large_string())
            for position, reason in unreadable.items():
                objections.setdefault(position, (name, f"{name} {reason}"))


def _adds_up(fields: pa.Table, rejects: dict[int, str], count: int) -> bool:
    return fields.num_rows + len(rejects) == count and all(0 <= index < count for index in rejects)


def _part(frame: Frame, wanted: Wanted) -> Frame:
    """Only the wanted records of a frame."""
    if frame.objections:
        raise NotCleanError
    first = int(frame.numbers[0])
    positions = [number - first for number in wanted(first, first + len(frame.numbers))]
    texts = [frame.text(position) + b"\n" for position in positions]
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    return Frame(b"".join(texts), ends, frame.numbers[positions], frame.lines[positions], {}, frame.offset)


def _scattered(values: Column, positions: npt.NDArray[np.int64], count: int) -> Column:
    """Values at their positions among `count`, empty texts elsewhere."""
    where = np.full(count, -1, dtype=np.int64)
    where[positions] = np.arange(len(positions))
    indices: Column = pa.array(where, pa.int64(), mask=where < 0)
    return values.take(indices).fill_null("")


def _reason(kind: str, message: str, expected: int) -> str:
    found = message.rsplit(":", 1)[-1].strip()
    template = REASONS.get(kind)
    return template.format(found=found, expected=expected) if template else message
