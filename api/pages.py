"""Cursor pages: a query ordered by unique keys, continued after the last keys of the page before."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from api.errors import RequestError
from api.queries import load

AFTER = re.compile(r"\{after_(\w+):(\w+)\}")


@dataclass(frozen=True)
class Page:
    """What the caller asked for: at most `limit` rows after `cursor`; without a limit the setting's default counts."""

    limit: int | None
    cursor: str | None


@dataclass(frozen=True)
class ListQuery:
    """One of the files in queries/ that takes `has_after`, `after_<key>`, `limit` and `offset`; `keys` are unique together and order it."""

    name: str
    keys: tuple[str, ...]

    @property
    def sql(self) -> str:
        """The query's text."""
        return load(self.name)

    def key_types(self) -> dict[str, type]:
        """Python type of each key's parameter in the SQL: str, int or float."""
        kinds = {name: _python_type(kind) for name, kind in AFTER.findall(self.sql)}
        return {key: kinds[key] for key in self.keys}

    def parameters(
        self, after: Sequence[object] | None, filters: Mapping[str, object], *, limit: int, offset: int = 0
    ) -> dict[str, object]:
        """All parameters of the query; keys of `after` as `key_of` gives them."""
        empty = [kind() for kind in self.key_types().values()]
        values = dict(zip((f"after_{key}" for key in self.keys), after or empty, strict=True))
        return {**filters, **values, "has_after": int(after is not None), "limit": limit, "offset": offset}

    def key_of(self, row: Mapping[str, Any]) -> list[object]:
        """The row's keys; times as milliseconds since 1970 (UTC), dates as ISO 8601."""
        return [_plain(row[key]) for key in self.keys]

    def encode(self, keys: Sequence[object], filters: Mapping[str, object]) -> str:
        """Opaque cursor that continues after these keys, for these filters only."""
        text = json.dumps([self._fingerprint(filters), *keys], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def decode(self, cursor: str, filters: Mapping[str, object]) -> list[object]:
        """Keys of a cursor; RequestError when it is not one of this list with these filters."""
        problem = "The cursor is not one of this list with these filters: start again without it."
        try:
            values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        except (ValueError, binascii.Error, UnicodeDecodeError, RecursionError) as cause:
            raise RequestError(problem) from cause
        types = list(self.key_types().values())
        if not isinstance(values, list) or len(values) != len(types) + 1 or values[0] != self._fingerprint(filters):
            raise RequestError(problem)
        keys = [float(value) if kind is float and type(value) is int else value for kind, value in zip(types, values[1:], strict=True)]
        in_range = all(type(value) is not int or -(2**63) <= value < 2**63 for value in keys)
        if not in_range or any(type(value) is not kind for kind, value in zip(types, keys, strict=True)):
            raise RequestError(problem)
        return keys

    def _fingerprint(self, filters: Mapping[str, object]) -> str:
        text = json.dumps([self.name, sorted(filters.items())], default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970 of an aware time."""
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return milliseconds(value)
    return value.isoformat() if isinstance(value, date) else value


def _python_type(kind: str) -> type:
    if kind == "String":
        return str
    return float if kind.startswith("Float") else int


def page(
    request: Request,
    limit: Annotated[int | None, Query(ge=1, description="Rows at most; the server has a largest page.", examples=[50])] = None,
    cursor: Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before; empty for the first page.")] = None,
) -> Page:
    """The page that a request asks for; RequestError above the largest page."""
    largest = request.app.state.services.settings.api.max_page_limit
    if limit is not None and limit > largest:
        raise RequestError(f"limit is {limit}, but a page has at most {largest} rows: ask for less and follow next_cursor, or take CSV.")
    return Page(limit, cursor)


PageOf = Annotated[Page, Depends(page)]
