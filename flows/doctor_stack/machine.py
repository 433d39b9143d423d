"""This machine: its memory, processor, addresses and who listens on a port, read without any right of root."""

from __future__ import annotations

import ipaddress
import platform
import re
import socket
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LISTENING = {"tcp": "0A", "udp": "07"}
# The state of a local address in the kernel's routing table.
LOCAL_ADDRESS = re.compile(r"\|-- ([\d.]+)\s+/32 host LOCAL")


@dataclass(frozen=True)
class Holder:
    """Who listens on a port; `process` is 0 where only root may know."""

    process: int
    name: str
    unit: str


class Machine:
    """The machine that this process runs on; `proc` is where the kernel tells of it."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self.proc = proc

    @property
    def kernel(self) -> str:
        """The kernel's version, by which an engine on this machine is known from one on another."""
        return platform.release()

    @cached_property
    def has_avx2(self) -> bool:
        """Whether the processor knows AVX2; assumed where nobody says."""
        text = self._read("cpuinfo")
        return not text or re.search(r"^flags.*\bavx2\b", text, re.MULTILINE) is not None

    @cached_property
    def swap(self) -> int:
        """Bytes of swap."""
        found = re.search(r"^SwapTotal:\s+(\d+) kB", self._read("meminfo"), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0

    @cached_property
    def addresses(self) -> set[str]:
        """Addresses of this machine's own interfaces, loopback and link-local ones left out."""
        found = set(LOCAL_ADDRESS.findall(self._read("net/fib_trie")))
        for line in self._read("net/if_inet6").splitlines():
            found.add(str(ipaddress.IPv6Address(int(line.split()[0], 16))))
        return {text for text in found if not (ipaddress.ip_address(text).is_loopback or ipaddress.ip_address(text).is_link_local)}

    @property
    def public_addresses(self) -> set[str]:
        """Those of them that the internet reaches; none behind NAT."""
        return {text for text in self.addresses if ipaddress.ip_address(text).is_global}

    def holder(self, port: int, protocol: str = "tcp") -> Holder | None:
        """Who listens on a port of this machine, on whatever address."""
        for family in ("", "6"):
            for line in self._read(f"net/{protocol}{family}").splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTENING[protocol] and int(columns[1].rpartition(":")[2], 16) == port:
                    return self._owner(columns[9])
        return None

    def resolve(self, hosts: list[str], seconds: float = 6.0) -> dict[str, set[str]]:
        """Addresses of each name, asked all at once; an empty set where there is none, nothing where no answer came in time."""
        found: dict[str, set[str]] = {}

        def ask(host: str) -> None:
            try:
                found[host] = {str(entry[4][0]) for entry in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)}
            except OSError:
                found[host] = set()

        # Threads that do not hold the process: the resolver knows no time limit of ours.
        threads = [threading.Thread(target=ask, args=(host,), daemon=True) for host in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds)
        return dict(found)

    def _owner(self, inode: str) -> Holder:
        for process in self.proc.glob("[0-9]*"):
            try:
                if any(str(entry.readlink()) == f"socket:[{inode}]" for entry in (process / "fd").iterdir()):
                    cgroup = (process / "cgroup").read_text(encoding="utf-8")
                    unit = re.search(r"/([\w@.-]+\.service)", cgroup)
                    return Holder(int(process.name), (process / "comm").read_text(encoding="utf-8").strip(), unit[1] if unit else "")
            except OSError:
                continue
        return Holder(0, "", "")

    def _read(self, name: str) -> str:
        try:
            return (self.proc / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
