"""API keys, wherever they are kept: in the state database, or at the gateway."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.errors import ConfigurationError
from services.state.sessions import ALL_SCOPES

# A key is ctl_<id>_<secret>: the id may be shown, and found again in a list.
PREFIX = "ctl"


@dataclass(frozen=True)
class ApiKey:
    """Who is asking, and what they may do."""

    key_id: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True)
class NewApiKey(ApiKey):
    """A key at the only moment when its secret is known: `secret` is the whole `ctl_<id>_<secret>`."""

    secret: str = ""


class Keys(Protocol):
    """Creates, lists, revokes and checks API keys; safe for any number of threads."""

    def create(self, name: str, scopes: Iterable[str], now: datetime) -> NewApiKey:
        """A new key; its secret cannot be asked for again. ConfigurationError for a scope that does not exist."""
        ...

    def list(self) -> tuple[ApiKey, ...]:
        """All valid keys without secrets, the oldest first; revoked ones too where they are remembered."""
        ...

    def revoke(self, key_id: str, now: datetime) -> None:
        """Make a key invalid for ever; NotFoundError when there is no such valid key."""
        ...

    def verify(self, secret: str, now: datetime) -> ApiKey | None:
        """The key that this `ctl_<id>_<secret>` is; None when it is none, a wrong or a revoked one."""
        ...


def known_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """These scopes; ConfigurationError for none, or for one that does not exist."""
    wanted = frozenset(scopes)
    unknown = sorted(wanted - set(ALL_SCOPES))
    if unknown or not wanted:
        problem = f"There is no scope {', '.join(unknown)}" if unknown else "A key needs a scope"
        raise ConfigurationError(f"{problem}: choose from {', '.join(ALL_SCOPES)}.")
    return wanted
