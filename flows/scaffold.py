"""A new dataset's folder from a sample file: contract, staging model, tests and sample, after which it loads and builds."""

from __future__ import annotations

import csv
import re
import tempfile
import unicodedata
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from string import Template
from typing import Any

import yaml

from services.contracts import IDENTIFIER, STAGING_DIR, DatasetContract, header_key, load_contracts, read_contract, reserved_names
from services.errors import ConflictError, ContractError
from services.tabular.features import features
from services.tabular.geometry import read_polygons
from services.tabular.opening import file_format, open_csv, open_reader

SAMPLE_ROWS = 30
LOOKED_AT = 1000
LONGITUDE_NAMES = ("lon", "lng", "long", "longitude", "laengengrad", "längengrad")
LATITUDE_NAMES = ("lat", "latitude", "breitengrad")
# Numbers in columns of these names are names, not quantities: leading zeros count.
TEXT_NAMES = re.compile(r"(^|_)(id|code|nr|no|plz|zip|postcode|postleitzahl|housenumber|hausnummer|phone|telefon|key)(_|$)")
# What silver makes of each type.
CASTS = {
    "Float64": "toFloat64OrNull(trim({column}))",
    "longitude": "toFloat64OrNull(trim({column}))",
    "latitude": "toFloat64OrNull(trim({column}))",
    "Int64": "toInt64OrNull(trim({column}))",
    "Date": "toDate32OrNull(trim({column}))",
    "geometry": "{column}",
    "String": "nullIf(trim({column}), '')",
}


def scaffold_dataset(name: str, sample: Path, staging_dir: Path = STAGING_DIR) -> list[Path]:
    """Write the dataset's folder from a CSV or GeoJSON sample and return its files.

    Raises ContractError for a bad name or file, ConflictError when there is such a dataset.
    """
    if not IDENTIFIER.fullmatch(name) or name in reserved_names():
        raise ContractError(
            f"{name!r} cannot name a dataset: use lower case letters, digits and _, start with a letter, and take no name of "
            "Cartulary's own tables: wells."
        )
    folder = staging_dir / name
    if folder.exists() or name in load_contracts(staging_dir):
        raise ConflictError(f"There is a dataset {name} already, in {folder.name}/: choose another name or edit its contract.")
    with tempfile.TemporaryDirectory(prefix="cartulary-") as temporary:
        headers, rows = _look(sample, Path(temporary))
        columns = _columns(headers, rows)
        contract = _contract(name, sample.name, headers, columns, rows)
        checked = DatasetContract.model_validate(_as_contract(name, contract))
        batch = next(iter(open_reader(sample, checked, Path(temporary)).batches(lambda done, total: None)))
        sample_rows = [[row[column] for column in checked.column_names] for row in batch.slice(0, SAMPLE_ROWS).to_pylist()]
    folder.mkdir(parents=True)
    paths = [folder / f"_{name}__sources.yml", folder / f"stg_{name}__{name}.sql", folder / f"_{name}__models.yml", folder / "sample.csv"]
    paths[0].write_text(_yaml(contract), encoding="utf-8")
    paths[1].write_text(_staging_sql(checked), encoding="utf-8")
    paths[2].write_text(_yaml(_models(checked)), encoding="utf-8")
    with paths[3].open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([list(checked.column_names), *sample_rows])
    if read_contract(paths[0]) is None:
        raise ContractError(f"The new contract in {paths[0].name} cannot be read back: please report the sample.")
    return paths


def _look(sample: Path, temporary: Path) -> tuple[list[str], list[list[str]]]:
    """Headers and the first rows of the sample."""
    if file_format(sample) == "csv":
        dialect = open_csv(sample, [], temporary).dialect
        if not dialect.header:
            raise ContractError(f"{sample.name} has no header line: add one, so that the columns have names.")
        return list(dialect.header), [list(row) for row in dialect.sample_rows if len(row) == len(dialect.header)]
    found = [feature.value for feature in islice(features(sample), LOOKED_AT) if not feature.objection]
    if not found:
        raise ContractError(f"{sample.name} holds no features.")
    names = list(dict.fromkeys(key for value in found for key in value.get("properties") or {}))
    is_point = all((value.get("geometry") or {}).get("type") == "Point" for value in found)
    rows = [["" if (cell := (value.get("properties") or {}).get(key)) is None else str(cell) for key in names] for value in found]
    if is_point:
        return [*names, "lon", "lat"], [[*row, "0.5", "0.5"] for row in rows]
    return [*names, "geometry"], [[*row, "POLYGON ((0 0, 1 0, 1 1, 0 0))"] for row in rows]


def _columns(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """Name and type of each column."""
    columns: list[tuple[str, str]] = []
    for place, header in enumerate(headers):
        values = [row[place].strip() for row in rows if row[place].strip()]
        name = _column_name(header, place)
        kind = _type(name, values)
        name = {"longitude": "lon", "latitude": "lat"}.get(kind, name)
        taken = {column for column, _ in columns}
        columns.append((name if name not in taken else f"{name}_{place + 1}", kind))
    return columns


def _column_name(header: str, place: int) -> str:
    plain = unicodedata.normalize("NFKD", header.replace("ß", "ss")).encode("ascii", "ignore").decode().casefold()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:60]
    if not name:
        return f"column_{place + 1}"
    return name if name[0].isalpha() else f"c_{name}"


def _type(name: str, values: Sequence[str]) -> str:
    plain = [value.replace(",", ".", 1) for value in values]
    is_number = bool(values) and all(re.fullmatch(r"[+-]?\d+(\.\d+)?", value) for value in plain)
    if is_number and header_key(name) in map(header_key, LONGITUDE_NAMES) and all(abs(float(value)) <= 180 for value in plain):
        return "longitude"
    if is_number and header_key(name) in map(header_key, LATITUDE_NAMES) and all(abs(float(value)) <= 90 for value in plain):
        return "latitude"
    if values and values[0][0] in "PMSpms{" and not read_polygons(values[:20])[1]:
        return "geometry"
    if values and all(re.fullmatch(r"\d{4}-\d\d-\d\d", value) for value in values):
        return "Date"
    if TEXT_NAMES.search(name) or not is_number or any(re.match(r"[+-]?0\d", value) for value in values):
        return "String"
    is_whole = all("." not in value for value in plain)
    return "Int64" if is_whole else ("String" if any("," in value for value in values) else "Float64")


def _contract(
    name: str, file_name: str, headers: Sequence[str], columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]
) -> dict[str, Any]:
    key = _natural_key(columns, rows)
    positions = [column for column, kind in columns if kind in ("longitude", "latitude", "geometry")]
    aliases = {
        column: [header]
        for (column, _), header in zip(columns, headers, strict=True)
        if header_key(header) != header_key(column) and header_key(header)
    }
    contract = {
        "mode": "replace",
        "natural_key": key,
        "required": [*key, *(column for column in positions if column not in key)],
        "order": [column for column, _ in columns],
        "max_rejected_share": 0.1,
        "min_rows": 1,
        "pii_columns": [],
        "aliases": aliases,
    }
    described = [
        {"name": column, "description": f"As in the column {header} of {file_name}.", "data_type": kind}
        for (column, kind), header in zip(columns, headers, strict=True)
    ]
    table = {
        "name": name,
        "description": f"What {file_name} holds. One row per {'row of the file' if not key else key[0]} and load.",
        "config": {"loaded_at_field": "_ingested_at", "meta": {"contract": contract}},
        "columns": described,
    }
    source = {"name": name, "description": f"{name}, landed as received from data files.", "schema": "bronze", "tables": [table]}
    return {"version": 2, "sources": [source]}


def _natural_key(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> list[str]:
    """The column that tells rows apart: one called id or code if it does, else the first that does; none if there is none."""
    unique = []
    for place, (column, kind) in enumerate(columns):
        values = [row[place].strip() for row in rows]
        if values and all(values) and len(set(values)) == len(values) and kind in ("String", "Int64"):
            unique.append(column)
    named = [column for column in unique if re.search(r"(^|_)(id|code|key|nr|no)$", column)]
    return (named or unique)[:1]


def _as_contract(name: str, document: dict[str, Any]) -> dict[str, Any]:
    table = document["sources"][0]["tables"][0]
    return {"name": name, "description": table["description"], "columns": table["columns"], **table["config"]["meta"]["contract"]}


def _staging_sql(contract: DatasetContract) -> str:
    lines = []
    for column in contract.columns:
        cast = CASTS[column.data_type]
        if column.name in contract.required and column.data_type == "String":
            cast = "trim({column})"
        value = cast.format(column=column.name)
        target = {"longitude": "longitude", "latitude": "latitude"}.get(column.data_type, column.name)
        lines.append(f"        {value if value == target else f'{value} as {target}'},")
    template = Template(Path(__file__).with_name("staging_model.sql").read_text(encoding="utf-8"))
    return template.substitute(dataset=contract.name, columns="\n".join(lines))


def _models(contract: DatasetContract) -> dict[str, Any]:
    columns = []
    for column in contract.columns:
        name = {"longitude": "longitude", "latitude": "latitude"}.get(column.data_type, column.name)
        tests = ["not_null"] if column.name in contract.required else []
        tests += ["unique"] if contract.natural_key == (column.name,) else []
        columns.append({"name": name, "description": column.description, **({"data_tests": tests} if tests else {})})
    grain = contract.natural_key[0] if contract.natural_key else "row of the newest file"
    model = {
        "name": f"stg_{contract.name}__{contract.name}",
        "description": f"{contract.name} as the newest load has them, typed and trimmed. One row per {grain}.",
        "columns": columns,
    }
    return {"version": 2, "models": [model]}


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=140)
