"""compose.yaml as its files say it: variables not yet filled in, comments kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from services.settings import PROJECT_ROOT

FILES = (PROJECT_ROOT / "compose.yaml", PROJECT_ROOT / "services" / "extras" / "compose.yaml")
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::?([-?+])((?:[^{}]|\$\{[^{}]*\})*))?\}")


@dataclass(frozen=True)
class Service:
    """One service: its YAML with all anchors followed, and its own lines of the file, comments included."""

    name: str
    file: Path
    spec: dict[str, Any]
    text: str

    @property
    def is_job(self) -> bool:
        """Whether it ends by itself."""
        return str(self.spec.get("restart", "")).startswith("on-failure") or self.spec.get("restart") == "no"

    @property
    def profiles(self) -> list[str]:
        return list(self.spec.get("profiles", []))

    def says_why(self, word: str) -> bool:
        """Whether a comment in its block speaks of it: "health check", "read-only", "root"."""
        comments = " ".join(line.strip(" #") for line in self.text.splitlines() if line.strip().startswith("#"))
        return word in comments


def read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def services() -> list[Service]:
    return [service for path in FILES for service in _services(path)]


def _services(path: Path) -> Iterator[Service]:
    texts = _blocks(path.read_text(encoding="utf-8"))
    for name, spec in read(path)["services"].items():
        yield Service(name, path, spec, texts[name])


def _blocks(text: str) -> dict[str, str]:
    """The lines of each service; a comment before its name belongs to it."""
    blocks: dict[str, list[str]] = {}
    waiting: list[str] = []
    name = ""
    section = re.split(r"^(?=[a-z-]+:)", text.split("\nservices:\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    for line in section.splitlines():
        if re.match(r"  #", line):
            waiting.append(line)
        elif match := re.fullmatch(r"  ([a-z][a-z0-9-]*):", line):
            name = match.group(1)
            blocks[name], waiting = waiting, []
        elif name:
            blocks[name].append(line)
    return {name: "\n".join(lines) for name, lines in blocks.items()}


def variables() -> Iterator[tuple[Path, str, str, str]]:
    """Each use of a variable: file, name, operator (- or ?, empty for none) and what follows it; nested ones too."""
    for path in FILES:
        code = "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if not line.strip().startswith("#"))
        yield from _variables(path, code)


def _variables(path: Path, text: str) -> Iterator[tuple[Path, str, str, str]]:
    for name, operator, rest in VARIABLE.findall(text):
        yield path, name, operator, rest
        yield from _variables(path, rest)


def megabytes(limit: Any) -> int:
    """Of a memory limit such as 384m or 2g, or the default of its variable."""
    text = VARIABLE.sub(lambda match: match.group(3), str(limit))
    number, unit = re.fullmatch(r"(\d+)([mg])b?", text.lower()).groups()  # type: ignore[union-attr]
    return int(number) * (1024 if unit == "g" else 1)
