"""One class for ClickHouse, whether it is chDB in this process or a server."""

from __future__ import annotations

import http.client
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

# ClickHouse in the process hands zone-less times over in the zone of the host; set before the engine starts.
os.environ["TZ"] = "UTC"

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect import common
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from pydantic import SecretStr

from services.errors import WarehouseError
from services.metrics import METRICS
from services.settings import Settings, WarehouseSettings
from services.tracing import RUN_ID_HEADER, current_run_id
from services.warehouse.http_statement import quoted
from services.warehouse.owner import DirectoryLock, read_owner
from services.warehouse.refusals import innermost, is_broken, refusal, was_not_heard

common.set_setting("autogenerate_session_id", False)

T = TypeVar("T")
FILE_BYTES = 1 << 20

# The owner runs a statement to its end. Whoever stopped waiting sooner would send it again beside the first; and an owner that dies
# breaks the connection at once, as both are on one machine.
ATTACHED_TIMEOUT_SECONDS = 86_400.0
# How long somebody waits for an owner who is about to answer, or about to go away: `cartulary serve` takes 2 to 5 s to its door.
ATTACH_SECONDS = 10.0


class Warehouse:
    """ClickHouse for any number of threads: each call has a client to itself, since a shared one is a queue."""

    def __init__(
        self, settings: WarehouseSettings, directory: Path | None, lock: DirectoryLock | None, attached_to: Path | None = None
    ) -> None:
        self.settings = settings
        self.directory = directory
        self.lock = lock
        self._attached_to = attached_to
        self._idle: list[Client] = []
        self._idle_lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The warehouse of these settings. Embedded, it takes the directory's lock, or attaches to the process that has it and
        answers over HTTP; where that one answers nobody, WarehouseError says who it is."""
        if settings.warehouse.host:
            return cls(settings.warehouse, None, None)
        directory = (settings.data_dir / "warehouse").resolve()
        deadline = time.monotonic() + ATTACH_SECONDS
        while True:
            try:
                return cls(settings.warehouse, directory, DirectoryLock(directory))
            except WarehouseError:
                if reachable := _answering_owner(settings.warehouse, directory):
                    return cls(reachable, None, None, attached_to=directory)
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    @property
    def is_embedded(self) -> bool:
        """Whether ClickHouse runs in this process."""
        return self.directory is not None

    @property
    def is_attached(self) -> bool:
        """Whether ClickHouse runs in another process that has this machine's data directory."""
        return self._attached_to is not None

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
        if self.lock is not None:
            self.lock.release()

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
            # Within one machine packing costs more than it saves.
            compress=not self.is_attached,
            connect_timeout=10,
            send_receive_timeout=self.settings.timeout_seconds,
            settings=query_settings,
            # Parameters in the body: addresses of letters have no place in URLs, which servers log, and long lists no room.
            form_encode_query_params=True,
        )

    @contextmanager
    def _client(self) -> Iterator[Client]:
        """A client that nobody else uses meanwhile; there are as many as there were calls at once."""
        with self._idle_lock:
            if self._closed:
                raise WarehouseError("The warehouse is closed: open it again.")
            settings = self.settings
            client = self._idle.pop() if self._idle else None
        client = client or self._connect()
        try:
            yield client
        finally:
            with self._idle_lock:
                if self._closed or settings is not self.settings:
                    client.close()
                else:
                    self._idle.append(client)

    def _call(self, kind: str, doing: str, action: Callable[[Client], T]) -> T:
        with METRICS.call("warehouse", kind):
            try:
                try:
                    with self._client() as client:
                        return action(client)
                except ClickHouseError as error:
                    if self._attached_to is None or not was_not_heard(error):
                        raise
                self._attach_again(self._attached_to)
                with self._client() as client:
                    return action(client)
            except ClickHouseError as cause:
                if not self.is_embedded and is_broken(cause):
                    where = f"ClickHouse at {self.settings.host}:{self.settings.port}"
                    raise WarehouseError(f"{where} did not answer {doing}: {innermost(cause)}", retryable=True) from cause
                raise refusal(cause, doing) from None
            except (ConnectionError, TimeoutError, OSError) as cause:
                raise WarehouseError(f"ClickHouse did not answer {doing}: {cause}", retryable=True) from cause

    def _attach_again(self, directory: Path) -> None:
        """Find the owner at its new place; WarehouseError when there is none."""
        deadline = time.monotonic() + ATTACH_SECONDS
        while not (reachable := _answering_owner(self.settings, directory)):
            if time.monotonic() > deadline:
                raise WarehouseError(
                    f"The process that served the data in {directory} has ended: start `cartulary serve` again, or repeat this command.",
                    retryable=True,
                )
            time.sleep(0.1)
        with self._idle_lock:
            self.settings = reachable
            for client in self._idle:
                client.close()
            self._idle.clear()

    def _settings(self, settings: Mapping[str, object] | None = None) -> dict[str, object] | None:
        """Settings of one call; a server's query log is told the run."""
        comment = {"log_comment": current_run_id()} if current_run_id() and not self.is_embedded else {}
        return {**comment, **(settings or {})} or None

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, settings: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        """Rows of a SELECT as dicts; times are aware and in UTC."""

        def ask(client: Client) -> list[dict[str, Any]]:
            result = client.query(
                sql,
                parameters=_parameters(parameters),
                settings=self._settings(settings),
                tz_mode="aware",
                transport_settings=_headers(),
            )
            return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

        return self._call("query", "a query", ask)

    def query_arrow(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """The result of a SELECT as an Arrow table."""

        def ask(client: Client) -> pa.Table:
            return client.query_arrow(
                sql, parameters=_parameters(parameters), settings=self._settings(), use_strings=True, transport_settings=_headers()
            )

        return self._call("query", "a query", ask)

    def query_format(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        fmt: str = "CSVWithNames",
        settings: Mapping[str, object] | None = None,
    ) -> bytes:
        """The result of a SELECT in any of ClickHouse's own formats."""

        def ask(client: Client) -> bytes:
            return client.raw_query(
                sql, parameters=_parameters(parameters), settings=self._settings(settings), fmt=fmt, transport_settings=_headers()
            )

        return self._call("query", "a query", ask)

    def scalar(self, sql: str, parameters: Mapping[str, object] | None = None) -> Any:
        """The first column of the first row; None when there is no row."""

        def ask(client: Client) -> Any:
            result = client.query(
                sql, parameters=_parameters(parameters), settings=self._settings(), tz_mode="aware", transport_settings=_headers()
            )
            return result.result_rows[0][0] if result.result_rows else None

        return self._call("query", "a query", ask)

    def command(self, sql: str, parameters: Mapping[str, object] | None = None, settings: Mapping[str, object] | None = None) -> None:
        """Run a statement without a result: DDL, INSERT … SELECT, ALTER."""

        def run(client: Client) -> None:
            client.command(sql, parameters=_parameters(parameters), settings=self._settings(settings), transport_settings=_headers())

        self._call("statement", "a statement", run)

    def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> int:
        """Insert rows (all with the first one's keys) into `database.table` in one block; returns how many."""
        if not rows:
            return 0
        columns = list(rows[0])

        def send(client: Client) -> None:
            cells = [[row[column] for column in columns] for row in rows]
            client.insert(table, cells, column_names=columns, settings=self._settings(), transport_settings=_headers())

        self._call("insert", f"an insert into {table}", send)
        return len(rows)

    def write_file(self, sql: str, path: Path, fmt: str, settings: Mapping[str, object] | None = None) -> None:
        """Write the result of a SELECT into a file in one of ClickHouse's own formats, whatever its size."""

        def write(client: Client) -> None:
            if self.is_embedded:
                client.command(f"{sql} into outfile {quoted(str(path))} truncate format {fmt}", settings=self._settings(settings))
                return
            with (
                path.open("wb") as file,
                client.raw_stream(sql, settings=self._settings(settings), fmt=fmt, transport_settings=_headers()) as rows,
            ):
                shutil.copyfileobj(rows, file, FILE_BYTES)

        self._call("query", "a query", write)

    def insert_file(self, table: str, path: Path, fmt: str, settings: Mapping[str, object] | None = None) -> None:
        """Insert a file's rows into `database.table`; broken off, some of them may be there."""

        def send(client: Client) -> None:
            if self.is_embedded:
                client.command(f"insert into {table} from infile {quoted(str(path))} format {fmt}", settings=self._settings(settings))
                return
            with path.open("rb") as file:
                client.raw_insert(table, insert_block=file, settings=self._settings(settings), fmt=fmt, transport_settings=_headers())

        self._call("insert", f"an insert into {table}", send)

    def insert_arrow(self, table: str, arrow: pa.Table) -> int:
        """Insert an Arrow table whose columns are named as the table's; returns the number of rows."""

        def send(client: Client) -> None:
            client.insert_arrow(table, arrow, settings=self._settings(), transport_settings=_headers())

        self._call("insert", f"an insert into {table}", send)
        return arrow.num_rows


def _answering_owner(settings: WarehouseSettings, directory: Path) -> WarehouseSettings | None:
    """How to reach the process that has the directory, if it answers."""
    owner = read_owner(directory)
    if owner is None or not owner.port:
        return None
    # Patient: while it builds, the owner's door may be slow to answer.
    connection = http.client.HTTPConnection(owner.host, owner.port, timeout=ATTACH_SECONDS)
    try:
        connection.request("GET", "/ping")
        is_there = connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        is_there = False
    finally:
        connection.close()
    reach = {
        **{"host": owner.host, "port": owner.port, "username": owner.user, "password": SecretStr(owner.token), "secure": False},
        "timeout_seconds": ATTACHED_TIMEOUT_SECONDS,
    }
    return settings.model_copy(update=reach) if is_there else None


def _parameters(parameters: Mapping[str, object] | None) -> dict[str, object] | None:
    return dict(parameters) if parameters else None


def _headers() -> dict[str, str] | None:
    run_id = current_run_id()
    return {RUN_ID_HEADER: run_id} if run_id else None
