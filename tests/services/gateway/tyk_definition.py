"""What our own API definition and policies say, read as Tyk reads them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIABLE = {
    "env": re.compile(r"\$secret_env.([A-Za-z0-9_\-.]+)"),
    "meta": re.compile(r"\$tyk_meta.([A-Za-z0-9_\-.]+)"),
}


@dataclass(frozen=True)
class Rights:
    """What a key may do with one API: `allowed` are patterns of paths with their methods, none of them means all."""

    rate: float
    per: float
    allowed: tuple[tuple[re.Pattern[str], frozenset[str]], ...]

    def allow(self, method: str, path: str) -> bool:
        return not self.allowed or any(pattern.search(path) and method in methods for pattern, methods in self.allowed)


class Definition:
    """One file of apps/."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.api_id, self.org_id = str(content["api_id"]), str(content["org_id"])
        self.key_header = str(content["auth"]["auth_header_name"])
        self.strips_key = bool(content.get("strip_auth_data"))
        self.listen_path = str(content["proxy"]["listen_path"])
        self.target = str(content["proxy"]["target_url"]).rstrip("/")
        if not (content["active"] and content["use_standard_auth"]) or content["use_keyless"] or content["proxy"]["strip_listen_path"]:
            raise ValueError("the imitation knows active APIs with keys whose paths are passed on as they are")
        version = content["version_data"]["versions"]["Default"]
        self.removed: tuple[str, ...] = tuple(version.get("global_headers_remove", ()))
        self.added: Mapping[str, str] = version.get("global_headers", {})
        ignored = version["extended_paths"]["ignored"] if version["use_extended_paths"] else []
        self._open = [(_pattern(entry["path"]), frozenset(entry["method_actions"])) for entry in ignored]

    def is_open(self, method: str, path: str) -> bool:
        """Whether a path needs no key."""
        return any(pattern.search(path) and method in methods for pattern, methods in self._open)

    def headers(self, came: Iterable[tuple[str, str]], meta: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The request's headers as the API gets them; `meta` is empty for open paths."""
        gone = {name.lower() for name in self.removed} | {name.lower() for name in self.added}
        if self.strips_key:
            gone.add(self.key_header.lower())
        kept = [(name, value) for name, value in came if name.lower() not in gone]
        return kept + [(name, _filled(value, meta)) for name, value in self.added.items()]


class Configuration:
    """All definitions and policies of two folders, read anew by `reload`."""

    def __init__(self, apps: Path, policies: Path) -> None:
        self._apps, self._policies = apps, policies
        self.reload()

    def reload(self) -> None:
        self.definitions = [Definition(json.loads(path.read_text())) for path in sorted(self._apps.glob("*.json"))]
        contents = [json.loads(path.read_text()) for path in sorted(self._policies.glob("*.json"))]
        self.policies: dict[str, Any] = {content["id"]: content for content in contents if content["active"] and not content["is_inactive"]}

    def definition_of(self, path: str) -> Definition | None:
        return next((found for found in self.definitions if path.startswith(found.listen_path)), None)

    def rights(self, session: Mapping[str, Any], api_id: str) -> Rights | None:
        """What a key's policies give it; None without access to this API."""
        for name in session.get("apply_policies") or ():
            policy = self.policies.get(name)
            access = policy and policy["access_rights"].get(api_id)
            if policy and access:
                allowed = tuple((_pattern(entry["url"]), frozenset(entry["methods"])) for entry in access.get("allowed_urls", ()))
                return Rights(float(policy["rate"]), float(policy["per"]), allowed)
        return None


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern of Go: its $ is the very end, Python's allows a line break after it."""
    return re.compile(text.removesuffix("$") + r"\Z" if text.endswith("$") else text)


def _filled(value: str, meta: Mapping[str, Any]) -> str:
    """A header's value with its variables; what is not there is empty."""
    value = VARIABLE["env"].sub(lambda found: os.environ.get(f"TYK_SECRET_{found[1].upper()}", ""), value)
    return VARIABLE["meta"].sub(lambda found: str(meta.get(found[1], "")), value)
