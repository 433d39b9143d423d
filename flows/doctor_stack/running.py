"""What is wrong with the containers of a stack that was started. One function per finding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from flows.doctor_stack.containers import KILLED, Container
from flows.doctor_stack.docker import DockerError
from flows.doctor_stack.stack import Stack, ToldElsewhereError
from flows.doctor_stack.verdict import Verdict, limit, size, warning, well, wrong

NEAR_LIMIT = 90.0
LONGEST_REASON = 240
OFTEN, LATELY = 3, timedelta(hours=1)
UP = "docker compose up -d --wait"
STATS_SECONDS, SIZES_SECONDS = 30.0, 60.0
UNITS = ("", "K", "M", "G", "T")


def started(stack: Stack) -> Iterator[Verdict]:
    """Whether anything was started, and every service of the chosen profiles with it."""
    if not stack.containers:
        yield well(f"nothing yet: `{UP}` starts it")
        return
    if not any(container.is_running or container.state == "restarting" for container in stack.containers):
        yield wrong("the stack stands still: no container runs", repair=UP)
        return
    known = {container.service for container in stack.containers}
    if absent := sorted(set(stack.services) - known):
        yield wrong(f"no container: {', '.join(absent)}", repair=UP)
    waiting = [container for container in stack.containers if container.state == "created" and container.service in stack.services]
    for container in waiting:
        yield wrong(
            f"{container.service} was made and never started{_because(container.error)}",
            repair=f"{UP}, {'once that is repaired' if container.error else 'which names what it waits for'}",
        )
    if not absent and not waiting:
        running = sum(container.is_running for container in stack.containers)
        done = sum(container.state == "exited" and container.exit_code == 0 and not container.stays for container in stack.containers)
        yield well(f"{running} containers run, {done} jobs are done")


def killed_for_memory(stack: Stack) -> Iterator[Verdict]:
    """Ended by the kernel at its memory limit (exit code 137)."""
    for container in stack.containers:
        if not container.is_out_of_memory:
            continue
        found = f"at its limit of {limit(container.memory_limit)}" if container.memory_limit else "as the machine had none left"
        repair = _more_memory(stack, container)
        if container.is_running:
            yield warning(f"a process in {container.service} was killed {found}, and {container.service} runs on", repair=repair)
        else:
            yield wrong(f"{container.service} was killed {found} (exit code {container.exit_code})", repair=repair)


def illegal_instruction(stack: Stack) -> Iterator[Verdict]:
    """Ended on an instruction that this processor lacks (exit code 132): AVX2, in all cases known."""
    for container in stack.containers:
        if container.met_an_illegal_instruction:
            older = "CLICKHOUSE_IMAGE=clickhouse/clickhouse-server:26.3" if container.service == "clickhouse" else "an older image of it"
            yield wrong(
                f"{container.service} ended with exit code 132: {container.image} uses instructions that this processor lacks",
                repair=f".env: {older}, then `docker compose up -d {container.service}`",
            )


def stopped(stack: Stack) -> Iterator[Verdict]:
    """A service that should stay, and ended."""
    for container in _ended(stack):
        if container.stays:
            hint = (
                " (killed: by hand, or as the machine's memory was full, which `sudo dmesg` tells)" if container.exit_code == KILLED else ""
            )
            yield wrong(
                f"{container.service} ended with exit code {container.exit_code}{hint}{_because(stack.last_words(container))}",
                repair=f"docker compose up -d {container.service}; if it ends again: `docker compose logs --tail 50 {container.service}`",
            )


def failed_job(stack: Stack) -> Iterator[Verdict]:
    """A job that should have ended with 0."""
    for container in _ended(stack):
        if not container.stays and container.exit_code != 0:
            yield wrong(
                f"{container.service} failed with exit code {container.exit_code}{_because(stack.last_words(container))}",
                repair=f"docker compose up {container.service}, once the reason is gone",
            )


def restarting(stack: Stack) -> Iterator[Verdict]:
    """Starts and ends in a circle, or did so lately."""
    for container in stack.containers:
        look = f"docker compose logs --tail 50 {container.service}"
        if container.state == "restarting" and not container.met_an_illegal_instruction and not container.is_out_of_memory:
            yield wrong(
                f"{container.service} ends again and again ({container.restarts} times, exit code {container.exit_code})"
                f"{_because(stack.last_words(container))}",
                repair=f"{look}, repair what it names, then `docker compose restart {container.service}`",
            )
        elif container.is_running and container.restarts >= OFTEN and container.started_at and stack.now - container.started_at < LATELY:
            yield warning(
                f"{container.service} was started again {container.restarts} times, last at {container.started_at:%H:%M} UTC", repair=look
            )


def unhealthy(stack: Stack) -> Iterator[Verdict]:
    """Runs, and fails its own health check."""
    for container in stack.containers:
        if not container.is_running or container.health in ("", "healthy", "none"):
            continue
        if container.health == "starting":
            yield warning(f"{container.service} is still starting", repair=f"{UP}, which waits for it")
            continue
        reason = container.health_output.splitlines()[-1] if container.health_output else stack.last_words(container)
        yield wrong(
            f"{container.service} runs and is not healthy{_because(reason)}",
            repair=f"docker compose logs --tail 50 {container.service}, then `docker compose restart {container.service}`",
        )


def memory_in_use(stack: Stack) -> Iterator[Verdict]:
    """Who comes near its limit now."""
    ids = [container.id for container in stack.containers if container.is_running]
    if not ids:
        raise ToldElsewhereError
    services = {container.name: container for container in stack.containers}
    near = []
    told = stack.docker.json_lines("stats", "--no-stream", "--format", "json", *ids, seconds=STATS_SECONDS)
    used = sum(_bytes(line["MemUsage"].split("/")[0]) for line in told)
    for line in told:
        container = services.get(line["Name"])
        if container and container.memory_limit and float(line["MemPerc"].rstrip("%")) >= NEAR_LIMIT:
            near.append(container)
            yield warning(
                f"{container.service} uses {line['MemUsage'].replace(' / ', ' of ')}",
                repair=_more_memory(stack, container),
            )
    if not near:
        yield well(f"{size(used)} in {len(told)} containers, none near its limit")


def volumes(stack: Stack) -> Iterator[Verdict]:
    """What the volumes hold; told only, the finding `disk` judges."""
    if not stack.containers:
        raise ToldElsewhereError
    project = stack.containers[0].project
    try:
        listed = stack.docker.json("system", "df", "--verbose", "--format", "json", seconds=SIZES_SECONDS)["Volumes"] or []
    except DockerError as error:
        yield well(f"not measured: {error}")
        return
    sizes = {line["Name"].removeprefix(f"{project}_"): _bytes(line["Size"]) for line in listed if _is_ours(line["Labels"], project)}
    largest = [f"{name} {size(sizes[name])}" for name in sorted(sizes, key=lambda name: -sizes[name])[:5]]
    yield well(f"{size(sum(sizes.values()))} in {len(sizes)}{'; largest: ' if largest else ''}{', '.join(largest)}")


def changed(stack: Stack) -> Iterator[Verdict]:
    """Containers that run otherwise than compose.yaml and .env say now."""
    lines = stack.docker.read("compose", "config", "--hash", "*").splitlines() if stack.services else []
    hashes = dict(line.split() for line in lines if line.strip())
    differing = []
    for container in stack.containers:
        if container.service in hashes and container.config_hash != hashes[container.service]:
            image = stack.services[container.service].get("image", container.image)
            differing.append(f"{container.service} ({container.image}, now {image})" if image != container.image else container.service)
    if differing:
        yield warning(f"not as compose.yaml and .env say now: {', '.join(differing)}", repair=UP)


def leftovers(stack: Stack) -> Iterator[Verdict]:
    """Containers of services that compose.yaml no longer has, and of profiles no longer chosen."""
    known = set(stack.template.get("services") or {})
    gone = sorted({container.service for container in stack.containers if container.service not in known})
    if gone:
        yield warning(f"compose.yaml has no {', '.join(gone)} any more", repair=f"{UP} --remove-orphans")
    idle = sorted({one.service for one in stack.containers if one.service in known - set(stack.services) and one.is_running})
    if idle:
        yield warning(f"runs although no chosen profile has it: {', '.join(idle)}", repair=f"docker compose stop {' '.join(idle)}")


def _ended(stack: Stack) -> Iterator[Container]:
    """Those that ended otherwise than the looks before tell."""
    for container in stack.containers:
        told = container.is_out_of_memory or container.met_an_illegal_instruction or container.service not in stack.services
        if container.state in ("exited", "dead") and not told:
            yield container


def _because(reason: str) -> str:
    """The end of a long reason says most: causes come last."""
    if not reason:
        return ""
    return f": {reason}" if len(reason) <= LONGEST_REASON else f": …{reason[-LONGEST_REASON:]}"


def _more_memory(stack: Stack, container: Container) -> str:
    """Half as much again, where the limit is written: in .env if a variable holds it, else in compose.yaml."""
    more = limit(container.memory_limit * 3 // 2)
    then = f"then `docker compose up -d {container.service}`"
    if not container.memory_limit:
        return f"compose.yaml: a mem_limit for what takes most (`docker stats --no-stream`), {then}"
    try:
        written = (stack.template.get("services") or {}).get(container.service, {})
    except ToldElsewhereError:
        written = {}
    place = ((written.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    key, value = ("memory", str(place["memory"])) if place.get("memory") else ("mem_limit", str(written.get("mem_limit", "")))
    if variable := re.match(r"\$\{(\w+)", value):
        return f".env: {variable[1]}={more} instead of {limit(container.memory_limit)}, {then}"
    return f"compose.yaml: {key}: {more} instead of {limit(container.memory_limit)} for {container.service}, {then}"


def _is_ours(labels: str, project: str) -> bool:
    return f"com.docker.compose.project={project}" in labels.split(",")


def _bytes(text: str) -> float:
    """`54.62MiB`, `428KiB`, `1.2GB`, `0B` or `N/A`, as bytes: stats count in 1024, sizes of volumes in 1000."""
    found = re.match(r"\s*([\d.]+)\s*([kKMGT]?)(i?)B", text)
    if not found:
        return 0.0
    base = 1024.0 if found[3] else 1000.0
    return float(found[1]) * base ** UNITS.index(found[2].upper())
