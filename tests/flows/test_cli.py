"""The command line: sentences for people, JSON for machines, exit codes for scripts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app

HEADER = "facility_id,name,kind,street,housenumber,postcode,city,lon,lat"
CSV = f"{HEADER}\nf1,Apotheke,pharmacy,Weg,1,7100,Lindach,9.5,47.1\nf2,,school,,,,,x,47.1\n"


def cartulary(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as chDB wants it."""
    command = [sys.executable, "-c", "from flows.cli import app; app()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})})


def test_help_names_every_command() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    for name in (
        "demo",
        "town",
        "load",
        "preview",
        "letters",
        "run",
        "status",
        "sql",
        "serve",
        "dataset",
        "keys",
        "evaluate",
        "reprocess",
        "doctor",
    ):
        assert name in text


def test_a_wrong_setting_is_a_sentence() -> None:
    answer = cartulary("status", environment={"CARTULARY_API__PORT": "abc"})
    assert answer.returncode == 1
    assert "CARTULARY_API__PORT" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_missing_secret_file_is_a_sentence(tmp_path: Path) -> None:
    answer = cartulary("doctor", environment={"CARTULARY_WAREHOUSE__PASSWORD_FILE": str(tmp_path / "none")})
    assert answer.returncode == 1
    assert "CARTULARY_WAREHOUSE__PASSWORD_FILE" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_load_status_sql_and_keys(tmp_path: Path) -> None:
    file = tmp_path / "facilities.csv"
    file.write_text(CSV, encoding="utf-8")
    data = ("--data-dir", str(tmp_path / "data"))
    loaded = cartulary(*data, "load", "facilities", str(file), "--json")
    result = json.loads(loaded.stdout)[0]
    assert (result["received"], result["landed"], result["rejected"]) == (2, 1, 1)
    status = json.loads(cartulary(*data, "status", "--json").stdout)
    assert status["differences"] == []
    assert status["work"] == []
    assert cartulary(*data, "sql", "select count() from bronze.facilities", "--format", "TSV").stdout == "1\n"
    refused = cartulary(*data, "sql", "drop table bronze.facilities")
    assert refused.returncode == 1
    assert "readonly" in refused.stderr
    key = json.loads(cartulary(*data, "keys", "create", "a website", "--scope", "intake", "--json").stdout)
    assert "secret" in key
    listed = cartulary(*data, "keys", "list", "--json").stdout
    assert "a website" in listed
    assert key["secret"] not in listed


def test_unknown_dataset_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text(CSV, encoding="utf-8")
    answer = cartulary("--data-dir", str(tmp_path / "data"), "load", "factories", str(file))
    assert answer.returncode == 1
    assert "facilities" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_and_stops_politely(tmp_path: Path, stop: signal.Signals) -> None:
    command = [sys.executable, "-c", "from flows.cli import app; app()", "--data-dir", str(tmp_path), "serve", "--port", "0", "--no-open"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"})
    try:
        assert server.stdout
        url = server.stdout.readline().split()[-1].removesuffix("/docs")
        with urllib.request.urlopen(f"{url}/health/live", timeout=60) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"{url}/health/ready", timeout=60) as answer:
            assert answer.status == 200
        server.send_signal(stop)
        _, errors = server.communicate(timeout=60)
    finally:
        server.kill()
    assert server.returncode == 0
    assert "Traceback" not in errors
