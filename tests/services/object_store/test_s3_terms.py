"""What exactly is said to an S3 server: checksums, addressing, regions, parts, signatures for the public host."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from services.errors import ConfigurationError, ObjectStoreError
from services.object_store import s3
from services.object_store.s3 import S3ObjectStore
from services.object_store.s3_client import open_client
from services.settings import ObjectStoreSettings


class Recorder(ThreadingHTTPServer):
    """Says yes to everything and keeps what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RecordingHandler)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    def settings(self, **more: object) -> ObjectStoreSettings:
        url = f"http://127.0.0.1:{self.server_port}"
        return ObjectStoreSettings(endpoint_url=url, access_key="key", secret_key=SecretStr("hidden")).model_copy(update=more)


class RecordingHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        upload = b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
        answer = upload if self.path.endswith("?uploads") and self.command == "POST" else b""
        self.send_response(404 if self.command == "HEAD" else 200)
        self.send_header("ETag", '"etag"')
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_every_part_carries_the_checksum_that_all_servers_know(recorder: Recorder) -> None:
    """MD5 of each body and SHA-256 in its signature; no CRC and no trailer, which rclone and older servers do not take."""
    store = S3ObjectStore(recorder.settings())
    store.put("a/small", [b"123"], "text/plain")
    store.put("a/large", [bytes(s3.PART_BYTES + 1)], "text/plain")
    sent = [(path, headers, body) for method, path, headers, body in recorder.asked if method == "PUT" and "/a/" in path]
    assert [path.partition("?")[0] for path, _, _ in sent] == ["/cartulary/a/small", "/cartulary/a/large", "/cartulary/a/large"]
    for _, headers, body in sent:
        assert headers["content-md5"] == s3._md5(body)
        assert len(headers["x-amz-content-sha256"]) == 64
        assert not [name for name in headers if "checksum" in name or "trailer" in name]
        assert "aws-chunked" not in headers.get("content-encoding", "")


@pytest.mark.parametrize(
    ("region", "constraint"), [("us-east-1", b""), ("eu-west-3", b"<LocationConstraint>eu-west-3</LocationConstraint>")]
)
def test_a_bucket_is_made_where_the_region_says(recorder: Recorder, region: str, constraint: bytes) -> None:
    S3ObjectStore(recorder.settings(region=region)).put("a", [b"1"], "text/plain")
    [(_, _, headers, body)] = [asked for asked in recorder.asked if asked[:2] == ("PUT", "/cartulary")]
    assert constraint in body
    assert bool(body) is bool(constraint)
    assert f"/{region}/s3/aws4_request" in headers["authorization"]


def test_settings_of_aws_own_tools_change_nothing(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_PROFILE": "of-somebody",
        "AWS_ACCESS_KEY_ID": "another",
        "AWS_SECRET_ACCESS_KEY": "another",
        "AWS_SESSION_TOKEN": "another",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_DEFAULT_REGION": "ap-south-2",
    }.items():
        monkeypatch.setenv(name, value)
    S3ObjectStore(recorder.settings()).put("a", [b"1"], "text/plain")
    for _, _, headers, _ in recorder.asked:
        assert "Credential=key/" in headers["authorization"]
        assert "/us-east-1/s3/" in headers["authorization"]
        assert "x-amz-security-token" not in headers


def test_aws_is_addressed_by_the_bucket_in_the_host() -> None:
    aws = ObjectStoreSettings(
        endpoint_url="https://s3.eu-west-3.amazonaws.com",
        public_url="https://s3.eu-west-3.amazonaws.com",
        region="eu-west-3",
        addressing_style="virtual",
        bucket="letters-of-korvenau",
        access_key="key",
        secret_key=SecretStr("hidden"),
    )
    assert str(S3ObjectStore(aws).public_url("a/b", "b.pdf", "application/pdf")).startswith(
        "https://letters-of-korvenau.s3.eu-west-3.amazonaws.com/a/b?"
    )


@pytest.mark.parametrize("wrong", [{"access_key": ""}, {"secret_key": SecretStr("")}, {"endpoint_url": "rustfs:9000"}])
def test_a_store_without_key_or_url_says_what_to_set(wrong: dict[str, object]) -> None:
    right = ObjectStoreSettings(endpoint_url="http://127.0.0.1:9", access_key="key", secret_key=SecretStr("hidden"))
    with pytest.raises(ConfigurationError, match=r"CARTULARY_OBJECT_STORE__ACCESS_KEY|write it like http://") as caught:
        S3ObjectStore(right.model_copy(update=wrong))
    assert "hidden" not in str(caught.value)


def uploads_of(settings: ObjectStoreSettings) -> list[str]:
    """Keys of the uploads in parts that are neither complete nor given up."""
    answer = open_client(settings, settings.endpoint_url).list_multipart_uploads(Bucket=settings.bucket)
    return [upload["Key"] for upload in answer.get("Uploads", [])]


def test_a_put_that_breaks_off_leaves_no_parts(s3_settings: ObjectStoreSettings) -> None:
    def chunks() -> Iterator[bytes]:
        yield bytes(2 * s3.PART_BYTES)
        assert uploads_of(settings) == ["uploads/half"]
        raise ConnectionResetError("the sender went away")

    settings = s3_settings.model_copy(update={"bucket": "broken-off"})
    S3ObjectStore(settings).put("whole", [b"1"], "text/plain")
    with pytest.raises(ConnectionResetError):
        S3ObjectStore(settings).put("uploads/half", chunks(), "text/plain")
    assert uploads_of(settings) == []


def test_parts_of_killed_processes_are_freed_after_a_day(s3_settings: ObjectStoreSettings) -> None:
    settings = s3_settings.model_copy(update={"bucket": "killed"})
    S3ObjectStore(settings).put("first", [b"1"], "text/plain")
    open_client(settings, settings.endpoint_url).create_multipart_upload(Bucket="killed", Key="uploads/left")
    S3ObjectStore(settings).put("second", [b"1"], "text/plain")
    assert uploads_of(settings) == ["uploads/left"], "it may be under way in another process"
    S3ObjectStore(settings, clock=lambda: datetime.now(UTC) + timedelta(hours=25)).put("third", [b"1"], "text/plain")
    assert uploads_of(settings) == []


def fetched(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


@pytest.fixture
def public(s3_settings: ObjectStoreSettings) -> ObjectStoreSettings:
    """The store as browsers reach it: under another host name than this process."""
    return s3_settings.model_copy(update={"bucket": "public", "public_url": s3_settings.endpoint_url.replace("127.0.0.1", "localhost")})


def test_a_public_url_gives_the_object_to_whoever_has_it(public: ObjectStoreSettings) -> None:
    store = S3ObjectStore(public)
    store.put("uploads/ab/abc", [b"a letter"], "application/pdf")
    url = store.public_url("uploads/ab/abc", "Brief Müller.pdf", "application/pdf")
    assert url is not None
    assert url.startswith("http://localhost:")
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url
    assert "response-content-disposition=attachment" in url
    assert public.secret_key.get_secret_value() not in url
    assert fetched(url) == (200, b"a letter")
    refused = {
        "another key": url.replace("uploads/ab/abc", "uploads/ab/abd"),
        "another type": url.replace("application%2Fpdf", "text%2Fhtml"),
        "a longer life": url.replace("X-Amz-Expires=300", "X-Amz-Expires=3000"),
        "another signature": url[:-1] + ("0" if url[-1] != "0" else "1"),
        "no signature": url.partition("?")[0],
        "another host": url.replace("localhost", "127.0.0.1"),
    }
    for what, wrong in refused.items():
        assert wrong != url, what
        assert fetched(wrong)[0] in (400, 403), what


def test_a_public_url_ends(public: ObjectStoreSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = S3ObjectStore(public)
    store.put("uploads/ab/abc", [b"a letter"], "application/pdf")
    monkeypatch.setattr(s3, "PUBLIC_SECONDS", 1)
    url = store.public_url("uploads/ab/abc", "a.pdf", "application/pdf")
    assert url is not None
    time.sleep(2.1)  # the server's clock decides
    assert fetched(url)[0] in (400, 403)


def test_without_a_public_host_there_is_no_public_url(s3_settings: ObjectStoreSettings) -> None:
    assert S3ObjectStore(s3_settings).public_url("uploads/ab/abc", "a.pdf", "application/pdf") is None
    with pytest.raises(ObjectStoreError, match="no object key"):
        S3ObjectStore(s3_settings.model_copy(update={"public_url": "http://localhost:9000"})).public_url("../a", "a", "text/plain")


MEMORY = """
import resource, sys
from pydantic import SecretStr
from services.object_store.s3 import S3ObjectStore
from services.settings import ObjectStoreSettings

url, key, secret = sys.argv[1:]
store = S3ObjectStore(ObjectStoreSettings(endpoint_url=url, access_key=key, secret_key=SecretStr(secret), bucket="big"))
block = bytes(range(256)) * 4096
store.put("small", [block], "text/plain")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert store.put("big", (block for _ in range(200)), "text/plain") == 200 << 20
with store.open("big") as stream:
    count = 0
    while piece := stream.read(1 << 20):
        count += len(piece)
assert count == 200 << 20
store.delete("big")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_stays_flat_for_a_large_object(s3_settings: ObjectStoreSettings) -> None:
    """200 MB there and back: a few parts of 16 MB above what the process had before."""
    settings = [s3_settings.endpoint_url, s3_settings.access_key, s3_settings.secret_key.get_secret_value()]
    answer = subprocess.run([sys.executable, "-c", MEMORY, *settings], capture_output=True, text=True, check=True, timeout=120)
    assert int(answer.stdout) < 100_000
