"""The users of ClickHouse's users.d, as far as the stand-in keeps to them: password, read-only profile, grants."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

GRANT = re.compile(r"grant\s+(?:all|select)\s+on\s+(?P<database>[\w*]+)\.(?P<table>[\w*]+)", re.IGNORECASE)
REVOKE = re.compile(r"revoke\s+select\s*\((?P<columns>[^)]+)\)\s+on\s+(?P<database>\w+)\.(?P<table>\w+)", re.IGNORECASE)
ROLE = re.compile(r"grant\s+(\w+)\s*", re.IGNORECASE)
STAR = re.compile(r"(?:\bselect|,)\s*(?:\w+\s*\.\s*)?\*", re.IGNORECASE)
NAMED = re.compile(r"\b(bronze|silver|gold|gold_next|system|information_schema)\s*\.\s*`?(\w+)", re.IGNORECASE)
TABLE_FUNCTION = re.compile(
    r"\b(file|url|s3|s3Cluster|remote|remoteSecure|postgresql|mysql|executable|hdfs|iceberg\w*)\s*\(", re.IGNORECASE
)


@dataclass(frozen=True)
class User:
    """Who may come in, and what for; without grants everything."""

    name: str
    password: str = ""
    password_sha256: str = ""
    readonly: int = 0
    grants: tuple[tuple[str, str], ...] | None = None
    hidden: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    is_local: bool = False

    def knows(self, password: str) -> bool:
        """Whether that is the password."""
        if self.password_sha256:
            return hmac.compare_digest(hashlib.sha256(password.encode()).hexdigest(), self.password_sha256.lower())
        return bool(self.password) and hmac.compare_digest(password.encode(), self.password.encode())

    def forbidden(self, sql: str) -> str:
        """What of a statement this user may not touch; empty when everything is granted."""
        if self.grants is None:
            return ""
        if self.readonly and (match := TABLE_FUNCTION.search(sql)):
            return match.group(1)
        for database, table in NAMED.findall(sql):
            if not any(base in (database.lower(), "*") and name in (table, "*") for base, name in self.grants):
                return f"{database}.{table}"
            for base, name, columns in self.hidden:
                if (base, name) == (database.lower(), table) and (STAR.search(sql) or set(columns) & set(re.findall(r"\w+", sql))):
                    return f"columns of {database}.{table}"
        return ""


def read_users(folders: Iterable[Path]) -> dict[str, User]:
    """All users of the XML files of these folders, merged as ClickHouse merges them."""
    users: dict[str, ElementTree.Element] = {}
    readonly: dict[str, int] = {}
    roles: dict[str, list[str]] = {}
    for path in sorted(path for folder in folders for path in folder.glob("*.xml")):
        root = ElementTree.parse(path).getroot()
        for profile in root.findall("profiles/*"):
            if text := profile.findtext("readonly"):
                readonly[profile.tag] = int(text)
        for role in root.findall("roles/*"):
            roles[role.tag] = _queries(role)
        for element in root.findall("users/*"):
            if element.get("remove"):
                users.pop(element.tag, None)
            elif element.tag in users and not element.get("replace"):
                users[element.tag].extend(list(element))
            else:
                users[element.tag] = element
    return {name: _user(name, element, readonly, roles) for name, element in users.items()}


def from_environment() -> dict[str, User]:
    """The user that the official image's entry point makes."""
    password = os.environ.get("CLICKHOUSE_PASSWORD", "")
    name = os.environ.get("CLICKHOUSE_USER", "default")
    return {name: User(name, password)} if password else {}


def _user(name: str, element: ElementTree.Element, readonly: dict[str, int], roles: dict[str, list[str]]) -> User:
    queries = _queries(element)
    for query in list(queries):
        if match := ROLE.fullmatch(query):
            queries += roles[match.group(1)]
    granted = [match for query in queries for match in GRANT.finditer(query)]
    revoked = [match for query in queries for match in REVOKE.finditer(query)]
    addresses = {ip.text for ip in element.findall("networks/ip")}
    return User(
        name,
        is_local=bool(addresses) and addresses <= {"127.0.0.1", "::1"},
        password=_value(element.find("password")),
        password_sha256=_value(element.find("password_sha256_hex")),
        readonly=readonly.get(element.findtext("profile") or "default", 0),
        grants=tuple((match["database"].lower(), match["table"]) for match in granted) if queries else None,
        hidden=tuple((one["database"].lower(), one["table"], tuple(re.findall(r"\w+", one["columns"]))) for one in revoked),
    )


def _queries(element: ElementTree.Element) -> list[str]:
    return [(query.text or "").strip() for query in element.findall("grants/query")]


def _value(element: ElementTree.Element | None) -> str:
    if element is None:
        return ""
    return os.environ.get(element.get("from_env", ""), "") if element.get("from_env") else (element.text or "")
