"""The gateway's API keys out of its Redis and back: they are kept nowhere else."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.backup.contents import Contents, tally
from services.errors import BackupError, ConfigurationError

if TYPE_CHECKING:
    from redis import Redis

SETTING = "CARTULARY_BACKUP__REDIS_URL"
# Sessions of the keys, and how much of its quota each has used; counters of the last minute are not worth keeping.
PATTERNS = ("apikey-*", "quota-*")
BATCH = 500


def save_keys(url: str, path: Path, now: datetime) -> Contents:
    """Write every key with its value and when it ends; returns what was written."""
    moment = _milliseconds(now)
    with _redis(url) as redis, path.open("w", encoding="utf-8") as file:
        for name in _names(redis):
            dumped, left = redis.dump(name), int(redis.pttl(name))
            if dumped is not None:  # not ended meanwhile
                ends = moment + left if left > 0 else 0
                row = {"key": _text(name), "dump": _text(dumped), "ends_at_ms": ends, "value": _value(redis, name, dumped)}
                file.write(json.dumps(row) + "\n")
    return saved_keys(path, now)


def saved_keys(path: Path, now: datetime) -> Contents:
    """What a file of keys holds that is still valid; BackupError when it is damaged."""
    return {"keys": tally(_counted(row["key"], row["value"]) for row in _valid(path, now) if _is_key(row))}


def restore_keys(url: str, path: Path, now: datetime) -> None:
    """Put every key of the file in the place of what there is, unless its time is over; keys that the file does not have stay."""
    with _redis(url) as redis:
        for row in _valid(path, now):
            name, dumped = base64.b64decode(row["key"]), base64.b64decode(row["dump"])
            redis.restore(name, row["ends_at_ms"], dumped, replace=True, absttl=True)


def key_contents(url: str, path: Path, now: datetime) -> Contents:
    """What the gateway has now under the names of the file."""
    found = []
    with _redis(url) as redis:
        for row in _valid(path, now):
            name = base64.b64decode(row["key"])
            if _is_key(row) and (dumped := redis.dump(name)) is not None:
                found.append(_counted(row["key"], _value(redis, name, dumped)))
    return {"keys": tally(found)}


@contextmanager
def _redis(url: str) -> Iterator[Redis]:
    try:
        import redis  # installed with the stack only
    except ModuleNotFoundError as cause:
        raise ConfigurationError(
            f"{SETTING} is set but redis is not installed: pip install cartulary[stack], or leave it empty."
        ) from cause
    try:
        client = redis.Redis.from_url(url, socket_timeout=30, socket_connect_timeout=10)
    except ValueError:  # its message repeats the URL with its password
        raise ConfigurationError(f"{SETTING} is no URL of a Redis: redis://:password@host:6379/0") from None
    try:
        yield client
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise BackupError(f"The gateway's Redis does not answer: {error}", retryable=True) from error
    except redis.RedisError as error:
        raise BackupError(f"The gateway's Redis refused: {error}") from error
    finally:
        client.close()


def _names(redis: Redis) -> Iterator[bytes]:
    """Each name once, although a scan may tell one twice."""
    seen: set[bytes] = set()
    for pattern in PATTERNS:
        found = redis.scan_iter(match=pattern, count=BATCH)
        while batch := list(islice(found, BATCH)):
            for name in batch:
                if name not in seen:
                    seen.add(name)
                    yield name


def _value(redis: Redis, name: bytes, dumped: bytes) -> str:
    """What counts as the content: the text itself, since another version of Redis packs it otherwise; of other types what it packed."""
    value: Any = redis.get(name) if redis.type(name) == b"string" else dumped
    return _text(value or b"")


def _is_key(row: Mapping[str, Any]) -> bool:
    """A quota is used up and filled again all the time: it is brought back, but proves nothing."""
    return base64.b64decode(row["key"]).startswith(b"apikey-")


def _valid(path: Path, now: datetime) -> Iterator[dict[str, Any]]:
    moment = _milliseconds(now)
    return (row for row in _rows(path) if not row["ends_at_ms"] or row["ends_at_ms"] > moment)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _counted(name: str, value: str) -> bytes:
    return f"{name} {value}".encode()


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError as cause:
                raise BackupError(f"{path} is damaged: take another backup.") from cause
