"""What every reader of data files offers: batches of text rows in the contract's columns, numbered, with the reader's own objections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.contracts import DatasetContract
from services.errors import ContractError

# Beside the contract's columns, every batch says where a row stands in the file and, if the reader objects to it, why.
ROW_COLUMNS = ("_row_number", "_line_number", "_line", "_column_name", "_reason")
Column: TypeAlias = "pa.Array[Any]"
Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


@dataclass(frozen=True)
class Mapping:
    """Which field of the file is which column of the contract."""

    headers: tuple[str, ...]
    columns: tuple[str | None, ...]
    unknown_columns: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def place(self, column: str) -> int | None:
        """The column's place among the file's fields, from 0."""
        return self.columns.index(column) if column in self.columns else None


@dataclass
class Reading:
    """What a reader learns while it reads, complete when its last batch was given."""

    received: int = 0
    warnings: list[str] = field(default_factory=list)


class Reader(Protocol):
    """A data file of any format, opened for one contract."""

    mapping: Mapping
    reading: Reading

    def batches(self, progress: Progress) -> Iterator[pa.Table]:
        """All rows in order, some megabytes at a time: contract's columns and ROW_COLUMNS; raises ContractError when it is no such file."""
        ...


def map_columns(contract: DatasetContract, headers: Sequence[str]) -> Mapping:
    """Headers to columns by name and alias; ContractError when a required column is missing."""
    columns = contract.match(headers)
    missing = [name for name in contract.required if name not in columns]
    if missing:
        wanted = "; ".join(_named(contract, name) for name in missing)
        raise ContractError(
            f"{contract.name} needs {wanted}, but the file has the columns {', '.join(headers) or '(none)'}. "
            f"Rename a column of the file, or add its name to the aliases in _{contract.name}__sources.yml."
        )
    unknown = tuple(header for header, column in zip(headers, columns, strict=True) if column is None and header.strip())
    warnings = []
    if unknown:
        warnings.append(f"not among the columns of {contract.name} and therefore not landed: {', '.join(unknown)}")
    repeated = sorted({header for header in headers if header.strip() and headers.count(header) > 1})
    if repeated:
        warnings.append(f"stands more than once in the header, the first counts: {', '.join(repeated)}")
    return Mapping(tuple(headers), tuple(columns), unknown, tuple(warnings))


def map_by_order(contract: DatasetContract, field_count: int) -> Mapping:
    """Fields of a file without a header, in the contract's order; ContractError when there are too many or too few."""
    order = contract.headerless_order
    needed = max((order.index(name) + 1 for name in contract.required), default=1)
    if not needed <= field_count <= len(order):
        raise ContractError(
            f"The file has no header with columns of {contract.name}, and without one it must have {len(order)} fields in the order "
            f"{', '.join(order)}; it has {field_count}. Add a header line."
        )
    columns = order[:field_count]
    return Mapping(columns, columns, (), (f"no header found: read in the order {', '.join(columns)}",))


def batch_table(
    columns: dict[str, Column],
    numbers: npt.NDArray[np.uint64],
    lines: npt.NDArray[np.uint64],
    raw: Column,
    objections: dict[int, tuple[str, str]],
) -> pa.Table:
    """A batch of a reader; `objections` has (column, reason) by position in the batch."""
    count = len(numbers)
    names, reasons = [""] * count, [""] * count
    for position, (column, reason) in objections.items():
        names[position], reasons[position] = column, reason
    arrays: dict[str, Column] = {
        **columns,
        "_row_number": pa.array(numbers, pa.uint64()),
        "_line_number": pa.array(lines, pa.uint64()),
        "_line": raw,
        "_column_name": pa.array(names, pa.string()),
        "_reason": pa.array(reasons, pa.string()),
    }
    return pa.table(arrays)


def _named(contract: DatasetContract, column: str) -> str:
    aliases = list(contract.aliases.get(column, ()))[:3]
    return f"the column {column}" + (f" (or {', '.join(aliases)})" if aliases else "")
