"""What a person should look at in a data file before loading it: rows that will be rejected, values that a spreadsheet has spoilt."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from services.contracts import DatasetContract

LIMITS = {"longitude": 180.0, "latitude": 90.0}
# ClickHouse's idea of a number: no blanks or underscores inside, no hexadecimal.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.ASCII | re.IGNORECASE)
GARBLED = re.compile(r"Ã[\x80-\xbf¤¶¼Ÿ„–œ©¨]|Ã¼|â€|\ufffd")
DATE_LIKE = re.compile(
    r"\d{1,2}[. -]+(jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])\w*|\d{1,2}\.\d{1,2}\.\d{2,4}", re.IGNORECASE
)
EXPONENT = re.compile(r"\d[.,]?\d*[eE]\+\d+")


def unfit_reason(contract: DatasetContract, row: Mapping[str, str]) -> tuple[str, str] | None:
    """The column and reason for which the warehouse will reject a row (services/warehouse/fitness.py says the same in SQL)."""
    for name in contract.required:
        if not row[name].strip(" "):
            return name, f"{name} is missing"
    positions = {column.name: LIMITS[column.data_type] for column in contract.columns if column.data_type in LIMITS}
    values: list[float] = []
    for column in contract.columns:
        if column.name not in positions or not (text := row[column.name].strip(" ")):
            continue
        if not NUMBER.fullmatch(text):
            return column.name, f"{column.name} is not a number: {text}"
        limit = positions[column.name]
        values.append(float(text))
        if math.isnan(values[-1]) or abs(values[-1]) > limit:
            return column.name, f"{column.name} is not between -{limit:g} and {limit:g}: {text}"
    if len(positions) == len(values) == 2 and values == [0, 0]:
        names = [column.name for column in contract.columns if column.name in positions]
        return names[0], f"{' and '.join(names)} are both 0, which is in the Atlantic, not a position"
    return None


def suspicions(columns: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Sentences about values by column that were probably not meant so."""
    for name, values in columns.items():
        filled = [value for value in values if value.strip()]
        if not filled:
            continue
        if name == "postcode":
            yield from _postcodes(filled)
        if name == "housenumber" and (dates := [value for value in filled if DATE_LIKE.fullmatch(value.strip())]):
            yield f"{len(dates)} house numbers look like dates, as a spreadsheet makes of 3-5, for instance {dates[0]!r}"
        if broken := [value for value in filled if EXPONENT.fullmatch(value.strip())]:
            yield f"{name} was shortened by a spreadsheet in {len(broken)} rows, for instance {broken[0]!r}: digits are lost"
        if garbled := [value for value in filled if GARBLED.search(value)]:
            yield f"{name} has garbled letters in {len(garbled)} rows, for instance {garbled[0]!r}: the file was saved in a wrong encoding"


def _postcodes(values: Sequence[str]) -> Iterator[str]:
    if decimals := [value for value in values if re.fullmatch(r"\d+[.,]0+", value.strip())]:
        yield f"postcode looks numeric in {len(decimals)} rows, for instance {decimals[0]!r}: store postcodes as text"
    lengths = {len(value.strip()) for value in values if value.strip().isdecimal()}
    if lengths in ({4, 5}, {3, 4}):
        yield f"postcode looks numeric: it has {min(lengths)} digits in some rows and {max(lengths)} in others, so leading zeros were lost"
