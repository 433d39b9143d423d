"""DatasetContract: what a dataset's files must look like, read from the dbt source yml of the dataset's folder."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from services.errors import ContractError
from services.settings import DBT_PROJECT_DIR

DDL_DIR = Path(__file__).with_name("warehouse") / "ddl"
STAGING_DIR = DBT_PROJECT_DIR / "models" / "silver" / "staging"
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")
CREATED = re.compile(r"\bcreate table if not exists bronze\.([a-z][a-z0-9_]*)")

ColumnType = Literal["String", "Float64", "Int64", "UInt64", "UInt8", "Bool", "Date", "DateTime", "longitude", "latitude", "geometry"]
Mode = Literal["replace", "append", "upsert"]
# dbt allows a single column as a plain string.
Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else tuple(value or ()))]


class ContractColumn(BaseModel):
    """One column: bronze keeps it as the String received, `data_type` says what it means."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    description: str = ""
    data_type: ColumnType = "String"


class DatasetContract(BaseModel):
    """What a dataset is and which rows fit it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str = ""
    columns: tuple[ContractColumn, ...] = Field(min_length=1)
    mode: Mode = "replace"
    natural_key: Names = ()
    required: Names = ()
    aliases: Mapping[str, Names] = Field(default_factory=dict)
    order: Names = Field(default=(), description="columns of a file without a header; empty means the order of `columns`")
    max_rejected_share: float = Field(default=0.1, ge=0, le=1, description="more rejected rows than this share fail the load")
    min_rows: int = Field(default=1, ge=0, description="fewer landed rows fail the load")
    min_share_of_previous: float = Field(
        default=0, ge=0, description="a replacement with fewer rows than this share of the generation before fails; 0 allows any"
    )
    pii_columns: Names = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [column.name for column in self.columns]
        for name in (self.name, *names):
            if not IDENTIFIER.fullmatch(name):
                raise ValueError(f"{name!r} is not a name: use lower case letters, digits and _, and start with a letter")
        if self.name in reserved_names():
            raise ValueError(f"{self.name!r} is the name of a table of Cartulary's own: choose another one for the dataset")
        if len(set(names)) < len(names):
            raise ValueError(f"a column is listed twice: {', '.join(sorted({name for name in names if names.count(name) > 1}))}")
        for field in ("natural_key", "required", "order", "pii_columns", "aliases"):
            if unknown := [name for name in getattr(self, field) if name not in names]:
                raise ValueError(f"{field} names {', '.join(unknown)}, which is not among the columns {', '.join(names)}")
        if self.mode == "upsert" and not self.natural_key:
            raise ValueError("mode upsert needs a natural_key, so that a row is known to replace another")
        if self.order and (missing := [name for name in self.required if name not in self.order]):
            raise ValueError(f"order lacks {', '.join(missing)}, which is required")
        self._known_headers()
        return self

    def _known_headers(self) -> dict[str, str]:
        known = {header_key(column.name): column.name for column in self.columns}
        for column in self.column_names:
            for alias in self.aliases.get(column, ()):
                owner = known.setdefault(header_key(alias), column)
                if owner != column:
                    raise ValueError(f"alias {alias!r} stands for both {owner} and {column}: keep one")
        return known

    @property
    def version(self) -> str:
        """Changes when the contract does: 12 hexadecimal digits of its hash."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in the order of the contract."""
        return tuple(column.name for column in self.columns)

    @property
    def headerless_order(self) -> tuple[str, ...]:
        """Columns of a file without a header, from the left."""
        return self.order or self.column_names

    def of_type(self, *data_types: ColumnType) -> tuple[str, ...]:
        """Names of the columns that mean one of these."""
        return tuple(column.name for column in self.columns if column.data_type in data_types)

    def match(self, headers: Sequence[str]) -> list[str | None]:
        """The contract's column for each header, or None; a column is given once: to its own name, else to the first alias."""
        known = self._known_headers()
        matched = [known.get(header_key(header)) for header in headers]
        for index, column in enumerate(matched):
            rivals = [other for other, name in enumerate(matched) if name == column and column is not None]
            exact = [other for other in rivals if header_key(headers[other]) == header_key(column or "")]
            if rivals and index != (exact or rivals)[0]:
                matched[index] = None
        return matched


@cache
def reserved_names() -> frozenset[str]:
    """What no dataset may be called: tables that bronze has for itself, and the source that dbt knows them by."""
    texts = (path.read_text(encoding="utf-8") for path in DDL_DIR.glob("*.sql"))
    return frozenset({"cartulary"}.union(*(CREATED.findall(text) for text in texts)))


def header_key(header: str) -> str:
    """A header without case, accents and punctuation: "Haus-Nr." and "HAUSNR" are the same."""
    plain = unicodedata.normalize("NFKD", header.replace("\ufeff", "")).casefold()
    return "".join(sign for sign in plain if sign.isalnum())


def load_contracts(staging_dir: Path = STAGING_DIR) -> dict[str, DatasetContract]:
    """Every dataset's contract by name: one folder each, with `_<dataset>__sources.yml`; ContractError says which is wrong and why."""
    contracts = (read_contract(path) for path in sorted(staging_dir.glob("*/_*__sources.yml")))
    return {contract.name: contract for contract in contracts if contract is not None}


def read_contract(path: Path) -> DatasetContract | None:
    """The contract of one source file; None when its tables have none (they are not loaded from files)."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        tables = [(source, table) for source in document.get("sources", []) for table in source.get("tables", [])]
        found = [(source, table, meta) for source, table in tables if (meta := _contract_meta(table)) is not None]
    except (yaml.YAMLError, AttributeError, TypeError) as cause:
        raise ContractError(f"{path} is not a dbt source file: {cause}") from cause
    if not found:
        return None
    folder = path.parent.name
    if len(found) > 1 or found[0][1].get("name") != folder or found[0][0].get("name") != folder:
        names = ", ".join(f"{source.get('name')}.{table.get('name')}" for source, table, _ in found)
        raise ContractError(f"{path} must hold one contract, of source {folder} and table {folder}; it has {names}.")
    source, table, meta = found[0]
    if source.get("schema") != "bronze":
        raise ContractError(f"{path}: source {folder} must have `schema: bronze`, where files are landed.")
    try:
        return DatasetContract(
            name=folder, description=str(table.get("description", "")).strip(), columns=table.get("columns", ()), **_checked(meta)
        )
    except ValidationError as cause:
        raise ContractError(f"The contract of {folder} in {path.name} is wrong: {_sentences(cause)}. Correct it there.") from cause


def _contract_meta(table: Mapping[str, Any]) -> Any:
    return ((table.get("config") or {}).get("meta") or {}).get("contract")


def _checked(meta: Any) -> dict[str, Any]:
    taken = {"name", "description", "columns"}
    if not isinstance(meta, dict):
        raise ContractError("config.meta.contract must be a mapping such as {mode: replace, natural_key: [id]}.")
    return {f"contract.{key}" if key in taken else key: value for key, value in meta.items()}


def _sentences(error: ValidationError) -> str:
    parts = []
    for detail in error.errors():
        place = ".".join(str(part) for part in detail["loc"])
        text = detail["msg"].removeprefix("Value error, ")
        given = f", not {detail['input']!r}" if detail["type"].startswith(("literal", "float", "int", "less", "greater")) else ""
        parts.append(f"{place}: {text}{given}" if place else text)
    return "; ".join(parts)
