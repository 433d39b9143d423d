"""The flow that takes the daily backup."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.batch import logger, run_batch
from flows.clock import utc_now
from flows.steps.backup.take import BACKUP, take_backup
from flows.steps.run import Progress, RunResult, run_step
from services.errors import ConfigurationError
from services.wiring import Services


@flow(name="backup")
def back_up() -> State[Any]:
    """Save everything into CARTULARY_BACKUP__DIRECTORY and throw away what is older than CARTULARY_BACKUP__KEEP_DAYS."""
    return run_batch(BACKUP, _back_up)


def _back_up(services: Services, progress: Progress) -> RunResult:
    own = services.settings.backup
    if not own.directory:
        raise ConfigurationError("There is nowhere to put the daily backup: set CARTULARY_BACKUP__DIRECTORY.")
    keep = timedelta(days=own.keep_days)
    return run_step(
        services,
        BACKUP,
        lambda: take_backup(services, Path(own.directory), keep=keep, clock=utc_now, say=lambda text: logger.info("backup: %s", text)),
        clock=utc_now,
    )
