"""What cannot be run here is at least read: Loki, Alloy and Grafana's image, and that Caddy answers what Prometheus asks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitoring_support import GRAFANA, MONITORING, PROMETHEUS

from services.settings import PROJECT_ROOT

COMPOSE = yaml.safe_load((PROJECT_ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
JOBS = {job["job_name"]: job for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]}
CADDYFILE = (PROJECT_ROOT / "Caddyfile").read_text(encoding="utf-8")
ALLOY = (MONITORING / "alloy/config.alloy").read_text(encoding="utf-8")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_targets_are_services(job: dict[str, Any]) -> None:
    """A name that is not in compose.yaml would be down for ever, or never seen where its profile is on."""
    hosts = [target.split(":")[0] for part in job.get("static_configs", ()) for target in part["targets"]]
    names = [name for part in job.get("dns_sd_configs", ()) for name in part["names"]]
    assert hosts or names
    for name in {*hosts, *names} - {"localhost"}:
        assert name in COMPOSE, name
        # Static targets are always there; what is in a profile is found by its name, or not at all.
        assert bool(COMPOSE[name].get("profiles")) == (name in names), name


def test_jobs_are_called_as_their_services() -> None:
    """The commands of ServiceDown name the job, those of ServiceUnwell the target: both have to be what Compose starts."""
    for name, job in JOBS.items():
        hosts = {target.split(":")[0] for part in job.get("static_configs", ()) for target in part["targets"]}
        hosts |= {host for part in job.get("dns_sd_configs", ()) for host in part["names"]}
        if name == "health":
            assert hosts <= set(COMPOSE)
        else:
            assert name in COMPOSE and hosts - {"localhost"} <= {name}


def test_caddy_answers_for_those_without_metrics() -> None:
    """A path that Caddy does not know is answered with 200 and nothing, which Prometheus takes for health."""
    asked = JOBS["health"]["static_configs"][0]["targets"]
    told = re.findall(r"^\s*import probe /health/([\w-]+) ", CADDYFILE, re.MULTILINE)
    assert sorted(asked) == sorted(told)


def test_the_token_is_read_where_the_script_writes_it() -> None:
    script = (PROMETHEUS / "start.sh").read_text(encoding="utf-8")
    directory = re.search(r"RUNTIME_DIRECTORY:=(\S+)}", script)
    assert directory and JOBS["api"]["authorization"]["credentials_file"] == f"{directory[1]}/api-token"
    others = [name for name, job in JOBS.items() if name != "api" and "authorization" in job]
    assert not others, "the token goes to the API alone"


@pytest.mark.parametrize("script", sorted(MONITORING.glob("*/start.sh")), ids=lambda path: path.parent.name)
def test_scripts_are_sound(script: Path) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([str(shellcheck), str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_logs_are_kept_for_seven_days() -> None:
    loki = read(MONITORING / "loki/loki.yml")
    assert loki["limits_config"]["retention_period"] == "168h" and loki["limits_config"]["reject_old_samples_max_age"] == "168h"
    # Loki refuses to start with a retention and no store for deletions, and keeps everything without the compactor's part.
    assert loki["compactor"]["retention_enabled"] and loki["compactor"]["delete_request_store"] == "filesystem"
    (schema,) = loki["schema_config"]["configs"]
    assert (schema["store"], schema["schema"], schema["index"]["period"]) == ("tsdb", "v13", "24h")
    assert not loki["analytics"]["reporting_enabled"]


def components() -> dict[str, str]:
    """Blocks of Alloy's configuration by their name; strings and comments cannot hold braces that count."""
    bare = re.sub(r'`[^`]*`|"(?:\\.|[^"\\])*"|//[^\n]*', lambda found: re.sub(r"[{}]", "_", found[0]), ALLOY)
    assert bare.count("{") == bare.count("}")
    return {f"{kind}.{name}": "" for kind, name in re.findall(r'^([\w.]+) "(\w+)" \{', bare, re.MULTILINE)}


def test_alloy_hands_every_line_on() -> None:
    named = set(components())
    used = set(re.findall(r"\b((?:discovery|loki)\.\w+(?:\.\w+)?\.(?:stack|loki))\.(?:targets|output|receiver)", ALLOY))
    assert used <= named
    assert named - used == {"loki.source.docker.stack"}, "a part that nothing leads to"


def test_alloy_reads_no_container_that_prints_passwords() -> None:
    (rule,) = re.findall(r'rule \{([^}]*action\s*=\s*"drop"[^}]*)\}', ALLOY)
    pattern = re.search(r'regex\s*=\s*"([^"]+)"', rule)
    assert pattern and "compose_service" in rule
    assert re.fullmatch(pattern[1], "geonode-celery") and not re.fullmatch(pattern[1], "geoserver")


def test_alloy_knows_our_services() -> None:
    (services,) = set(re.findall(r'selector = `\{service[=!]~"([^"]+)"', ALLOY))
    assert set(services.split("|")) <= set(COMPOSE)


def test_grafana_has_everything_inside_and_lets_nobody_in() -> None:
    text = (GRAFANA / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG CLICKHOUSE_PLUGIN_VERSION=\d+\.\d+\.\d+$", text, re.MULTILINE)
    environment = dict(re.findall(r"\b(GF_\w+)=(\S+)", text))
    # The volume of the data lies over /var/lib/grafana.
    assert not environment["GF_PATHS_PLUGINS"].startswith("/var/lib/grafana")
    assert environment["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == environment["GF_USERS_ALLOW_SIGN_UP"] == "false"
    (provider,) = read(GRAFANA / "provisioning/dashboards/cartulary.yml")["providers"]
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"] and (GRAFANA / "dashboards" / home.name).is_file()
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([str(hadolint), str(GRAFANA / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
