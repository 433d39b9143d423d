"""What people write where a secret belongs, and the passwords with which the images come."""

from __future__ import annotations

import re

# Complete values: shorter than any secret that `cartulary init` makes, or with signs that it never takes.
WORD = re.compile(
    r"<.*>|x{1,19}|123\d{0,9}|123456\w{0,6}|admin|password|passwort|secret|supersecret|todo|default|test|example"
    r"|geoserver|postgres|rustfsadmin|minioadmin|qaIACxO6wMR3",
    re.IGNORECASE,
)
PHRASE = re.compile(
    r"change.?me|change.?it|replace.?(me|this)|your[\w .-]*(password|secret|key|token)|placeholder|example",
    re.IGNORECASE,
)
# By chance a secret may hold any phrase; people write no twenty letters and digits without a break.
MADE = re.compile(r"[A-Za-z0-9]{20}")


def is_placeholder(value: str) -> bool:
    """Whether a secret is one that everybody knows; never one that `cartulary init` made."""
    secret = value.removeprefix("admin:")
    return bool(WORD.fullmatch(secret) or (PHRASE.search(secret) and not MADE.search(secret)))
