"""Whether Docker and the machine can carry the stack: looked at before anything starts. One function per finding."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.doctor_stack.docker import MISSING, ask_command, version
from flows.doctor_stack.stack import Published, Stack, ToldElsewhereError
from flows.doctor_stack.verdict import Verdict, size, warning, well, wrong

INSTALL = "sudo apt-get install docker-ce docker-compose-plugin (from Docker's own repository: docs.docker.com/engine/install)"
# The oldest engine that Ubuntu 24.04 has. A health check's start_interval needs API 1.44, which came with 25: Compose refuses it before.
ENGINE, ENGINE_OF_START_INTERVAL = (24, 0, 0), (25, 0, 0)
# include came with 2.20, start_interval with 2.20.2, `ps --format json` in lines with 2.21, env_file's `required` with 2.24.0, and !reset
# and !override in an operator's compose.override.yaml with 2.24.4.
COMPOSE = (2, 24, 4)
# A VPS sold as 8 GB tells a little less.
ADVISED_MEMORY = 7_500_000_000
# Services seldom take all that they may: about two thirds of the limits' sum, by the budget in docs/install.md.
USED_SHARE = 0.66
FREE_BYTES, FREE_BYTES_AT_FIRST = 5_000_000_000, 20_000_000_000
FULL_SHARE, FILLING_SHARE = 0.92, 0.80
# ClickHouse for amd64 is built for processors with AVX2 from here on.
CLICKHOUSE_WITH_AVX2 = (26, 6, 0)


def docker_engine(stack: Stack) -> Iterator[Verdict]:
    """The engine is installed, runs, may be asked by this user, and is new enough."""
    problem = stack.engine_problem
    if "not installed" in problem:
        yield wrong("the docker command is missing", repair=INSTALL)
    elif "permission denied" in problem:
        yield wrong("this user may not ask Docker's engine", repair="sudo usermod -aG docker $(id -un), then log out and in again")
    elif problem:
        yield wrong(f"Docker's engine does not answer: {problem}", repair="sudo systemctl enable --now docker")
    else:
        found = str(stack.engine.get("ServerVersion", ""))
        uses_interval = _uses_start_interval(stack)
        needed = ENGINE_OF_START_INTERVAL if uses_interval else ENGINE
        if version(found) < needed:
            why = ", as compose.yaml sets start_interval" if uses_interval else ""
            yield wrong(f"version {found}; at least {needed[0]}.{needed[1]} is needed{why}", repair=INSTALL)
        else:
            yield well(f"version {found} answers")


def docker_compose(stack: Stack) -> Iterator[Verdict]:
    """Compose is there as a plugin, and new enough for what compose.yaml uses."""
    answer = stack.compose_version
    if answer.code == MISSING:
        raise ToldElsewhereError
    if answer.code != 0:
        yield wrong(
            "`docker compose` is missing (docker-compose with a hyphen is too old)", repair="sudo apt-get install docker-compose-plugin"
        )
    elif version(answer.out) < COMPOSE:
        needed = ".".join(map(str, COMPOSE))
        yield wrong(f"version {answer.out.strip()}; at least {needed} is needed", repair="sudo apt-get install docker-compose-plugin")
    else:
        yield well(f"version {answer.out.strip()}")


def architecture(stack: Stack) -> Iterator[Verdict]:
    """The images are pinned for amd64; PostGIS has no other."""
    found = stack.engine.get("Architecture", "")
    if found in ("x86_64", "amd64"):
        yield well(found)
    else:
        yield wrong(
            f"{found}: the images are chosen for amd64, and postgis/postgis has no other",
            repair=".env: name images for this processor in POSTGIS_IMAGE and where else one is missing, or take a machine with amd64",
        )


def processor(stack: Stack) -> Iterator[Verdict]:
    """Newer ClickHouse ends with exit code 132 on processors without AVX2, also on such as a hypervisor hides it from."""
    stack.needs_local_engine()
    image = stack.services.get("clickhouse", {}).get("image", "")
    needs_avx2 = version(image.rpartition(":")[2]) >= CLICKHOUSE_WITH_AVX2
    if stack.machine.has_avx2:
        yield well("AVX2 found")
    elif needs_avx2:
        yield wrong(
            f"no AVX2, which {image} needs",
            repair=".env: CLICKHOUSE_IMAGE=clickhouse/clickhouse-server:26.3, then `docker compose up -d --wait`",
        )
    else:
        yield well(f"no AVX2: {image or 'ClickHouse'} works without, 26.6 and newer do not")


def memory(stack: Stack) -> Iterator[Verdict]:
    """The sum of the limits of what runs for good, against memory and swap as Docker sees them."""
    total = int(stack.engine["MemTotal"])
    limits = {name: _limit(service) for name, service in stack.services.items() if _stays(service)}
    allowed = sum(limits.values())
    swap = stack.machine.swap if stack.engine.get("KernelVersion") == stack.machine.kernel else 0
    profiles = stack.variables.get("COMPOSE_PROFILES") or "none"
    found = f"{size(total)} and {size(swap)} of swap; {len(limits)} services may take {size(allowed)} together (profiles: {profiles})"
    repair = (
        "sudo fallocate -l 4G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile "
        "&& echo '/swapfile none swap sw 0 0' | sudo tee -a /etc/fstab"
    )
    if total + swap < USED_SHARE * allowed:
        yield wrong(found, repair=f".env: fewer COMPOSE_PROFILES, or a machine with more memory; until then {repair}")
    elif total + swap < allowed or total < ADVISED_MEMORY:
        yield warning(f"{found}; 8 GB and swap are advised", repair=repair)
    else:
        yield well(found)
    if endless := sorted(name for name, limit in limits.items() if not limit):
        yield warning(f"without a limit: {', '.join(endless)}", repair="compose.yaml: give each a mem_limit")


def disk(stack: Stack) -> Iterator[Verdict]:
    """Room where Docker keeps images and volumes: RustFS and Postgres both suffer when it is full."""
    stack.needs_local_engine()
    root = Path(stack.engine["DockerRootDir"])
    place = next(path for path in (root, *root.parents) if path.exists())
    usage = shutil.disk_usage(place)
    share = (usage.total - usage.free) / usage.total
    found = f"{size(usage.free)} free of {size(usage.total)} at {root}"
    if usage.free < FREE_BYTES or share > FULL_SHARE:
        yield wrong(
            found, repair="docker system prune (unused images and build cache, no volume), then `docker system df -v`: what takes the rest"
        )
    elif share > FILLING_SHARE or (usage.free < FREE_BYTES_AT_FIRST and not stack.containers):
        yield warning(found, repair="docker system df -v, then `docker system prune` (unused images and build cache, no volume)")
    else:
        yield well(found)


def ports(stack: Stack) -> Iterator[Verdict]:
    """Each port that the stack publishes is free, or held by the stack itself."""
    stack.needs_local_engine()
    ours = {port for container in stack.containers if container.is_running for port in container.published}
    held = [port for port in stack.published if (port.port, port.protocol) in ours]
    free = []
    for port in stack.published:
        if port in held:
            continue
        if taken := _taken(stack, port):
            yield taken
        else:
            free.append(port)
    for word, them in (("held by the stack itself", held), ("free", free)):
        if them:
            yield well(f"{', '.join(sorted({f'{port.port}/{port.protocol}' for port in them}))} {word}")


def clock(stack: Stack) -> Iterator[Verdict]:
    """Certificates and signed links fail when the clock is wrong."""
    answer = ask_command("timedatectl", "show", "--property=NTPSynchronized", "--value", seconds=5.0)
    told = answer.out.strip()
    if answer.code == 0 and told == "no":
        yield warning(f"{stack.now:%Y-%m-%d %H:%M} UTC, and nobody sets it", repair="sudo timedatectl set-ntp true")
    else:
        yield well(f"{stack.now:%Y-%m-%d %H:%M} UTC{', set by a time server' if told == 'yes' else ''}")


def _uses_start_interval(stack: Stack) -> bool:
    try:
        return any((service.get("healthcheck") or {}).get("start_interval") for service in stack.services.values())
    except ToldElsewhereError:
        return False


def _limit(service: dict[str, Any]) -> int:
    deployed = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    return int(service.get("mem_limit") or deployed.get("memory") or 0)


def _stays(service: dict[str, Any]) -> bool:
    """A job that ends does not add to the sum."""
    return service.get("restart", "no") in ("always", "unless-stopped")


def _taken(stack: Stack, port: Published) -> Verdict | None:
    others = stack.docker.json_lines("ps", "--filter", f"publish={port.port}/{port.protocol}", "--format", "json")
    found = f"{port.port}/{port.protocol}, which {port.service} needs, is held by "
    if others:
        name = others[0]["Names"]
        return wrong(f"{found}the container {name}", repair=f"docker stop {name}")
    holder = stack.machine.holder(port.port, port.protocol)
    if holder is None:
        return None
    if holder.unit:
        return wrong(f"{found}{holder.name} ({holder.unit})", repair=f"sudo systemctl disable --now {holder.unit}")
    if holder.process:
        return wrong(f"{found}{holder.name} (process {holder.process})", repair=f"sudo kill {holder.process}")
    look = "ss -ltnp" if port.protocol == "tcp" else "ss -lunp"
    return wrong(f"{found}a process that only root may name", repair=f"sudo {look} 'sport = :{port.port}', then stop what it names")
