"""Who has a key at the gateway from the start: the portal and the public form."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Of one word and plain letters: it stands in a header.
CONSUMER_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
# The policy of every key that people make.
STANDARD = "standard"


@dataclass(frozen=True)
class Consumer:
    """A consumer that is part of the product: its id, policy and scopes never change."""

    consumer_id: str
    name: str
    policy: str
    scopes: tuple[str, ...]


PORTAL = Consumer("portal", "portal", "portal", ("intake", "read", "review", "exact"))
FORM = Consumer("form", "public form", "form", ("submit",))
