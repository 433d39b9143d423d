"""Under which address clients reach this API."""

from __future__ import annotations

from fastapi import Request

from api.dependencies import Caller


def public_address(request: Request, caller: Caller) -> str:
    """Scheme and host for links in answers, without a slash at the end.

    The portal's page may only speak to the host that it came from, so it gets the one that it asked; others get the one of the settings.
    """
    configured: str = request.app.state.services.settings.api.public_url
    asked = str(request.base_url)
    return (configured if configured and not caller.is_session else asked).rstrip("/")
