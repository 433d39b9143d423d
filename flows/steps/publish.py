"""Hand gold over to the map mirror."""

from __future__ import annotations

from flows.steps.record import StepResult

NO_MIRROR = "No map mirror is configured: maps come from the API and the portal."


def publish() -> StepResult:
    """Embedded there is no mirror, which is said once and is no fault."""
    return StepResult("publish", message=NO_MIRROR)
