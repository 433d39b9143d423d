"""What Prefect's client reads from the environment: `cartulary flows` sets it before importing Prefect, and the runs inherit it."""

from __future__ import annotations

import os

from services.settings import PREFIX, Settings

# Where the processes of the runs leave their metrics, which the flows' process serves.
METRICS_DIRECTORY = "flows/metrics"
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
