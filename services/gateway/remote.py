"""Another Cartulary over its API: files handed in there, each as if it lay in the folder of that machine."""

from __future__ import annotations

import json
import logging
import math
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.util import Retry, Timeout

from services.errors import AccessError, ConfigurationError, GatewayError, IntakeError
from services.intake.receipts import plain_file_name

logger = logging.getLogger(__name__)

# What a gateway passes on in one request; larger files go past it.
MAX_BODY_BYTES = 32_000_000
CHUNK_BYTES = 1 << 20
# After each: a proxy that restarts is back after some of them, and a broken transfer holds its link for a minute at most.
PAUSES_SECONDS = (1.0, 5.0, 20.0, 40.0)
# Refused before anything was taken; and said by a proxy, who does not know.
BUSY, UNSURE = (429, 503), (502, 504)
# Connecting again is safe whatever was asked; what may have arrived is sent again only where that makes nothing twice.
RETRIES = Retry(total=2, connect=2, read=0, status=0, redirect=0, other=0, backoff_factor=0.5)
KEY = re.compile(r"[!-~]{1,500}")
Tell = Callable[[int], None]


@dataclass(frozen=True)
class Sending:
    """What the files are: letters, or rows of a dataset."""

    purpose: str
    dataset: str = ""
    mode: str = ""

    def fields(self) -> dict[str, str]:
        """As form fields and as a session's description."""
        return {name: value for name, value in vars(self).items() if value}


class Remote:
    """A client of another Cartulary's API; `tell` is called with the bytes that went out."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        ca_file: Path | None = None,
        timeout_seconds: float = 600.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ConfigurationError(f"{url} is no address of a server: write it like https://api.example.org.")
        if not KEY.fullmatch(key):
            raise ConfigurationError("This is no key: it is one word, ctl_…, as `cartulary keys create` printed it.")
        self._url, self._key, self._sleep = url.rstrip("/"), key, sleep
        timeout = Timeout(connect=20.0, read=timeout_seconds)
        self._pool = urllib3.PoolManager(
            timeout=timeout, retries=RETRIES, ca_certs=str(ca_file) if ca_file else None, headers={"user-agent": "cartulary"}
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def send(self, paths: Sequence[Path], what: Sending, tell: Tell = lambda count: None) -> list[dict[str, Any]]:
        """Hand in files; one receipt for each, in their order, also of those that were refused."""
        receipts: list[dict[str, Any]] = []
        # Rows of several files in one request would all be loaded again for the last one's sake.
        for batch in batches(paths) if what.purpose == "letter" else ([path] for path in paths):
            if len(batch) == 1 and batch[0].stat().st_size > MAX_BODY_BYTES:
                receipts.append(self._send_large(batch[0], what, tell))
            else:
                receipts += self._send_form(batch, what, tell)
        return receipts

    def _send_form(self, paths: Sequence[Path], what: Sending, tell: Tell) -> list[dict[str, Any]]:
        boundary = secrets.token_hex(16)
        # Letters that may have arrived are the same letters again; rows would be loaded twice.
        answer = self._ask(
            "POST",
            f"{self._url}/v1/uploads",
            {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(_form_length(paths, what, boundary))},
            lambda: _form(paths, what, boundary, tell),
            is_repeatable=what.purpose == "letter",
        )
        items: list[dict[str, Any]] = self._body(answer, 202)["items"]
        return items

    def _send_large(self, path: Path, what: Sending, tell: Tell) -> dict[str, Any]:
        wanted = json.dumps({"file_name": path.name, **what.fields()}).encode()
        asked = self._ask(
            "POST", f"{self._url}/v1/upload-sessions", {"Content-Type": "application/json"}, lambda: wanted, is_repeatable=True
        )
        session = self._body(asked, 201)
        size = path.stat().st_size
        if size > session["max_bytes"]:
            raise IntakeError(f"{path} has {size:,} bytes, more than the {session['max_bytes']:,} that {self._url} takes: split it.")
        # The link works once, so that sending again makes nothing twice; without the key, which it does not need.
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size), "X-API-Key": ""}
        answer = self._ask("PUT", session["upload_url"], headers, lambda: _chunks(path, tell), is_repeatable=True)
        if answer.status == 410 and answer.is_retried:
            # Used, and by nobody else: the answer to an earlier attempt was lost on its way.
            return {"kind": "", "id": "", "upload_id": "", "file_name": path.name, "state": "stored", "reason": "", "is_new": None}
        receipt: dict[str, Any] = self._body(answer, 202)["items"][0]
        return receipt

    def _ask(self, method: str, url: str, headers: Mapping[str, str], body: Callable[[], Any], *, is_repeatable: bool) -> Answer:
        """One request, sent again while the other side is away or busy, where that makes nothing twice."""
        given = {name: value for name, value in {"X-API-Key": self._key, **headers}.items() if value}
        is_broken, pauses = False, iter(PAUSES_SECONDS)
        while True:
            pause = next(pauses, None)
            try:
                answer = self._pool.request(method, url, body=body(), headers={**self._pool.headers, **given}, redirect=False)
            except urllib3.exceptions.HTTPError as cause:
                problem = self._problem(cause)
                if pause is None or not (problem.retryable or is_repeatable):
                    raise problem from cause
                is_broken = is_broken or not problem.retryable
                logger.info("%s Again in %.0f s.", problem, pause)
                self._sleep(pause)
                continue
            if pause is None or not _is_busy(answer.status, is_repeatable=is_repeatable, is_broken=is_broken):
                return Answer(answer.status, answer.data, is_retried=is_broken)
            wait = max(pause, _seconds(answer.headers.get("Retry-After")))
            logger.info("%s is busy (%s). Again in %.0f s.", self._url, answer.status, wait)
            self._sleep(wait)

    def _problem(self, cause: urllib3.exceptions.HTTPError) -> GatewayError:
        """What went wrong; retryable when nothing can have arrived. ConfigurationError for a certificate that is not trusted."""
        reason = getattr(cause, "reason", None) or cause
        if isinstance(reason, urllib3.exceptions.SSLError):
            raise ConfigurationError(
                f"The certificate of {self._url} is not to be trusted ({reason}): name the authority that signed it with --ca-file."
            ) from cause
        if isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError):
            said = f"{self._url} cannot be reached ({type(reason).__name__}): check the address and the network."
            return GatewayError(said, retryable=True)
        return GatewayError(f"The connection to {self._url} broke ({type(reason).__name__}); what was sent may have arrived: look there.")

    def _body(self, answer: Answer, expected: int) -> Any:
        """The answer's JSON; an error with the other side's sentence when it is none."""
        if answer.status in (401, 403):
            raise AccessError(f"{self._url} refused the key: {answer.said()} It needs the scope intake.")
        if answer.status == 413:
            raise IntakeError(f"{self._url} takes no file of this size: {answer.said()}")
        if answer.status != expected:
            raise GatewayError(f"{self._url} answered with {answer.status}: {answer.said()}")
        try:
            return json.loads(answer.data)
        except ValueError as cause:
            raise GatewayError(f"What answered at {self._url} is no Cartulary: its answer is no JSON.") from cause


@dataclass(frozen=True)
class Answer:
    """What came back at last; `is_retried` after a connection broke in the middle."""

    status: int
    data: bytes
    is_retried: bool

    def said(self) -> str:
        """The sentence in it: of a problem, of Tyk's error, or the beginning of the text."""
        try:
            found = json.loads(self.data)
            return str(found.get("detail") or found.get("error") or found)
        except (ValueError, AttributeError):
            return self.data[:200].decode(errors="replace").strip() or "no reason given."


def _is_busy(status: int, *, is_repeatable: bool, is_broken: bool) -> bool:
    """Whether to come again; 409 after a break says that the other side still waits for the rest of what broke."""
    return status in BUSY or (is_repeatable and status in UNSURE) or (is_broken and status == 409)


def batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Files that fit into one request together; a larger one is alone."""
    batch: list[Path] = []
    total = 0
    for path in paths:
        size = path.stat().st_size + 2_000  # and what a form puts around it
        if batch and (total + size > MAX_BODY_BYTES or len(batch) >= 100):
            yield batch
            batch, total = [], 0
        batch.append(path)
        total += size
    if batch:
        yield batch


def _chunks(path: Path, tell: Tell) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
            tell(len(chunk))


def _head(name: str, boundary: str, file_name: str | None = None) -> bytes:
    """The lines before a part; quotes and line breaks as browsers write them."""
    quoted = plain_file_name(file_name).replace('"', "%22") if file_name is not None else ""
    extra = f'; filename="{quoted}"\r\nContent-Type: application/octet-stream' if file_name is not None else ""
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode()


def _form(paths: Sequence[Path], what: Sending, boundary: str, tell: Tell) -> Iterator[bytes]:
    for name, value in what.fields().items():
        yield _head(name, boundary) + value.encode() + b"\r\n"
    for path in paths:
        yield _head("files", boundary, path.name)
        yield from _chunks(path, tell)
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _form_length(paths: Sequence[Path], what: Sending, boundary: str) -> int:
    fields = sum(len(_head(name, boundary)) + len(value.encode()) + 2 for name, value in what.fields().items())
    files = sum(len(_head("files", boundary, path.name)) + path.stat().st_size + 2 for path in paths)
    return fields + files + len(boundary) + 6


def _seconds(retry_after: str | None) -> float:
    """The seconds of a Retry-After, at most some minutes; 0 when it is none."""
    try:
        found = float(retry_after or 0)
    except ValueError:
        return 0.0
    return min(max(found, 0.0), 300.0) if math.isfinite(found) else 0.0
