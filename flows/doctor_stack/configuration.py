"""Whether .env, compose.yaml and the names in the DNS are right: looked at before anything starts. One function per finding."""

from __future__ import annotations

import ipaddress
import re
import stat
from collections.abc import Iterator

from flows.doctor_stack.stack import LOCALHOST, Stack, ToldElsewhereError
from flows.doctor_stack.verdict import Verdict, warning, well, wrong
from flows.init import SECRETS, STAFF
from flows.placeholder import is_placeholder

REQUIRED = re.compile(r"\$\{(\w+):?\?")
MISSING_VARIABLE = re.compile(r"required variable (\w+) is missing a value")
SHORTEST_SECRET = 12
STAFF_LINE = re.compile(r"\S+\s+\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
# Works from a fresh checkout too, and from a shell that knows no virtual environment.
INIT = "make init"


def env_file(stack: Stack) -> Iterator[Verdict]:
    """There is an .env, this user may read it, and nobody else."""
    if not stack.env_path.is_file():
        yield wrong(f"there is no {stack.env_path}", repair=f"{INIT} (in {stack.folder}; it makes every secret)")
        return
    try:
        stack.env_path.read_bytes()
    except PermissionError:
        yield wrong(f"{stack.env_path} is not this user's to read", repair=f"sudo chown $(id -un) {stack.env_path}")
        return
    mode = stat.S_IMODE(stack.env_path.stat().st_mode)
    if mode & 0o077:
        yield wrong(f"others of this machine may read {stack.env_path} (mode {mode:o})", repair=f"chmod 600 {stack.env_path}")
    else:
        yield well(f"{stack.env_path}, mode {mode:o}")


def secrets(stack: Stack) -> Iterator[Verdict]:
    """No secret is empty, a placeholder, short, or the same as another."""
    if not stack.variables:
        raise ToldElsewhereError
    wanted = set(SECRETS) | {name for name in _required(stack) if stack.is_secret(name)} - {STAFF}
    values = {name: stack.variables.get(name, "") for name in sorted(wanted)}
    # Those that `make init` does not know are told of by the finding about the compose file.
    if empty := [name for name, value in values.items() if not value and name in SECRETS]:
        yield wrong(f"not set: {', '.join(empty)}", repair=f"{INIT}, which adds what .env lacks and changes nothing else")
    bad = {name: weakness for name, value in values.items() if value and (weakness := _weakness(value))}
    for name, weakness in bad.items():
        yield wrong(f"{name} {weakness}", repair=f".env: empty {name}, then `{INIT}`; docs/secrets.md says where else it is kept")
    same = [name for name, value in values.items() if value and name not in bad and list(values.values()).count(value) > 1]
    if same:
        yield warning(
            f"the same secret: {', '.join(same)}",
            repair=f".env: empty all but one, then `{INIT}`; see docs/secrets.md",
        )
    staff = stack.variables.get(STAFF, "").splitlines()
    if strange := [line.split()[0] for line in staff if line.strip() and not STAFF_LINE.fullmatch(line.strip())]:
        yield wrong(
            f"{STAFF}: no bcrypt hash for {', '.join(strange)}",
            repair=f"{INIT} ARGS='{' '.join(f'--remove-user {person} --user {person}' for person in strange)}', which gives a new password",
        )
    elif not staff:
        yield wrong(f"{STAFF} names nobody", repair=f"{INIT} ARGS='--user NAME'")
    if not (empty or bad or same or strange) and staff:
        yield well(f"{len(values)} set, {len(staff)} of the staff")


def compose_file(stack: Stack) -> Iterator[Verdict]:
    """Docker Compose takes compose.yaml with this .env: every variable that it demands is set."""
    problem = stack.config_problem
    if not problem:
        yield well(f"{len(stack.services)} services, profiles: {stack.variables.get('COMPOSE_PROFILES') or 'none'}")
        return
    missing = MISSING_VARIABLE.search(problem)
    if ".env: permission denied" in problem:
        raise ToldElsewhereError
    if missing is None:
        yield wrong(f"Docker Compose refuses it: {problem}", repair="docker compose config --quiet, and correct the line that it names")
        return
    if not stack.env_path.is_file():
        raise ToldElsewhereError
    names = sorted({missing[1], *(name for name in _required(stack) if not stack.variables.get(name))})
    others = [name for name in names if name not in SECRETS and name != STAFF]
    yield wrong(
        f"demanded by compose.yaml and not set in .env: {', '.join(names)}",
        repair=f".env: set {', '.join(others)}; .env.example says what they are for" if others else f"{INIT}, which adds what .env lacks",
    )


def domain(stack: Stack) -> Iterator[Verdict]:
    """Whether anybody outside of this machine can reach it under its name."""
    if stack.domain == LOCALHOST:
        yield well("none, so localhost: for this machine alone, with a certificate of Caddy's own that browsers warn of")
        return
    opened = [port for port in stack.published if port.service == "caddy"]
    if opened and all(port.address in ("127.0.0.1", "::1") for port in opened):
        yield warning(
            f"{stack.domain}, but its ports are opened on 127.0.0.1 alone",
            repair=".env: BIND_ADDRESS=0.0.0.0, then `docker compose up -d --wait` (unless another proxy stands before it)",
        )
    elif opened and not {80, 443} <= {port.port for port in opened}:
        yield warning(
            f"{stack.domain}, but not at ports 80 and 443, where the authority asks before it gives a certificate",
            repair=".env: HTTP_PORT=80 and HTTPS_PORT=443, then `docker compose up -d --wait`",
        )
    else:
        yield well(stack.domain)


def dns(stack: Stack) -> Iterator[Verdict]:
    """The domain and its sub-domains lead to this machine."""
    if stack.domain == LOCALHOST:
        raise ToldElsewhereError
    stack.needs_local_engine()
    found, own = stack.machine.resolve(stack.hosts), stack.machine.addresses
    public = stack.machine.public_addresses
    here = " or ".join(sorted(public)) or "this machine's public address"
    if late := [host for host in stack.hosts if host not in found]:
        yield warning(f"no answer in time about {', '.join(late)}", repair=f"dig {late[0]}")
    if absent := [host for host in stack.hosts if found.get(host) == set()]:
        yield wrong(
            f"no address: {', '.join(absent)}",
            repair=f"dig +short {absent[0]} must print {here}: add records for {stack.domain} and *.{stack.domain} at your DNS provider",
        )
    strays = {host: found[host] for host in stack.hosts if found.get(host) and not found[host] & own}
    if strays:
        host, addresses = next(iter(strays.items()))
        told = f"{', '.join(strays)} lead to {', '.join(sorted(addresses))}"
        if public:
            yield wrong(
                f"{told}, not here ({here})", repair=f"dig +short {host} must print {here}: correct the record at your DNS provider"
            )
        else:
            yield warning(
                f"{told}; this machine is behind NAT ({', '.join(sorted(own))}) and cannot tell whether that is its own",
                repair=f"dig +short {host}, and see that your router passes its ports 80 and 443 on to this machine",
            )
    unheard = {} if _takes_ipv6(stack) else {host: v6 for host in stack.hosts if (v6 := _ipv6(found.get(host, set())))}
    if unheard:
        host, addresses = next(iter(unheard.items()))
        yield warning(
            f"AAAA records of {', '.join(unheard)} ({', '.join(sorted(addresses))}), but the ports are opened on IPv4 alone",
            repair=f"dig +short AAAA {host} must print nothing: remove these records at your DNS provider (or change BIND_ADDRESS in .env)",
        )
    if not (late or absent or strays or unheard):
        yield well(f"{len(stack.hosts)} names lead here")


def images(stack: Stack) -> Iterator[Verdict]:
    """Which images are here already; told only, since `up` fetches or builds the others."""
    wanted = {service["image"] for service in stack.services.values() if service.get("image")}
    stack.needs_engine()
    here = {name for name in wanted if stack.docker.ask("image", "inspect", "--format", "{{.Id}}", name).code == 0}
    absent = sorted(wanted - here)
    told = f"; `docker compose up` fetches or builds {', '.join(absent)}" if absent else ""
    yield well(f"{len(here)} of {len(wanted)} here{told}")
    if floating := sorted(name for name in wanted if name.endswith(":latest") or ":" not in name.rpartition("/")[2]):
        yield warning(f"without a version: {', '.join(floating)}", repair=".env: name a version in the image's variable")


def _takes_ipv6(stack: Stack) -> bool:
    """Without an address Docker opens a port on both; whatever no stack opens is no matter of its DNS."""
    opened = [port.address for port in stack.published if port.service == "caddy"]
    return not opened or any(not address or ":" in address for address in opened)


def _ipv6(addresses: set[str]) -> set[str]:
    """Those of a record: a machine's own hosts file may name the loopback."""
    return {address for address in addresses if ":" in address and not ipaddress.ip_address(address).is_loopback}


def _required(stack: Stack) -> set[str]:
    """The variables that compose.yaml demands with ${…:?}, of all profiles: it looks at those of all of them."""
    try:
        return set(REQUIRED.findall(str(stack.template)))
    except ToldElsewhereError:
        return set()


def _weakness(value: str) -> str:
    if is_placeholder(value):
        return "is a placeholder"
    if len(value.rpartition(":")[2]) < SHORTEST_SECRET:
        return f"is shorter than {SHORTEST_SECRET} characters"
    return ""
