"""The statements of landing: SQL files in which `$name` stands for checked names and expressions, never for values."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template

STATEMENTS_DIR = Path(__file__).with_name("landing_sql")


def statement(name: str, **parts: str) -> str:
    """The SQL file of that name with its names filled in; values are ClickHouse parameters such as {load_id:String}."""
    return _template(name).substitute(parts)


@cache
def _template(name: str) -> Template:
    return Template((STATEMENTS_DIR / f"{name}.sql").read_text(encoding="utf-8"))
