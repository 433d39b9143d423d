"""What ClickHouse objects to: its code and name, whether it passes, and not a word of what somebody wrote to us."""

from __future__ import annotations

import io
import logging
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, DataError
from pydantic import SecretStr
from rich.console import Console

from services.errors import WarehouseError
from services.logs import start_logging
from services.settings import LogSettings, Settings, WarehouseSettings
from services.warehouse.client import Warehouse
from services.warehouse.refusals import refusal

STREET = "Verschwiegene Gasse 7"


@pytest.fixture(params=["in this process", "over HTTP"])
def warehouse(request: pytest.FixtureRequest, warehouse: Warehouse, http_warehouse: Warehouse) -> Warehouse:
    """Every test here twice."""
    return warehouse if request.param == "in this process" else http_warehouse


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    text = io.StringIO()
    start_logging(LogSettings(level="debug"), Console(file=text))
    yield text
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("sql", "name", "code"),
    [
        ("select toDate({street:String})", "CANNOT_PARSE_DATE", 38),
        ("select {street:UInt8}", "BAD_QUERY_PARAMETER", 457),
        ("select throwIf(1, {street:String})", "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", 395),
        ("select missing from system.one where dummy = length({street:String})", "UNKNOWN_IDENTIFIER", 47),
        ("select * from nothing where a = {street:String}", "UNKNOWN_TABLE", 60),
        ("select no_function({street:String})", "UNKNOWN_FUNCTION", 46),
        ("selec {street:String}", "SYNTAX_ERROR", 62),
    ],
)
def test_no_address_is_in_an_error_its_trace_or_the_log(warehouse: Warehouse, log: io.StringIO, sql: str, name: str, code: int) -> None:
    with pytest.raises(WarehouseError, match=rf"refused a query: {name} \(code {code}\)") as caught:
        warehouse.query(sql, {"street": STREET})
    assert (caught.value.name, caught.value.code, caught.value.retryable) == (name, code, False)
    logging.getLogger("services").error("A call failed", exc_info=caught.value)
    everything = [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value), log.getvalue()]
    assert "A call failed" in log.getvalue()
    assert not [text for text in everything if "Versch" in text or "Gasse" in text]


def test_what_names_tables_and_columns_is_told(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match=r"identifier .nothing.[.]$"):
        warehouse.query("select * from nothing")
    with pytest.raises(WarehouseError, match=r"identifier `missing`[.]$"):
        warehouse.query("select missing from system.one")
    with pytest.raises(WarehouseError, match=r"SYNTAX_ERROR \(code 62\) \(line 1, col \d+\)[.]$"):
        warehouse.query("selec 1")


def answered(name: str, code: int) -> DatabaseError:
    return DatabaseError(f"Code: {code}. DB::Exception: Cannot go on with '{STREET}'. ({name})", code=code, name=name)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("NOT_ENOUGH_SPACE", 243),
        ("QUERY_WAS_CANCELLED", 394),
        ("ABORTED", 236),
        ("AUTHENTICATION_FAILED", 516),
        ("MEMORY_LIMIT_EXCEEDED", 241),
        ("TOO_MANY_PARTS", 252),
        ("UNKNOWN_EXCEPTION", 1002),
        ("", 999),
    ],
)
def test_what_blames_the_server_passes(name: str, code: int) -> None:
    assert refusal(answered(name, code), "a query").retryable


@pytest.mark.parametrize(
    ("name", "code"), [("CANNOT_PARSE_TEXT", 6), ("ILLEGAL_COLUMN", 44), ("INCORRECT_DATA", 117), ("TOO_LARGE_STRING_SIZE", 131)]
)
def test_what_blames_the_statement_does_not_pass(name: str, code: int) -> None:
    assert not refusal(answered(name, code), "a query").retryable


def test_data_that_the_client_does_not_take_will_not_be_taken_later() -> None:
    error = refusal(DataError(f"cannot write {STREET}"), "an insert into bronze.letters")
    assert (error.retryable, "Gasse" in str(error)) == (False, False)


class Proxy(BaseHTTPRequestHandler):
    """Stands before a server that is away."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = f"<h1>Bad Gateway</h1>{STREET}".encode()
        self.send_response(502)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_proxy_without_a_server_behind_it_passes() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
        thread.start()
        settings = WarehouseSettings(host="127.0.0.1", port=proxy.server_port, password=SecretStr("x"), timeout_seconds=5)
        with Warehouse.open(Settings(_env_file=None, warehouse=settings)) as warehouse, pytest.raises(WarehouseError) as caught:
            warehouse.query("select 1")
        proxy.shutdown()
        thread.join()
    assert caught.value.retryable
    assert "HTTP status 502" in str(caught.value)
    assert "Gasse" not in str(caught.value)
