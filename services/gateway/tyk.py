"""API keys kept by Tyk: it checks and counts them, and tells the API whose they are."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from services.errors import ConfigurationError, NotFoundError, PlatformError
from services.gateway.base import PREFIX, ApiKey, NewApiKey, known_scopes
from services.gateway.consumers import FORM, PORTAL, STANDARD, Consumer
from services.gateway.control_api import ORG_ID, ControlApi
from services.settings import GatewaySettings

logger = logging.getLogger(__name__)

# At the start of the whole stack Tyk waits for its store and then reads its policies.
PROVISION_SECONDS = 120.0
PAUSE_SECONDS = 1.0
SECRET = re.compile(r"[0-9A-Za-z_-]{1,200}")
# Nobody guesses a key of so many characters.
LEAST_SECRET_LENGTH = 24


class TykKeys:
    """Keys at Tyk, each with its name, scopes, id and time in the session's meta data; a revoked key is deleted."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        new_id: Callable[[], str] = lambda: secrets.token_hex(6),
        new_secret: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self.api = ControlApi(settings)
        self._new_id, self._new_secret = new_id, new_secret

    def close(self) -> None:
        """Close all connections."""
        self.api.close()

    def create(self, name: str, scopes: Iterable[str], now: datetime) -> NewApiKey:
        """A new key under the standard policy."""
        wanted = known_scopes(scopes)
        key_id = self._new_id()
        secret = f"{PREFIX}_{key_id}_{self._new_secret()}"
        self.api.put_key(secret, session_for(key_id, name, sorted(wanted), STANDARD, secret, now))
        return NewApiKey(key_id, name, wanted, now, None, secret)

    def list(self) -> tuple[ApiKey, ...]:
        """All keys that Cartulary made, the oldest first."""
        return tuple(sorted((key for _, key, _ in self.sessions()), key=lambda key: (key.created_at, key.key_id)))

    def revoke(self, key_id: str, now: datetime) -> None:
        """Delete a key: Tyk refuses its next request."""
        found = [key_hash for key_hash, key, _ in self.sessions() if key.key_id == key_id]
        if not found:
            raise NotFoundError(f"There is no valid key {key_id}: `cartulary keys list` shows all.")
        for key_hash in found:
            self.api.delete_hash(key_hash)

    def verify(self, secret: str, now: datetime) -> ApiKey | None:
        """The key of this text, if Tyk knows it."""
        session = self.api.session(secret) if SECRET.fullmatch(secret) else None
        return None if session is None else _key(session)

    def sessions(self) -> Iterator[tuple[str, ApiKey, Mapping[str, Any]]]:
        """Hash, key and meta data of all keys that Cartulary made."""
        for key_hash in self.api.hashes():
            session = self.api.session_of_hash(key_hash)
            key = _key(session) if session else None
            if session and key:
                yield key_hash, key, session["meta_data"]


@dataclass(frozen=True)
class Provisioned:
    """What became of a key of the product: made, changed or unchanged; and how many older ones of the same consumer were revoked."""

    consumer: str
    outcome: str
    revoked: int


def provision(
    keys: TykKeys,
    settings: GatewaySettings,
    *,
    clock: Callable[[], datetime],
    wait_seconds: float = PROVISION_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[Provisioned]:
    """Make the portal's and the form's keys as the settings say; run again, it changes nothing.

    Waits for Tyk for so long and then raises what was wrong last. A key that the settings no longer name is revoked.
    """
    wanted = _wanted(settings)
    deadline = monotonic() + wait_seconds
    while True:
        try:
            return [_provision(keys, consumer, secret, clock()) for consumer, secret in wanted]
        except PlatformError as error:
            if not error.retryable or monotonic() > deadline:
                raise
            logger.info("The gateway is not ready yet: %s", error)
        sleep(PAUSE_SECONDS)


def session_for(key_id: str, name: str, scopes: Sequence[str], policy: str, secret: str, now: datetime) -> dict[str, Any]:
    """A key as Tyk stores it; limits and rights come from the policy, `consumer` and `scopes` become headers."""
    return {
        "org_id": ORG_ID,
        "alias": name,
        "apply_policies": [policy],
        "meta_data": {
            "consumer": f"{key_id} {quote(name)}",
            "scopes": " ".join(scopes),
            "name": name,
            "id": key_id,
            "created_at": now.isoformat(),
            "fingerprint": _fingerprint(secret),
        },
    }


def _wanted(settings: GatewaySettings) -> list[tuple[Consumer, str]]:
    portal, form = settings.portal_key.get_secret_value(), settings.form_key.get_secret_value()
    if hmac.compare_digest(portal.encode(), form.encode()) or min(len(portal), len(form)) < LEAST_SECRET_LENGTH:
        raise ConfigurationError(
            "CARTULARY_GATEWAY__PORTAL_KEY and CARTULARY_GATEWAY__FORM_KEY must be two different keys of at least "
            f"{LEAST_SECRET_LENGTH} characters: `cartulary init` makes them."
        )
    return [(PORTAL, portal), (FORM, form)]


def _provision(keys: TykKeys, consumer: Consumer, secret: str, now: datetime) -> Provisioned:
    known = keys.api.session(secret)
    wanted = session_for(consumer.consumer_id, consumer.name, consumer.scopes, consumer.policy, secret, now)
    outcome = "unchanged"
    if known is None or not _is_as_wanted(known, wanted):
        keys.api.put_key(secret, wanted)
        outcome = "made" if known is None else "changed"
    own = wanted["meta_data"]["fingerprint"]
    older = [found for found, key, meta in keys.sessions() if key.key_id == consumer.consumer_id and meta.get("fingerprint") != own]
    for key_hash in older:
        with suppress(NotFoundError):  # another one revoked it meanwhile
            keys.api.delete_hash(key_hash)
    return Provisioned(consumer.consumer_id, outcome, len(older))


def _is_as_wanted(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    meta = {**(known.get("meta_data") or {}), "created_at": ""}
    return known.get("apply_policies") == wanted["apply_policies"] and meta == {**wanted["meta_data"], "created_at": ""}


def _key(session: Mapping[str, Any]) -> ApiKey | None:
    """A key of ours from Tyk's session; None for one that somebody made by hand."""
    meta = session.get("meta_data") or {}
    try:
        created_at = datetime.fromisoformat(str(meta["created_at"]))
        return ApiKey(str(meta["id"]), str(meta["name"]), frozenset(str(meta["scopes"]).split()), created_at)
    except (KeyError, ValueError):
        return None


def _fingerprint(secret: str) -> str:
    """Tells keys apart without telling anything of them: a part of the hash of 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
