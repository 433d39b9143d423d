"""API keys: made once, shown once, kept as a hash, checked in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from services.errors import NotFoundError
from services.gateway.base import PREFIX, ApiKey, NewApiKey, known_scopes
from services.state.api_keys import StoredKey
from services.state.state import State

# A key that another process revokes works here for this long at most; asking the database costs 0.3 ms each time.
CACHE_LIFETIME = timedelta(seconds=5)
CACHE_ENTRIES = 10_000
_NO_HASH = "0" * 64


class KeyRegistry:
    """Keys in the state database."""

    def __init__(
        self,
        state: State,
        *,
        new_id: Callable[[], str] = lambda: secrets.token_hex(6),
        new_secret: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._state = state
        self._new_id, self._new_secret = new_id, new_secret
        self._cache: dict[str, tuple[datetime, StoredKey]] = {}
        self._lock = threading.Lock()

    def create(self, name: str, scopes: Iterable[str], now: datetime) -> NewApiKey:
        """A new key; its secret cannot be asked for again. ConfigurationError for a scope that does not exist."""
        wanted = known_scopes(scopes)
        key_id = self._new_id()
        secret = f"{PREFIX}_{key_id}_{self._new_secret()}"
        # A plain hash is enough for 256 random bits; slow hashes are for passwords that people choose.
        self._state.api_keys.add(key_id, name, sorted(wanted), _hash(secret), now)
        return NewApiKey(key_id, name, wanted, now, None, secret)

    def list(self) -> tuple[ApiKey, ...]:
        """All keys without secrets, the oldest first; revoked ones too."""
        return tuple(_public(stored) for stored in self._state.api_keys.all())

    def revoke(self, key_id: str, now: datetime) -> None:
        """Make a key invalid for ever; NotFoundError when there is no such valid key."""
        if not self._state.api_keys.revoke(key_id, now):
            raise NotFoundError(f"There is no valid key {key_id}: `cartulary keys list` shows all.")
        with self._lock:
            self._cache.pop(key_id, None)

    def verify(self, secret: str, now: datetime) -> ApiKey | None:
        """The key that this `ctl_<id>_<secret>` is; None when it is none, a wrong or a revoked one."""
        prefix, _, rest = secret.partition("_")
        key_id = rest.partition("_")[0]
        stored = self._find(key_id, now) if prefix == PREFIX and key_id else None
        # Always one comparison of equal length, so that the time does not tell how much of a guess was right.
        is_right = hmac.compare_digest(_hash(secret), stored.secret_hash if stored else _NO_HASH)
        if stored is None or not is_right or stored.revoked_at is not None:
            return None
        return _public(stored)

    def _find(self, key_id: str, now: datetime) -> StoredKey | None:
        cached = self._cache.get(key_id)
        if cached is not None and abs(now - cached[0]) < CACHE_LIFETIME:
            return cached[1]
        stored = self._state.api_keys.get(key_id)
        if stored is not None:  # unknown ids are not kept: anybody may invent them
            with self._lock:
                if len(self._cache) >= CACHE_ENTRIES:
                    self._cache.clear()
                self._cache[key_id] = (now, stored)
        return stored


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _public(stored: StoredKey) -> ApiKey:
    return ApiKey(stored.key_id, stored.name, stored.scopes, stored.created_at, stored.revoked_at)
