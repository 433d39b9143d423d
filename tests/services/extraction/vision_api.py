"""An OpenAI-compatible API for vision models that listens on a port of its own, checks what it is asked, and fails on demand."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

KEY = "key-that-nobody-may-see"
MODEL = "reader-24b"
Answer = dict[str, Any]

ANSWER: Answer = {
    "transcription": [
        "Anna Frick\nDorfstrasse 5\n9490 Vaduz\n\nAn die Gemeinde Schaan\nGemeindeverwaltung\n9494 Schaan\n\n12.3.2026\n\n"
        "Sehr geehrte Damen und Herren,\n\nseit die Apotheke in der Hauptstrasse 12 in Triesen\ngeschlossen ist, muss ich weit fahren.\n\n"
        "Freundliche Grüsse\nAnna Frick"
    ],
    "sender_name": "Anna Frick",
    "addresses": [
        {"role": "sender", "name": "Anna Frick", "street": "Dorfstrasse", "housenumber": "5", "postcode": "9490", "city": "Vaduz"},
        {"role": "recipient", "name": "Gemeinde Schaan", "street": "", "housenumber": "", "postcode": "9494", "city": "Schaan"},
        {"role": "other", "name": "", "street": "Hauptstrasse", "housenumber": "12", "postcode": "", "city": "Triesen"},
    ],
    "letter_date": "2026-03-12",
    "language": "de",
    "facility_kind": "pharmacy",
}


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def pictures(self) -> list[Image.Image]:
        return [
            Image.open(io.BytesIO(base64.b64decode(part["image_url"]["url"].removeprefix("data:image/jpeg;base64,"))))
            for message in self.body["messages"]
            for part in (message["content"] if isinstance(message["content"], list) else [])
            if part["type"] == "image_url"
        ]


@dataclass
class VisionApi:
    """`faults` happen to the next requests, one each (empty: none), then `always` to all or `cursed` to some; `seconds` is how long
    every answer takes, `listing` the status of the list of models. What is `slow` is not answered before `released`."""

    port: int = 0
    prefix: str = ""
    model: str = MODEL
    listing: int = 200
    seconds: float = 0.0
    usage: dict[str, int] | None = field(default_factory=lambda: {"prompt_tokens": 2000, "completion_tokens": 400, "total_tokens": 2400})
    answer: Callable[[Asked], Answer] = lambda asked: ANSWER
    faults: deque[str] = field(default_factory=deque)
    always: str = ""
    cursed: Callable[[Asked], str] = lambda asked: ""
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}/v1"

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1

    def next_fault(self, asked: Asked) -> str:
        with self._lock:
            return self.faults.popleft() if self.faults else self.always or self.cursed(asked)


def completion(text: str | None, model: str, usage: dict[str, int] | None, reason: str = "stop") -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_770_000_000,
        "model": model,
        "choices": [{"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": text}}],
        "usage": usage or {},
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: VisionApi

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """The list of models."""
        is_there = self.path == f"{self.api.prefix}/v1/models"
        self._send(self.api.listing if is_there else 404, {"object": "list", "data": [{"id": self.api.model}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.api.asked.append(asked)
        with self.api.counted():
            time.sleep(self.api.seconds)
        wrong = self._refusal(asked)
        if wrong is not None:
            self._send(wrong[0], {"message": wrong[1], "detail": wrong[1]})
            return
        fault = self.api.next_fault(asked)
        if fault in ("slow", "cut", "drop", "drip"):
            self._fail_below_http(fault, asked)
        elif fault.split(":")[0] in _STATUSES:
            status, _, wait = fault.partition(":")
            self._send(int(status), {"message": "no, and here is your letter: Anna Frick"}, {"retry-after": wait} if wait else {})
        else:
            self._send(200, self._answer(fault, asked))

    def _refusal(self, asked: Asked) -> tuple[int, str] | None:
        """What the real API would not take."""
        if asked.path != f"{self.api.prefix}/v1/chat/completions":
            return 404, "no such path"
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return 401, "wrong key"
        if asked.body["model"] != self.api.model:
            return 404, "no such model"
        if asked.body["response_format"]["type"] != "json_schema" or not asked.body["response_format"]["json_schema"]["strict"]:
            return 422, "no schema"
        if not asked.pictures or any(picture.format != "JPEG" for picture in asked.pictures):
            return 422, "no pictures"
        return None

    def _answer(self, fault: str, asked: Asked) -> dict[str, Any]:
        answer, usage = self.api.answer(asked), self.api.usage
        text = json.dumps(answer, ensure_ascii=False)
        extra = json.dumps({**answer, "confidence": 0.99})
        texts: dict[str, str | None] = {
            "": text,
            "length": text[: len(text) // 2],
            "refusal": None,
            "invalid_json": text[:-1].replace('"sender_name"', "sender_name"),
            "prose": f"Sure! Here is the letter:\n```json\n{text}\n```\nI hope {{this}} helps.",
            "sentences": "I am sorry, the page is hard to read.",
            "wrong_schema": json.dumps({**answer, "addresses": "Dorfstrasse 5"}),
            "extra": extra,
            "two": f"{text}\n{json.dumps({**answer, 'sender_name': 'Somebody else'})}",
            "other_model": text,
        }
        reason = {"length": "length", "refusal": "content_filter"}.get(fault, "stop")
        return completion(texts[fault], "newer-24b" if fault == "other_model" else self.api.model, usage, reason)

    def _fail_below_http(self, fault: str, asked: Asked) -> None:
        self.close_connection = True
        if fault == "slow":
            self.api.released.wait()
        if fault in ("slow", "drop"):
            return
        content = json.dumps(self._answer("", asked)).encode()
        if fault == "drip":
            # A byte now and then, from the first one of the headers on: every single read is in time.
            for byte in b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(content), content):
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
            return
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])

    def _send(self, status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


_STATUSES = frozenset({"400", "401", "403", "404", "408", "413", "422", "429", "500", "503"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that did not wait is no error of ours."""


@contextmanager
def serve(prefix: str = "") -> Iterator[VisionApi]:
    """A running API on a free port of this machine."""
    api = VisionApi(prefix=prefix)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))
    api.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
