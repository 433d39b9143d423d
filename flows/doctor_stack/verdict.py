"""What one look found: well, worth knowing, or wrong with the command that repairs it."""

from __future__ import annotations

from dataclasses import dataclass

from flows.doctor import Finding


@dataclass(frozen=True)
class Verdict:
    """A look's answer, still without the look's name; `repair` starts with a command or the name of a file."""

    found: str
    repair: str = ""
    is_warning: bool = False

    def named(self, check: str) -> Finding:
        """As a finding of that name."""
        return Finding(check, not self.repair, self.found, self.repair, self.is_warning)


def well(found: str) -> Verdict:
    """Nothing is to be done."""
    return Verdict(found)


def warning(found: str, *, repair: str) -> Verdict:
    """It works all the same, for now."""
    return Verdict(found, repair, is_warning=True)


def wrong(found: str, *, repair: str) -> Verdict:
    """It does not work, or will not when it is started."""
    return Verdict(found, repair)


def limit(count: int) -> str:
    """A memory limit as compose.yaml spells it: 768m, 2g."""
    mebibytes = count / 2**20
    return f"{mebibytes / 1024:.0f}g" if mebibytes % 1024 == 0 and mebibytes else f"{mebibytes:.0f}m"


def size(count: float) -> str:
    """Bytes for people: 512 MB, 7.8 GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
