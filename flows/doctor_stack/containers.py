"""One container of the stack, as `docker inspect` describes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

LABEL = "com.docker.compose"
STAYS = frozenset({"always", "unless-stopped"})
# How the shell and Docker tell signals: 128 + SIGILL, 128 + SIGKILL.
ILLEGAL_INSTRUCTION, KILLED = 132, 137


@dataclass(frozen=True)
class Container:
    """State, limits and origin of one container; times are UTC, sizes bytes, an absent limit is 0."""

    id: str
    name: str
    service: str
    project: str
    state: str
    exit_code: int
    error: str
    is_out_of_memory: bool
    restarts: int
    started_at: datetime | None
    health: str
    health_output: str
    image: str
    memory_limit: int
    stays: bool
    config_hash: str
    published: frozenset[tuple[int, str]]

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self.state == "running"

    @property
    def met_an_illegal_instruction(self) -> bool:
        """Whether it ended on an instruction that this processor lacks."""
        return self.exit_code == ILLEGAL_INSTRUCTION and not self.is_running


def read_container(told: dict[str, Any]) -> Container:
    """From one object of `docker inspect`."""
    state, labels, host = told["State"], told["Config"].get("Labels") or {}, told["HostConfig"]
    health = state.get("Health") or {}
    log = health.get("Log") or []
    return Container(
        id=told["Id"],
        name=told["Name"].removeprefix("/"),
        service=labels.get(f"{LABEL}.service", ""),
        project=labels.get(f"{LABEL}.project", ""),
        state=state["Status"],
        exit_code=state.get("ExitCode", 0),
        error=state.get("Error", ""),
        is_out_of_memory=bool(state.get("OOMKilled")),
        restarts=told.get("RestartCount", 0),
        started_at=_moment(state.get("StartedAt", "")),
        health=health.get("Status", ""),
        health_output=log[-1].get("Output", "").strip() if log else "",
        image=told["Config"].get("Image", ""),
        memory_limit=host.get("Memory") or 0,
        stays=str((host.get("RestartPolicy") or {}).get("Name")) in STAYS,
        config_hash=labels.get(f"{LABEL}.config-hash", ""),
        published=frozenset(_published(told)),
    )


def is_of_a_service(told: dict[str, Any]) -> bool:
    """Whether `docker compose up` made it: `docker compose run` makes others beside the services."""
    labels = told["Config"].get("Labels") or {}
    return f"{LABEL}.service" in labels and labels.get(f"{LABEL}.oneoff") not in ("True", "true")


def _published(told: dict[str, Any]) -> set[tuple[int, str]]:
    ports = (told.get("NetworkSettings") or {}).get("Ports") or {}
    return {(int(bound["HostPort"]), inner.split("/")[-1]) for inner, bounds in ports.items() for bound in bounds or ()}


def _moment(text: str) -> datetime | None:
    """Docker writes nanoseconds, and the year 1 for never."""
    if not text or text.startswith("0001"):
        return None
    return datetime.fromisoformat(f"{text[:19]}+00:00")
