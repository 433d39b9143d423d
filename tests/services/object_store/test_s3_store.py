"""What the S3 store does when the network or the server misbehaves."""

from __future__ import annotations

import importlib
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from pydantic import SecretStr

from services.errors import ConfigurationError, NotFoundError, ObjectStoreError
from services.object_store.s3 import S3ObjectStore
from services.object_store.s3_client import ClientError, open_client, s3_errors
from services.settings import ObjectStoreSettings


class CuttingProxy:
    """Passes connections on to a server and cuts the first `cuts` of them after so many bytes of the answer."""

    def __init__(self, host: str, port: int, cuts: int, after_bytes: int) -> None:
        self.target = (host, port)
        self.cuts, self.after_bytes = cuts, after_bytes
        self.cut = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads: list[threading.Thread] = []
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()

    def accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self.serve, args=(near,))
            thread.start()
            self.threads.append(thread)

    def serve(self, near: socket.socket) -> None:
        with near, socket.create_connection(self.target) as far:
            up = threading.Thread(target=self.pump, args=(near, far))
            up.start()
            passed = 0
            with suppress(OSError):
                while data := far.recv(65536):
                    passed += len(data)
                    if passed > self.after_bytes and self.cut < self.cuts:
                        self.cut += 1
                        break
                    near.sendall(data)
            for end in (near, far):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            up.join()

    def pump(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(65536):
                far.sendall(data)

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.fixture
def proxied(s3_settings: ObjectStoreSettings) -> Iterator[tuple[CuttingProxy, ObjectStoreSettings]]:
    host, port = s3_settings.endpoint_url.removeprefix("http://").split(":")
    proxy = CuttingProxy(host, int(port), cuts=2, after_bytes=3_000_000)
    yield proxy, s3_settings.model_copy(update={"endpoint_url": f"http://127.0.0.1:{proxy.port}", "bucket": "proxied"})
    proxy.close()


def test_a_read_goes_on_after_its_connection_was_cut(proxied: tuple[CuttingProxy, ObjectStoreSettings]) -> None:
    proxy, settings = proxied
    content = bytes(range(256)) * 40_000
    S3ObjectStore(settings).put("big", [content], "text/plain")
    with S3ObjectStore(settings).open("big") as stream:
        assert stream.read() == content
    assert proxy.cut == 2


def test_a_connection_that_is_cut_again_and_again_is_an_error(proxied: tuple[CuttingProxy, ObjectStoreSettings]) -> None:
    proxy, settings = proxied
    store = S3ObjectStore(settings)
    store.put("big", [bytes(10_000_000)], "text/plain")
    proxy.cuts, proxy.after_bytes = 1_000, 1_000
    with pytest.raises(ObjectStoreError, match="did not answer") as caught, store.open("big") as stream:
        stream.read()
    assert caught.value.retryable


def test_a_store_that_is_down_is_a_retryable_error(s3_settings: ObjectStoreSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    store = S3ObjectStore(s3_settings.model_copy(update={"endpoint_url": f"http://127.0.0.1:{port}"}))
    for call in (
        lambda: store.put("a", [b"1"], "text/plain"),
        lambda: store.read("a"),
        lambda: store.exists("a"),
        lambda: list(store.list("")),
    ):
        with pytest.raises(ObjectStoreError, match="did not answer") as caught:
            call()
        assert caught.value.retryable


def test_a_wrong_secret_is_refused_and_passes_when_it_is_the_new_one(s3_settings: ObjectStoreSettings) -> None:
    """While keys are replaced nothing that was accepted may fail for good."""
    S3ObjectStore(s3_settings).put("a", [b"1"], "text/plain")
    store = S3ObjectStore(s3_settings.model_copy(update={"secret_key": SecretStr("wrong")}))
    for call in (lambda: store.put("a", [b"1"], "text/plain"), lambda: store.read("a")):
        with pytest.raises(ObjectStoreError, match="refused") as caught:
            call()
        assert caught.value.retryable


def test_a_bucket_that_is_gone_is_no_missing_object(s3_settings: ObjectStoreSettings) -> None:
    """A store without its volume knows nothing: no letter is missing, none is known to be erased."""
    settings = s3_settings.model_copy(update={"bucket": "without-volume"})
    store = S3ObjectStore(settings)
    store.put("a", [b"1"], "text/plain")
    store.delete("a")
    with pytest.raises(NotFoundError):
        store.read("a")
    with pytest.raises(NotFoundError):
        store.size("a")
    open_client(settings, settings.endpoint_url).delete_bucket(Bucket="without-volume")
    for call in (
        lambda: store.read("a"),
        lambda: store.size("a"),
        lambda: store.put("a", [b"1"], "text/plain"),
        lambda: store.delete("a"),
    ):
        with pytest.raises(ObjectStoreError, match="bucket") as caught:
            call()
        assert caught.value.retryable
    assert not store.exists("a")
    assert list(store.list("")) == []


@pytest.mark.parametrize(
    ("status", "code", "is_retryable"),
    [
        (403, "InvalidAccessKeyId", True),
        (403, "RequestTimeTooSkewed", True),
        (400, "BadDigest", True),
        (404, "NoSuchUpload", True),
        (503, "SlowDown", True),
        (400, "InvalidArgument", False),
        (413, "EntityTooLarge", False),
    ],
)
def test_only_a_wrong_request_is_refused_for_good(status: int, code: str, is_retryable: bool) -> None:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(ObjectStoreError) as caught, s3_errors("write a"):
        raise ClientError(answer, "PutObject")
    assert caught.value.retryable is is_retryable


def test_the_secret_is_in_no_representation(s3_settings: ObjectStoreSettings) -> None:
    assert s3_settings.secret_key.get_secret_value() not in repr(vars(S3ObjectStore(s3_settings))) + repr(s3_settings)


def test_s3_without_boto3_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "services.object_store.s3")
    monkeypatch.delitem(sys.modules, "services.object_store.s3_client")
    with pytest.raises(ConfigurationError, match=r"pip install cartulary\[stack\]"):
        importlib.import_module("services.object_store.s3")
