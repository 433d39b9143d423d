"""All looks at a stack, in the order in which an operator repairs things."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from flows.doctor import Finding
from flows.doctor_stack import answers, configuration, ground, running
from flows.doctor_stack.machine import Machine
from flows.doctor_stack.stack import COMPOSE_FILES, Stack, ToldElsewhereError
from flows.doctor_stack.verdict import Verdict, warning
from services.errors import PlatformError
from services.settings import PROJECT_ROOT

Look = Callable[[Stack], Iterator[Verdict]]

# The name of a finding is its function's.
PREFLIGHT: tuple[Look, ...] = (
    ground.docker_engine,
    ground.docker_compose,
    configuration.env_file,
    configuration.secrets,
    configuration.compose_file,
    ground.architecture,
    ground.processor,
    ground.memory,
    ground.disk,
    ground.ports,
    ground.clock,
    configuration.domain,
    configuration.dns,
    configuration.images,
)
DIAGNOSIS: tuple[Look, ...] = (
    running.started,
    running.killed_for_memory,
    running.illegal_instruction,
    running.stopped,
    running.failed_job,
    running.restarting,
    running.unhealthy,
    running.memory_in_use,
    running.volumes,
    running.changed,
    running.leftovers,
    answers.certificate,
    answers.api,
    answers.work,
    answers.alerts,
    answers.backups,
    answers.migrations,
)


def stack_folder(current: Path) -> Path:
    """Where the stack is described: the current folder, or the checkout that this program is of."""
    return current if any((current / name).is_file() for name in COMPOSE_FILES) else PROJECT_ROOT


def is_stack(folder: Path) -> bool:
    """Whether a folder is where an operator runs the stack: a compose file, and an .env with the stack's own secrets."""
    if not any((folder / name).is_file() for name in COMPOSE_FILES):
        return False
    try:
        return "POSTGRES_PASSWORD=" in (folder / ".env").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    except OSError:
        # There is one, and it is root's or another's: embedded use keeps no secret from the person who uses it.
        return True


def examine_stack(folder: Path, *, now: datetime, machine: Machine | None = None) -> list[Finding]:
    """All findings about the stack of a folder; what a broken look cannot tell is a finding too, never a crash."""
    stack = Stack(folder, now=now, machine=machine)
    return [
        Finding(finding.check, finding.is_ok, stack.redact(finding.found), stack.redact(finding.repair), finding.is_warning)
        for look in (*PREFLIGHT, *DIAGNOSIS)
        for finding in _findings(look, stack)
    ]


def _findings(look: Look, stack: Stack) -> Iterator[Finding]:
    name = look.__name__.replace("_", " ")
    try:
        for verdict in look(stack):
            yield verdict.named(name)
    except ToldElsewhereError:
        return
    except (OSError, PlatformError, ValueError, KeyError, TypeError) as error:
        verdict = warning(
            f"could not be found out: {error or type(error).__name__}", repair="docker info, and `cartulary doctor --stack` again"
        )
        yield verdict.named(name)
