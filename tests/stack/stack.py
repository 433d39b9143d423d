"""One private copy of the stack: its own .env, project, ports and volumes, and whatever a test asks of its containers."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dotenv import dotenv_values, set_key
from measure import Measure
from standins import BASES, LABEL, NOT_HERE, ROOT, STANDINS, build
from web import Web

CLERK = "clerk"
OVERRIDE = Path(__file__).with_name("compose.override.yaml")
AUTHORITY = "/data/caddy/pki/authorities/local/root.crt"
# Two cores may be shared with others; each of these waits takes a fraction of it by itself.
UP_SECONDS = 600
PATIENCE = 300.0
LOG_LINES = 60
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until(condition: Callable[[], T], what: str, seconds: float = PATIENCE, every: float = 1.0) -> T:
    """Wait until it is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(every)
    return found


@dataclass
class Stack:
    """Containers of one project."""

    folder: Path
    project: str
    has_standins: bool
    password: str = ""
    services: tuple[str, ...] = ()
    docker: tuple[str, ...] = ("docker",)
    file: Path = ROOT / "compose.yaml"
    settings: dict[str, str] = field(default_factory=dict)
    measure: Measure = field(init=False)

    def __post_init__(self) -> None:
        self.measure = Measure(self.docker, self.project)

    @property
    def env(self) -> Path:
        return self.folder / ".env"

    # -- making it

    def initialize(self) -> None:
        """`cartulary init`, then what makes this copy private."""
        command = [str(Path(sys.executable).with_name("cartulary")), "init", "--env", str(self.env), "--user", CLERK, "--json"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        (self.folder / "password").write_text(json.loads(done.stdout)["passwords"][CLERK], encoding="utf-8")
        http, https = free_port(), free_port()
        own = {
            "COMPOSE_PROJECT_NAME": self.project,
            "BIND_ADDRESS": "127.0.0.1",
            "HTTP_PORT": str(http),
            "HTTPS_PORT": str(https),
            "CARTULARY_IMAGE": "cartulary:stack-test",
            "CARTULARY_CADDY_IMAGE": "cartulary-caddy:stack-test",
            "CARTULARY_GRAFANA_IMAGE": "cartulary-grafana:stack-test",
            "CARTULARY_API__PUBLIC_URL": f"https://api.localhost:{https}",
            "CARTULARY_OBJECT_STORE__PUBLIC_URL": f"https://s3.localhost:{https}",
            # Whoever tests the limits of the public form need not wait long.
            "CARTULARY_API__FORM_REQUESTS_PER_MINUTE": "5",
        }
        if self.has_standins:
            # chDB has no BACKUP.
            own["CARTULARY_BACKUP__WAREHOUSE_DISK"] = ""
        for name, value in own.items():
            set_key(self.env, name, value, quote_mode="never")
        self.read()

    def read(self) -> None:
        """Take the secrets from the file."""
        self.settings = {name: value or "" for name, value in dotenv_values(self.env, interpolate=False).items()}
        self.password = (self.folder / "password").read_text(encoding="utf-8")

    def secrets(self) -> set[str]:
        """All that nobody else may read."""
        ends = ("_PASSWORD", "_SECRET", "_SECRET_KEY", "_API_KEY", "_TOKEN")
        return {value for name, value in self.settings.items() if name.endswith(ends) and len(value) > 20}

    def plan(self) -> dict[str, Any]:
        """compose.yaml as Compose understands it, with the profile `observe`; and which of its services run here."""
        plan = json.loads(self.compose("--profile", "observe", "config", "--format", "json").stdout)
        left = NOT_HERE if self.has_standins else frozenset({"nominatim"})
        self.services = tuple(name for name in plan["services"] if name not in left)
        return dict(plan)

    def build(self) -> None:
        """Stand-ins, then our own images on them."""
        plan = self.plan()
        if self.has_standins:
            arguments: dict[str, str] = {}
            for service in plan["services"].values():
                arguments |= service.get("build", {}).get("args") or {}
            wanted = {plan["services"][name]["image"]: standin for name, standin in STANDINS.items() if name in plan["services"]}
            wanted |= {arguments[name]: standin for name, standin in BASES.items()}
            build(self.docker, wanted)
        ours = [name for name in self.services if "build" in plan["services"][name]]
        self.compose("build", "--quiet", *ours, timeout=1800)

    def up(self, *services: str) -> None:
        """Start everything (or these) and wait until all of it is healthy or done."""
        self.compose("up", "-d", "--wait", "--wait-timeout", str(UP_SECONDS), *(services or self.services), timeout=UP_SECONDS + 60)

    def down(self) -> None:
        """Remove containers, networks and volumes of this project, by their labels alone: whatever became of the files meanwhile."""
        command = [*self.docker, "compose", "-p", self.project, "down", "--volumes", "--remove-orphans", "--timeout", "10"]
        subprocess.run(command, cwd=self.folder, capture_output=True, timeout=300, check=False)

    # -- asking it

    def compose(
        self, *arguments: str, check: bool = True, timeout: float = 120, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`docker compose` on this project."""
        files = ["-f", str(self.file), *(["-f", str(OVERRIDE)] if self.has_standins else [])]
        command = [*self.docker, "compose", "--project-directory", str(ROOT), "--env-file", str(self.env), "-p", self.project, *files]
        # What stands in the shell would win over .env.
        clean = {name: value for name, value in os.environ.items() if name not in self.settings and not name.startswith("CARTULARY_")}
        given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = subprocess.run([*command, *arguments], env=clean, capture_output=True, text=True, timeout=timeout, **given)  # type: ignore[call-overload]
        if check:
            assert done.returncode == 0, f"docker compose {' '.join(arguments)}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
        return done  # type: ignore[no-any-return]

    def run(
        self, service: str, *command: str, check: bool = True, timeout: float = 300, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """A command inside a running container."""
        options = [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
        return self.compose("exec", "-T", *options, service, *command, check=check, timeout=timeout)

    def cartulary(self, *arguments: str, service: str = "flows", timeout: float = 300) -> Any:
        """What a command of `cartulary` prints as JSON."""
        return json.loads(self.run(service, "cartulary", *arguments, "--json", timeout=timeout).stdout)

    def psql(self, service: str, database: str, user: str, password: str, sql: str, *, check: bool = True) -> str:
        """Rows of a question over TCP and with a password, as from another container."""
        command = ("psql", "-h", service, "-U", user, "-d", database, "-v", "ON_ERROR_STOP=1", "-Atc", sql)
        done = self.run(service, *command, check=check, PGPASSWORD=password)
        return done.stdout.strip() if check else f"{done.stdout}{done.stderr}".strip()

    def containers(self) -> dict[str, dict[str, Any]]:
        """What `docker inspect` says, by service."""
        ids = self.compose("ps", "--all", "--quiet").stdout.split()
        done = subprocess.run([*self.docker, "inspect", *ids], capture_output=True, text=True, timeout=60, check=True)
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in json.loads(done.stdout)}

    def fetch(self, service: str, url: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, str]:
        """Status and body of a request that a container of ours makes inside the stack."""
        script = (
            "import json, sys, urllib.error, urllib.request\n"
            "url, method, headers = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])\n"
            "try:\n"
            "    answer = urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=10)\n"
            "except urllib.error.HTTPError as error:\n"
            "    answer = error\n"
            "except OSError as error:\n"
            "    print(json.dumps([0, str(error)])); sys.exit()\n"
            "print(json.dumps([answer.status, answer.read().decode('utf-8', 'replace')]))\n"
        )
        status, body = json.loads(self.run(service, "python", "-c", script, url, method, json.dumps(headers or {})).stdout)
        return int(status), str(body)

    def web(self) -> Web:
        """The stack's hosts from outside."""
        authority = self.folder / "root.crt"
        self.compose("cp", f"caddy:{AUTHORITY}", str(authority))
        return Web("localhost", int(self.settings["HTTPS_PORT"]), authority.read_text(encoding="utf-8"))

    def complaints(self) -> str:
        """The last lines of every container that is not as it should be."""
        said = []
        for name, one in sorted(self.containers().items()):
            state = one["State"]
            health = state.get("Health", {}).get("Status", "")
            if health in ("", "healthy") and (state["Running"] or state["ExitCode"] == 0):
                continue
            logs = self.compose("logs", "--no-color", "--tail", str(LOG_LINES), name, check=False)
            checks = state.get("Health", {}).get("Log") or []
            last = checks[-1]["Output"][-500:] if checks else ""
            said.append(f"== {name}: {state['Status']} {health}, exit code {state['ExitCode']}\n{last}\n{logs.stdout}{logs.stderr}")
        return "\n".join(said)


@contextmanager
def private_stack(*, has_standins: bool, keep: bool) -> Iterator[Stack]:
    """A stack that runs until the block ends; nothing that was there before is touched."""
    folder = Path(tempfile.mkdtemp(prefix="cartulary-stack-"))
    stack = Stack(folder, folder.name.replace("_", "-").lower(), has_standins)
    stack.initialize()
    try:
        stack.build()
        with stack.measure.measuring():
            try:
                stack.up()
            except AssertionError as error:
                raise AssertionError(f"{error}\n{stack.complaints()}") from None
            finally:
                stack.measure.started_up()
            yield stack
    finally:
        if keep:
            print(f"\nkept: STACK={folder} goes on with it; docker compose -p {stack.project} down --volumes ends it", flush=True)
        else:
            stack.down()
            shutil.rmtree(folder)


def kept_stack(folder: Path, *, has_standins: bool) -> Stack:
    """A stack that an earlier run left, as it is now."""
    stack = Stack(folder, dotenv_values(folder / ".env")["COMPOSE_PROJECT_NAME"] or "", has_standins)
    stack.read()
    stack.plan()
    return stack


def labels(docker: Sequence[str], image: str) -> dict[str, str]:
    """An image's labels."""
    done = subprocess.run(
        [*docker, "image", "inspect", "--format", "{{json .Config.Labels}}", image], capture_output=True, text=True, timeout=60
    )
    return dict(json.loads(done.stdout) or {}) if done.returncode == 0 else {}


def is_standin(docker: Sequence[str], image: str) -> bool:
    """Whether we built it."""
    return labels(docker, image).get(LABEL) == "1"
