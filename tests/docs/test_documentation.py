"""What the documents say is what the code does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel, SecretStr
from typer.core import TyperCommand, TyperGroup

from flows.cli import app
from services.settings import DELIMITER, PREFIX, PROJECT_ROOT, Settings

DOCUMENTS = [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md"))]
CODE = re.compile(r"```(?:bash|sh|console)?\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def _code(document: Path) -> list[str]:
    return [line.strip() for block, span in CODE.findall(document.read_text(encoding="utf-8")) for line in (block or span).splitlines()]


def _commands(group: TyperGroup, prefix: str = "cartulary") -> Iterator[str]:
    for name, command in group.commands.items():
        yield f"{prefix} {name}"
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{prefix} {name}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {match for line in _code(document) for match in re.findall(r"^make ([a-z-]+)", line)}
    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    known = set(_commands(typer.main.get_command(app)))  # type: ignore[arg-type]
    for line in _code(document):
        if match := re.match(r"(?:\.venv/bin/)?cartulary((?: --data-dir \S+)?)((?: [a-z]+)+)", line):
            words = match.group(2).split()
            assert f"cartulary {words[0]}" in known, line
            if f"cartulary {words[0]}" in {"cartulary letters", "cartulary keys", "cartulary dataset"}:
                assert f"cartulary {words[0]} {words[1]}" in known, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def _variables(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if isinstance(field.default, BaseModel):
            yield from _variables(type(field.default), f"{variable}{DELIMITER}")
        else:
            yield variable, _as_text(field.default)


def _as_text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_env_example_is_the_settings() -> None:
    lines = (PROJECT_ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    written = dict(line.split("=", 1) for line in lines if line.startswith(PREFIX))
    assert written == dict(_variables(Settings, PREFIX))


def test_every_command_says_what_it_does() -> None:
    def walk(group: TyperGroup) -> Iterator[TyperCommand]:
        for command in group.commands.values():
            yield command
            if isinstance(command, TyperGroup):
                yield from walk(command)

    for command in walk(typer.main.get_command(app)):  # type: ignore[arg-type]
        assert command.help, command.name
