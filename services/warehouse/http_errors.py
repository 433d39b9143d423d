"""Errors as ClickHouse's HTTP interface tells them: a code, a sentence, and the status that belongs to the code."""

from __future__ import annotations

import re

from clickhouse_connect.driver.exceptions import ClickHouseError

# As ClickHouse's Server/HTTP/exceptionCodeToHTTPStatus.cpp; every other code is 500.
STATUSES = {
    401: {"REQUIRED_PASSWORD"},
    403: {"UNKNOWN_USER", "WRONG_PASSWORD", "AUTHENTICATION_FAILED", "SET_NON_GRANTED_ROLE"},
    400: {
        *("BAD_ARGUMENTS", "CANNOT_COMPILE_REGEXP", "DUPLICATE_COLUMN", "ILLEGAL_COLUMN", "UNKNOWN_ELEMENT_IN_AST", "TOO_DEEP_AST"),
        *("UNKNOWN_TYPE_OF_AST_NODE", "TOO_BIG_AST", "UNEXPECTED_AST_STRUCTURE", "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", "SYNTAX_ERROR"),
        *("INCORRECT_DATA", "TYPE_MISMATCH"),
    },
    404: {
        *("UNKNOWN_TABLE", "UNKNOWN_FUNCTION", "UNKNOWN_IDENTIFIER", "UNKNOWN_TYPE", "UNKNOWN_STORAGE", "UNKNOWN_DATABASE"),
        *("UNKNOWN_SETTING", "UNKNOWN_DIRECTION_OF_SORTING", "UNKNOWN_AGGREGATE_FUNCTION", "UNKNOWN_FORMAT", "UNKNOWN_DATABASE_ENGINE"),
        *("UNKNOWN_TYPE_OF_QUERY", "NO_ELEMENTS_IN_CONFIG"),
    },
    408: {"TIMEOUT_EXCEEDED"},
    413: {"QUERY_IS_TOO_LARGE"},
    501: {"NOT_IMPLEMENTED"},
    503: {"SOCKET_TIMEOUT", "CANNOT_OPEN_FILE", "CANNOT_SCHEDULE_TASK"},
}
STATUS_BY_NAME = {name: status for status, names in STATUSES.items() for name in names}
# What this server itself objects to.
CODES = {
    "BAD_ARGUMENTS": 36,
    "NOT_IMPLEMENTED": 48,
    "SYNTAX_ERROR": 62,
    "INCORRECT_DATA": 117,
    "REQUIRED_PASSWORD": 194,
    "QUERY_IS_TOO_LARGE": 229,
    "AUTHENTICATION_FAILED": 516,
    "UNKNOWN_EXCEPTION": 1002,
}
CODE = re.compile(r"Code: (\d+)\. ")
NAME = re.compile(r"\(([A-Z0-9_]+)\)[^()]*(?:\(version [^()]*\)[^()]*)?$")


class ServerError(Exception):
    """An answer that is an error: `code` and `name` as in ClickHouse's table of errors."""

    def __init__(self, name: str, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.code = CODES[name] if code is None else code

    @property
    def status(self) -> int:
        """The HTTP status of its code."""
        return 400 if self.name.startswith("CANNOT_PARSE_") else STATUS_BY_NAME.get(self.name, 500)

    def text(self) -> str:
        """The answer's body."""
        message = str(self)
        return message if message.startswith("Code: ") else f"Code: {self.code}. DB::Exception: {message} ({self.name})"


def of_engine(error: ClickHouseError) -> ServerError:
    """What chDB objected to, through its client."""
    message = str(error).strip()
    code, name = CODE.search(message), NAME.search(message)
    if code is None:
        return ServerError("BAD_ARGUMENTS", message)
    return ServerError(name.group(1) if name else "", message[code.start() :], int(code.group(1)))
