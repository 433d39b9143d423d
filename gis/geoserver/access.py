"""Who may read which workspace: the restricted one is closed before anything is published into it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from gis.geoserver.catalog import Space
from gis.geoserver.client import GeoServer
from gis.geoserver.tally import Tally, inner

ROLE = "CARTULARY_RESTRICTED"
EVERYBODY = "*"
RULES = "/rest/security/acl/layers"


@dataclass(frozen=True)
class Access:
    """GeoServer's rules for layers; administrators may always read."""

    server: GeoServer
    tally: Tally

    def role(self) -> None:
        """The role that an operator gives to whoever may see exact requests; the image forgets roles when it starts."""
        self.tally.settle(
            True if self.has_role() else None,
            True,
            create=lambda: self.server.write("POST", f"/rest/security/roles/role/{ROLE}"),
            update=lambda: None,
        )

    def has_role(self) -> bool:
        """Whether the role is there."""
        return ROLE in inner(self.server.read("/rest/security/roles.json"), "roles")

    def rules(self, space: Space) -> None:
        """Read for everybody or for the role alone; write for nobody but administrators, since the mirror is written by the sync.

        These are rules of layers: rules of services would hold for the workspaces of others, too.
        """
        wanted = {
            f"{space.workspace}.*.r": ROLE if space.is_restricted else EVERYBODY,
            f"{space.workspace}.*.w": "ADMIN",
        }
        there: dict[str, str] = self.server.read(f"{RULES}.json") or {}
        for rule, roles in wanted.items():
            self.tally.settle(
                there.get(rule),
                roles,
                create=partial(self.server.write, "POST", f"{RULES}.json", {rule: roles}),
                update=partial(self.server.write, "PUT", f"{RULES}.json", {rule: roles}),
            )
        for rule, roles in there.items():
            # A rule of one layer wins over that of its workspace.
            if space.is_restricted and rule.startswith(f"{space.workspace}.") and rule not in wanted and EVERYBODY in roles.split(","):
                self.server.delete(f"{RULES}/{quote(rule, safe='.*')}")
                self.tally.removed += 1
