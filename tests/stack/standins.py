"""Stand-ins for the images that no machine without a registry has: Debian's and PyPI's programs under the names of compose.yaml."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGES = Path(__file__).with_name("images")
LABEL = "cartulary.standin"
# A pinned package of a lock, with its marker and without its hashes.
PIN = re.compile(r"^([A-Za-z0-9._-]+==[^ ]+(?: ; [^\\]+)?)", re.MULTILINE)


@dataclass(frozen=True)
class StandIn:
    """How one image is made: a folder of `images`, what goes into it from the project, and arguments of its Dockerfile."""

    folder: str
    project: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)


POSTGIS = {"EXTENSIONS": "postgresql-15-postgis-3 postgresql-15-postgis-3-scripts", "EXTENSION": "postgis"}
# By the service of compose.yaml that runs the image.
STANDINS = {
    "postgres": StandIn("postgres"),
    "postgis": StandIn("postgres", arguments=POSTGIS),
    "redis": StandIn("redis"),
    "rustfs": StandIn("rustfs"),
    "clickhouse": StandIn("clickhouse", {"services": "services"}),
    "prefect-server": StandIn("prefect"),
    "tyk": StandIn("tyk", {"imitation": "tests/services/gateway"}),
    "geoserver": StandIn("geoserver", {"gis": "tests/gis"}),
    "prometheus": StandIn("prometheus"),
    "alertmanager": StandIn("alertmanager"),
    "node-exporter": StandIn("node-exporter"),
    "redis-exporter": StandIn("redis-exporter"),
    "postgres-exporter": StandIn("postgres-exporter"),
}
# Images that only our own are built on: the argument of the Dockerfile that names them.
BASES = {"CADDY_IMAGE": StandIn("caddy")}
# No program of these is in Debian or on PyPI: they are linted, their files are tested, and they do not run here.
NOT_HERE = frozenset({"grafana", "ch-ui", "loki", "alloy", "cadvisor", "prefect-exporter", "nominatim"})


def build(docker: Sequence[str], names: Mapping[str, StandIn]) -> list[str]:
    """Build these images, one after the other; returns the names. An image of that name that is no stand-in is left alone."""
    built = []
    with constraints() as locks:
        for name, standin in names.items():
            if _is_real(docker, name):
                print(f"{name}: the real image is here", flush=True)
                continue
            command = [*docker, "build", "--quiet", "--tag", name, "--label", f"{LABEL}=1", "--build-context", f"locks={locks}"]
            for context, folder in standin.project.items():
                command += ["--build-context", f"{context}={ROOT / folder}"]
            for argument, value in standin.arguments.items():
                command += ["--build-arg", f"{argument}={value}"]
            subprocess.run([*command, str(IMAGES / standin.folder)], check=True, stdout=subprocess.DEVNULL, timeout=900)
            built.append(name)
    return built


@contextmanager
def constraints() -> Iterator[Path]:
    """A folder with the versions of the lock as pip's constraints."""
    with tempfile.TemporaryDirectory(prefix="cartulary-locks-") as folder:
        pins = PIN.findall((ROOT / "requirements-dev.lock").read_text(encoding="utf-8"))
        (Path(folder) / "constraints.txt").write_text("\n".join(pin.strip() for pin in pins), encoding="utf-8")
        yield Path(folder)


def _is_real(docker: Sequence[str], name: str) -> bool:
    label = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    found = subprocess.run([*docker, "image", "inspect", "--format", label, name], capture_output=True, text=True, timeout=60)
    return found.returncode == 0 and found.stdout.strip() != "1"
