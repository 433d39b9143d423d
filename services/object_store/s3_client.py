"""boto3's client as the settings alone say, and its errors as ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from services.errors import ConfigurationError, NotFoundError, ObjectStoreError
from services.settings import ObjectStoreSettings

try:
    import boto3
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ModuleNotFoundError as cause:
    raise ConfigurationError(
        "An S3 object store is configured but boto3 is not installed: pip install cartulary[stack], or leave "
        "CARTULARY_OBJECT_STORE__ENDPOINT_URL empty to keep objects in the data directory."
    ) from cause

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

__all__ = ["BotoCoreError", "ClientError", "NoBucketError", "open_client", "s3_errors", "status_of"]

# An answer with 4xx will be the same next time, but for these: keys that are being replaced, a request that was cut or came too often.
PASSING_STATUSES = (401, 403, 408, 409, 425, 429)
PASSING_CODES = ("AuthorizationHeaderMalformed", "BadDigest", "ExpiredToken", "IncompleteBody", "InvalidToken", "RequestTimeout")
# HEAD has no body to name what is missing: the status stands for it.
NO_OBJECT = ("NoSuchKey", "NotFound", "404")


class NoBucketError(ObjectStoreError):
    """The bucket is not there: nothing was ever written, or the store has lost its volume."""

    retryable = True


def open_client(settings: ObjectStoreSettings, url: str) -> S3Client:
    """A client that knows these settings alone: no profile, file or variable of AWS' own tools."""
    if not (settings.access_key and settings.secret_key.get_secret_value()):
        raise ConfigurationError(
            "An S3 object store is configured without its key: set CARTULARY_OBJECT_STORE__ACCESS_KEY and "
            "CARTULARY_OBJECT_STORE__SECRET_KEY."
        )
    nothing = (None, None, os.devnull, None)
    own = botocore.session.Session(session_vars={"profile": (None, None, None, None), "config_file": nothing, "credentials_file": nothing})
    try:
        return boto3.session.Session(botocore_session=own).client(
            "s3",
            endpoint_url=url,
            region_name=settings.region,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=settings.secret_key.get_secret_value(),
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": settings.addressing_style},
                connect_timeout=5,
                read_timeout=settings.timeout_seconds,
                retries={"mode": "standard", "total_max_attempts": 4},
                max_pool_connections=32,
                # Every part carries its MD5, which all servers check; the newer trailing checksums many do not know.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
    except ValueError as cause:
        raise ConfigurationError(f"The object store's URL is wrong: write it like http://rustfs:9000. {cause}") from cause


@contextmanager
def s3_errors(doing: str) -> Iterator[None]:
    """Turn boto3's errors into ours: only an object that a bucket lacks is missing, and only a request that is wrong in itself is
    refused for good."""
    try:
        yield
    except ClientError as cause:
        status, code = status_of(cause), cause.response.get("Error", {}).get("Code", "")
        if code == "NoSuchBucket":
            raise NoBucketError(f"Could not {doing}: the bucket is not there; see whether the store has its volume.") from cause
        if status == 404 and code in NO_OBJECT:
            raise NotFoundError(f"Could not {doing}: there is no such object in the store.") from cause
        is_final = 400 <= status < 500 and status not in (404, *PASSING_STATUSES) and code not in PASSING_CODES
        raise ObjectStoreError(f"The object store refused to {doing}: {cause}", retryable=not is_final) from cause
    except BotoCoreError as cause:
        raise ObjectStoreError(f"The object store did not answer when asked to {doing}: {cause}", retryable=True) from cause


def status_of(error: ClientError) -> int:
    """HTTP status of the server's answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
