"""Which rows fit a contract, as ClickHouse expressions made of the contract's own checked names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.contracts import DatasetContract

LIMITS = {"longitude": 180, "latitude": 90}
NUMBERS = {
    "Float64": "toFloat64OrNull",
    "Int64": "toInt64OrNull",
    "UInt64": "toUInt64OrNull",
    "UInt8": "toUInt8OrNull",
    "Date": "toDate32OrNull",
    "DateTime": "parseDateTime64BestEffortOrNull",
}


def surely_fits(contract: DatasetContract, values: Mapping[str, str]) -> str:
    """A quick condition for rows that fit without a doubt; `values` has an expression per column. What fails it is looked at again."""
    # Nothing but a required value that starts with a sign above the blank: cheaper than trimming, and blanks are rare.
    conditions = [f"{values[name]} >= '!'" for name in contract.required if name not in _positions(contract)]
    for name, limit in _positions(contract).items():
        # What is no number becomes 0, and 0 is looked at again: half the price of asking for null.
        number = f"toFloat64OrZero({values[name]})"
        inside = f"abs({number}) <= {limit} and {number} != 0"
        conditions.append(inside if name in contract.required else f"({values[name]} = '' or ({inside}))")
    return " and ".join(conditions) or "1"


def unfit_reason(contract: DatasetContract, values: Mapping[str, str]) -> str:
    """A tuple (column, reason) per incoming row, both empty when it fits; a reason that the reader gave comes first."""
    branches = ["_reason != '', tuple(_column_name, _reason)"]
    branches += [f"{condition}, tuple('{column}', {reason})" for column, condition, reason in _checks(contract, values)]
    return f"multiIf({', '.join(branches)}, tuple('', ''))"


def unreadable_conditions(contract: DatasetContract) -> dict[str, str]:
    """Per optional typed column, the condition for a landed value that silver cannot read as that type."""
    return {
        column.name: f"notEmpty(trimBoth(`{column.name}`)) and isNull({NUMBERS[column.data_type]}(trimBoth(`{column.name}`)))"
        for column in contract.columns
        if column.data_type in NUMBERS
    }


def _positions(contract: DatasetContract) -> dict[str, int]:
    return {column.name: LIMITS[column.data_type] for column in contract.columns if column.data_type in LIMITS}


def _checks(contract: DatasetContract, values: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in contract.required:
        yield name, f"empty(trimBoth({values[name]}))", f"'{name} is missing'"
    for name, limit in _positions(contract).items():
        text = f"trimBoth({values[name]})"
        number = f"toFloat64OrNull({text})"
        yield name, f"notEmpty({text}) and isNull({number})", f"concat('{name} is not a number: ', {text})"
        yield name, f"not ifNull(abs({number}) <= {limit}, 1)", f"concat('{name} is not between -{limit} and {limit}: ', {text})"
    if len(_positions(contract)) == 2:
        zero = " and ".join(f"ifNull(toFloat64OrNull(trimBoth({values[name]})), 1) = 0" for name in _positions(contract))
        names = " and ".join(_positions(contract))
        yield next(iter(_positions(contract))), zero, f"'{names} are both 0, which is in the Atlantic, not a position'"
