"""Where the imitation keeps keys, so that a restart finds them: Redis as Tyk itself, a JSON file, or memory."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, Protocol

PREFIX = "apikey-"


def token(org_id: str, name: str) -> str:
    """What Tyk makes of a key with a name of one's own."""
    content = json.dumps({"org": org_id, "id": name, "h": "sha256"}, separators=(",", ":"))
    return base64.b64encode(content.encode()).decode()


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Store(Protocol):
    """Sessions by the hash of their key."""

    async def get(self, key_hash: str) -> dict[str, Any] | None: ...
    async def put(self, key_hash: str, session: dict[str, Any]) -> None: ...
    async def delete(self, key_hash: str) -> bool: ...
    async def hashes(self) -> list[str]: ...
    async def is_up(self) -> bool: ...


class FileStore:
    """A JSON file, or memory alone without a path."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._sessions: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path and path.exists() else {}

    async def get(self, key_hash: str) -> dict[str, Any] | None:
        return self._sessions.get(key_hash)

    async def put(self, key_hash: str, session: dict[str, Any]) -> None:
        self._sessions[key_hash] = session
        self._write()

    async def delete(self, key_hash: str) -> bool:
        found = self._sessions.pop(key_hash, None)
        self._write()
        return found is not None

    async def hashes(self) -> list[str]:
        return list(self._sessions)

    async def is_up(self) -> bool:
        return True

    def _write(self) -> None:
        if self._path:
            self._path.write_text(json.dumps(self._sessions))


class RedisStore:
    """Redis, under the names that Tyk uses."""

    def __init__(self, url: str) -> None:
        from redis.asyncio import Redis

        self._redis: Any = Redis.from_url(url, decode_responses=True)

    async def get(self, key_hash: str) -> dict[str, Any] | None:
        found = await self._redis.get(PREFIX + key_hash)
        return json.loads(found) if found else None

    async def put(self, key_hash: str, session: dict[str, Any]) -> None:
        await self._redis.set(PREFIX + key_hash, json.dumps(session))

    async def delete(self, key_hash: str) -> bool:
        return bool(await self._redis.delete(PREFIX + key_hash))

    async def hashes(self) -> list[str]:
        return [name.removeprefix(PREFIX) async for name in self._redis.scan_iter(match=PREFIX + "*")]

    async def is_up(self) -> bool:
        try:
            return bool(await self._redis.ping())
        except Exception:  # whatever Redis' client raises: it is not up
            return False
