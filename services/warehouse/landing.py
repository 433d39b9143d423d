"""Bulk landing of a dataset's rows: what fits goes to its bronze table, what does not to bronze.rejected_rows with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from services.contracts import DatasetContract
from services.errors import WarehouseError
from services.warehouse import fitness
from services.warehouse.client import Warehouse
from services.warehouse.migrate import DDL_DIR, ddl
from services.warehouse.statements import statement

# Two threads sort, compress and write: 1.3 s instead of 1.6 s for 300 MB on two cores.
INSERT_THREADS = 2
# Up to so many rows keys are counted exactly (some 100 MB), beyond it they are estimated.
EXACT_KEYS = 2_000_000
GLOB_SIGNS = frozenset("*?{}[]")

# What ClickHouse must not be clever about: everything is text, exactly as received.
CSV_SETTINGS: Mapping[str, object] = {
    "input_format_csv_trim_whitespaces": 0,
    "format_csv_null_representation": "\x01never\x01",
    "input_format_csv_detect_header": 0,
    "input_format_csv_empty_as_default": 0,
    "input_format_csv_allow_whitespace_or_tab_as_delimiter": 1,
    "input_format_allow_errors_num": 0,
    "max_insert_threads": INSERT_THREADS,
}
# Names of its errors when ClickHouse read the file as something else than rows of these columns: not clean.
UNCLEAN = ("CANNOT_PARSE", "INCORRECT_DATA", "CANNOT_READ", "UNEXPECTED_END", "TOO_LARGE")


@dataclass(frozen=True)
class CleanCsv:
    """A clean CSV file as ClickHouse reads it: nothing above the header; `fields` has each column's place from 0, or None."""

    path: Path
    delimiter: str
    has_header: bool
    field_count: int
    fields: Mapping[str, int | None]
    has_decimal_comma: bool = False


class Landing:
    """The landing table of one dataset; every method takes the load under which rows are written."""

    def __init__(self, warehouse: Warehouse, contract: DatasetContract) -> None:
        self._warehouse = warehouse
        self._contract = contract
        self._table = contract.name
        self._positions = contract.of_type("longitude", "latitude")

    def ensure_table(self) -> None:
        """Create the landing table, or add the columns that the contract has won since."""
        self._create("landing_table.sql", self._table)
        known = self._warehouse.query(
            "select name from system.columns where database = 'bronze' and table = {table:String}", {"table": self._table}
        )
        for column in sorted(set(self._contract.column_names) - {row["name"] for row in known}):
            self._warehouse.command(f"alter table bronze.{self._table} add column if not exists `{column}` String")

    def can_read(self, path: Path) -> bool:
        """Whether ClickHouse can open the file itself: only in this process, and it takes some signs of a path for patterns."""
        return self._warehouse.is_embedded and not GLOB_SIGNS & set(str(path))

    def land_clean_csv(self, load_id: str, csv: CleanCsv) -> bool:
        """Land the rows of a clean CSV that surely fit; False when ClickHouse cannot read it as such (rows may have landed)."""
        values = {name: _value(place, csv.has_decimal_comma and name in self._positions) for name, place in csv.fields.items()}
        sql = statement(
            "land_clean_csv",
            table=self._table,
            columns=_names(values),
            values=", ".join(values.values()),
            condition=fitness.surely_fits(self._contract, values),
        )
        structure = ", ".join(f"c{index} String" for index in range(csv.field_count))
        settings = {**CSV_SETTINGS, "format_csv_delimiter": csv.delimiter}
        parameters = {
            "load_id": load_id,
            "path": str(csv.path.resolve()),
            "structure": structure,
            "header_rows": int(csv.has_header),
        }
        try:
            self._warehouse.command(sql, parameters, settings)
        except WarehouseError as error:
            if error.name.startswith(UNCLEAN):
                return False
            raise
        return True

    def land_batch(self, load_id: str, batch: pa.Table) -> None:
        """Land or reject the rows of a batch of the reader: contract's columns and `services.tabular.base.ROW_COLUMNS`."""
        incoming = f"incoming_{load_id}"
        values = {name: f"`{name}`" for name in self._contract.column_names}
        trimmed = [f"trimBoth({value})" if name in self._positions else value for name, value in values.items()]
        unfit = fitness.unfit_reason(self._contract, values)
        self._create("incoming_table.sql", incoming)
        self._warehouse.command(f"truncate table bronze.{incoming}")
        self._warehouse.insert_arrow(f"bronze.{incoming}", batch)
        self._warehouse.command(
            statement("land_batch", table=self._table, columns=_names(values), values=", ".join(trimmed), incoming=incoming, unfit=unfit),
            {"load_id": load_id},
        )
        self._warehouse.command(
            statement("reject_batch", incoming=incoming, unfit=unfit), {"load_id": load_id, "dataset": self._contract.name}
        )

    def close_batches(self, load_id: str) -> None:
        """Take the load's table of incoming batches away."""
        self._warehouse.command(f"drop table if exists bronze.incoming_{load_id} sync")

    def has_every_row(self, load_id: str, received: int) -> bool:
        """Whether the numbers of landed and rejected rows are 1 to `received`, each once, as far as count, ends and sum can tell."""
        row = self._warehouse.query(statement("number_range", table=self._table), {"load_id": load_id})[0]
        is_range = (row["first"], row["last"]) == ((1, received) if received else (0, 0))
        return is_range and (int(row["rows"]), int(row["total"])) == (received, received * (received + 1) // 2)

    def count(self, load_id: str) -> int:
        """Rows landed under the load."""
        return int(self._warehouse.scalar(statement("count_landed", table=self._table), {"load_id": load_id}))

    def count_rejected(self, load_id: str) -> int:
        """Rows rejected under the load."""
        return int(self._warehouse.scalar(statement("count_rejected"), {"load_id": load_id}))

    def missing_rows(self, load_id: str, first: int, end: int) -> list[int]:
        """Row numbers from `first` up to, not including, `end` under which nothing landed, in order."""
        parameters = {"load_id": load_id, "first": first, "end": end}
        if int(self._warehouse.scalar(statement("count_between", table=self._table), parameters)) == end - first:
            return []
        rows = self._warehouse.query_arrow(statement("numbers_between", table=self._table), parameters)
        missing: list[int] = np.setdiff1d(np.arange(first, end, dtype=np.uint64), rows.column(0).to_numpy(), assume_unique=True).tolist()
        return missing

    def duplicate_keys(self, load_id: str) -> int:
        """Rows whose natural key comes again later in the load; estimated, and 0 below 2 %, where counting would not fit in memory."""
        if not self._contract.natural_key:
            return 0
        landed = self.count(load_id)
        is_exact = landed <= EXACT_KEYS
        key = _names(self._contract.natural_key)
        sql = statement("count_keys", table=self._table, counter="uniqExact" if is_exact else "uniqCombined64", key=key)
        repeated = landed - int(self._warehouse.scalar(sql, {"load_id": load_id}))
        return repeated if is_exact or repeated > landed // 50 else 0

    def count_together(self, load_ids: Sequence[str]) -> int:
        """Rows of these loads of which each natural key counts once; estimated."""
        sql = statement("count_effective_keys", table=self._table, key=_names(self._contract.natural_key))
        return int(self._warehouse.scalar(sql, {"load_ids": list(load_ids)}))

    def unreadable_values(self, load_id: str) -> list[tuple[str, int, str]]:
        """Optional values that landed but do not mean what the contract says (column, how many, an example): silver makes them null."""
        found = []
        for column, condition in fitness.unreadable_conditions(self._contract).items():
            sql = statement("unreadable_values", table=self._table, column=_names([column]), condition=condition)
            row = self._warehouse.query(sql, {"load_id": load_id})[0]
            if row["unreadable"]:
                found.append((column, int(row["unreadable"]), str(row["example"])))
        return found

    def delete(self, load_id: str, *, keep_rejected: int = 0) -> None:
        """Remove the rows of an attempt that died or failed; the sorting key starts with the load, so nothing else is read.

        The first `keep_rejected` rejected rows stay, to show what was wrong.
        """
        self.close_batches(load_id)
        # A lightweight delete is a mutation: cheap, but not free, and mostly there is nothing to delete.
        if self.count(load_id):
            self._warehouse.command(statement("delete_landed", table=self._table), {"load_id": load_id})
        if self.count_rejected(load_id) > keep_rejected:
            last = self._warehouse.scalar(statement("last_kept"), {"load_id": load_id, "count": keep_rejected}) if keep_rejected else 0
            self._warehouse.command(statement("delete_rejected"), {"load_id": load_id, "last": int(last or 0)})

    def _create(self, template: str, table: str) -> None:
        columns = "\n".join(f"    `{name}` String," for name in self._contract.column_names)
        text = ddl((DDL_DIR / template).read_text(encoding="utf-8")).replace("{table}", table).replace("{columns}", columns)
        self._warehouse.command(text.strip().removesuffix(";"))


def _names(columns: Sequence[str] | Mapping[str, str]) -> str:
    return ", ".join(f"`{name}`" for name in columns)


def _value(place: int | None, has_decimal_comma: bool) -> str:
    if place is None:
        return "''"
    return f"replaceOne(c{place}, ',', '.')" if has_decimal_comma else f"c{place}"
