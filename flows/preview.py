"""A look into a data file before anything is written."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from services.contracts import DatasetContract, load_contracts
from services.errors import ContractError, NotFoundError
from services.tabular.base import Reader, map_columns
from services.tabular.geojson_reader import GeoJsonReader
from services.tabular.opening import CsvFile, file_format, open_csv, open_reader
from services.tabular.suspicions import suspicions, unfit_reason

ROWS_SEEN = 20_000
PROBLEMS_SHOWN = 10
EXAMPLES_SHOWN = 3
DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


@dataclass(frozen=True)
class PreviewColumn:
    """One column of the file: what it will be in the dataset (nothing, if it is not landed), and the first values."""

    header: str
    column: str | None
    examples: Sequence[str]


@dataclass(frozen=True)
class Preview:
    """What a file looks like, and what would become of it; `problems` come from the first rows only."""

    file_name: str
    format: str
    dataset: str | None
    encoding: str
    delimiter: str
    has_header: bool
    columns: Sequence[PreviewColumn]
    rows_seen: int
    rows_unfit: int
    problems: Sequence[str]
    notes: Sequence[str]
    refusal: str = ""

    def as_text(self) -> str:
        """The preview in lines."""
        dialect = f", {self.delimiter}-separated, {self.encoding}" if self.format == "csv" else ""
        header = "" if self.has_header else ", no header"
        lines = [f"{self.file_name}: {self.format}{dialect}{header}; dataset: {self.dataset or 'none fits, name one with --dataset'}"]
        for column in self.columns:
            target = f"-> {column.column}" if column.column else "not landed"
            lines.append(f"  {column.header}  {target}   e.g. {', '.join(column.examples) or '(empty)'}")
        lines += [f"note: {note}" for note in self.notes]
        if self.refusal:
            lines.append(f"would not be loaded: {self.refusal}")
        else:
            lines.append(f"of the first {self.rows_seen} rows, {self.rows_unfit} would be rejected")
        lines += [f"  {problem}" for problem in self.problems]
        return "\n".join(lines)


def preview_file(path: Path, dataset: str | None = None, contracts: Mapping[str, DatasetContract] | None = None) -> Preview:
    """Look at the beginning of a file as the loader would; without a dataset, the one whose columns fit best is taken.

    Raises NotFoundError for an unknown dataset and ContractError for a file that is no data file at all.
    """
    known = contracts if contracts is not None else load_contracts()
    if dataset is not None and dataset not in known:
        raise NotFoundError(f"There is no dataset {dataset!r}; there are {', '.join(sorted(known))}.")
    with tempfile.TemporaryDirectory(prefix="cartulary-") as folder:
        kind = file_format(path)
        file = open_csv(path, [known[dataset]] if dataset else list(known.values()), Path(folder)) if kind == "csv" else None
        contract = known[dataset] if dataset else _best(path, file, known)
        if contract is None:
            return _preview(path, kind, file, None, None, "its columns are those of no dataset")
        try:
            reader = open_reader(path, contract, Path(folder))
            return _preview(path, kind, file, contract, reader, "")
        except ContractError as error:
            return _preview(path, kind, file, contract, None, str(error))


def _best(path: Path, file: CsvFile | None, known: Mapping[str, DatasetContract]) -> DatasetContract | None:
    """The dataset all of whose required columns are there, with most columns of the file."""
    scores = []
    for contract in known.values():
        try:
            mapping = map_columns(contract, file.dialect.header) if file else GeoJsonReader(path, contract).mapping
        except ContractError:
            continue
        scores.append((sum(column is not None for column in mapping.columns), contract.name))
    return known[max(scores)[1]] if scores else None


def _preview(path: Path, kind: str, file: CsvFile | None, contract: DatasetContract | None, reader: Reader | None, refusal: str) -> Preview:
    rows: list[dict[str, str]] = []
    notes: list[str] = []
    problems: list[str] = []
    unfit = 0
    if contract is not None and reader is not None:
        for batch in islice(reader.batches(lambda done, total: None), 1):
            rows = batch.slice(0, ROWS_SEEN).to_pylist()
        notes = [*reader.mapping.warnings, *suspicions({name: [row[name] for row in rows] for name in contract.column_names})]
        for row in rows:
            reason = row["_reason"] or (unfit_reason(contract, row) or ("", ""))[1]
            unfit += bool(reason)
            if reason and len(problems) < PROBLEMS_SHOWN:
                problems.append(f"line {row['_line_number']}: {reason}")
    return Preview(
        file_name=path.name,
        format=kind,
        dataset=contract.name if contract else None,
        encoding=file.encoding if file else "utf-8",
        delimiter=DELIMITER_NAMES[file.dialect.delimiter] if file else "",
        has_header=bool(file is None or file.dialect.header),
        columns=_columns(file, reader, rows),
        rows_seen=len(rows),
        rows_unfit=unfit,
        problems=problems,
        notes=notes,
        refusal=refusal,
    )


def _columns(file: CsvFile | None, reader: Reader | None, rows: Sequence[Mapping[str, str]]) -> list[PreviewColumn]:
    if reader is None:
        headers = file.dialect.header if file else ()
        return [PreviewColumn(header, None, _examples(file, place)) for place, header in enumerate(headers)]
    columns = []
    for place, (header, column) in enumerate(zip(reader.mapping.headers, reader.mapping.columns, strict=True)):
        examples = (
            list(dict.fromkeys(row[column][:40] for row in rows if row[column]))[:EXAMPLES_SHOWN] if column else _examples(file, place)
        )
        columns.append(PreviewColumn(header, column, examples))
    return columns


def _examples(file: CsvFile | None, place: int) -> list[str]:
    cells = [row[place][:40] for row in file.dialect.sample_rows if place < len(row) and row[place]] if file else []
    return list(dict.fromkeys(cells))[:EXAMPLES_SHOWN]
