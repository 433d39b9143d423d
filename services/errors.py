"""Every error that Cartulary raises on purpose: one child per capability, each a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class PlatformError(Exception):
    """Base of all expected errors; `retryable` says whether the same call may succeed later."""

    retryable: bool = False

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        if retryable is not None:
            self.retryable = retryable


class ConfigurationError(PlatformError):
    """A setting is missing or contradicts another."""


class ContractError(PlatformError):
    """A dataset, its contract or a file that should fit it is wrong."""


class WarehouseError(PlatformError):
    """ClickHouse or chDB refused or did not answer; `code` and `name` are from its table of errors, 0 and empty where it gave none."""

    def __init__(self, message: str, *, retryable: bool | None = None, code: int = 0, name: str = "") -> None:
        super().__init__(message, retryable=retryable)
        self.code, self.name = code, name


class ObjectStoreError(PlatformError):
    """The object store refused or did not answer."""


class StateError(PlatformError):
    """The state database refused or did not answer."""


class BusyError(StateError):
    """Another process is at it just now."""

    retryable = True


class OrchestratorError(PlatformError):
    """Prefect refused or did not answer."""


class GatewayError(PlatformError):
    """A gateway refused or did not answer: Tyk's control API, or the door of a Cartulary elsewhere."""


class IntakeError(PlatformError):
    """A received file or form was refused; the message is the reason given to its sender."""


class ExtractionError(PlatformError):
    """A letter could not be read; `attempts` are the questions that were asked about it all the same."""

    attempts: tuple[Any, ...] = ()


class GeocodingError(PlatformError):
    """The geocoder refused or did not answer."""


class PublishError(PlatformError):
    """A build failed its tests or could not be published; gold is as it was."""


class BackupError(PlatformError):
    """A backup could not be taken, is damaged, or does not fit where it is to be restored."""


class NotFoundError(PlatformError):
    """The named thing does not exist."""


class GoneError(NotFoundError):
    """The named thing existed, and is over."""


class ConflictError(PlatformError):
    """The request contradicts something that was accepted before."""


class AccessError(PlatformError):
    """No key, a wrong key, or a key without the scope."""


class RateLimitError(PlatformError):
    """Too many requests; try again after `retry_after` seconds."""

    retryable = True

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@contextmanager
def vendor_errors(error: type[PlatformError], doing: str, *vendor: type[Exception], retryable: bool = False) -> Iterator[None]:
    """Turn a vendor's exceptions into ours: `error`, saying what was being done."""
    try:
        yield
    except vendor as cause:
        raise error(f"{doing}: {cause}", retryable=retryable) from cause
