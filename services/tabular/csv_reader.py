"""The careful reader of CSV files: DuckDB splits the records, its reject table says which do not have the right fields."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.contracts import DatasetContract
from services.errors import ContractError
from services.tabular.base import Column, Mapping, Progress, Reading, batch_table
from services.tabular.dialect import Dialect, connect
from services.tabular.geometry import read_polygons
from services.tabular.records import MAX_LINE_BYTES, OPEN_QUOTE, Frame, Quoting, frames

REASONS = {
    "MISSING COLUMNS": "has {found} fields instead of {expected}",
    "TOO MANY COLUMNS": "has {found} fields instead of {expected}",
    "UNQUOTED VALUE": OPEN_QUOTE,
}
Wanted = Callable[[int, int], Sequence[int]]


class NotCleanError(Exception):
    """The file is not as clean as it looked."""


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
        with connect() as duck, tempfile.TemporaryDirectory() as folder:
            for frame in frames(self._path, quoting, self._dialect.skip_lines):
                self.reading.received += len(frame.ends)
                part = frame if wanted is None else _part(frame, wanted)
                if len(part.ends):
                    yield self._read(part, duck, Path(folder) / "block.csv")
                progress(frame.offset, total)
        if self._repaired:
            self.reading.warnings.append(f"polygons that crossed themselves and were repaired: {self._repaired}")

    def _read(self, frame: Frame, duck: duckdb.DuckDBPyConnection, block: Path) -> pa.Table:
        block.write_bytes(frame.readable())
        readable = np.setdiff1d(np.arange(len(frame.ends)), np.fromiter(frame.objections, dtype=np.int64))
        fields, rejects = self._split(duck, block) if len(readable) else (None, {})
        objections = {position: ("", reason) for position, reason in frame.objections.items()}
        objections |= {int(readable[index]): ("", reason) for index, reason in rejects.items()}
        accepted = np.setdiff1d(np.arange(len(readable)), np.fromiter(rejects, dtype=np.int64))
        if fields is not None and fields.num_rows != len(accepted):
            raise ContractError(
                f"{len(readable)} records from line {frame.lines[0]} on were read as {fields.num_rows} rows and {len(rejects)} rejects, "
                "which does not add up: nothing was loaded. Save the file as plain CSV (UTF-8, comma, quotes doubled) and try again."
            )
        columns = self._columns(fields, readable[accepted], len(frame.ends))
        self._read_geometries(columns, objections)
        offsets = np.concatenate([[0], frame.ends]).astype(np.int64)
        raw: Column = pa.Array.from_buffers(
            pa.large_string(), len(frame.ends), [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(frame.blob)]
        )
        return batch_table(columns, frame.numbers, frame.lines, raw, objections)

    def _split(self, duck: duckdb.DuckDBPyConnection, block: Path) -> tuple[pa.Table, dict[int, str]]:
        count = self._dialect.field_count
        duck.execute("drop table if exists reject_errors; drop table if exists reject_scans")
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
                max(block.stat().st_size + 1, 1 << 21) if block.stat().st_size <= MAX_LINE_BYTES * 2 else MAX_LINE_BYTES,
            ],
        ).to_arrow_table()
        rows = duck.execute(
            "select line - 1 as position, arg_min(error_type, column_idx) as kind, min(error_message) as message, "
            "max(column_idx) as found from reject_errors group by line"
        ).fetchall()
        return fields, {int(position): _reason(str(kind), str(message), count) for position, kind, message, _ in rows}

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
