"""The facts about one stack that the looks share: each is asked for once, when a look needs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from flows.doctor_stack.containers import LABEL, Container, is_of_a_service, read_container
from flows.doctor_stack.docker import Answer, Docker, DockerError
from flows.doctor_stack.machine import Machine

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY$|_AUTH$|STAFF_USERS|WEBHOOK|__URL$|_DATABASE_URL$")
LOCALHOST = "localhost"


class ToldElsewhereError(Exception):
    """What this look needs is broken, and another look says so: it has nothing of its own to say."""


@dataclass(frozen=True)
class Published:
    """One port of the machine that compose.yaml opens."""

    service: str
    address: str
    port: int
    inner: int
    protocol: str


class Stack:
    """A folder with a compose.yaml and its .env, and what Docker says of it; `now` is UTC."""

    def __init__(self, folder: Path, *, now: datetime, machine: Machine | None = None) -> None:
        self.folder = folder
        self.now = now
        self.docker = Docker(folder)
        self.machine = machine or Machine()
        self.env_path = folder / ".env"

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """What .env says; nothing when there is none or it is not ours to read."""
        try:
            return {name: value or "" for name, value in dotenv_values(self.env_path, interpolate=False).items()}
        except OSError:
            return {}

    def is_secret(self, name: str) -> bool:
        """Whether a variable of that name is one that nobody may see."""
        return bool(SECRET_NAME.search(name))

    def redact(self, text: str) -> str:
        """The text without any secret of .env: logs and complaints are quoted, and may hold one."""
        values = {value for name, value in self.variables.items() if self.is_secret(name)}
        parts = {part for value in values for part in (value, value.rpartition(":")[2])}
        for part in sorted(parts, key=len, reverse=True):
            if len(part) >= 8:
                text = text.replace(part, "***")
        return text

    @cached_property
    def engine_problem(self) -> str:
        """Why Docker's engine does not answer; empty when it does."""
        answer = self.docker.ask("version", "--format", "json")
        return "" if answer.code == 0 else answer.reason

    @cached_property
    def engine(self) -> dict[str, Any]:
        """`docker info`."""
        self.needs_engine()
        info: dict[str, Any] = self.docker.json("info", "--format", "json")
        return info

    def needs_engine(self) -> None:
        """Say nothing where Docker's engine does not answer."""
        if self.engine_problem:
            raise ToldElsewhereError

    def needs_local_engine(self) -> None:
        """Say nothing about this machine where the engine is on another."""
        if self.engine.get("KernelVersion") != self.machine.kernel:
            raise ToldElsewhereError

    @cached_property
    def compose_version(self) -> Answer:
        """`docker compose version`."""
        return self.docker.ask("compose", "version", "--short")

    @cached_property
    def config_problem(self) -> str:
        """Docker Compose's complaint about compose.yaml and .env; empty when it has none."""
        if self.compose_version.code != 0:
            raise ToldElsewhereError
        answer = self.docker.ask("compose", "config", "--quiet")
        return "" if answer.code == 0 else answer.reason

    @cached_property
    def config(self) -> dict[str, Any]:
        """compose.yaml with everything filled in, for the profiles that are chosen."""
        if self.config_problem:
            raise ToldElsewhereError
        config: dict[str, Any] = self.docker.json("compose", "config", "--format", "json")
        return config

    @cached_property
    def template(self) -> dict[str, Any]:
        """compose.yaml of all profiles with its ${…} as they stand: also readable where .env lacks something."""
        try:
            template: dict[str, Any] = self.docker.json("compose", "--profile", "*", "config", "--no-interpolate", "--format", "json")
        except DockerError:
            raise ToldElsewhereError from None
        return template

    @cached_property
    def services(self) -> dict[str, dict[str, Any]]:
        """The services of the chosen profiles."""
        return self.config.get("services") or {}

    @cached_property
    def published(self) -> list[Published]:
        """The ports that the stack opens on the machine."""
        return [
            Published(name, port.get("host_ip", ""), int(port["published"]), int(port["target"]), port.get("protocol", "tcp"))
            for name, service in self.services.items()
            for port in service.get("ports") or ()
            if str(port.get("published", "")).isdigit()
        ]

    @cached_property
    def domain(self) -> str:
        """The domain as Caddy is told; localhost where there is none."""
        told = (self.services.get("caddy", {}).get("environment") or {}).get("DOMAIN")
        return told or self.variables.get("DOMAIN") or LOCALHOST

    @cached_property
    def hosts(self) -> list[str]:
        """The domain and its sub-domains as the Caddyfile names them; those of extras only where their service is chosen."""
        try:
            text = (self.folder / "Caddyfile").read_text(encoding="utf-8")
        except OSError:
            text = "api.{$DOMAIN} {"
        names = re.findall(r"^([a-z0-9-]+)\.\{\$DOMAIN", text, re.MULTILINE)
        absent = {name for name in self.template.get("services") or {} if name not in self.services}
        return [self.domain, *(f"{name}.{self.domain}" for name in names if name not in absent)]

    @cached_property
    def containers(self) -> list[Container]:
        """All containers of this project, also stopped ones and such of services that are gone."""
        self.needs_engine()
        by = f"label={LABEL}.project.working_dir={self.folder}" if self.config_problem else f"label={LABEL}.project={self.config['name']}"
        ids = self.docker.read("ps", "--all", "--quiet", "--no-trunc", "--filter", by).split()
        told = self.docker.json("inspect", "--type", "container", *ids) if ids else []
        return sorted((read_container(one) for one in told if is_of_a_service(one)), key=lambda container: container.name)

    def container(self, service: str) -> Container:
        """The running container of a service; nothing to say where it does not run."""
        for container in self.containers:
            if container.service == service and container.is_running:
                return container
        raise ToldElsewhereError

    def last_words(self, container: Container, lines: int = 40) -> str:
        """The line of its log that says most about its end: the last that complains, else the last of all."""
        answer = self.docker.ask("logs", "--tail", str(lines), container.id)
        told = [line.strip() for line in f"{answer.out}\n{answer.err}".splitlines() if line.strip()] if answer.code == 0 else []
        loud = [line for line in told if re.search(r"error|fatal|denied|refused|cannot|failed|exception|panic", line, re.IGNORECASE)]
        return (loud or told or [""])[-1]
