"""What the tests of dashboards and alerts share: the files, and what their PromQL and SQL name."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.settings import PROJECT_ROOT

MONITORING = PROJECT_ROOT / "monitoring"
PROMETHEUS = MONITORING / "prometheus"
GRAFANA = PROJECT_ROOT / "grafana"
BOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
RULE_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))

# What a time range chosen in Grafana would be; the rows of the tests' warehouse lie in it.
FROM, TO = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 12, 31, tzinfo=UTC)
# What Grafana puts into PromQL; `x` is a value that no label has.
PROMQL_VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$operation": "x", "${geocoder:regex}": "x"}


def tool(name: str) -> str:
    """Path of a program, or a skip that says how to get it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is missing: make system-deps")
    return found


@dataclass(frozen=True)
class Query:
    """One query of a panel or variable: where it stands, and its text."""

    board: str
    title: str
    text: str
    source: str

    def __str__(self) -> str:
        return f"{self.board}: {self.title}"


def load_board(path: Path) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return board


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All panels that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def panel_queries(source: str) -> Iterator[Query]:
    """Every query of every panel and annotation for a data source."""
    for path in BOARDS:
        board = load_board(path)
        for panel in panels(board):
            for target in panel["targets"]:
                if target["datasource"]["uid"] == source:
                    yield Query(path.stem, f"{panel['title']} {target['refId']}", target.get("rawSql") or target["expr"], source)
        for annotation in board["annotations"]["list"]:
            if annotation["datasource"]["uid"] == source:
                yield Query(path.stem, annotation["name"], annotation["target"]["rawSql"], source)


def variables(path: Path, source: str) -> dict[str, tuple[str, bool]]:
    """Query of each variable of a dashboard, and whether it can have several values."""
    found = {}
    for variable in load_board(path)["templating"]["list"]:
        if variable["datasource"]["uid"] == source:
            query = variable["query"]
            found[variable["name"]] = (query.get("rawSql") or query["query"], variable["multi"])
    return found


# --- SQL, as the data source expands it ---------------------------------------------------------------------------------------

# The macros that our panels may use, and what the plugin makes of them. Their arguments are names of columns.
MACROS = {
    r"\$__timeFilter\((\w+)\)": rf"\1 >= toDateTime({int(FROM.timestamp())}) AND \1 <= toDateTime({int(TO.timestamp())})",
    r"\$__fromTime\b": f"toDateTime({int(FROM.timestamp())})",
    r"\$__toTime\b": f"toDateTime({int(TO.timestamp())})",
}


def expand(sql: str, values: Mapping[str, Sequence[str]]) -> str:
    """The SQL that reaches ClickHouse; nothing of Grafana's may be left in it."""
    for pattern, replacement in MACROS.items():
        sql = re.sub(pattern, replacement, sql)
    for name, chosen in values.items():
        quoted = ",".join("'" + value.replace("'", "\\'") + "'" for value in chosen)
        sql = sql.replace(f"${{{name}:singlequote}}", quoted)
    assert "$" not in sql, f"a macro or variable that is not allowed: {sql}"
    return sql


def tables(sql: str) -> set[str]:
    """Tables that a query reads from."""
    return set(re.findall(r"\b(?:from|join)\s+([\w.`]+)", sql, re.IGNORECASE))


# --- PromQL -------------------------------------------------------------------------------------------------------------------

TOKEN = re.compile(r'"[^"]*"|[A-Za-z_:][\w:]*|\d[\w.]*|\[[^\]]*\]|[=!]~|!=|\S')
NAME = re.compile(r"[A-Za-z_:][\w:]*")
# What has labels in brackets behind it, and the other words that are no metric.
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}
# Recorded by our own rules, or made by Prometheus itself.
BUILT_IN = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "severity"}}


@dataclass(frozen=True)
class Selector:
    """A metric as PromQL names it, with the values that its matchers ask for."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Promql:
    """An expression: where it stands, its text, and where Grafana's variables were."""

    where: str
    text: str

    def __str__(self) -> str:
        return self.where

    def selectors(self) -> list[Selector]:
        """All metrics with their matchers."""
        tokens = TOKEN.findall(self.text)
        found, place = [], 0
        while place < len(tokens):
            token, following = tokens[place], (tokens[place + 1 :] or [""])[0]
            place += 1
            if token in GROUPING:
                place = tokens.index(")", place) + 1
            elif not NAME.fullmatch(token) or token.lower() in WORDS or following in ("(", "by", "without"):
                continue
            else:
                end = tokens.index("}", place) if following == "{" else place
                matchers = re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', "".join(tokens[place:end]))
                found.append(Selector(token, tuple(matchers)))
                place = end
        return found

    def grouped(self) -> set[str]:
        """Labels that results are grouped or joined by."""
        return {
            label.strip()
            for labels in re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", self.text)
            for label in labels.split(",")
            if label.strip()
        }


def rules() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every rule with its file."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                yield path, rule


def expressions() -> list[Promql]:
    """All PromQL of rules, panels and variables, with Grafana's variables filled in."""
    found = [Promql(f"{path.name}: {rule.get('alert') or rule['record']}", rule["expr"]) for path, rule in rules()]
    for query in panel_queries("prometheus"):
        text = query.text
        for variable, value in PROMQL_VARIABLES.items():
            text = text.replace(variable, value)
        found.append(Promql(str(query), text))
    return found


def recorded() -> set[str]:
    """Names that our own rules record."""
    return {rule["record"] for _, rule in rules() if "record" in rule}
