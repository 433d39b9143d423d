"""What is promised of the extras beyond what holds for every service: where they are, what they may take, and what they are given."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compose_support import FILES, VARIABLE, megabytes, read, services, variables

from services.settings import PROJECT_ROOT

EXTRAS = FILES[1]
# Who runs what others write, or shows gold: none of them sees more than ClickHouse and the door.
TOOLS = {"bi", "lab", "hop"}
GEONODE = {"geonode", "geonode-celery", "geonode-geoserver", "geonode-geoserver-data", "geonode-database", "geonode-redis"}
# GeoNode's makers publish these under a branch's moving name alone.
MOVING = {"GEONODE_GEOSERVER_IMAGE", "GEONODE_GEOSERVER_DATA_IMAGE"}


def from_yaml() -> dict[str, Any]:
    """Both files as they are written."""
    return {service.name: service.spec for service in services()}


def from_compose() -> dict[str, Any]:
    """What Compose makes of them: included, merged and filled in; it asks no daemon."""
    secrets = {name: "x" for _, name, operator, _ in variables() if operator == "?"}
    command = ["docker", "compose", "--profile", "*", "-f", str(FILES[0]), "--env-file", os.devnull, "config", "--format", "json"]
    done = subprocess.run(command, env={**os.environ, **secrets}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout)["services"])


def has_compose() -> bool:
    """Whether Compose is here; a client without it is not enough."""
    return (
        bool(shutil.which("docker")) and subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    )


# Where Compose is, its own reading is asked the same questions.
READINGS = [from_yaml, from_compose] if has_compose() else [from_yaml]


@pytest.fixture(scope="module", params=READINGS, ids=lambda reading: reading.__name__)
def project(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Every service by its name."""
    reading: Callable[[], dict[str, Any]] = request.param
    return reading()


def members(project: dict[str, Any], network: str) -> set[str]:
    return {name for name, spec in project.items() if network in (spec.get("networks") or [])}


def test_every_extra_is_in_its_profile(project: dict[str, Any]) -> None:
    assert {name: project[name]["profiles"] for name in TOOLS} == {name: [name] for name in TOOLS}
    assert {name for name, spec in project.items() if spec.get("profiles") == ["geonode"]} == GEONODE
    assert set(read(EXTRAS)["services"]) == TOOLS | GEONODE


def test_tools_see_clickhouse_and_the_door_alone(project: dict[str, Any]) -> None:
    for name in TOOLS:
        assert set(project[name]["networks"]) == {name}
        assert members(project, name) == {name, "clickhouse", "caddy"}


def test_geonode_is_seen_by_the_door_and_by_its_databases(project: dict[str, Any]) -> None:
    assert members(project, "geonode") == GEONODE - {"geonode-geoserver-data"} | {"caddy", "postgis"}
    for name in GEONODE - {"geonode-geoserver-data"}:
        assert set(project[name]["networks"]) == {"geonode"}, name


def test_networks_of_the_platform_are_described_once() -> None:
    """Compose refuses a second description that differs, and takes none as a matter of course."""
    ours = read(EXTRAS)["networks"]
    assert set(ours) == TOOLS | {"geonode"} and all(network["internal"] for network in ours.values())
    assert not set(ours) & set(read(FILES[0])["networks"])
    assert not set(read(EXTRAS)["volumes"]) & set(read(FILES[0])["volumes"])


@pytest.mark.parametrize("name", ["bi", "lab"])
def test_tools_read_gold_as_bi(project: dict[str, Any], name: str) -> None:
    given = project[name]["environment"]
    assert (given["CLICKHOUSE_HOST"], given["CLICKHOUSE_USER"]) == ("clickhouse", "bi")
    assert not {"CLICKHOUSE_ADMIN_PASSWORD", "CLICKHOUSE_WRITER_PASSWORD"} & set(given)
    assert project["hop"]["environment"]["HOP_OPTIONS"].count("-DCLICKHOUSE_USER=bi ") == 1


@pytest.mark.parametrize(("name", "variable"), [("hop", "HOP_OPTIONS"), ("geonode-geoserver", "GEOSERVER_JAVA_OPTS")])
def test_a_jvm_leaves_room_below_its_limit(project: dict[str, Any], name: str, variable: str) -> None:
    options = project[name]["environment"][variable]
    heap = re.findall(r"-Xmx(\d+)m\b", options)
    assert len(heap) == 1 and "AggressiveHeap" not in options
    limit = str(project[name]["mem_limit"])
    limit_mb = int(limit) >> 20 if limit.isdigit() else megabytes(limit)
    # Metaspace, threads and buffers take a third of the heap again.
    assert int(heap[0]) * 4 / 3 <= limit_mb


def test_the_laboratory_has_a_token_and_asks_nobody(project: dict[str, Any]) -> None:
    lab = project["lab"]
    assert lab["environment"]["JUPYTER_TOKEN"]
    # A token on the command line wins over the variable, and an empty one opens the door.
    assert not [argument for argument in lab["command"] if re.search(r"token|password", argument)]
    assert "--LabApp.extension_manager=readonly" in lab["command"]


def test_geonode_has_what_its_start_needs(project: dict[str, Any]) -> None:
    for name in ("geonode", "geonode-celery", "geonode-geoserver"):
        given = project[name]["environment"]
        assert given["SITEURL"].startswith("https://geonode.") and given["SITEURL"].endswith("/")
        assert given["OAUTH2_CLIENT_ID"] and given["OAUTH2_CLIENT_SECRET"]
        assert (given["GEONODE_DATABASE"], given["GEONODE_GEODATABASE"]) == (
            given["GEONODE_DATABASE_USER"],
            given["GEONODE_GEODATABASE_USER"],
        )
        # It prints its whole environment otherwise.
        assert given["INVOKE_LOG_STDOUT"] == "false"
        assert given["GEOSERVER_LOCATION"] == "http://geonode-geoserver:8080/geoserver/"
        assert "@geonode-redis:" in given["BROKER_URL"]
    assert project["geonode-geoserver"]["environment"]["GEOSERVER_JAVA_OPTS"]
    assert project["geonode-celery"]["command"] == ["celery-cmd"]


def test_images_move_only_where_nothing_else_is_published() -> None:
    moving = {name for path, name, _, rest in variables() if path == EXTRAS and name.endswith("_IMAGE") and "latest" in rest}
    assert moving == MOVING
    for folder in sorted(path.parent for path in EXTRAS.parent.glob("*/Dockerfile")):
        text = (folder / "Dockerfile").read_text(encoding="utf-8")
        argument, default = re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", text, flags=re.MULTILINE)[0]
        # The same image in both places, so that a plain `docker build` makes what Compose makes.
        build = next(spec["build"] for spec in from_yaml().values() if (spec.get("build") or {}).get("context") == folder.name)
        assert VARIABLE.sub(lambda match: match.group(3), build["args"][argument]) == default


@pytest.mark.parametrize("folder", ["bi", "lab"])
def test_every_package_is_pinned_by_a_hash(folder: str) -> None:
    lock = (EXTRAS.parent / folder / "requirements.lock").read_text(encoding="utf-8")
    wanted = [re.split(r"[<>=]", line)[0] for line in (EXTRAS.parent / folder / "requirements.in").read_text(encoding="utf-8").split()]
    pinned = re.split(r"\n(?=[a-z])", lock)[1:]
    assert all("--hash=sha256:" in package for package in pinned)
    assert set(wanted) <= {package.split("==")[0] for package in pinned}
    assert "--require-hashes" in (EXTRAS.parent / folder / "Dockerfile").read_text(encoding="utf-8")


def test_dockerfiles_and_scripts_are_clean() -> None:
    programs = Path(shutil.which("hadolint") or PROJECT_ROOT / ".venv/bin/hadolint").parent
    for program, files in (("hadolint", EXTRAS.parent.glob("*/Dockerfile")), ("shellcheck", EXTRAS.parent.glob("*/*.sh"))):
        done = subprocess.run([programs / program, *map(str, sorted(files))], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_memory_is_documented_as_it_is_limited() -> None:
    text = (PROJECT_ROOT / "docs" / "extras.md").read_text(encoding="utf-8")
    for profile in sorted({*TOOLS, "geonode"}):
        total = sum(megabytes(service.spec["mem_limit"]) for service in services() if profile in service.profiles and not service.is_job)
        assert re.search(rf"^\| `{profile}` \|.*\| {total:,} MB \|", text, flags=re.MULTILINE), f"docs/extras.md: {profile} is {total:,} MB"
