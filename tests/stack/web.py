"""The stack's hosts as somebody outside reaches them: HTTPS on loopback, trusting Caddy's own authority."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

import httpx

SECONDS = 120.0


@dataclass(frozen=True)
class Web:
    """A client without credentials; names below the domain are this machine, whatever its DNS says."""

    domain: str
    port: int
    authority: str

    def host(self, name: str = "") -> str:
        """`api` is api.DOMAIN."""
        return f"{name}.{self.domain}" if name else self.domain

    def origin(self, name: str = "") -> str:
        """As a browser names the site."""
        return f"https://{self.host(name)}:{self.port}"

    def ask(self, method: str, name: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        """One request to a host, verified as a browser would, on a connection of its own."""
        context = ssl.create_default_context(cadata=self.authority)
        with httpx.Client(verify=context, timeout=SECONDS, trust_env=False) as client:
            return client.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                headers={"Host": f"{self.host(name)}:{self.port}", **(headers or {})},
                extensions={"sni_hostname": self.host(name)},
                **options,
            )

    def get(self, name: str, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return self.ask("GET", name, path, **options)

    def post(self, name: str, path: str, **options: Any) -> httpx.Response:
        """POST."""
        return self.ask("POST", name, path, **options)

    def at(self, url: str, method: str = "GET", **options: Any) -> httpx.Response:
        """A request to an address that the stack gave out."""
        address = httpx.URL(url)
        assert address.scheme == "https" and (address.host == self.domain or address.host.endswith(f".{self.domain}")), url
        name = address.host.removesuffix(self.domain).removesuffix(".")
        return self.ask(method, name, address.raw_path.decode(), **options)
