"""One request to ClickHouse's HTTP interface: who asks, what, under which settings; a body of any size."""

from __future__ import annotations

import base64
import binascii
import io
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

import lz4.frame  # type: ignore[import-untyped]
import python_multipart

from services.warehouse.http_errors import ServerError
from services.warehouse.http_statement import Statement, insert_with_data, statement

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Of an INSERT so much is looked at to find where its data starts; the text of a statement may be as long as this in all.
MAX_HEAD_BYTES = 1 << 20
MAX_TEXT_BYTES = 64 << 20
# URL parameters that are no settings; the last ones are settings without an effect here: chDB keeps no query log, and a query
# whose client went away runs to its end.
NO_SETTINGS = frozenset(
    {
        *("query", "database", "user", "password", "default_format", "query_id", "session_id", "session_timeout", "session_check"),
        *("close_session", "compress", "decompress", "enable_http_compression", "http_zlib_compression_level", "buffer_size"),
        *("wait_end_of_query", "send_progress_in_http_headers", "http_headers_progress_interval_ms", "client_protocol_version"),
        *("role", "quota_key", "stacktrace", "log_comment", "cancel_http_readonly_queries_on_client_close"),
    }
)
# How chDB packs a result. Not with lz4: for a result without rows it writes four zeros, which no reader of LZ4 frames takes.
COMPRESSIONS = ("zstd", "gzip", "deflate", "br")
DECOMPRESSORS: Mapping[str, Callable[[], Any]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": zstd.ZstdDecompressor,
    "gzip": lambda: zlib.decompressobj(47),
    "deflate": lambda: zlib.decompressobj(47),
}


@dataclass
class Request:
    """What stands in a request's line, headers and form."""

    method: str
    path: str
    headers: Mapping[str, str]
    fields: dict[str, str]
    settings: dict[str, str] = field(init=False)

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> Request:
        """From ASGI's scope."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        fields = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        return cls(scope["method"], scope["path"], headers, fields)

    def __post_init__(self) -> None:
        for unsupported in ("compress", "decompress"):
            if self.fields.get(unsupported, "0") not in ("0", "false"):
                raise ServerError("NOT_IMPLEMENTED", f"{unsupported}=1 is not supported here: use Accept-Encoding or Content-Encoding")

    def add_form(self, body: bytes) -> None:
        """Take over the fields of a multipart form: a query and parameters too long for a URL."""
        headers = {"Content-Type": self.headers.get("content-type", "").encode("latin-1")}
        found: list[tuple[bytes | None, bytes | None]] = []
        files: list[Any] = []
        try:
            python_multipart.parse_form(headers, io.BytesIO(body), lambda part: found.append((part.field_name, part.value)), files.append)
        except python_multipart.exceptions.FormParserError as error:
            raise ServerError("BAD_ARGUMENTS", f"The form cannot be read: {error}") from None
        if files:
            raise ServerError("NOT_IMPLEMENTED", "External data is not supported here: insert it into a table")
        self.fields.update({(name or b"").decode(): (value or b"").decode() for name, value in found})

    def credentials(self) -> tuple[str, str] | None:
        """User and password, from ClickHouse's headers, basic auth or the URL; None when there are none."""
        if "x-clickhouse-user" in self.headers or "x-clickhouse-key" in self.headers:
            return self.headers.get("x-clickhouse-user", ""), self.headers.get("x-clickhouse-key", "")
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return "", ""
            return user, password
        if "user" in self.fields or "password" in self.fields:
            return self.fields.get("user", "default"), self.fields.get("password", "")
        return None

    def engine_settings(self) -> dict[str, str]:
        """ClickHouse's settings for this statement alone; GET changes nothing."""
        own = {name: value for name, value in self.fields.items() if name not in NO_SETTINGS and not name.startswith("param_")}
        if self.method in ("GET", "HEAD") and own.get("readonly", "0") == "0":
            own["readonly"] = "2"
        return own

    def parameters(self) -> dict[str, str]:
        """Values of the placeholders, escaped as in TabSeparated."""
        return {name.removeprefix("param_"): value for name, value in self.fields.items() if name.startswith("param_")}

    def compression(self) -> str:
        """How the answer is to be compressed; empty for not at all."""
        if self.fields.get("enable_http_compression", "0") in ("0", "false"):
            return ""
        accepted = {part.split(";")[0].strip() for part in self.headers.get("accept-encoding", "").split(",")}
        return next((name for name in COMPRESSIONS if name in accepted), "")

    def default_format(self) -> str:
        """The format of rows where the statement names none."""
        name = self.headers.get("x-clickhouse-format") or self.fields.get("default_format") or "TabSeparated"
        if not name.isidentifier():
            raise ServerError("BAD_ARGUMENTS", f"{name} is no format")
        return name


class Body:
    """The bytes of a request as they come in: the text of a statement, or an INSERT whose data goes to a file at once."""

    def __init__(self, query: str, encoding: str, new_file: Callable[[], Path]) -> None:
        self._head = bytearray(query.encode() + b"\n" if query else b"")
        self._new_file = new_file
        self._decompressor = _Decompressor(encoding) if encoding not in ("", "identity") else None
        self._insert: Statement | None = None
        self._file: BinaryIO | None = None
        self.data: Path | None = None
        self.received_bytes = 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes; nothing of an INSERT's data stays in memory."""
        self.received_bytes += len(chunk)
        if self._decompressor:
            chunk = self._decompressor.decompress(chunk)
        if self._file is not None:
            self._file.write(chunk)
            return
        self._head += chunk
        if len(self._head) > MAX_TEXT_BYTES:
            raise ServerError("QUERY_IS_TOO_LARGE", f"The text of a statement may have {MAX_TEXT_BYTES} bytes")
        if len(self._head) <= MAX_HEAD_BYTES + len(chunk):
            self._look_for_data(is_all=False)

    def end(self) -> Statement:
        """The statement, when all bytes are in; `data` is then the file with its data, if it is an INSERT that brings some."""
        if self._decompressor:
            self._decompressor.end()
        if self._file is None:
            self._look_for_data(is_all=True)
        if self._file is not None:
            self._file.close()
        if self._insert is not None:
            return self._insert
        return statement(_text(bytes(self._head)))

    def close(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.close()
        if self.data is not None:
            self.data.unlink(missing_ok=True)

    def _look_for_data(self, *, is_all: bool) -> None:
        head = bytes(self._head)
        found = insert_with_data(head.decode("latin-1"), is_all=is_all)
        if found is None:
            return
        insert, start = found
        text = _text(insert.text.encode("latin-1"))
        place = len(_text(insert.text[: insert.place].encode("latin-1")))
        self._insert = Statement(text, insert.kind, insert.format, place)
        self.data = self._new_file()
        self._file = self.data.open("wb")
        self._file.write(head[start:])
        self._head.clear()


class _Decompressor:
    """Any number of compressed streams one after the other: clickhouse-connect makes one of each block."""

    def __init__(self, encoding: str) -> None:
        if encoding not in DECOMPRESSORS:
            raise ServerError("NOT_IMPLEMENTED", f"Content-Encoding {encoding} is not supported: use one of {', '.join(DECOMPRESSORS)}")
        self._new = DECOMPRESSORS[encoding]
        self._stream: Any = None

    def decompress(self, data: bytes) -> bytes:
        """The bytes that can be told by now."""
        parts = []
        while data:
            if self._stream is None or self._stream.eof:
                self._stream = self._new()
            try:
                parts.append(self._stream.decompress(data))
            except (RuntimeError, zlib.error, zstd.ZstdError) as error:
                raise ServerError("INCORRECT_DATA", f"The body is not compressed as it says: {error}") from None
            data = (self._stream.unused_data or b"") if self._stream.eof else b""
        return b"".join(parts)

    def end(self) -> None:
        """ServerError when something is missing."""
        if self._stream is not None and not self._stream.eof:
            raise ServerError("INCORRECT_DATA", "The compressed body ends too early")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ServerError("SYNTAX_ERROR", f"The statement is not UTF-8: {error}") from None
