"""Debian's Prometheus and Alertmanager, started by our scripts: targets are asked with the token, rules are evaluated, an alert arrives."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import urllib3
import yaml
from monitoring_support import MONITORING, PROMETHEUS, RULES, tool
from postgres_support import free_port
from warehouse_support import ServingProcess

TOKEN = "token of the test, which may have a blank"
PATIENCE = 180.0
HTTP = urllib3.PoolManager(retries=False, timeout=30)
EMAIL = {"ALERT_EMAIL_TO": "ops@example.org", "ALERT_SMTP_SMARTHOST": "mail.example.org:587"}
SECRET = """it's "quoted": {a} #b $c\\d"""
BOTH = {**EMAIL, "ALERT_WEBHOOK_URL": "https://hooks.example.org/", "ALERT_SMTP_USER": SECRET, "ALERT_SMTP_PASSWORD": SECRET}


def until(condition: Callable[[], Any], what: str, log: Path) -> Any:
    """What the condition gives once it gives something."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if found := condition():
                return found
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            pass
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}\n{log.read_text(errors='replace')[-3000:]}"
        time.sleep(0.2)


@contextmanager
def started(folder: Path, data: Path, address: str, **settings: str) -> Iterator[Path]:
    """Our script of a folder, with everything that it writes below a directory of the test; its log."""
    data.mkdir(exist_ok=True)
    (data / "run").mkdir()
    environment = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(data / "run"), "STATE_DIRECTORY": str(data / "state"), **settings}
    log = data / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["sh", str(folder / "start.sh"), f"--web.listen-address={address}"], env=environment, stdout=file, stderr=file
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(timeout=60)


def ask(url: str) -> Any:
    answer = HTTP.request("GET", url)
    if answer.status != 200:
        raise ValueError(answer.data)
    return json.loads(answer.data)["data"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_prometheus_asks_the_api_and_evaluates_the_rules(tmp_path: Path) -> None:
    tool("prometheus")
    serving = ServingProcess(tmp_path / "api", ("serve", "--port", "0", "--no-open"), {"CARTULARY_API__METRICS_TOKEN": TOKEN})
    own = tmp_path / "etc"
    own.mkdir()
    (own / "start.sh").symlink_to(PROMETHEUS / "start.sh")
    (own / "rules").symlink_to(PROMETHEUS / "rules")
    try:
        api = api_address(serving)
        text = (PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8")
        port = free_port()
        moved = {"api:8600": api, "localhost:9090": f"127.0.0.1:{port}", "/run/prometheus": str(tmp_path / "prometheus/run")}
        sooner = {"evaluation_interval: 15s": "evaluation_interval: 1s", "15s": "5s", "scrape_timeout: 10s": "scrape_timeout: 5s"}
        for name, place in {**moved, **sooner}.items():
            assert name in text
            text = text.replace(name, place)
        (own / "prometheus.yml").write_text(text, encoding="utf-8")
        with started(own, tmp_path / "prometheus", f"127.0.0.1:{port}", METRICS_TOKEN=TOKEN) as log:
            base = f"http://127.0.0.1:{port}/prometheus/api/v1"

            def health() -> dict[str, str]:
                return {target["scrapePool"]: target["health"] for target in ask(f"{base}/targets")["activeTargets"]}

            until(lambda: {"api": "up", "prometheus": "up"}.items() <= health().items(), "the API is asked with the token", log)
            # A profile that is off has no targets, and so nothing that is down.
            assert {"node-exporter", "loki", "redis-exporter", "alloy"}.isdisjoint(health())
            generation = until(lambda: ask(f"{base}/query?query=cartulary_gold_generation")["result"], "a metric of the API", log)
            assert generation[0]["metric"]["job"] == "api"
            groups = until(lambda: evaluated(ask(f"{base}/rules")["groups"]), "all rules are evaluated", log)
            assert {Path(group["file"]).name for group in groups} == {path.name for path in RULES}
            assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
            # What this test does not start is down, and told so.
            absent = {"alertmanager", "flows", "clickhouse", "caddy", "grafana"}
            until(lambda: down(base) == absent, "alerts wait for their time", log)
        token = tmp_path / "prometheus/run/api-token"
        assert token.read_text(encoding="utf-8") == TOKEN and token.stat().st_mode & 0o077 == 0
    finally:
        serving.stop()


def api_address(serving: ServingProcess) -> str:
    """Where `cartulary serve --port 0` listens: it says so."""
    found = until(lambda: [word for word in serving.log().split() if word.startswith("http://127.0.0.1:")], "an address", Path(os.devnull))
    return str(urllib3.util.parse_url(found[0]).netloc)


def evaluated(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return groups if all(rule["health"] != "unknown" for group in groups for rule in group["rules"]) else []


def down(base: str) -> set[str]:
    """Jobs of which the alert ServiceDown waits or fires."""
    return {alert["labels"]["job"] for alert in ask(f"{base}/alerts")["alerts"] if alert["labels"]["alertname"] == "ServiceDown"}


class Inbox(BaseHTTPRequestHandler):
    """What an operator's webhook is."""

    received: list[Any] = []

    def do_POST(self) -> None:
        """Keep the message."""
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def alertmanager_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian calls the program otherwise than the image does."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/alertmanager").symlink_to(tool("prometheus-alertmanager"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("alertmanager_path")
def test_an_alert_arrives_at_the_webhook(tmp_path: Path) -> None:
    server = HTTPServer(("127.0.0.1", 0), Inbox)
    Thread(target=server.serve_forever, daemon=True).start()
    port = free_port()
    webhook = f"http://127.0.0.1:{server.server_address[1]}/hook?key=it's"
    try:
        with started(MONITORING / "alertmanager", tmp_path / "am", f"127.0.0.1:{port}", ALERT_WEBHOOK_URL=webhook) as log:
            base = f"http://127.0.0.1:{port}/alertmanager"
            until(lambda: HTTP.request("GET", f"{base}/-/ready").status == 200, "Alertmanager is ready", log)
            alert = {"labels": {"alertname": "BackupOld", "severity": "critical"}, "annotations": {"summary": "None for two days."}}
            assert HTTP.request("POST", f"{base}/api/v2/alerts", json=[alert]).status == 200
            message = until(lambda: Inbox.received, "the webhook", log)[0]
        assert message["alerts"][0]["annotations"]["summary"] == "None for two days."
        assert message["externalURL"] == "https://localhost/alertmanager"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("settings", "integrations"),
    [
        ({}, set()),
        ({"ALERT_WEBHOOK_URL": "https://hooks.example.org/a?b=c"}, {"webhook_configs"}),
        (EMAIL, {"email_configs"}),
        (
            {**EMAIL, "ALERT_WEBHOOK_URL": "https://h.example.org/", "ALERT_SMTP_USER": SECRET, "ALERT_SMTP_PASSWORD": SECRET},
            {"webhook_configs", "email_configs"},
        ),
    ],
    ids=["nothing", "webhook", "e-mail", "both"],
)
def test_the_receiver_comes_from_the_environment(settings: Mapping[str, str], integrations: set[str], tmp_path: Path) -> None:
    amtool = tool("amtool")
    run, program = tmp_path / "run", tmp_path / "bin/alertmanager"
    run.mkdir()
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}", "RUNTIME_DIRECTORY": str(run), **settings}
    subprocess.run(["sh", str(MONITORING / "alertmanager/start.sh")], env=environment, check=True, timeout=60)
    written = run / "alertmanager.yml"
    subprocess.run([amtool, "check-config", str(written)], check=True, capture_output=True, timeout=60)
    assert written.stat().st_mode & 0o077 == 0
    receiver = yaml.safe_load(written.read_text(encoding="utf-8"))["receivers"][0]
    assert set(receiver) - {"name"} == integrations
    if "ALERT_SMTP_PASSWORD" in settings:
        assert receiver["email_configs"][0]["auth_password"] == SECRET


@pytest.mark.parametrize("folder", ["prometheus", "alertmanager"])
def test_what_is_missing_is_named(folder: str, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(tmp_path), "ALERT_EMAIL_TO": "ops@example.org"}
    done = subprocess.run(["sh", str(MONITORING / folder / "start.sh")], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert {"prometheus": "METRICS_TOKEN", "alertmanager": "ALERT_SMTP_SMARTHOST"}[folder] in done.stderr
