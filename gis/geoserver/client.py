"""A connection to GeoServer's REST interface: waits for a slow start within bounds, and says what went wrong without a secret."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import httpx2

from services.errors import PublishError
from services.metrics import METRICS
from services.settings import GeoserverSettings
from services.tracing import RUN_ID_HEADER, current_run_id

JSON = "application/json"
STARTING = frozenset({502, 503, 504})
# A server that starts up may accept a connection long before it answers.
PROBE_SECONDS = 5.0
CALLS = {"GET": "read", "PUT": "write", "POST": "write", "DELETE": "delete"}


class GeoServer:
    """One GeoServer; every method raises PublishError, retryable when the server is away or starting."""

    def __init__(self, settings: GeoserverSettings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url = settings.url.rstrip("/")
        self._patience = settings.timeout_seconds
        self._sleep = sleep
        secrets = [secret.get_secret_value() for secret in (settings.password, settings.public_password, settings.restricted_password)]
        # The longest first: one may be part of another.
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)
        self._client = httpx2.Client(
            auth=(settings.username, settings.password.get_secret_value()),
            timeout=httpx2.Timeout(settings.timeout_seconds, connect=min(PROBE_SECONDS, settings.timeout_seconds)),
            headers={RUN_ID_HEADER: current_run_id()} if current_run_id() else {},
            # GeoServer stands beside us: a proxy of the environment is for the outside.
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def wait_until_ready(self) -> None:
        """Return when the REST interface answers; before it is deployed Tomcat answers 404, or not at all."""

        def is_starting(response: httpx2.Response) -> bool:
            return response.status_code == 404 or response.status_code >= 500

        self._send("GET", "/rest/about/version.json", timeout=min(PROBE_SECONDS, self._patience), is_starting=is_starting)

    def read(self, path: str, **params: str) -> Any:
        """The JSON at a path, or None where nothing is."""
        response = self._send("GET", path, params={"quietOnNotFound": "true", **params}, headers={"Accept": JSON})
        return None if response is None else response.json()

    def read_bytes(self, path: str) -> bytes | None:
        """The bytes at a path, or None where nothing is."""
        response = self._send("GET", path, params={"quietOnNotFound": "true"})
        return None if response is None else response.content

    def write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes = b"",
        *,
        content_type: str = JSON,
        params: Mapping[str, str] | None = None,
    ) -> None:
        """POST or PUT a JSON body, or bytes of the given type."""
        content = body if isinstance(body, bytes) else None
        self._send(
            method,
            path,
            content=content,
            json=None if content is not None else body,
            params=params,
            headers={"Content-Type": content_type, "Accept": "*/*"},
        )

    def delete(self, path: str, **params: str) -> None:
        """Remove what is at a path; what is gone already is well."""
        self._send("DELETE", path, params=params)

    def _send(
        self,
        method: str,
        path: str,
        *,
        is_starting: Callable[[httpx2.Response], bool] = lambda response: response.status_code in STARTING,
        **options: Any,
    ) -> httpx2.Response | None:
        """The answer, or None for a 404 to a GET or DELETE; asks again while the server starts, for at most `timeout_seconds`."""
        ends_at = time.monotonic() + self._patience
        delay = 0.25
        while True:
            try:
                with METRICS.call("geoserver", CALLS[method]):
                    return self._send_once(method, path, is_starting, options)
            except _NotYet as error:
                left = ends_at - time.monotonic()
                if left <= 0:
                    raise PublishError(f"{error}. The next run completes it.", retryable=True) from error
                # Jitter: several flows that wait for one server shall not knock at the same moments.
                self._sleep(min(delay * random.uniform(0.5, 1.5), left))  # noqa: S311
                delay = min(delay * 2, 8.0)

    def _send_once(
        self, method: str, path: str, is_starting: Callable[[httpx2.Response], bool], options: Mapping[str, Any]
    ) -> httpx2.Response | None:
        try:
            response = self._client.request(method, self._url + path, **options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise _NotYet(
                f"GeoServer does not answer at {self._url} ({error}): is it running, and is CARTULARY_GEOSERVER__URL right?"
            ) from error
        except httpx2.TransportError as error:
            sentence = f"GeoServer broke off {method} {path} ({type(error).__name__})"
            if method == "GET":
                raise _NotYet(sentence) from error
            # Whether it was done is unknown: the next run looks before it writes.
            raise PublishError(f"{sentence}. The next run completes it.", retryable=True) from error
        if is_starting(response):
            raise _NotYet(f"GeoServer is not ready: {response.status_code} to {method} {path}")
        if response.status_code == 404 and method in ("GET", "DELETE"):
            return None
        if not response.is_success:
            raise self._refusal(method, path, response)
        return response

    def _refusal(self, method: str, path: str, response: httpx2.Response) -> PublishError:
        if response.status_code == 401:
            return PublishError(
                "GeoServer refuses our name or password: "
                "set CARTULARY_GEOSERVER__USERNAME and CARTULARY_GEOSERVER__PASSWORD to its administrator's."
            )
        said = " ".join(response.text.split())[:300]
        for secret in self._secrets:
            said = said.replace(secret, "***")
        # 404 to a write: it went away between our look and our order.
        retryable = response.status_code >= 500 or response.status_code in (404, 408, 429)
        return PublishError(f"GeoServer answered {response.status_code} to {method} {path}: {said or 'nothing more'}", retryable=retryable)


class _NotYet(PublishError):
    """The server may answer the same question in a moment."""

    retryable = True
