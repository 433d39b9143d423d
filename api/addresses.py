"""Under which address clients reach this API."""

from __future__ import annotations

from fastapi import Request

from api.callers import Caller
from api.dependencies import callers_of, services_of


def public_address(request: Request, caller: Caller) -> str:
    """Scheme and host for links in answers, without a slash at the end.

    The portal's page may only speak to the host that it came from, so it gets the one that it asked; others get the one of the settings.
    """
    configured = services_of(request).settings.api.public_url
    return configured.rstrip("/") if configured and not caller.is_portal else callers_of(request).address(request)
