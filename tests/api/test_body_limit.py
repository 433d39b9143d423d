"""What is read whole is small, whoever sends it and however; files are no matter of this."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from api_support import serving

from api.app import create_app
from api.body_limit import MAX_BYTES
from services.wiring import Services

LARGE = b'{"message": "' + b"x" * MAX_BYTES + b'"}'


@pytest.fixture
def address(services: Services) -> Iterator[str]:
    with serving(create_app(services, wake=lambda: None)) as url:
        yield url


def ask(address: str, path: str, body: bytes | Iterator[bytes], **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    try:
        connection.request("POST", path, body=body, headers={"Content-Type": "application/json", **headers}, encode_chunked=True)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/v1/submissions", "/v1/reviews/1/corrections", "/v1/upload-sessions", "/nothing"])
def test_a_large_body_is_refused_before_anybody_asks_who_sent_it(address: str, path: str) -> None:
    status, said = ask(address, path, LARGE)
    assert status == 413 and b"files go to POST /v1/uploads" in said


def test_a_body_in_pieces_is_counted(address: str) -> None:
    pieces = (LARGE[start : start + 65_536] for start in range(0, len(LARGE), 65_536))
    status, said = ask(address, "/v1/submissions", pieces, **{"Transfer-Encoding": "chunked"})
    assert status == 413 and b"application/problem" not in said and b'"status":413' in said


def test_a_form_of_text_is_small(address: str) -> None:
    status, _ = ask(address, "/v1/submissions", b'{"message": "' + b"x" * (MAX_BYTES // 2) + b'"}')
    assert status in (401, 422)


def test_files_are_not_limited_here(address: str) -> None:
    assert ask(address, "/v1/uploads", LARGE)[0] in (401, 422)
    assert ask(address, "/intake/nothing", LARGE)[0] in (404, 422)
