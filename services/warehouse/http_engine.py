"""chDB behind the HTTP interface: connections kept by what is set on them, data and results through files."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.summary import QuerySummary

from services.warehouse.http_errors import of_engine
from services.warehouse.http_statement import Statement

# Connections that wait for the next request with the same settings: opening one costs 9 ms, a short query on an open one 1.4 ms.
IDLE_CONNECTIONS = 16
PLACEHOLDER = re.compile(r"\{\s*([A-Za-z_]\w*)\s*:")
# Whoever ends a statement so gets its figures and not its (empty) rows from clickhouse-connect.
NO_ROWS = "\n--"
GLOB_SIGNS = frozenset("*?{}[]")
EXCHANGE = ".exchange-"
Session = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Answer:
    """What a statement gave: a file with its rows in `format`, or a few bytes; and ClickHouse's figures about it."""

    path: Path | None = None
    body: bytes = b""
    format: str = ""
    compression: str = ""
    summary: Mapping[str, str] = field(default_factory=dict)


class Engine:
    """The chDB of this process for any number of requests at once: each has a connection to itself as long as it runs."""

    def __init__(self, directory: Path, memory_bytes: int) -> None:
        self._path = str((directory / "clickhouse").resolve())
        self._memory_bytes = memory_bytes
        self._idle: OrderedDict[int, tuple[Session, Client]] = OrderedDict()
        self._lock = threading.Lock()
        # Beside the data, where there is room for it; but ClickHouse takes some signs of a path for patterns.
        place = None if GLOB_SIGNS & set(str(directory)) else directory
        for left in directory.glob(f"{EXCHANGE}*"):
            shutil.rmtree(left)  # of a killed process: the directory has one owner
        self._folder = tempfile.TemporaryDirectory(prefix=EXCHANGE, dir=place)
        self.folder = Path(self._folder.name)

    def close(self) -> None:
        """Close the connections that wait, and remove the files of requests that were cut off."""
        with self._lock:
            for _, client in self._idle.values():
                client.close()
            self._idle.clear()
        self._folder.cleanup()

    def new_file(self) -> Path:
        """A name for data or a result; whoever asks for it removes it."""
        handle, name = tempfile.mkstemp(dir=self.folder)
        os.close(handle)
        return Path(name)

    def run(
        self,
        statement: Statement,
        *,
        data: Path | None = None,
        database: str = "",
        settings: Mapping[str, str] | None = None,
        parameters: Mapping[str, str] | None = None,
        default_format: str = "TabSeparated",
        compression: str = "",
    ) -> Answer:
        """Run one statement under these settings alone; parameters are written as in a URL. ServerError carries ClickHouse's code."""
        session = (database, tuple(sorted({"max_memory_usage": str(self._memory_bytes), **(settings or {})}.items())))
        try:
            with self._connection(session, is_last=statement.changes_session) as client:
                bound = _bound(statement.text, parameters or {})
                if data is not None:
                    return Answer(summary=_written(client.command(statement.reading(str(data)) + NO_ROWS, bound)))
                if statement.kind != "rows":
                    body = client.raw_query(statement.text, bound)
                    return Answer(body=body, format="TabSeparated" if body else "")
                return self._write(client, statement, bound, default_format, compression)
        except ClickHouseError as cause:
            raise of_engine(cause) from cause

    def _write(
        self, client: Client, statement: Statement, bound: dict[str, object] | None, default_format: str, compression: str
    ) -> Answer:
        path = self.new_file()
        try:
            done = client.command(statement.writing(str(path), compression or "none", default_format) + NO_ROWS, bound)
        except BaseException:
            path.unlink()
            raise
        return Answer(path, b"", statement.format or default_format, compression, done.summary if isinstance(done, QuerySummary) else {})

    @contextmanager
    def _connection(self, session: Session, *, is_last: bool) -> Iterator[Client]:
        client = self._idle_connection(session) or self._connect(session)
        try:
            yield client
        finally:
            with self._lock:
                if not is_last:
                    self._idle[id(client)] = (session, client)
                surplus = [client] if is_last else []
                while len(self._idle) > IDLE_CONNECTIONS:
                    surplus.append(self._idle.popitem(last=False)[1][1])
            for old in surplus:
                old.close()

    def _idle_connection(self, session: Session) -> Client | None:
        with self._lock:
            for key, (kept, client) in reversed(self._idle.items()):
                if kept == session:
                    del self._idle[key]
                    return client
        return None

    def _connect(self, session: Session) -> Client:
        database, settings = session
        # `readonly` last: nothing can be set after it.
        ordered = dict(sorted(settings, key=lambda pair: pair[0] == "readonly"))
        return clickhouse_connect.get_client(interface="chdb", path=self._path, database=database or "__default__", settings=ordered)


class _AsWritten:
    """A parameter's text as it came in the URL, which clickhouse-connect passes on as it is: str would be escaped once more."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def _bound(text: str, parameters: Mapping[str, str]) -> dict[str, object] | None:
    """The parameters that the text names: with others alone clickhouse-connect would fill in `%` signs."""
    return {name: _AsWritten(parameters[name]) for name in PLACEHOLDER.findall(text) if name in parameters} or None


def _written(done: Any) -> dict[str, str]:
    """An insert from a file writes the rows that it reads."""
    summary = done.summary if isinstance(done, QuerySummary) else {}
    rows, size = summary.get("read_rows", "0"), summary.get("read_bytes", "0")
    return {**summary, "written_rows": rows, "written_bytes": size, "result_rows": rows, "result_bytes": size}
