"""The whole main job on the demo town, as the user starts it: in a process of its own, from nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.demo.correspondence import CASES
from services.settings import PREFIX, PROJECT_ROOT

SEED = 1
# Forty letters are read.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def cartulary(data_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    command = [sys.executable, "-c", "from flows.cli import app; app()", "--data-dir", str(data_dir), *words]
    return subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, timeout=800, check=False)


def output(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def summary(data_dir: Path) -> dict[str, Any]:
    """What `cartulary demo --no-serve` says at its end."""
    found: dict[str, Any] = output(cartulary(data_dir, "demo", "--no-serve", "--seed", str(SEED), "--json"))
    return found


def test_every_letter_is_decided_and_none_is_wrong(summary: dict[str, Any]) -> None:
    score = summary["score"]
    assert summary["letters_received"] == score["letters"] == len(CASES)
    assert score["located_wrong"] == 0, summary["wrong_files"]
    assert (score["waiting"], score["refused"], score["missing"]) == (0, 0, 0)
    # 30 of the 40 can be located; two thirds of them is what a reader that is any use must reach on hand-like writing.
    assert score["located_right"] >= 20
    assert score["located_right"] + score["approximate"] + score["in_review"] == len(CASES)


def test_letters_made_to_fail_are_not_located(summary: dict[str, Any], data_dir: Path) -> None:
    result = output(cartulary(data_dir, "evaluate", str(data_dir / "demo" / str(SEED) / "letters"), "--json"))
    failing = {f"letter_{number:03d}" for number, case in enumerate(CASES, start=1) if case.kind not in {"ordinary", "wrong_postcode"}}
    outcomes = {Path(file["file"]).stem: file["outcome"] for file in result["files"]}
    assert len(failing) == 8
    assert {outcomes[name] for name in failing} <= {"in_review", "approximate"}
    assert {name: count for name, count in result.items() if isinstance(count, int)} == summary["score"]


def test_requests_of_web_and_phone_are_on_the_map(summary: dict[str, Any]) -> None:
    assert sum(summary["submissions"].values()) == 60
    # All 53 that are typed as the register has them, and the two with a position of their own among the flawed.
    assert summary["submissions"]["located"] >= 53


def test_coverage_differs_and_is_withheld_where_there_is_too_little_data(summary: dict[str, Any]) -> None:
    pharmacy = {area["area_name"]: area["coverage_share"]["pharmacy"] for area in summary["coverage"]}
    assert len(pharmacy) == 10
    assert pharmacy["Oedmoos"] is None
    shares = {name: share for name, share in pharmacy.items() if share is not None}
    assert shares["Altmarkt"] > 0.9
    assert min(shares.values()) < 0.2


def test_run_again_nothing_comes_twice(summary: dict[str, Any], data_dir: Path) -> None:
    again = output(cartulary(data_dir, "demo", "--no-serve", "--seed", str(SEED), "--json"))
    for name in ("score", "submissions", "coverage", "letters_received", "letters_read"):
        assert again[name] == summary[name], name
    status = output(cartulary(data_dir, "status", "--json"))
    assert status["differences"] == []


def test_another_town_does_not_replace_this_one(summary: dict[str, Any], data_dir: Path) -> None:
    refused = cartulary(data_dir, "demo", "--no-serve", "--seed", "2")
    assert refused.returncode == 1
    assert "give the demo a directory of its own" in " ".join(refused.stderr.split())
