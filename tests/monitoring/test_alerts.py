"""Rules and panels ask for metrics that exist, with labels and values that exist, and each alert fires in a test and says what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from exporters import EXPORTERS, TEXT
from monitoring_support import BUILT_IN, PROMETHEUS, RULE_TESTS, RULES, Promql, expressions, recorded, rules, tool
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from typer.core import TyperGroup

from api.app import documented_routes
from flows.backup_commands import BackupGroup
from flows.cli import app
from services.metrics import ALLOWED, OTHER, Metrics
from services.settings import PROJECT_ROOT

ALERTS = [rule for _, rule in rules() if "alert" in rule]
EXPRESSIONS = expressions()
# Put there by Prometheus: which job and which of its targets.
FROM_TARGET = {"job", "instance"}
STATUS = {"2xx", "3xx", "4xx", "5xx", "401", "403", "404", "422", "429"}


def exposed() -> dict[str, set[str]]:
    """Every series that our code exposes, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            labels = {*metric._labelnames, *FROM_TARGET}
            if isinstance(metric, Counter):
                found[f"{metric._name}_total"] = labels
            elif isinstance(metric, Gauge):
                found[metric._name] = labels
            else:
                assert isinstance(metric, Histogram)
                found |= {f"{metric._name}_bucket": {*labels, "le"}, f"{metric._name}_sum": labels, f"{metric._name}_count": labels}
    process = [family.name for family in Metrics().registry.collect() if family.name.startswith("process_")]
    return found | {name: set(FROM_TARGET) for name in process}


KNOWN = exposed() | EXPORTERS | BUILT_IN | {name: {"mountpoint"} for name in recorded()}


def values_of(label: str) -> set[str] | None:
    """The values that our code gives a label; None when it is not one of ours."""
    by_code = {"status": STATUS, "operation": {route.endpoint.__name__ for route in documented_routes()} | {OTHER, "x"}}
    return by_code.get(label) or (set(ALLOWED[label]) | {OTHER} if label in ALLOWED else None)


def check(name: str, matchers: Any) -> None:
    """A series that somebody names is one that somebody tells."""
    assert name in KNOWN, f"nobody tells {name}"
    for label, operator, wanted in matchers:
        assert label in KNOWN[name], f"{name} has no label {label}"
        known = values_of(label)
        if not name.startswith("cartulary_") or known is None or wanted in ("x", ""):
            continue
        # Each alternative of a pattern has to match something, or it is a misspelt one.
        for alternative in re.split(r"\|(?![^(]*\))", wanted) if "~" in operator else [wanted]:
            assert any(re.fullmatch(alternative, value) for value in known), f'{name}: no {label} is "{alternative}"'


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_metrics_labels_and_values_exist(expression: Promql) -> None:
    selectors = expression.selectors()
    assert selectors, "no metric"
    for selector in selectors:
        check(selector.name, selector.matchers)
    labels = set().union(*(KNOWN[selector.name] for selector in selectors))
    # ALERTS has the labels of all alerts.
    if "ALERTS" not in {selector.name for selector in selectors}:
        assert expression.grouped() <= labels, expression.grouped() - labels


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_series_of_the_unit_tests_exist(path: Path) -> None:
    """A unit test on a series that nobody tells proves nothing."""
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
        for given in case["input_series"]:
            name, _, braces = given["series"].partition("{")
            check(name, re.findall(r'(\w+)(=)"([^"]*)"', braces))


def test_promtool_parses_every_expression(tmp_path: Path) -> None:
    """Each as the rule of one file, which says where the wrong one stands."""
    groups = [
        {"name": f"{number} {expression}", "rules": [{"record": f"checked:{number}", "expr": expression.text}]}
        for number, expression in enumerate(EXPRESSIONS)
    ]
    assert "$" not in "".join(expression.text for expression in EXPRESSIONS), "a variable that the test does not fill in"
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")
    run(tool("promtool"), "check", "rules", str(file))


def run(*command: str, **more: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_configuration(tmp_path: Path) -> None:
    promtool = tool("promtool")
    (tmp_path / "rules").symlink_to(PROMETHEUS / "rules")
    (tmp_path / "token").write_text("t", encoding="utf-8")
    text = (PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8")
    assert text.count("/run/prometheus/api-token") == 1
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/prometheus/api-token", str(tmp_path / "token")), encoding="utf-8")
    assert f"{len(RULES)} rule files found" in run(promtool, "check", "config", str(tmp_path / "prometheus.yml"))


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_pass_their_unit_tests(path: Path) -> None:
    tests = PROMETHEUS / "tests" / path.name
    assert yaml.safe_load(tests.read_text(encoding="utf-8"))["rule_files"] == [f"../rules/{path.name}"]
    run(tool("promtool"), "test", "rules", tests.name, cwd=tests.parent)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_every_alert_fires_and_keeps_quiet_in_a_unit_test(path: Path) -> None:
    cases = yaml.safe_load((PROMETHEUS / "tests" / path.name).read_text(encoding="utf-8"))["tests"]
    text = str([case.get("promql_expr_test", []) + case.get("alert_rule_test", []) for case in cases])
    for rule in [rule for where, rule in rules() if where == path and "alert" in rule]:
        is_told = f'alertname="{rule["alert"]}"' in text or f"'alertname': '{rule['alert']}'" in text
        assert is_told, f"no unit test of {rule['alert']}"
    for case in cases:
        asked = case.get("promql_expr_test", [])
        assert any(not question["exp_samples"] for question in asked) or len(asked) == 1, f"{case['name']}: when is it quiet?"


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"] + " " + rule["labels"]["severity"])
def test_alerts_say_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert TEXT.fullmatch(rule["annotations"]["summary"]), rule["annotations"]["summary"]
    commands = re.findall(r"`([^`]+)`", rule["annotations"]["description"])
    assert any(" " in command for command in commands), "no command"
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for command in commands:
        for name, following in re.findall(r"cartulary ([a-z]+)(?: ([a-z]+))?", command):
            assert name in group.commands, command
            part = group.commands[name]
            # Without another word `cartulary backup` takes one.
            known = {*part.commands, *([""] if isinstance(part, BackupGroup) else [])} if isinstance(part, TyperGroup) else {following}
            assert following in known, command


def test_the_document_lists_every_alert_and_no_other() -> None:
    document = (PROJECT_ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \|", document, re.MULTILINE)
    severities: dict[str, set[str]] = {}
    for rule in ALERTS:
        severities.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    assert {name: set(told.split(", ")) for name, told in listed} == severities
    assert len(listed) == len(severities)
