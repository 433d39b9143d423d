"""What the compose files promise, read from themselves: who is open, who may what, and where every variable comes from."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compose_support import FILES, Service, megabytes, read, services, variables

from flows.init import SECRETS, STAFF
from services.settings import PREFIX, PROJECT_ROOT, Settings

SERVICES = services()
PROFILES = {"observe", "geocoding", "geonode", "hop", "lab", "bi"}
# Who reaches the internet, and for what.
OUTBOUND = {
    "flows": "the vision model",
    "alertmanager": "alerts go out",
    "nominatim": "its extract",
}
# Folders that hold no Python, or the container files beside it.
MOUNTED = re.compile(
    r"\./(Caddyfile|(services/[a-z_]+|gis)/container/.+|services/landing|monitoring/.+|grafana/.+|services/extras/(geonode|hop|lab|bi)(/.+)?)"
)
HOST_MOUNTS = {"alloy", "node-exporter", "cadvisor"}


def every(select: Callable[[Service], bool] = lambda _: True) -> pytest.MarkDecorator:
    chosen = [service for service in SERVICES if select(service)]
    assert chosen
    return pytest.mark.parametrize("service", chosen, ids=lambda service: service.name)


def test_the_services_of_the_architecture_are_there() -> None:
    names = {service.name for service in SERVICES}
    core = {"caddy", "prefect-server", "postgres", "flows", "clickhouse", "rustfs", "rustfs-bucket", "api", "tyk", "redis", "gateway-keys"}
    maps = {"postgis", "geoserver", "geoserver-publish"}
    seen = {"grafana", "prometheus", "alertmanager", "ch-ui", "dbt-docs"}
    observe = {"loki", "alloy", "node-exporter", "cadvisor", "redis-exporter", "postgres-exporter", "prefect-exporter"}
    assert core | maps | seen | observe | {"nominatim", "hop", "lab", "bi"} <= names
    assert {service.name for service in SERVICES if "observe" in service.profiles} == observe
    assert {profile for service in SERVICES for profile in service.profiles} == PROFILES


def test_the_files_follow_the_published_schema() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run([program, "--builtin-schema", "vendor.compose-spec", *map(str, FILES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_the_door_is_open() -> None:
    assert [service.name for service in SERVICES if service.spec.get("ports")] == ["caddy"]
    assert not [service.name for service in SERVICES if service.spec.get("network_mode") == "host"]
    targets = {str(port).rsplit(":", 1)[-1] for service in SERVICES for port in service.spec.get("ports", [])}
    assert targets == {"80", "443", "443/udp"}


# Who is root, or whose image's user is not known; who gets rights back; who writes beside its volumes. Nobody else, and none of these
# more than this: a comment in the file says why.
NOT_ROOTLESS = {
    "backups-owner", "geoserver", "ch-ui", "alloy", "cadvisor", "nominatim",
    "geonode", "geonode-celery", "geonode-geoserver", "geonode-geoserver-data",
}  # fmt: skip
DROPS_TO_A_USER = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
RIGHTS = {
    "caddy": {"NET_BIND_SERVICE"},
    "backups-owner": {"CHOWN", "FOWNER"},
    "alloy": {"DAC_OVERRIDE"},
    "nominatim": DROPS_TO_A_USER | {"AUDIT_WRITE", "KILL"},
    **dict.fromkeys(("geoserver", "geonode", "geonode-celery", "geonode-geoserver"), DROPS_TO_A_USER),
}
WRITABLE = {"geoserver", "ch-ui", "nominatim", "hop", "geonode", "geonode-celery", "geonode-geoserver"}
PRIVILEGED = {"cadvisor"}


@every()
def test_nobody_has_more_rights_than_needed(service: Service) -> None:
    assert bool(service.spec.get("privileged")) == (service.name in PRIVILEGED)
    assert service.spec["cap_drop"] == ["ALL"]
    assert service.spec["security_opt"] == ["no-new-privileges:true"]
    assert set(service.spec.get("cap_add", [])) == RIGHTS.get(service.name, set())


@every()
def test_nobody_else_is_root_or_writes_outside_of_its_volumes(service: Service) -> None:
    is_rootless = bool(re.fullmatch(r"[1-9]\d*(:\d+)?", str(service.spec.get("user", ""))))
    assert is_rootless == (service.name not in NOT_ROOTLESS)
    assert bool(service.spec.get("read_only")) == (service.name not in WRITABLE)
    if service.name in NOT_ROOTLESS | WRITABLE | PRIVILEGED | set(RIGHTS):
        assert "#" in service.text, "a comment says why"


@every(lambda service: not service.is_job)
def test_health_is_checked_or_it_is_said_why_not(service: Service) -> None:
    check = service.spec.get("healthcheck")
    if check is None:
        assert service.says_why("health check")
        return
    # localhost may be ::1, where a server does not listen.
    assert "localhost" not in json.dumps(check["test"])
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


@every()
def test_memory_processes_and_logs_are_limited(service: Service) -> None:
    assert 16 <= megabytes(service.spec["mem_limit"]) <= 5 * 1024
    assert service.spec["pids_limit"] <= 2048
    assert service.spec["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}


@every()
def test_images_are_pinned_and_may_be_replaced(service: Service) -> None:
    image = service.spec["image"]
    match = re.fullmatch(r"\$\{(\w+_IMAGE):-([a-z0-9./_-]+):([A-Za-z0-9._-]+)\}", image)
    assert match, image
    assert match.group(3) not in ("latest", "stable", "main")
    if service.spec.get("build"):
        # Nothing with our name is ever asked for at a registry.
        assert service.spec["pull_policy"] in ("never", "build") and match.group(3) == "local"


@every()
def test_services_wait_only_for_what_can_be_waited_for(service: Service) -> None:
    by_name = {other.name: other for other in SERVICES}
    needs = service.spec.get("depends_on", {})
    for name, need in needs.items() if isinstance(needs, dict) else ():
        other = by_name[name]
        condition = need["condition"]
        assert condition == (
            "service_completed_successfully" if other.is_job else "service_healthy" if "healthcheck" in other.spec else "service_started"
        ), f"{service.name} waits for {name}"
        # Nobody of the default profile waits for one that may be off.
        assert set(other.profiles) <= set(service.profiles)


def test_networks_are_closed() -> None:
    networks = read(FILES[0])["networks"]
    assert {name for name, network in networks.items() if not (network or {}).get("internal")} == {"edge", "outbound"}
    members: dict[str, set[str]] = {}
    for service in SERVICES:
        for network in service.spec.get("networks", ["none"] if service.spec.get("network_mode") == "none" else ["default"]):
            members.setdefault(network, set()).add(service.name)
    assert members["edge"] == {"caddy"}
    assert members["outbound"] <= set(OUTBOUND)
    assert "default" not in members
    # The door reaches no database.
    assert not members["data"] & {"caddy", "prometheus", "alertmanager", "grafana", "ch-ui"}
    # Who runs what others write, and GeoNode, are among themselves.
    assert {name: members[name] for name in ("bi", "hop", "lab")} == {name: {name, "caddy", "clickhouse"} for name in ("bi", "hop", "lab")}
    assert {name for name in members["geonode"] if not name.startswith("geonode")} == {"caddy", "postgis"}
    assert {"postgres", "postgis", "redis"} <= members["data"] and not {"postgres", "postgis", "redis"} & members["app"]


@every()
def test_mounts_come_from_config_folders_alone(service: Service) -> None:
    known = set(read(FILES[0])["volumes"]) | set(read(FILES[1]).get("volumes") or {})
    for mount in service.spec.get("volumes", []):
        source, _, *options = str(mount).split(":")
        if source in known:
            continue
        if source.startswith("/"):
            assert service.name in HOST_MOUNTS and "ro" in ",".join(options).split(","), mount
            continue
        path = source if service.file == FILES[0] else f"./services/extras/{source.removeprefix('./')}"
        assert MOUNTED.fullmatch(path), mount
        assert "ro" in options, mount
        assert (PROJECT_ROOT / path).exists(), mount


def test_every_volume_is_used() -> None:
    used = {str(mount).partition(":")[0] for service in SERVICES for mount in service.spec.get("volumes", [])}
    assert set(read(FILES[0])["volumes"]) | set(read(FILES[1]).get("volumes") or {}) <= used


def test_secrets_have_no_default() -> None:
    wanted = {*SECRETS, STAFF}
    for path, name, operator, rest in variables():
        if name in wanted:
            assert operator == "?", f"{path.name}: {name} must be ${{{name}:?…}}"
        elif re.search(r"PASSWORD|SECRET|TOKEN|_KEY$", name):
            # Someone else's: empty is off, or ours stands in.
            assert rest == "" or rest.startswith("${"), f"{path.name}: {name} has the default {rest}"


def test_no_secret_stands_in_the_files() -> None:
    for service in SERVICES:
        environment = service.spec.get("environment") or {}
        for name, value in environment.items():
            if re.search(r"PASS|SECRET|TOKEN|_KEY$|AUTH_STRING", name) and not re.search(r"_KEY_|ENABLED|BUCKET", name):
                assert value in ("", None) or "${" in str(value), f"{service.name}: {name}"


def _example() -> tuple[dict[str, str], dict[str, str]]:
    """Variables of .env.example: those that are set, and those that are only shown."""
    lines = (PROJECT_ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    shown = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", "\n".join(lines), flags=re.MULTILINE))
    names = [line.removeprefix("# ").partition("=")[0] for line in lines if re.match(r"(# )?[A-Z]\w*=", line)]
    assert len(names) == len(set(names)), "a variable stands twice"
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]\w*=", line)), shown


def test_the_example_has_every_variable_of_the_stack() -> None:
    written, shown = _example()
    used = {name for _, name, _, _ in variables()}
    assert used <= set(written) | set(shown)
    # COMPOSE_PROFILES is read by Compose itself.
    assert {name for name in {**written, **shown} if not name.startswith(PREFIX) or name in shown} - used <= {"COMPOSE_PROFILES"}


def test_defaults_stand_in_one_way() -> None:
    """What .env.example shows as default is what compose.yaml takes when nothing is set."""
    written, shown = _example()
    for path, name, operator, rest in variables():
        if operator == "-" and name in {**written, **shown} and not name.startswith(PREFIX) and not rest.startswith("${"):
            example = {**written, **shown}[name]
            assert example in (rest, ""), f"{path.name}: {name} is {rest} here and {example} in .env.example"


def _setting_names(model: Any, prefix: str = PREFIX) -> set[str]:
    names = set()
    for name, field in model.model_fields.items():
        inner = type(field.default)
        names |= _setting_names(inner, f"{prefix}{name.upper()}__") if hasattr(inner, "model_fields") else {f"{prefix}{name.upper()}"}
    return names


# What the API, which strangers reach, has no use for.
NOT_FOR_THE_API = re.compile(r"__(DBT_PASSWORD|ADMIN_SECRET|PORTAL_KEY|FORM_KEY|API_KEY)|POSTGIS|GEOSERVER|BACKUP")


def test_our_own_services_are_given_the_settings_that_they_need() -> None:
    ours = {service.name: set(service.spec["environment"]) for service in SERVICES if "CARTULARY_DATA_DIR" in _environment(service)}
    known = _setting_names(Settings)
    assert set(ours) == {"api", "flows", "migrate", "dbt-docs", "gateway-keys", "geoserver-publish"}
    assert ours["flows"] - {"TMPDIR"} == known
    for name, given in ours.items():
        assert given - {"TMPDIR"} <= known, name
    assert not [setting for setting in ours["api"] if NOT_FOR_THE_API.search(setting)]
    for name, given in ours.items():
        if name not in ("flows", "gateway-keys"):
            assert "CARTULARY_GATEWAY__ADMIN_SECRET" not in given, name


def _environment(service: Service) -> dict[str, Any]:
    return dict(service.spec.get("environment") or {})


def test_settings_hold_what_the_stack_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """The values of compose.yaml are values that the settings take."""
    flows = next(service for service in SERVICES if service.name == "flows")
    filled = {name: _filled(str(value)) for name, value in flows.spec["environment"].items()}
    for name, value in filled.items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    assert settings.warehouse.host == "clickhouse" and settings.extraction.own_addresses == ()
    assert settings.object_store.public_url == "https://s3.localhost"
    assert settings.gateway.secret.get_secret_value() == "GATEWAY_SECRET"
    assert settings.backup.directory == "/backups"


def _filled(value: str) -> str:
    """As Compose fills it in when .env holds its secrets alone: each by its own name."""
    pattern = re.compile(r"\$\{(\w+)(:?[-?])([^${}]*)\}")
    while match := pattern.search(value):
        name, operator, rest = match.groups()
        value = value[: match.start()] + (rest if "-" in operator else name) + value[match.end() :]
    return value


def test_folders_are_named_as_their_services() -> None:
    """A service whose name is a folder's keeps its files there, and a folder of container files belongs to a service."""
    for service in SERVICES:
        folders = [PROJECT_ROOT / "services" / service.name, PROJECT_ROOT / "monitoring" / service.name, PROJECT_ROOT / service.name]
        there = [folder for folder in folders if folder.is_dir() and service.name not in ("api", "flows")]
        for folder in there:
            assert folder.relative_to(PROJECT_ROOT).as_posix() in str(service.spec.get("volumes", "")) + str(
                service.spec.get("build", "")
            ), f"{service.name} does not use {folder}"


def test_memory_is_documented_as_it_is_limited() -> None:
    text = (PROJECT_ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    sums = {"default": sum(megabytes(service.spec["mem_limit"]) for service in SERVICES if not service.profiles and not service.is_job)}
    for profile in PROFILES:
        sums[profile] = sum(
            megabytes(service.spec["mem_limit"]) for service in SERVICES if profile in service.profiles and not service.is_job
        )
    for profile, total in sums.items():
        assert re.search(rf"^\| `?{profile}`? \|.*\| {total} MB \|", text, flags=re.MULTILINE), f"docs/install.md: {profile} is {total} MB"
