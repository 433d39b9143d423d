"""What Prefect's client reads from the environment: `cartulary flows` sets it before importing Prefect, and the runs inherit it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from services.settings import PREFIX, Settings

# Where the processes of the runs leave their metrics, which the flows' process serves.
METRICS_DIRECTORY = "flows/metrics"
# Where they keep copies of what they work on, and after how long one belongs to nobody any more.
TEMPORARY_DIRECTORY = "flows/tmp"
LEFT_SECONDS = 86_400
# Whose log lines belong to the run that Prefect shows.
PACKAGES = ("flows", "services", "gis")
ALWAYS = {
    # Nothing leaves the machine.
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    # Without an answer at our URL Prefect would start a server of its own.
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    "PREFECT_LOGGING_EXTRA_LOGGERS": ",".join(PACKAGES),
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_FLOWS_DEFAULT_RETRIES": "0",
}


def prepare_environment(settings: Settings) -> None:
    """Point Prefect at our server with our password, and keep its files below the data directory."""
    own = settings.orchestrator
    os.environ.update(ALWAYS)
    os.environ["PREFECT_API_URL"] = own.prefect_api_url
    os.environ["PREFECT_HOME"] = str(settings.data_dir / "flows" / "prefect")
    if auth := own.prefect_auth.get_secret_value():
        os.environ["PREFECT_API_AUTH_STRING"] = auth
    # The process of a run reads the settings anew.
    os.environ[f"{PREFIX}DATA_DIR"] = str(settings.data_dir)
    metrics = settings.data_dir / METRICS_DIRECTORY
    metrics.mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    _prepare_temporary_files(settings.data_dir / TEMPORARY_DIRECTORY)


def _prepare_temporary_files(folder: Path) -> None:
    """On the disk of the data: in a container /tmp is memory, which a large data file would fill. What killed runs left is swept."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        if time.time() - left.stat().st_mtime > LEFT_SECONDS:
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # this process may have looked already
