"""dbt's documentation as one page: what every model means, its columns and tests, and where it comes from."""

from __future__ import annotations

import shutil
from pathlib import Path

from flows.steps.dbt_runner import DbtRunner
from flows.steps.record import StepResult
from flows.steps.transform import BUILD_LOCK
from services.wiring import Services

FOLDER = "dbt-docs"
# Apart from the builds' folder: two dbt processes must not write one.
WORK = "dbt-docs-work"


def document(services: Services) -> StepResult:
    """Write `dbt-docs/index.html` below the data directory, whole or not at all; PublishError when dbt cannot."""
    data_dir = services.settings.data_dir
    with BUILD_LOCK:
        written = DbtRunner(services.warehouse, data_dir / WORK).document()
    place(written, data_dir / FOLDER)
    return StepResult("document", {"written": 1})


def place(page: Path, folder: Path) -> None:
    """Put a page where readers find it as index.html; they see the old one or the new one, never half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    # The folder may be another file system: copied beside the old page first, then exchanged for it.
    partial = folder / ".index.html.partial"
    shutil.copyfile(page, partial)
    partial.replace(folder / "index.html")
