"""Objects in any S3 store (RustFS, MinIO, AWS) through boto3, in parts, so that memory stays flat for any size."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from services.errors import NotFoundError, ObjectStoreError
from services.object_store.base import CHUNK_BYTES, ObjectStore, attachment, checked_key, file_chunks
from services.object_store.s3_client import BotoCoreError, ClientError, NoBucketError, open_client, s3_errors, status_of
from services.settings import ObjectStoreSettings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CreateBucketConfigurationTypeDef, GetObjectRequestTypeDef

# S3 allows 10,000 parts: 16 MB parts end at 160 GB, eight times the largest file that intake lets in.
PART_BYTES = 16 << 20
READ_ATTEMPTS = 4
DEFAULT_REGION = "us-east-1"
PUBLIC_SECONDS = 300
# No put takes so long: 20 GB within a day is 2 Mbit/s.
LEFT_AFTER = timedelta(days=1)


class S3ObjectStore(ObjectStore):
    """An ObjectStore in one bucket, which is made when it is first written to; safe for any number of threads."""

    def __init__(self, settings: ObjectStoreSettings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._bucket, self._region = settings.bucket, settings.region
        self._clock = clock
        self._bucket_lock = threading.Lock()
        self._has_bucket = False
        self._client = open_client(settings, settings.endpoint_url)
        # Signing asks nobody: this client never connects.
        self._public = open_client(settings, settings.public_url) if settings.public_url else None

    def put(self, key: str, chunks: Iterable[bytes], media_type: str) -> int:
        """Store all chunks under the key, in several parts when they are many; nothing is visible before the last."""
        checked_key(key)
        self._ensure_bucket()
        parts = _parts(chunks)
        first = next(parts, b"")
        second = next(parts, None)
        if second is not None:
            return self._put_parts(key, _chained(first, second, parts), media_type)
        with s3_errors(f"write {key}"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=first, ContentType=media_type, ContentMD5=_md5(first))
        return len(first)

    def put_file(self, key: str, path: Path, media_type: str) -> int:
        """Send a local file and delete it when the store has all of it."""
        count = self.put(key, file_chunks(path), media_type)
        path.unlink(missing_ok=True)
        return count

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Read an object as a stream that goes on where it was when a connection breaks."""
        body = _ResumedBody(self._client, self._bucket, checked_key(key))
        with io.BufferedReader(body, CHUNK_BYTES) as stream:
            yield stream

    def exists(self, key: str) -> bool:
        """Whether there is an object under the key."""
        try:
            self._look_for(key)
        except (NotFoundError, NoBucketError):  # before the first put there is no bucket
            return False
        return True

    def size(self, key: str) -> int:
        """Bytes of an object; NotFoundError when there is none."""
        try:
            return self._look_for(key)
        except NotFoundError:
            self._confirm_bucket()
            raise

    def list(self, prefix: str) -> Iterator[str]:
        """Keys that start with the prefix, asked for a thousand at a time."""
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix))
        while True:
            try:
                with s3_errors(f"list {prefix}"):
                    page = next(pages, None)
            except NoBucketError:  # nothing was ever written: the bucket is not there yet
                return
            if page is None:
                return
            for entry in page.get("Contents", []):
                yield entry["Key"]

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        checked_key(key)
        with suppress(NotFoundError), s3_errors(f"delete {key}"):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    @contextmanager
    def local_path(self, key: str) -> Iterator[Path]:
        """A temporary copy of the object, gone at the end; ObjectStoreError, retryable, when there is no room for it."""
        with tempfile.TemporaryDirectory(prefix="cartulary-") as folder:
            path = Path(folder) / "object"
            try:
                with self.open(key) as stream, path.open("wb") as copy:
                    shutil.copyfileobj(stream, copy, CHUNK_BYTES)
            except OSError as cause:
                raise ObjectStoreError(
                    f"A copy of {key} does not fit into {folder} ({cause.strerror}): free space there, or let TMPDIR name another disk.",
                    retryable=True,
                ) from cause
            yield path

    def public_url(self, key: str, file_name: str, media_type: str) -> str | None:
        """A URL signed (SigV4) for the public host, for five minutes; None when no public host is set."""
        if self._public is None:
            return None
        wanted: GetObjectRequestTypeDef = {
            "Bucket": self._bucket,
            "Key": checked_key(key),
            # Signed with the rest: nobody can have a browser show a letter's file as a page of this host.
            "ResponseContentDisposition": attachment(file_name),
            "ResponseContentType": media_type,
        }
        return self._public.generate_presigned_url("get_object", Params=dict(wanted), ExpiresIn=PUBLIC_SECONDS)

    def _look_for(self, key: str) -> int:
        checked_key(key)
        with s3_errors(f"look for {key}"):
            return self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"]

    def _confirm_bucket(self) -> None:
        """NoBucketError when there is none: HEAD of an object does not say what of the two is missing."""
        try:
            with s3_errors(f"look for the bucket {self._bucket}"):
                self._client.head_bucket(Bucket=self._bucket)
        except NotFoundError as error:
            raise NoBucketError(f"The bucket {self._bucket} is not there; see whether the store has its volume.") from error

    def _put_parts(self, key: str, parts: Iterable[bytes], media_type: str) -> int:
        with s3_errors(f"write {key}"):
            upload_id = self._client.create_multipart_upload(Bucket=self._bucket, Key=key, ContentType=media_type)["UploadId"]
        done: list[CompletedPartTypeDef] = []
        count = 0
        try:
            for number, part in enumerate(parts, start=1):
                with s3_errors(f"write part {number} of {key}"):
                    answer = self._client.upload_part(
                        Bucket=self._bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=part, ContentMD5=_md5(part)
                    )
                done.append({"ETag": answer["ETag"], "PartNumber": number})
                count += len(part)
            with s3_errors(f"complete {key}"):
                self._client.complete_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": done})
        except BaseException:
            with suppress(ClientError, BotoCoreError):  # the first error is the one to tell
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            raise
        return count

    def _ensure_bucket(self) -> None:
        """Make the bucket if it is missing; only once, and not at start, so that a store that is down stops nothing else."""
        with self._bucket_lock:
            if self._has_bucket:
                return
            with s3_errors(f"open the bucket {self._bucket}"):
                try:
                    self._client.head_bucket(Bucket=self._bucket)
                except ClientError as error:
                    if status_of(error) != 404:
                        raise
                    self._create_bucket()
            self._abort_left_uploads()
            self._has_bucket = True

    def _create_bucket(self) -> None:
        with suppress(self._client.exceptions.BucketAlreadyOwnedByYou, self._client.exceptions.BucketAlreadyExists):
            if self._region == DEFAULT_REGION:  # where AWS takes no name of a region, and elsewhere asks for one
                self._client.create_bucket(Bucket=self._bucket)
            else:
                where: CreateBucketConfigurationTypeDef = {"LocationConstraint": cast("Any", self._region)}
                self._client.create_bucket(Bucket=self._bucket, CreateBucketConfiguration=where)

    def _abort_left_uploads(self) -> None:
        """Free the parts that processes killed in the middle of a put left behind; a key that may not do so leaves them."""
        with suppress(ClientError, BotoCoreError):
            for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket):
                for upload in page.get("Uploads", []):
                    if upload["Initiated"] < self._clock() - LEFT_AFTER:
                        self._client.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])


class _ResumedBody(io.RawIOBase):
    """The bytes of an object; a broken connection is opened again at the same place, since objects never change."""

    def __init__(self, client: S3Client, bucket: str, key: str) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        self._position = 0
        self._connect()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                with s3_errors(f"read {self._key}"):
                    chunk = self._body.read(len(buffer))
                break
            except ObjectStoreError as error:
                if attempt == READ_ATTEMPTS or not error.retryable:
                    raise
                self._body.close()
                self._connect()
        buffer[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed and hasattr(self, "_body"):
            self._body.close()
        super().close()

    def _connect(self) -> None:
        with s3_errors(f"read {self._key}"):
            if self._position:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key, Range=f"bytes={self._position}-")
            else:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key)
        self._body = answer["Body"]


def _parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut chunks of any size into parts of PART_BYTES; only the last one is smaller."""
    buffer = bytearray()
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            taken = view[: PART_BYTES - len(buffer)]
            buffer += taken
            view = view[len(taken) :]
            if len(buffer) == PART_BYTES:
                yield bytes(buffer)
                buffer.clear()
    if buffer:
        yield bytes(buffer)


def _chained(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


def _md5(part: bytes) -> str:
    return base64.b64encode(hashlib.md5(part, usedforsecurity=False).digest()).decode()
