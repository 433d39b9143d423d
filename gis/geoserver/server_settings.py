"""What holds for the whole server and is set only where our settings say something: contact and public address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from gis.geoserver.client import GeoServer
from gis.geoserver.tally import Tally
from services.errors import PublishError
from services.settings import GeoserverSettings


@dataclass(frozen=True)
class ServerSettings:
    """GeoServer's global settings."""

    server: GeoServer
    tally: Tally

    def contact(self, settings: GeoserverSettings) -> None:
        """Whom to ask, in every capabilities document; what others wrote beside it stays."""
        given = {"contactOrganization": settings.contact_organization, "contactEmail": settings.contact_email}
        wanted = {key: value for key, value in given.items() if value}
        if not wanted:
            return
        current: dict[str, Any] = (self.server.read("/rest/settings/contact.json") or {}).get("contact") or {}
        body = {"contact": {**current, **wanted}}
        self.tally.settle(current, wanted, create=lambda: None, update=lambda: self.server.write("PUT", "/rest/settings/contact", body))

    def public_address(self, settings: GeoserverSettings) -> None:
        """PROXY_BASE_URL: the address that GeoServer writes into its documents, as users reach it."""
        if not settings.public_url:
            return
        wanted = settings.public_url.rstrip("/")
        document = self.server.read_bytes("/rest/settings.xml")
        # The whole document goes back: fields that are left out would be set to their defaults.
        root = ElementTree.fromstring(document or b"<global/>")  # noqa: S314  (our own GeoServer; expat resolves nothing outside)
        group = root.find("settings")
        if group is None:
            raise PublishError("GeoServer's /rest/settings has no settings: is this a GeoServer?")
        element = group.find("proxyBaseUrl")
        current = "" if element is None else element.text or ""
        if element is None:
            element = ElementTree.SubElement(group, "proxyBaseUrl")
        element.text = wanted
        body = ElementTree.tostring(root, encoding="utf-8")
        self.tally.settle(
            current,
            wanted,
            create=lambda: None,
            update=lambda: self.server.write("PUT", "/rest/settings", body, content_type="application/xml"),
        )
