"""The doctor of the stack: each finding, and the command that repairs it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from docker_fake import NOW, Scene, as_recorded, inside, make_scene, prometheus, recorded
from doctor_cases import CASES, NOTE, STOCK, WELL, WRONG, engine_is_dead, env_is_open, extras_variable_is_missing

from flows.doctor import Finding
from flows.doctor_stack.docker import version
from flows.doctor_stack.examination import DIAGNOSIS, PREFLIGHT, examine_stack, is_stack
from flows.doctor_stack.machine import Machine
from flows.doctor_stack.running import _bytes
from flows.init import SECRETS, STAFF
from services.settings import PROJECT_ROOT

NAMES = {look.__name__.replace("_", " ") for look in (*PREFLIGHT, *DIAGNOSIS)}
USAGE = namedtuple("USAGE", "total used free")
# A repair is something to type, or a file to change.
COMMANDS = {"docker", "sudo", "make", "chmod", "dig", "git"}
FILE = re.compile(r"(\.env|compose\.yaml): \S|monitoring/prometheus/rules has \S")


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    scene = make_scene(tmp_path, monkeypatch)
    inside(scene, "flows", "cartulary status", json.dumps(STOCK))
    inside(scene, "flows", "cartulary sql", "")
    prometheus(scene, alerts=[], backup=NOW.timestamp() - 3600)
    # The disk of whoever runs this may be fuller.
    monkeypatch.setattr("flows.doctor_stack.ground.shutil.disk_usage", lambda _: USAGE(100e9, 50e9, 50e9))
    return scene


def examine(scene: Scene) -> list[Finding]:
    stack = scene.stack()
    return examine_stack(stack.folder, now=NOW, machine=scene.machine)


def level(finding: Finding) -> str:
    return WELL if finding.is_ok else NOTE if finding.is_warning else WRONG


def check_repairs(findings: list[Finding]) -> None:
    """Whatever is not well says what to type or which file to change."""
    for finding in findings:
        assert finding.check in NAMES
        assert finding.is_ok == (finding.repair == ""), finding
        assert finding.is_ok or finding.repair.split()[0] in COMMANDS or FILE.match(finding.repair), finding


@pytest.mark.parametrize(("matter", "check", "expected", "found", "repair"), CASES, ids=[f"{case[0].__name__}-{case[1]}" for case in CASES])
def test_each_finding_and_its_repair(
    scene: Scene, matter: Callable[[Scene], None], check: str, expected: str, found: str, repair: str
) -> None:
    matter(scene)
    findings = examine(scene)
    told = [finding for finding in findings if finding.check == check and found in finding.found]
    assert told, [finding for finding in findings if finding.check == check or not finding.is_ok]
    assert (level(told[0]), told[0].repair.startswith(repair)) == (expected, True), told[0]
    check_repairs(findings)


def test_all_is_well(scene: Scene) -> None:
    findings = examine(scene)
    # Nobody listens at 443 here: the two findings that ask Caddy itself have tests of their own.
    others = [finding for finding in findings if finding.check not in {"certificate", "api", "clock"}]
    assert [finding for finding in others if not finding.is_ok] == []
    found = {finding.check: finding.found for finding in others}
    assert found["started"] == "6 containers run, 1 jobs are done"
    assert found["ports"] == "443/tcp held by the stack itself"
    assert found["memory in use"] == "708 MB in 6 containers, none near its limit"
    assert found["secrets"].endswith("1 of the staff")


def test_every_finding_has_a_case() -> None:
    elsewhere = {"disk", "ports", "clock", "volumes", "certificate", "api"}
    assert {case[1] for case in CASES} | elsewhere == NAMES


def test_a_broken_engine_is_told_once(scene: Scene) -> None:
    engine_is_dead(scene)
    findings = examine(scene)
    assert [finding.check for finding in findings if not finding.is_ok and finding.check != "clock"] == ["docker engine"]


def test_nothing_started_yet_is_no_fault(scene: Scene) -> None:
    scene.containers.clear()
    findings = examine(scene)
    assert ("started", True) in [(finding.check, finding.is_ok) for finding in findings]
    assert not {"work", "alerts", "certificate", "api", "memory in use"} & {finding.check for finding in findings}
    assert not any(finding.is_wrong for finding in findings if finding.check != "ports")


def test_the_doctor_only_asks(scene: Scene) -> None:
    examine(scene)
    asked = (scene.folder.parent / "bin/asked").read_text(encoding="utf-8").splitlines()
    reading = ("version", "info", "ps", "inspect", "image inspect", "logs", "stats", "system df", "compose version", "compose config")
    allowed = (("flows", "cartulary status"), ("flows", "cartulary sql"), ("api", "python -c"))
    inside = [f"exec {scene.container(service)['Id']} {command} " for service, command in allowed]
    others = [line for line in asked if not line.startswith((*reading, *inside, "compose --profile * config"))]
    assert others == []


def test_no_secret_is_told(scene: Scene) -> None:
    scene.env(REDIS_PASSWORD="canary-of-this-test-0123456789", PREFECT_AUTH="admin:second-canary-0123456789")
    as_recorded(scene, "tyk", "badjob")
    scene.answer("logs", "error: no redis://:canary-of-this-test-0123456789@redis, no second-canary-0123456789\n")
    assert "canary" not in str(examine(scene))
    assert "redis://:***@redis, no ***" in str(examine(scene))


def test_containers_of_compose_run_are_none_of_the_stack(scene: Scene) -> None:
    scene.containers.append(json.loads(json.dumps(scene.container("migrate"))))
    scene.containers[-1]["State"] |= {"ExitCode": 1}
    scene.containers[-1]["Config"]["Labels"]["com.docker.compose.oneoff"] = "True"
    assert "failed job" not in {finding.check for finding in examine(scene)}


def test_a_slow_docker_is_not_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = scene.stack()
    (scene.folder.parent / "bin/docker").write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    answer = stack.docker.ask("info", seconds=0.2)
    assert (answer.code, answer.reason) == (124, "no answer within 0 seconds")


def test_disk(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(total: float, free: float) -> list[str]:
        monkeypatch.setattr("flows.doctor_stack.ground.shutil.disk_usage", lambda _: USAGE(total, total - free, free))
        findings = [finding for finding in examine(scene) if finding.check == "disk"]
        check_repairs(findings)
        return [level(finding) for finding in findings]

    assert usage(100e9, 50e9) == [WELL]
    assert usage(100e9, 15e9) == [NOTE]
    assert usage(100e9, 6e9) == [WRONG]
    assert usage(20e9, 4e9) == [WRONG]
    scene.containers.clear()
    assert usage(40e9, 15e9) == [NOTE]


def ports_found(scene: Scene) -> list[Finding]:
    scene.containers.remove(scene.container("caddy"))
    findings = [finding for finding in examine(scene) if finding.check == "ports"]
    check_repairs(findings)
    return findings


def test_a_port_held_by_a_process(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        holder = Machine().holder(port)
        assert holder is not None
        # In a sandbox the test itself may run below a unit.
        assert (holder.process, holder.name) == (os.getpid(), Path("/proc/self/comm").read_text(encoding="utf-8").strip())
        scene.config["services"]["caddy"]["ports"][0]["published"] = str(port)
        scene.machine.proc = Path("/proc")
        (found,) = ports_found(scene)
    assert found.is_wrong
    assert f"{port}/tcp, which caddy needs, is held by {holder.name}" in found.found
    assert found.repair in (f"sudo kill {os.getpid()}", f"sudo systemctl disable --now {holder.unit}")
    assert Machine().holder(port) is None


def test_a_port_held_by_another_container(scene: Scene) -> None:
    told = Path(__file__).with_name("recorded_docker") / "ps_publish.jsonl"
    scene.answer("ps --filter publish=443/tcp", told.read_text(encoding="utf-8"))
    (found,) = ports_found(scene)
    assert (found.is_wrong, found.repair) == (True, "docker stop doctorprobe-web-1")


def test_a_port_held_by_somebody_whom_only_root_may_name(scene: Scene) -> None:
    header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    line = "   0: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 8080 1 0 100 0 0 10 0\n"
    scene.machine.write("net/tcp", header + line)
    (found,) = ports_found(scene)
    assert (found.is_wrong, found.repair) == (True, "sudo ss -ltnp 'sport = :443', then stop what it names")
    # The same with a socket of which the kernel tells us more: the unit that has to be stopped.
    process = scene.machine.proc / "42"
    (process / "fd").mkdir(parents=True)
    (process / "fd/6").symlink_to("socket:[8080]")
    (process / "comm").write_text("nginx\n", encoding="utf-8")
    (process / "cgroup").write_text("0::/system.slice/nginx.service\n", encoding="utf-8")
    scene.containers = [one for one in scene.containers if one["Name"] != "/cartulary-caddy-1"]
    told = next(finding for finding in examine(scene) if finding.check == "ports")
    assert told.repair == "sudo systemctl disable --now nginx.service"


def test_clock_and_volumes(scene: Scene) -> None:
    scene.stack()
    timedatectl = scene.folder.parent / "bin/timedatectl"
    timedatectl.write_text("#!/bin/sh\necho no\n", encoding="utf-8")
    timedatectl.chmod(0o755)
    found = {finding.check: finding for finding in examine(scene)}
    assert (level(found["clock"]), found["clock"].repair) == (NOTE, "sudo timedatectl set-ntp true")
    volume = recorded("system_df")["Volumes"][0]
    ours = {"Name": "cartulary_rustfs-data", "Size": "1.5GB", "Labels": volume["Labels"].replace("doctorprobe", "cartulary")}
    scene.answer("system df", json.dumps({"Volumes": [volume, volume | ours]}))
    found = {finding.check: finding for finding in examine(scene)}
    assert found["volumes"].found == "1.5 GB in 1; largest: rustfs-data 1.5 GB"


def test_the_engine_on_another_machine(scene: Scene) -> None:
    scene.info["KernelVersion"] = "6.1.0-another"
    checks = {finding.check for finding in examine(scene)}
    assert not checks & {"disk", "ports", "processor", "dns", "certificate", "api"}
    assert {"memory", "architecture", "started"} <= checks


def test_when_the_folder_is_a_stack(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=x\n", encoding="utf-8")
    assert not is_stack(tmp_path)
    (tmp_path / "compose.yaml").touch()
    assert is_stack(tmp_path)
    (tmp_path / ".env").write_text("CARTULARY_DATA_DIR=data\n", encoding="utf-8")
    assert not is_stack(tmp_path)
    (tmp_path / ".env").unlink()
    assert not is_stack(tmp_path)


@pytest.mark.parametrize(
    ("text", "count"),
    [("428KiB", 428 * 1024), ("54.62MiB", 54.62 * 2**20), ("1.2GB", 1.2e9), ("12kB", 12e3), ("0B", 0), ("N/A", 0), ("2GiB", 2**31)],
)
def test_sizes_as_docker_writes_them(text: str, count: float) -> None:
    assert _bytes(text) == count


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("28.5.2+dfsg4", (28, 5, 2)), ("v2.24.6+ds1-0ubuntu1", (2, 24, 6)), ("26.3-alpine", (26, 3, 0)), ("latest", (0, 0, 0))],
)
def test_versions(text: str, numbers: tuple[int, int, int]) -> None:
    assert version(text) == numbers


def test_the_command(scene: Scene) -> None:
    env_is_open(scene)
    scene.stack()
    command = [sys.executable, "-c", "from flows.cli import app; app()", "--data-dir", str(scene.folder / "data"), "doctor"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], cwd=scene.folder, capture_output=True, text=True, timeout=120, check=False)

    shown = run()
    assert shown.returncode == 1
    assert f"repair: chmod 600 {scene.folder}/.env" in shown.stdout
    told = json.loads(run("--json").stdout)
    assert {"check", "is_ok", "found", "repair", "is_warning"} == set(told[0])
    assert "Traceback" not in shown.stderr
    # The machine alone, as without a stack.
    assert "python" in {finding["check"] for finding in json.loads(run("--no-stack", "--json").stdout)}


def test_each_secret_is_explained() -> None:
    text = (PROJECT_ROOT / "docs/secrets.md").read_text(encoding="utf-8")
    named = [re.escape(name).replace("…", r"\w+") for name in re.findall(r"`([A-Z][A-Z0-9_…]+)`", text)]
    assert [name for name in (*SECRETS, STAFF) if not any(re.fullmatch(pattern, name) for pattern in named)] == []


@pytest.mark.parametrize("service", ["postgres", "postgis"])
def test_each_password_in_a_database_is_changed_there(service: str) -> None:
    """What a database was given at its first start it never reads again: the page has to name the role of each."""
    text = (PROJECT_ROOT / "docs/secrets.md").read_text(encoding="utf-8").partition("### All at once")[2]
    given = yaml.safe_load((PROJECT_ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"][service]["environment"]
    variables = [found[1] for value in given.values() if (found := re.match(r"\$\{(\w+):\?", value))]
    told = re.findall(rf"^change {service} (\w+) (\w+)$", text, re.MULTILINE)
    assert sorted(variable for _, variable in told) == sorted(variables)
    scripts = [*PROJECT_ROOT.glob("services/state/container/*.sh"), *PROJECT_ROOT.glob("gis/container/postgis/*.sh")]
    made = " ".join(script.read_text(encoding="utf-8") for script in scripts)
    assert all(role == "postgres" or re.search(rf"\b{role}\b", made) for role, _ in told)


def test_a_secret_that_init_does_not_make_is_told_of_once(scene: Scene) -> None:
    extras_variable_is_missing(scene)
    findings = examine(scene)
    assert [finding.check for finding in findings if "SHOP_TOKEN" in finding.found] == ["compose file"]


def test_troubleshooting_names_findings_that_exist() -> None:
    text = (PROJECT_ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    named = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert len(named) >= 12
    assert set(named) <= NAMES
