"""The HTTP interface answers as ClickHouse does, to clickhouse-connect as it is and to anything that speaks HTTP."""

from __future__ import annotations

import base64
import gzip
import http.client
import io
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import clickhouse_connect
import lz4.frame
import pytest
from backports import zstd
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from warehouse_support import ServingProcess

COMPRESS = {"gzip": gzip.compress, "deflate": zlib.compress, "lz4": lz4.frame.compress, "zstd": zstd.compress}
DECOMPRESS = {"gzip": gzip.decompress, "deflate": zlib.decompress, "lz4": lz4.frame.decompress, "zstd": zstd.decompress}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> int:
        return int(self.headers.get("x-clickhouse-exception-code", 0))

    @property
    def summary(self) -> dict[str, str]:
        return dict(json.loads(self.headers["x-clickhouse-summary"]))


class Http:
    """What curl would do."""

    def __init__(self, serving: ServingProcess) -> None:
        self.owner = serving.owner

    def ask(
        self, body: bytes = b"", *, method: str = "POST", path: str = "/", headers: Mapping[str, str] | None = None, **fields: str
    ) -> Reply:
        own = {"X-ClickHouse-User": self.owner.user, "X-ClickHouse-Key": self.owner.token} if headers is None else headers
        return self.send(method, f"{path}?{urlencode(fields)}", body, own)

    def send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        connection = http.client.HTTPConnection(self.owner.host, self.owner.port, timeout=60)
        try:
            connection.request(method, url, body, dict(headers))
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def with_headers(self, body: bytes, headers: Mapping[str, str], **fields: str) -> Reply:
        own = {"X-ClickHouse-User": self.owner.user, "X-ClickHouse-Key": self.owner.token}
        return self.ask(body, headers={**own, **headers}, **fields)


@pytest.fixture
def curl(serving: ServingProcess) -> Http:
    return Http(serving)


@pytest.fixture
def client(serving: ServingProcess) -> Iterator[Client]:
    """clickhouse-connect with its defaults."""
    owner = serving.owner
    client = clickhouse_connect.get_client(host=owner.host, port=owner.port, username=owner.user, password=owner.token)
    yield client
    client.close()


@pytest.fixture
def table(client: Client) -> Iterator[str]:
    client.command("create or replace table default.numbered (number UInt64, text String) engine = MergeTree order by number")
    yield "default.numbered"
    client.command("drop table default.numbered sync")


def test_health_is_told_to_everybody_and_nothing_else(curl: Http) -> None:
    for path in ("/ping", "/replicas_status", "/"):
        reply = curl.ask(method="GET", path=path, headers={})
        assert (reply.status, reply.body) == (200, b"Ok.\n")
    assert curl.ask(method="GET", path="/tables").status == 404
    reply = curl.ask(b"select 1", headers={})
    assert (reply.status, reply.code) == (401, 194)
    assert "basic" in reply.headers["www-authenticate"].lower()


def test_user_and_token_come_in_any_of_clickhouses_ways(curl: Http) -> None:
    user, token = curl.owner.user, curl.owner.token
    basic = {"Authorization": "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()}
    assert curl.ask(b"select 1", headers=basic).body == b"1\n"
    assert curl.ask(b"select 1", headers={}, user=user, password=token).body == b"1\n"
    assert curl.ask(b"select 1").body == b"1\n"
    for wrong in (
        {"X-ClickHouse-User": user, "X-ClickHouse-Key": "wrong"},
        {"X-ClickHouse-User": "somebody", "X-ClickHouse-Key": token},
        {"Authorization": "Basic nothing"},
        {"Authorization": "Basic " + base64.b64encode(f"{user}:".encode()).decode()},
    ):
        reply = curl.ask(b"select 1", headers=wrong)
        assert (reply.status, reply.code) == (403, 516)
        assert reply.body.startswith(b"Code: 516. DB::Exception: ")
        assert token.encode() not in reply.body


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("selec 1", 62, 400),
        ("select 1; select 2", 62, 400),
        ("select * from nothing", 60, 404),
        ("select * from nowhere.nothing", 81, 404),
        ("select missing from system.one", 47, 404),
        ("select no_function(1)", 46, 404),
        ("select 1 format NoFormat", 73, 404),
        ("select throwIf(1, 'as told')", 395, 500),
        ("select toDate('x')", 38, 400),
        ("select 1 settings no_setting = 1", 115, 404),
        ("select 1 into outfile '/tmp/x'", 48, 501),
        ("select groupArray(number) from numbers(10000000) settings max_memory_usage = 1000000", 241, 500),
        ("select sleep(3) settings max_execution_time = 1, timeout_before_checking_execution_speed = 0", 159, 408),
        ("insert into nothing format CSV\n1,2", 60, 404),
        ("insert into default.numbered format CSV\nx,y", 27, 400),
    ],
)
def test_errors_have_clickhouses_code_and_status(curl: Http, table: str, sql: str, code: int, status: int) -> None:
    reply = curl.ask(sql.encode())
    assert (reply.code, reply.status) == (code, status), reply.body
    assert f"Code: {code}. DB::Exception: ".encode() in reply.body


def test_what_is_wrong_with_a_request_is_said(curl: Http) -> None:
    assert (curl.ask(b"select 1", no_setting="1").code, curl.ask(b"select 1", no_setting="1").status) == (115, 404)
    assert curl.ask(b"select 1", database="nowhere").status == 404
    assert curl.ask(b"select 1", default_format="x'y").status == 400
    assert curl.ask(b"select 1", compress="1").status == 501
    assert curl.ask(b"\xff\xfe").status == 400
    assert curl.with_headers(b"x", {"Content-Encoding": "snappy"}).status == 501
    assert curl.with_headers(b"no gzip", {"Content-Encoding": "gzip"}).status == 400
    assert curl.with_headers(gzip.compress(b"select 1")[:-6], {"Content-Encoding": "gzip"}).status == 400


def test_every_answer_says_where_it_comes_from(curl: Http) -> None:
    reply = curl.ask(b"select 1", query_id="mine")
    assert reply.headers["x-clickhouse-query-id"] == "mine"
    assert (reply.headers["x-clickhouse-timezone"], reply.headers["x-clickhouse-format"]) == ("UTC", "TabSeparated")
    assert reply.headers["x-clickhouse-server-display-name"]
    assert reply.summary["read_rows"] == "1"
    assert curl.ask(b"selec 1").headers["x-clickhouse-query-id"]
    assert "x-clickhouse-format" not in curl.ask(b"create database if not exists silver").headers


def test_a_query_id_is_taken_from_those_who_may_ask_and_only_if_it_is_one(curl: Http) -> None:
    stranger = curl.ask(b"select 1", headers={}, query_id="of-a-stranger")
    assert (stranger.status, stranger.headers["x-clickhouse-query-id"] == "of-a-stranger") == (401, False)
    for wrong in ("a\r\nset-cookie: b=c", "x" * 65, "a b", "ä"):
        reply = curl.ask(b"selec 1", query_id=wrong)
        assert reply.status == 400
        assert 0 < len(reply.headers["x-clickhouse-query-id"]) <= 64
        assert "set-cookie" not in reply.headers
        assert reply.headers["x-clickhouse-query-id"] != wrong


def test_rows_come_in_the_format_that_was_asked_for(curl: Http) -> None:
    assert curl.ask(b"select 1 as a, 'x' as b").body == b"1\tx\n"
    assert curl.ask(b"select 1 as a", default_format="JSONEachRow").body == b'{"a":1}\n'
    assert curl.ask(b"select 1 as a FORMAT CSVWithNames;", default_format="JSON").body == b'"a"\n1\n'
    assert curl.ask(b"select 1 as a settings max_threads = 1 format CSV -- end").body == b"1\n"
    assert curl.ask(b"select 1 as a format CSV settings max_threads = 1").body == b"1\n"
    assert curl.with_headers(b"select 1 as a", {"X-ClickHouse-Format": "CSV"}).body == b"1\n"
    assert curl.ask(method="GET", query="show databases like 'silver'").body in (b"", b"silver\n")
    assert curl.ask(b"exists table nothing").body == b"0\n"
    assert curl.ask(b"select number from numbers(3) where 0 format JSON").body.count(b'"rows": 0') == 1
    assert curl.ask(b"(select 'format CSV' as a) union all (select $$x;y$$)").body in (b"format CSV\nx;y\n", b"x;y\nformat CSV\n")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_answers_are_packed_as_asked(curl: Http, encoding: str) -> None:
    sql = b"select number from numbers(1000)"
    plain = curl.ask(sql).body
    assert "content-encoding" not in curl.with_headers(sql, {"Accept-Encoding": encoding}).headers
    packed = curl.with_headers(sql, {"Accept-Encoding": f"{encoding};q=1, identity"}, enable_http_compression="1")
    assert packed.headers["content-encoding"] == encoding
    assert DECOMPRESS[encoding](packed.body) == plain
    nothing = curl.with_headers(b"select 1 where 0", {"Accept-Encoding": encoding}, enable_http_compression="1")
    assert (DECOMPRESS[encoding](nothing.body) if "content-encoding" in nothing.headers else nothing.body) == b""


def test_an_answer_is_not_packed_with_lz4(curl: Http) -> None:
    reply = curl.with_headers(b"select 1 where 0", {"Accept-Encoding": "lz4"}, enable_http_compression="1")
    assert (reply.body, "content-encoding" in reply.headers) == (b"", False)


@pytest.mark.parametrize("encoding", ["", *COMPRESS])
def test_data_comes_plain_or_packed_with_its_statement_or_without(curl: Http, client: Client, table: str, encoding: str) -> None:
    compress = COMPRESS.get(encoding, bytes)
    headers = {"Content-Encoding": encoding} if encoding else {}
    insert = f"INSERT INTO {table} (number, text) FORMAT CSV"
    reply = curl.with_headers(compress(b"1,a\n2,\xc3\xbc\n"), headers, query=insert)
    assert (reply.status, reply.summary["written_rows"]) == (200, "2"), reply.body
    reply = curl.with_headers(compress(f"/* all in one */ {insert}\n3,c\n".encode()) + compress(b"4,d\n"), headers)
    assert (reply.status, reply.summary["written_rows"]) == (200, "2"), reply.body
    assert client.query(f"select number, text from {table} order by number").result_rows == [(1, "a"), (2, "ü"), (3, "c"), (4, "d")]


@pytest.mark.parametrize(
    ("statement", "data", "expected"),
    [
        ("insert into {table} values", b"(1, 'a;b'), (1 + 1, concat('c', 'd'))", [(1, "a;b"), (2, "cd")]),
        ("insert into {table} (text) settings max_insert_threads = 1 format TSV", b"x\ny\n", [(0, "x"), (0, "y")]),
        ("insert into {table} format JSONEachRow", b'{"number": 3, "text": "j"}', [(3, "j")]),
        (
            "insert into {table} select n * 2, concat(t, '!') from input('n UInt64, t String') where n < 3 format CSV",
            b"1,a\n3,b\n",
            [(2, "a!")],
        ),
        ("insert into {table} select number, 'format CSV' from numbers(1)", b"", [(0, "format CSV")]),
        ("insert into {table} format CSV", b"", []),
    ],
)
def test_inserts_of_every_kind(
    curl: Http, client: Client, table: str, statement: str, data: bytes, expected: list[tuple[int, str]]
) -> None:
    sql = statement.format(table=table)
    for body, fields in ((data, {"query": sql}), (sql.encode() + b"\n" + data, {})):
        reply = curl.ask(body, **fields)
        assert reply.status == 200, reply.body
        assert client.query(f"select number, text from {table} order by number, text").result_rows == expected
        client.command(f"truncate table {table}")


def test_settings_last_as_long_as_their_request(curl: Http, table: str) -> None:
    threads = b"select getSetting('max_threads')"
    assert curl.ask(threads, max_threads="3").body == b"3\n"
    before = curl.ask(threads).body
    assert before != b"3\n"
    assert curl.ask(b"set max_threads = 3").status == 200
    assert curl.ask(b"use system").status == 200
    assert curl.ask(threads).body == before
    assert curl.ask(b"select currentDatabase()", database="bronze").body == b"bronze\n"
    assert curl.ask(b"select currentDatabase()").body == b"default\n"


def test_whoever_says_readonly_changes_nothing(curl: Http, table: str) -> None:
    insert = f"insert into {table} values (1, 'x')"
    for reply in (
        curl.ask(insert.encode(), readonly="1"),
        curl.ask(b"create table default.other (a Int8) engine = Memory", readonly="2"),
        curl.ask(method="GET", query=insert),
        curl.ask(b"select 1 settings max_threads = 7", readonly="1"),
    ):
        assert (reply.code, reply.status) == (164, 500)
    assert curl.ask(b"select 1", readonly="1").body == b"1\n"
    assert curl.ask(method="GET", query="select 1", max_threads="2").body == b"1\n"
    assert curl.ask(f"select count() from {table}".encode()).body == b"0\n"


def test_clickhouse_connect_as_it_is(client: Client, table: str) -> None:
    assert client.ping()
    assert client.server_version
    summary = client.insert(table, [[1, "a"], [2, "b"]], column_names=["number", "text"])
    assert summary.written_rows == 2
    assert client.command(f"select count() from {table}") == 2
    assert client.query(f"select * from {table} limit 0").column_names == ("number", "text")
    assert client.query(f"select * from {table} where 0").result_rows == []
    assert client.query_df(f"select * from {table} order by number")["text"].tolist() == ["a", "b"]
    assert client.query_arrow(f"select * from {table} order by number").column("number").to_pylist() == [1, 2]
    assert client.insert_arrow(table, client.query_arrow(f"select number + 10 as number, text from {table}")).written_rows == 2
    assert client.insert_df(table, client.query_df(f"select number + 20 as number, text from {table}")).written_rows == 4
    with client.query_rows_stream(f"select number from {table} order by number") as stream:
        assert [row[0] for row in stream] == [1, 2, 11, 12, 21, 22, 31, 32]
    assert client.raw_stream("select 1, 2", fmt="CSV").read() == b"1,2\n"
    assert client.raw_insert(table, ["number", "text"], io.BytesIO(b"5,x\n"), fmt="CSV").written_rows == 1
    assert client.raw_insert(table, ["number", "text"], gzip.compress(b"6,y\n"), fmt="CSV", compression="gzip").written_rows == 1
    typed = "select toLowCardinality('l') as l, toNullable(1) as n, toDecimal64(1.5, 2) as d, [(1, 'x')] as t, map('k', 2) as m"
    assert [str(value) for value in client.query(typed).result_rows[0]] == ["l", "1", "1.50", "[(1, 'x')]", "{'k': 2}"]
    with pytest.raises(DatabaseError) as caught:
        client.query("select * from nothing")
    assert caught.value.code == 60


def test_parameters_too_long_for_a_url_come_as_a_form(client: Client) -> None:
    many = [f"it's \\ number {number}" for number in range(20_000)]
    found = client.query("select length({many:Array(String)}), {many:Array(String)}[2]", parameters={"many": many})
    assert found.result_rows == [(20_000, many[1])]


def test_percent_signs_are_no_business_of_parameters(curl: Http) -> None:
    assert curl.ask(b"select '100 %s', 7 % 4", param_unused="x").body == b"100 %s\t3\n"
    assert curl.ask(b"select {a:String}, {b:Nullable(Int8)}", param_a="t\\tb\\\\", param_b="\\N").body == b"t\\tb\\\\\t\\N\n"
    assert curl.ask(b"select {a:UInt8}").code == 456


def test_a_short_query_does_not_wait_behind_a_long_one(curl: Http) -> None:
    finished: list[str] = []
    slow = b"select sum(sleepEachRow(0.5)) from numbers(4) settings max_block_size = 1, function_sleep_max_microseconds_per_block = 0"

    def long() -> None:
        curl.ask(slow)
        finished.append("long")

    thread = threading.Thread(target=long)
    thread.start()
    time.sleep(0.2)
    assert curl.ask(b"select 1").body == b"1\n"
    finished.append("short")
    thread.join()
    assert finished == ["short", "long"]


def test_large_data_and_large_results_do_not_stay_in_memory(curl: Http, client: Client, serving: ServingProcess) -> None:
    """150 MB each way. The insert is refused once all of it is there: what ClickHouse itself needs for its blocks is not the door's."""
    lines = (b"x" * 999 + b"\n") * 100
    before = serving.reset_peak()
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        client.raw_insert("nothing", None, (lines for _ in range(1500)), fmt="TSV")  # type: ignore[arg-type]
    assert serving.memory_bytes("VmHWM") - before < 75_000_000
    before = serving.reset_peak()
    for fmt in ("CSVWithNames", "TSV"):
        stream = client.raw_stream("select number from numbers(20000000)", fmt=fmt)
        size = 0
        while piece := stream.read(1 << 20):
            size += len(piece)
        assert size > 150_000_000
    assert serving.memory_bytes("VmHWM") - before < 100_000_000


def test_a_client_that_dies_half_way_leaves_nothing(curl: Http, client: Client, serving: ServingProcess, table: str) -> None:
    with socket.create_connection((curl.owner.host, curl.owner.port)) as connection:
        url = "/?" + urlencode({"query": f"insert into {table} format CSV", "user": curl.owner.user, "password": curl.owner.token})
        connection.sendall(f"POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode() + b"1,a\n2,b\n")
        until(lambda: bool(_exchanged(serving)))
    until(lambda: not _exchanged(serving))
    assert client.command(f"select count() from {table}") == 0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _exchanged(serving: ServingProcess) -> list[Path]:
    return list(serving.directory.glob(".exchange-*/*"))


def test_a_dictionary_does_not_keep_the_token(curl: Http, table: str) -> None:
    curl.ask(f"insert into {table} values (1, 'one')".encode())
    source = f"CLICKHOUSE(user '{curl.owner.user}'\n   password '{curl.owner.token}' query 'select number, text from {table}')"
    made = curl.ask(
        f"create or replace dictionary default.names (number UInt64, text String) primary key number source({source}) "
        "layout(flat()) lifetime(0)".encode()
    )
    assert made.status == 200, made.body
    assert curl.ask(b"select dictGet('default.names', 'text', toUInt64(1))").body == b"one\n"
    assert b"password" not in curl.ask(b"show create dictionary default.names").body
    curl.ask(b"drop dictionary default.names")
