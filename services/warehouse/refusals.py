"""What ClickHouse objected to, as ours: its code and name, but none of its words that may hold what somebody wrote to us."""

from __future__ import annotations

import re

from clickhouse_connect.driver.exceptions import ClickHouseError, DataError, NotSupportedError, OperationalError, ProgrammingError

from services.errors import WarehouseError
from services.warehouse.http_errors import CODE, NAME

AUTHENTICATION_FAILED = 516
# Only these blame the statement or its data; everything else passes sooner or later: a full disk, a restart, a new password, a proxy.
FINAL = frozenset(
    {
        *("UNKNOWN_TABLE", "UNKNOWN_DATABASE", "UNKNOWN_IDENTIFIER", "UNKNOWN_FUNCTION", "UNKNOWN_AGGREGATE_FUNCTION", "UNKNOWN_TYPE"),
        *("UNKNOWN_SETTING", "UNKNOWN_FORMAT", "UNKNOWN_STORAGE", "UNKNOWN_QUERY_PARAMETER", "BAD_QUERY_PARAMETER", "READONLY"),
        *("SYNTAX_ERROR", "BAD_ARGUMENTS", "TYPE_MISMATCH", "NO_COMMON_TYPE", "INCORRECT_DATA", "INCORRECT_QUERY", "NOT_IMPLEMENTED"),
        *("NOT_FOUND_COLUMN_IN_BLOCK", "NO_SUCH_COLUMN_IN_TABLE", "THERE_IS_NO_COLUMN", "AMBIGUOUS_IDENTIFIER", "DUPLICATE_COLUMN"),
        *("NUMBER_OF_ARGUMENTS_DOESNT_MATCH", "NUMBER_OF_COLUMNS_DOESNT_MATCH", "SIZES_OF_ARRAYS_DONT_MATCH", "NOT_AN_AGGREGATE"),
        *("ARGUMENT_OUT_OF_BOUND", "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", "DECIMAL_OVERFLOW", "INVALID_JOIN_ON_EXPRESSION"),
        *("FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", "TABLE_ALREADY_EXISTS", "DATABASE_ALREADY_EXISTS", "QUERY_IS_TOO_LARGE"),
        *("TOO_BIG_AST", "TOO_DEEP_AST", "TOO_DEEP_RECURSION", "UNSUPPORTED_METHOD", "LOGICAL_ERROR"),
    }
)
FINAL_KINDS = ("CANNOT_PARSE_", "CANNOT_CONVERT_", "CANNOT_READ_ALL_DATA", "ILLEGAL_", "UNEXPECTED_END_", "TOO_LARGE_", "UNEXPECTED_AST_")
# These name tables, columns, settings and sizes, up to where the statement is repeated; all others may repeat values.
TELLING = frozenset(
    {
        *(
            "UNKNOWN_TABLE",
            "UNKNOWN_DATABASE",
            "UNKNOWN_IDENTIFIER",
            "UNKNOWN_FUNCTION",
            "UNKNOWN_SETTING",
            "UNKNOWN_FORMAT",
            "UNKNOWN_TYPE",
        ),
        *("UNKNOWN_QUERY_PARAMETER", "MEMORY_LIMIT_EXCEEDED", "TIMEOUT_EXCEEDED", "NOT_ENOUGH_SPACE", "READONLY"),
        *("TOO_MANY_PARTS", "TOO_MANY_SIMULTANEOUS_QUERIES"),
    }
)
WORDS = re.compile(
    r"DB::Exception: (.*?)(?:[\s:.]*(?:\bin scope\b|\bwhile\b|\bin query\b|\bmaybe you meant\b|\(in file|\([A-Z_]+\)|\n|$))", re.IGNORECASE
)
PLACE = re.compile(r"\(line \d+, col \d+\)")
HTTP_STATUS = re.compile(r"HTTP status (\d{3})\b")


def refusal(error: ClickHouseError, doing: str) -> WarehouseError:
    """ClickHouse's answer as an error of ours; whoever raises it does so `from None`, since a trace shows causes."""
    text = str(error).strip()
    code, name = getattr(error, "code", None), getattr(error, "name", None)
    if code is None and (found := CODE.search(text)):
        named = NAME.search(text)
        code, name = int(found.group(1)), named.group(1) if named else None
    if code is None:
        return _without_code(error, text, doing)
    name = name or ""
    said = f"ClickHouse refused {doing}: {name or 'an error without a name'} (code {code})"
    if name in TELLING and (words := WORDS.search(text)):
        said += f": {words.group(1)}"
    elif name == "SYNTAX_ERROR" and (place := PLACE.search(text)):
        said += f" {place.group()}"
    is_final = name in FINAL or name.startswith(FINAL_KINDS)
    return WarehouseError(f"{said}.", retryable=not is_final, code=code, name=name)


def is_broken(error: ClickHouseError) -> bool:
    """Whether nobody answered: without a code the connection broke."""
    return isinstance(error, OperationalError) and getattr(error, "code", None) is None and not HTTP_STATUS.search(str(error))


def was_not_heard(error: ClickHouseError) -> bool:
    """Whether a server surely did not act: it listens no more, or another one with another token listens in its place."""
    if getattr(error, "code", None) == AUTHENTICATION_FAILED:
        return True
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def innermost(error: BaseException) -> str:
    """What went wrong in the end; the errors around it repeat the whole URL."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return type(error).__name__ if "http" in str(error).lower() else str(error)


def _without_code(error: ClickHouseError, text: str, doing: str) -> WarehouseError:
    if status := HTTP_STATUS.search(text):
        said = f"Something before ClickHouse answered {doing} with HTTP status {status.group(1)}: look at the proxy between."
        return WarehouseError(said, retryable=True)
    # clickhouse-connect itself does not take what it was given.
    is_ours = isinstance(error, ProgrammingError | DataError | NotSupportedError)
    return WarehouseError(f"ClickHouse refused {doing}: {type(error).__name__} of its client.", retryable=not is_ours)
