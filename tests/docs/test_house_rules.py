"""The rules of the house that a machine can check on the code itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.settings import PROJECT_ROOT

PACKAGES = ("services", "flows", "api", "gis")
MODULES = sorted(path for package in PACKAGES for path in (PROJECT_ROOT / package).rglob("*.py") if "node_modules" not in path.parts)
# Who writes bronze: landing of datasets, registration of what came in, and the steps whose own facts these are.
BRONZE_WRITERS = {
    "services/intake/registration.py",
    "services/intake/reception.py",
    "services/warehouse/landing.py",
    "services/warehouse/loads.py",
    "services/warehouse/migrate.py",
    "flows/steps/extract.py",
    "flows/steps/geocode.py",
    "flows/steps/record.py",
    "flows/steps/gold.py",
}


def name(path: Path) -> str:
    return path.relative_to(PROJECT_ROOT).as_posix()


def calls(tree: ast.AST, attribute: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == attribute:
            yield node


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_says_in_a_sentence_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert docstring.split("\n\n")[0].rstrip().endswith((".", "?")), path


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_is_not_too_long(path: Path) -> None:
    # The command line is one function per command, each a few lines.
    limit = 500 if name(path) == "flows/cli.py" else 330
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


def test_only_settings_read_the_environment() -> None:
    """Others may set a variable for a library, never read one."""
    for path in MODULES:
        if name(path) == "services/settings.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"getenv", "environb"}:
                pytest.fail(f"{name(path)}:{node.lineno} reads the environment")
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and ast.unparse(node.value) == "os.environ":
                pytest.fail(f"{name(path)}:{node.lineno} reads the environment")


def test_no_drawer_for_everything() -> None:
    drawers = {"common", "utils", "util", "core", "lib", "helpers", "misc"}
    assert not [name(path) for path in MODULES if drawers & {*path.relative_to(PROJECT_ROOT).parts, path.stem}]


def test_bronze_is_written_in_few_places() -> None:
    writers = set()
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        for call in (*calls(tree, "insert"), *calls(tree, "insert_arrow")):
            if call.args and "bronze." in ast.unparse(call.args[0]):
                writers.add(name(path))
        if re.search(r"insert into bronze\.", text, re.IGNORECASE):
            writers.add(name(path))
    assert writers <= BRONZE_WRITERS


def test_the_api_reads_gold_and_live_state_only() -> None:
    for path in sorted((PROJECT_ROOT / "api/queries").glob("*.sql")):
        databases = set(re.findall(r"\b(?:from|join)\s+(bronze|silver|gold_next)\.", path.read_text(encoding="utf-8")))
        assert not databases, path


def test_nobody_names_this_machine_or_a_registry() -> None:
    # Spelled in parts, or this file would find itself.
    forbidden = re.compile("index-" + "url|find-" + r"links|\"resolved\": *\"https?:|/ho" + "me/|/wo" + "rk/")
    suffixes = {".py", ".md", ".toml", ".yml", ".yaml", ".sql", ".lock", ".ts", ".tsx", ".json", ".example"}
    for path in PROJECT_ROOT.rglob("*"):
        parts = path.relative_to(PROJECT_ROOT).parts
        if path.suffix not in suffixes or {"node_modules", "dist", ".venv", "target", "data"} & set(parts) or parts[0].startswith("."):
            continue
        if path.is_file() and path.name != "Makefile":
            assert not forbidden.search(path.read_text(encoding="utf-8")), path
