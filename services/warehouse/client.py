"""One class for ClickHouse, whether it is chDB in this process or a server."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# ClickHouse in the process hands zone-less times over in the zone of the host; set before the engine starts.
os.environ["TZ"] = "UTC"

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect import common
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.errors import WarehouseError
from services.settings import Settings, WarehouseSettings

common.set_setting("autogenerate_session_id", False)

# Codes after which the same statement may succeed: memory, timeouts, too many queries or parts, network.
RETRYABLE_CODES = ("MEMORY_LIMIT_EXCEEDED", "TIMEOUT_EXCEEDED", "TOO_MANY_", "NETWORK_ERROR", "SOCKET_TIMEOUT", "KEEPER_EXCEPTION")


class DirectoryLock:
    """The operating system's lock on a data directory: one process at a time, freed even by kill -9."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = (directory / ".owner").open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            owner = self._file.read().strip() or "another process"
            self._file.close()
            raise WarehouseError(
                f"The data directory {directory} is in use by {owner}: stop that process first, or name another directory with --data-dir.",
                retryable=True,
            ) from None
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()}")
        self._file.flush()

    def release(self) -> None:
        """Give the directory free."""
        self._file.close()


class Warehouse:
    """ClickHouse for any number of threads: each call has a client to itself, since a shared one is a queue."""

    def __init__(self, settings: WarehouseSettings, directory: Path | None, lock: DirectoryLock | None) -> None:
        self.settings = settings
        self.directory = directory
        self._lock = lock
        self._idle: list[Client] = []
        self._idle_lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The warehouse of these settings; embedded, it takes the directory's lock or says who holds it."""
        if settings.warehouse.host:
            return cls(settings.warehouse, None, None)
        directory = (settings.data_dir / "warehouse").resolve()
        return cls(settings.warehouse, directory, DirectoryLock(directory))

    @property
    def is_embedded(self) -> bool:
        """Whether ClickHouse runs in this process."""
        return self.directory is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all clients and free the directory; a client that is busy just now is closed when its call ends."""
        with self._idle_lock:
            self._closed = True
            for client in self._idle:
                client.close()
            self._idle.clear()
        if self._lock is not None:
            self._lock.release()

    def _connect(self) -> Client:
        query_settings = {"max_memory_usage": self.settings.memory_bytes}
        if self.directory is not None:
            return clickhouse_connect.get_client(
                interface="chdb",
                path=str(self.directory / "clickhouse"),
                settings=query_settings,
            )
        return clickhouse_connect.get_client(
            host=self.settings.host,
            port=self.settings.port,
            username=self.settings.username,
            password=self.settings.password.get_secret_value(),
            secure=self.settings.secure,
            connect_timeout=10,
            send_receive_timeout=self.settings.timeout_seconds,
            settings=query_settings,
        )

    @contextmanager
    def _client(self) -> Iterator[Client]:
        """A client that nobody else uses meanwhile; there are as many as there were calls at once."""
        with self._idle_lock:
            if self._closed:
                raise WarehouseError("The warehouse is closed: open it again.")
            client = self._idle.pop() if self._idle else None
        client = client or self._connect()
        try:
            yield client
        finally:
            with self._idle_lock:
                if self._closed:
                    client.close()
                else:
                    self._idle.append(client)

    @contextmanager
    def _errors(self, doing: str) -> Iterator[Client]:
        try:
            with self._client() as client:
                yield client
        except ClickHouseError as cause:
            raise WarehouseError(f"ClickHouse refused {doing}: {cause}", retryable=_is_retryable(cause)) from cause
        except (ConnectionError, TimeoutError, OSError) as cause:
            raise WarehouseError(f"ClickHouse did not answer {doing}: {cause}", retryable=True) from cause

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, settings: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        """Rows of a SELECT as dicts; times are aware and in UTC."""
        with self._errors("a query") as client:
            result = client.query(sql, parameters=_parameters(parameters), settings=_settings(settings), tz_mode="aware")
            return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

    def query_arrow(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """The result of a SELECT as an Arrow table."""
        with self._errors("a query") as client:
            return client.query_arrow(sql, parameters=_parameters(parameters), use_strings=True)

    def query_format(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        fmt: str = "CSVWithNames",
        settings: Mapping[str, object] | None = None,
    ) -> bytes:
        """The result of a SELECT in any of ClickHouse's own formats."""
        with self._errors("a query") as client:
            return client.raw_query(sql, parameters=_parameters(parameters), settings=_settings(settings), fmt=fmt)

    def scalar(self, sql: str, parameters: Mapping[str, object] | None = None) -> Any:
        """The first column of the first row; None when there is no row."""
        with self._errors("a query") as client:
            rows = client.query(sql, parameters=_parameters(parameters), tz_mode="aware").result_rows
            return rows[0][0] if rows else None

    def command(self, sql: str, parameters: Mapping[str, object] | None = None, settings: Mapping[str, object] | None = None) -> None:
        """Run a statement without a result: DDL, INSERT … SELECT, ALTER."""
        with self._errors("a statement") as client:
            client.command(sql, parameters=_parameters(parameters), settings=_settings(settings))

    def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> int:
        """Insert rows (all with the first one's keys) into `database.table` in one block; returns how many."""
        if not rows:
            return 0
        columns = list(rows[0])
        with self._errors(f"an insert into {table}") as client:
            client.insert(table, [[row[column] for column in columns] for row in rows], column_names=columns)
        return len(rows)

    def insert_arrow(self, table: str, arrow: pa.Table) -> int:
        """Insert an Arrow table whose columns are named as the table's; returns the number of rows."""
        with self._errors(f"an insert into {table}") as client:
            client.insert_arrow(table, arrow)
        return arrow.num_rows


def _parameters(parameters: Mapping[str, object] | None) -> dict[str, object] | None:
    return dict(parameters) if parameters else None


def _settings(settings: Mapping[str, object] | None) -> dict[str, object] | None:
    return dict(settings) if settings else None


def _is_retryable(error: ClickHouseError) -> bool:
    text = str(error)
    return any(code in text for code in RETRYABLE_CODES)
