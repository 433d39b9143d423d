"""Rows of an Arrow table in the binary form of PostgreSQL's COPY, whole columns at a time."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import BigInteger, Column, Date, Double, SmallInteger, Text

# https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format": signature, flags, length of the header's extension.
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
NULL = struct.pack(">i", -1)
# PostgreSQL counts days from here, Arrow from 1970.
DAYS_OFFSET = (date(2000, 1, 1) - date(1970, 1, 1)).days
# A point with its SRID as PostGIS has it, little endian.
EWKB_POINT = np.dtype([("head", "V9"), ("longitude", "<f8"), ("latitude", "<f8")])
FIXED: Mapping[type, str] = {SmallInteger: ">i2", BigInteger: ">i8", Double: ">f8", Date: ">i4"}


def encode(rows: pa.Table, columns: Iterable[Column[object]]) -> memoryview:
    """The rows (columns in the order of `columns`) as COPY wants them between header and trailer."""
    fields: list[pa.Array[Any]] = []
    for column in columns:
        values = rows.column(column.name).combine_chunks()
        number_format = FIXED.get(type(column.type))
        fields += [_fixed(values, number_format)] if number_format else _variable(values, is_text=isinstance(column.type, Text))
    count = pa.scalar(struct.pack(">h", rows.num_columns), pa.large_binary())
    # The stubs know no scalar beside arrays; the compute function does.
    joined = pc.binary_join_element_wise(count, *fields, pa.scalar(b"", pa.large_binary()))  # type: ignore[call-overload]
    return _bytes(joined)


def are_inside(points: pa.ChunkedArray[Any]) -> bool:
    """Whether all of these are points (PostGIS' binary form with an SRID) of WGS84; NaN is not."""
    data = points.combine_chunks().cast(pa.large_binary())
    if data.null_count or not pc.all(pc.equal(pc.binary_length(data), EWKB_POINT.itemsize)).as_py():  # type: ignore[call-overload]
        return False
    found = np.frombuffer(b"" if not len(data) else _bytes(data), dtype=EWKB_POINT)
    return bool(np.all((abs(found["longitude"]) <= 180) & (abs(found["latitude"]) <= 90)))


def _bytes(data: pa.Array[Any]) -> memoryview:
    """All values (large binary) one after the other, as they lie in memory."""
    _, positions, values = data.buffers()
    offsets = np.frombuffer(positions, dtype=np.int64)[data.offset : data.offset + len(data) + 1]  # type: ignore[call-overload]
    return memoryview(values)[offsets[0] : offsets[-1]]  # type: ignore[arg-type]


def _fixed(values: pa.Array[Any], number_format: str) -> pa.Array[Any]:
    numbers = (values.cast(pa.int32()) if pa.types.is_date(values.type) else values).fill_null(0).to_numpy(zero_copy_only=False)
    if pa.types.is_date(values.type):
        numbers = numbers - DAYS_OFFSET
    record = np.empty(len(values), dtype=[("length", ">i4"), ("value", number_format)])
    record["length"], record["value"] = record["value"].itemsize, numbers
    encoded = _binary(record)
    return encoded if values.null_count == 0 else pc.if_else(values.is_valid(), encoded, pa.scalar(NULL, pa.large_binary()))


def _variable(values: pa.Array[Any], *, is_text: bool) -> list[pa.Array[Any]]:
    data = values.cast(pa.large_binary())
    if is_text:
        data = _readable(data)
    lengths = pc.binary_length(data).fill_null(-1).to_numpy(zero_copy_only=False)  # type: ignore[call-overload]
    return [_binary(lengths.astype(">i4")), data.fill_null(b"")]


def _binary(records: npt.NDArray[np.generic]) -> pa.Array[Any]:
    width = pa.binary(records.dtype.itemsize)
    return pa.Array.from_buffers(width, len(records), [None, pa.py_buffer(records.tobytes())]).cast(pa.large_binary())


def _readable(data: pa.Array[Any]) -> pa.Array[Any]:
    """Text that PostgreSQL takes: UTF-8 without NUL. ClickHouse keeps any bytes; one bad name must not stop a whole sync."""
    try:
        text = data.cast(pa.large_string())
        if not pc.any(pc.match_substring(text, "\0")).as_py():
            return data
    except pa.ArrowInvalid:
        pass
    texts = [None if value is None else value.decode(errors="replace").replace("\0", "") for value in data.to_pylist()]
    return pa.array(texts, pa.large_string()).cast(pa.large_binary())
