"""Real images for the contract tests, where Docker runs and somebody asks for it: `make test-images`."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

WANTED = "CARTULARY_TESTS_IMAGES"
POSTGIS = os.environ.get("POSTGIS_IMAGE", "postgis/postgis:17-3.5")
CLICKHOUSE = os.environ.get("CLICKHOUSE_IMAGE", "clickhouse/clickhouse-server:26.8")
RUSTFS = os.environ.get("RUSTFS_IMAGE", "rustfs/rustfs:1.0.1")


def images_wanted() -> bool:
    """Whether the contract tests shall run against containers instead of what Debian and PyPI bring."""
    return bool(os.environ.get(WANTED))


def answers(url: str) -> bool:
    """Whether an HTTP server listens there, whatever it says."""
    try:
        urllib.request.urlopen(url, timeout=1)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@dataclass
class Running:
    """A container that answers on loopback; `stop` and `start` keep its data and its port."""

    container: Any
    port: int

    @property
    def is_standin(self) -> bool:
        """Whether the test of the whole stack has built its image: another program under that name."""
        return "cartulary.standin" in self.container.get_wrapped_container().image.labels

    def run(self, *command: str) -> tuple[int, str]:
        """Exit code and output of a command inside."""
        done = self.container.get_wrapped_container().exec_run(list(command))
        return int(done.exit_code), done.output.decode(errors="replace")

    def stop(self) -> None:
        self.container.get_wrapped_container().kill()

    def start(self) -> None:
        self.container.get_wrapped_container().start()


@contextmanager
def running_image(
    image: str,
    *,
    port: int,
    host_port: int,
    environment: Mapping[str, str],
    command: Sequence[str] = (),
    user: str = "",
    mounts: Sequence[tuple[Path, str, str]] = (),
) -> Iterator[Running]:
    """A container of this image with its port on loopback, `host_port`, removed at the end.

    `mounts` are what it sees of this machine: the path here, the path there, and `ro` or `rw`.
    """
    from docker.errors import DockerException
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    # Its watchdog is one more image to pull; the block below removes what it started.
    testcontainers_config.ryuk_disabled = True

    container = DockerContainer(image)
    # with_bind_ports knows no address and would publish to the whole network.
    container.ports[f"{port}/tcp"] = ("127.0.0.1", host_port)
    for name, value in environment.items():
        container.with_env(name, value)
    if command:
        container.with_command(list(command))
    if user:
        container.with_kwargs(user=user)
    for here, there, mode in mounts:
        container.with_volume_mapping(here, there, mode)
    try:
        container.start()
    except DockerException as error:
        pytest.skip(f"no container of {image} here ({error}): docker pull {image}")
    try:
        yield Running(container, host_port)
    finally:
        container.stop()
