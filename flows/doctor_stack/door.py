"""Caddy's door on this machine, asked for a name without asking the DNS where it leads."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flows.doctor_stack.stack import LOCALHOST, Stack, ToldElsewhereError

SECONDS = 6.0
INNER_HTTPS = 443
ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 where it listens, not where we do


@dataclass(frozen=True)
class Door:
    """Address and port of this machine at which Caddy answers HTTPS."""

    address: str
    port: int
    is_verified: bool

    def ends_at(self, host: str) -> datetime | None:
        """When the certificate for a name ends; None where it is Caddy's own. OSError (also of TLS) when there is none that holds."""
        with self._connect(host) as connection:
            told: dict[str, Any] = connection.getpeercert() or {}
        if not told:
            return None
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(told["notAfter"]), UTC)

    def get(self, host: str, path: str) -> tuple[int, Any]:
        """Status and JSON body (or its text) of a GET; OSError when nobody answers."""
        client = http.client.HTTPSConnection(host, timeout=SECONDS)
        client.sock = self._connect(host)
        try:
            client.request("GET", path, headers={"Accept": "application/json"})
            answer = client.getresponse()
            text = answer.read(100_000).decode(errors="replace")
        except http.client.HTTPException as error:
            raise ConnectionError(f"no HTTP answer: {error!r}") from error
        finally:
            client.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def _connect(self, host: str) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        if not self.is_verified:
            # Without a domain the certificate is of Caddy's own authority, and the question stays on this machine.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        raw = socket.create_connection((self.address, self.port), SECONDS)
        try:
            return context.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise


def find_door(stack: Stack) -> Door:
    """Where compose.yaml opens Caddy's HTTPS; nothing to say where Caddy does not run."""
    stack.needs_local_engine()
    stack.container("caddy")
    for port in stack.published:
        if port.service == "caddy" and port.inner == INNER_HTTPS and port.protocol == "tcp":
            return Door(ANY_ADDRESS.get(port.address, port.address), port.port, stack.domain != LOCALHOST)
    raise ToldElsewhereError
