"""A docker command that answers what the real one answered, or a case made of it.

Recorded in recorded_docker/ with Docker 28.5.2 and Compose 2.40.3 on the compose.yaml there:
`docker info|version --format json`, `docker inspect`, `docker stats --no-stream --format json`, `docker system df --verbose --format json`,
`docker compose config --format json` and `--hash '*'`; of `inspect` and `info` only what is read.
"""

from __future__ import annotations

import copy
import json
import os
import platform
import shlex
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flows.doctor_stack.machine import Machine
from flows.doctor_stack.stack import Stack
from flows.init import initialize

RECORDED = Path(__file__).with_name("recorded_docker")
NOW = datetime(2026, 11, 29, 6, 10, tzinfo=UTC)


def recorded(name: str) -> Any:
    """One recorded answer, as JSON."""
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


class FakeMachine(Machine):
    """A machine whose kernel files, addresses and names the test writes."""

    def __init__(self, proc: Path) -> None:
        super().__init__(proc)
        self.names: dict[str, set[str]] = {}
        (proc / "net").mkdir(parents=True)
        self.write("cpuinfo", "flags\t\t: fpu sse4_2 avx avx2\n")
        self.write("meminfo", "MemTotal: 8000000 kB\nSwapTotal: 4194304 kB\n")
        self.addresses_are("203.0.113.7")

    def write(self, name: str, text: str) -> None:
        """Let the kernel say this."""
        (self.proc / name).write_text(text, encoding="utf-8")

    def addresses_are(self, *addresses: str) -> None:
        """Let these be the interfaces' addresses; 203.0.113.0/24 stands for public ones in these tests."""
        self.__dict__["addresses"] = set(addresses)

    @property
    def public_addresses(self) -> set[str]:
        return {address for address in self.addresses if address.startswith("203.0.113.")}

    def resolve(self, hosts: list[str], seconds: float = 6.0) -> dict[str, set[str]]:
        return {host: self.names[host] for host in hosts if host in self.names}


@dataclass
class Scene:
    """A folder with compose.yaml and .env, what docker answers there, and the machine below; by default all is well."""

    folder: Path
    machine: FakeMachine
    info: dict[str, Any]
    config: dict[str, Any]
    containers: list[dict[str, Any]]
    patch: pytest.MonkeyPatch
    answers: dict[str, tuple[int, str, str]] = field(default_factory=dict)

    def answer(self, arguments: str, out: str = "", *, code: int = 0, err: str = "") -> None:
        """What `docker ARGUMENTS…` says from now on; the last that fits wins."""
        self.answers.pop(arguments, None)
        self.answers[arguments] = (code, out, err)

    def container(self, service: str) -> dict[str, Any]:
        """`docker inspect` of a service's container, to be changed."""
        return next(one for one in self.containers if one["Config"]["Labels"]["com.docker.compose.service"] == service)

    def env(self, **variables: str) -> None:
        """Change variables of .env."""
        path = self.folder / ".env"
        names = tuple(f"{name}=" for name in variables)
        kept = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(names)]
        path.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in variables.items()), ""]), encoding="utf-8")

    def stack(self) -> Stack:
        """The stack as the doctor sees it, with the fake docker first on PATH."""
        ids = "\n".join(one["Id"] for one in self.containers)
        facts = {
            "info": json.dumps(self.info),
            "compose config --format json": json.dumps(self.config),
            "compose config --hash": "".join(f"{name} {_hash(name)}\n" for name in self.config["services"]),
            "compose --profile * config": json.dumps(self.config),
            "ps --all --quiet": ids,
            "inspect": json.dumps(self.containers),
            "stats": "".join(_stats(one) for one in self.containers if one["State"]["Status"] == "running"),
        }
        answers = {name: (0, out, "") for name, out in facts.items()} | self.answers
        _write_docker(self.folder.parent / "bin", answers)
        return Stack(self.folder, now=NOW, machine=self.machine)


SERVICES = ("caddy", "api", "tyk", "flows", "clickhouse", "prometheus")
JOB = "migrate"


def make_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A stack in which all is well."""
    folder = tmp_path / "stack"
    folder.mkdir()
    (folder / "compose.yaml").write_text("services: {}\n", encoding="utf-8")
    (folder / "Caddyfile").write_text("{$DOMAIN:localhost} {\n}\napi.{$DOMAIN:localhost} {\n}\n", encoding="utf-8")
    (folder / ".env").write_text(_env(), encoding="utf-8")
    (folder / ".env").chmod(0o600)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    info = recorded("info") | {"KernelVersion": platform.release(), "MemTotal": 8_200_000_000, "DockerRootDir": str(tmp_path)}
    scene = Scene(folder, FakeMachine(tmp_path / "proc"), info, _config(), [_container(name) for name in (*SERVICES, JOB)], monkeypatch)
    scene.answer("version", json.dumps(recorded("version")))
    scene.answer("compose version --short", "2.40.3-3\n")
    scene.answer("compose config --quiet")
    scene.answer("image inspect", "sha256:c81f\n")
    scene.answer("ps --filter publish=")
    scene.answer("logs", "")
    scene.answer("system df", json.dumps(recorded("system_df")))
    return scene


@cache
def _env() -> str:
    """As `cartulary init` writes it; its hash takes a quarter of a second."""
    with tempfile.TemporaryDirectory() as folder:
        initialize(Path(folder) / ".env", people=["anna"])
        return (Path(folder) / ".env").read_text(encoding="utf-8")


def _config() -> dict[str, Any]:
    services: dict[str, Any] = {
        name: {"image": f"example/{name}:1.0", "mem_limit": str(1 << 30), "restart": "unless-stopped"} for name in SERVICES
    }
    services["clickhouse"]["image"] = "clickhouse/clickhouse-server:26.8"
    services[JOB] = {"image": "example/migrate:1.0", "mem_limit": str(1 << 30), "restart": "on-failure:5"}
    # As Compose wrote the port of the probe.
    port = recorded("config")["services"]["web"]["ports"][0]
    services["caddy"]["ports"] = [port | {"host_ip": "0.0.0.0", "target": 443, "published": "443"}]
    services["caddy"]["environment"] = {"DOMAIN": "localhost"}
    return recorded("config") | {"name": "cartulary", "services": services}


def _container(service: str) -> dict[str, Any]:
    recording = {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in recorded("inspect")}
    told = copy.deepcopy(recording["job" if service == JOB else "web"])
    told["Id"] = service.encode().hex().ljust(64, "0")
    told["Name"] = f"/cartulary-{service}-1"
    told["HostConfig"] = {"Memory": 1 << 30, "RestartPolicy": {"Name": "on-failure" if service == JOB else "unless-stopped"}}
    told["Config"]["Image"] = _config()["services"][service]["image"]
    labels = {"service": service, "project": "cartulary", "config-hash": _hash(service)}
    told["Config"]["Labels"] |= {f"com.docker.compose.{name}": value for name, value in labels.items()}
    told["NetworkSettings"]["Ports"] = {"443/tcp": [{"HostIp": "0.0.0.0", "HostPort": "443"}]} if service == "caddy" else {}
    return told


def as_recorded(scene: Scene, service: str, recording: str) -> dict[str, Any]:
    """Give a service's container the state of a recorded one."""
    found = next(one for one in recorded("inspect") if one["Config"]["Labels"]["com.docker.compose.service"] == recording)
    told = scene.container(service)
    told["State"], told["RestartCount"] = found["State"], found["RestartCount"]
    return told


def _hash(service: str) -> str:
    return service.encode().hex().ljust(64, "f")


def _stats(told: dict[str, Any]) -> str:
    line = json.loads((RECORDED / "stats.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    name = told["Name"].removeprefix("/")
    return json.dumps(line | {"ID": told["Id"][:12], "Name": name, "MemPerc": "11.00%", "MemUsage": "112.6MiB / 1GiB"}) + "\n"


def _write_docker(folder: Path, answers: dict[str, tuple[int, str, str]]) -> None:
    """A shell script with one case per answer: a process that starts within milliseconds."""
    folder.mkdir(exist_ok=True)
    lines = ["#!/bin/sh", f'echo "$*" >> {shlex.quote(str(folder / "asked"))}', 'case "$*" in']
    for number, (arguments, (code, out, err)) in enumerate(reversed(answers.items())):
        for stream, text in (("out", out), ("err", err)):
            (folder / f"{number}.{stream}").write_text(text, encoding="utf-8")
        lines.append(f"  {shlex.quote(arguments)}*) cat {folder}/{number}.out; cat {folder}/{number}.err >&2; exit {code};;")
    lines += ['  *) echo "the test has no answer to: $*" >&2; exit 64;;', "esac", ""]
    script = folder / "docker"
    script.write_text("\n".join(lines), encoding="utf-8")
    script.chmod(0o755)


def inside(scene: Scene, service: str, command: str, out: str = "", *, code: int = 0, err: str = "") -> None:
    """What a command says inside a service's container."""
    scene.answer(f"exec {scene.container(service)['Id']} {command}", out, code=code, err=err)


def prometheus(scene: Scene, *, alerts: list[dict[str, Any]], backup: float | None) -> None:
    """What Prometheus says of alerts and of the newest backup (seconds since 1970)."""
    fetch = "python -c import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1], timeout=10).read().decode())"
    asked = f"{fetch} http://prometheus:9090/prometheus/api/v1/"
    value = [] if backup is None else [{"metric": {}, "value": [NOW.timestamp(), str(backup)]}]
    inside(scene, "api", f"{asked}alerts", json.dumps({"status": "success", "data": {"alerts": alerts}}))
    inside(scene, "api", f"{asked}query", json.dumps({"status": "success", "data": {"resultType": "vector", "result": value}}))
