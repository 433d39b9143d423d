"""Tyk's control API, as far as Cartulary asks it: keys made, looked up, listed and deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from urllib3.util import Retry, Timeout

from services.errors import ConfigurationError, GatewayError, NotFoundError
from services.metrics import METRICS
from services.settings import GatewaySettings

# As services/gateway/container/apps/cartulary.json says.
API_ID, ORG_ID = "cartulary", "default"
# Connecting again is safe whatever was asked; what may have arrived is not sent twice.
RETRIES = Retry(total=2, connect=2, read=0, status=0, redirect=0, other=0, backoff_factor=0.3)


class ControlApi:
    """A client of Tyk's control API; its errors are GatewayError (retryable when Tyk did not answer) or ConfigurationError."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._url = settings.url.rstrip("/")
        headers = {"x-tyk-authorization": settings.admin_secret.get_secret_value(), "user-agent": "cartulary"}
        timeout = Timeout(connect=settings.timeout_seconds, read=settings.timeout_seconds)
        self._pool = urllib3.PoolManager(headers=headers, timeout=timeout, retries=RETRIES)

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def put_key(self, secret: str, session: Mapping[str, Any]) -> None:
        """Make a key of this text, or give the one that there is another session."""
        self._ask("put", "POST", f"/tyk/keys/{quote(secret, safe='')}", session)

    def session(self, secret: str) -> dict[str, Any] | None:
        """What Tyk knows of a key; None when it knows none of this text."""
        return self._session(secret, {"org_id": ORG_ID, "api_id": API_ID})

    def hashes(self) -> list[str]:
        """All keys, by their hash: Tyk does not know the keys themselves."""
        return [str(found) for found in self._ask("list", "GET", "/tyk/keys").get("keys") or []]

    def session_of_hash(self, key_hash: str) -> dict[str, Any] | None:
        """What Tyk knows of a key by its hash; None when it was deleted meanwhile."""
        return self._session(key_hash, {"hashed": "true", "org_id": ORG_ID, "api_id": API_ID})

    def delete_hash(self, key_hash: str) -> None:
        """Delete a key by its hash; NotFoundError when there is none."""
        query = urlencode({"hashed": "true", "org_id": ORG_ID, "api_id": API_ID})
        self._ask("delete", "DELETE", f"/tyk/keys/{quote(key_hash, safe='')}?{query}")

    def _session(self, name: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        try:
            return self._ask("read", "GET", f"/tyk/keys/{quote(name, safe='')}?{urlencode(query)}")
        except NotFoundError:
            return None

    def _ask(self, call: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        with METRICS.call("gateway", call):
            try:
                headers = {**self._pool.headers, "content-type": "application/json"}
                answer = self._pool.request(method, self._url + path, body=json.dumps(body) if body else None, headers=headers)
            except urllib3.exceptions.HTTPError as cause:
                reason = type(getattr(cause, "reason", None) or cause).__name__
                raise GatewayError(
                    f"The gateway did not answer at {self._url} ({reason}): is Tyk running? CARTULARY_GATEWAY__URL names its control API.",
                    retryable=True,
                ) from cause
            self._check(answer)
            try:
                found = json.loads(answer.data) if answer.data else None
            except ValueError as cause:
                raise GatewayError(f"What answered at {self._url} is not Tyk's control API: its answer is no JSON.") from cause
            return found if isinstance(found, dict) else {}

    def _check(self, answer: urllib3.BaseHTTPResponse) -> None:
        """Tell an answer that is none; never with the path, in which a key stands."""
        if answer.status in (401, 403):
            raise ConfigurationError(
                f"The gateway at {self._url} refused the secret: CARTULARY_GATEWAY__ADMIN_SECRET must be Tyk's own TYK_GW_SECRET."
            )
        said = answer.data[:300].decode(errors="replace")
        if answer.status == 404:
            if "enable_hashed_keys_listing" in said:
                raise GatewayError(f"The gateway at {self._url} does not list its keys: its tyk.conf is not ours.")
            # Tyk says so of a key in JSON; whatever else answers 404 is not its control API.
            if "key" in said.lower():
                raise NotFoundError("The gateway knows no such key.")
            raise GatewayError(f"There is no control API of Tyk at {self._url}: CARTULARY_GATEWAY__URL must name it, http://tyk:8081.")
        if answer.status >= 300:
            is_retryable = answer.status >= 500 or answer.status == 429
            raise GatewayError(f"The gateway at {self._url} answered with {answer.status}: {said}", retryable=is_retryable)
