"""What the API and the command line ask of an orchestrator."""

from __future__ import annotations

from typing import Protocol


class Orchestrator(Protocol):
    """Gets outstanding work done; what is outstanding stands in services/state, so that a wake-up may be lost without harm."""

    def wake(self) -> None:
        """Say that there is work; returns at once."""
        ...

    def close(self) -> None:
        """Finish the step under way and stop."""
        ...
