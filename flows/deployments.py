"""Which flow runs when: one table, and the process that serves all of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from prefect import Flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Interval, Schedule
from prefect.types.entrypoint import EntrypointType
from prometheus_client import start_http_server

from flows.backup import back_up
from flows.clock import utc_now
from flows.datasets import load_datasets
from flows.gis import sync_gis
from flows.letters import process_letters
from flows.maintenance import maintain, sweep_dead_runs
from flows.models import build_models
from flows.run_metrics import forget_ended, runs_registry
from flows.steps.transform import repair_gold
from flows.warehouse_door import answering
from services.errors import ConfigurationError, NotFoundError, PlatformError
from services.orchestrator.environment import METRICS_DIRECTORY
from services.orchestrator.prefect_api import DEPLOYMENT, PrefectApi, wake_letters
from services.settings import Settings
from services.wiring import Services, open_services

logger = logging.getLogger(__name__)

# How often the flows' process asks Prefect for runs that are due, and itself for runs that died.
POLL_SECONDS = 5.0
SWEEP_SECONDS = 15.0
# Until the first sweep succeeded.
SOON_SECONDS = 1.0
# One run at a time; another one waits for its turn, and the one that starts cancels all others that wait.
LIMIT = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)


@dataclass(frozen=True)
class Served:
    """One row of the table: a flow, and when it runs without being asked."""

    flow: Flow[Any, Any]
    schedule: Schedule
    description: str
    is_wanted: Callable[[Settings], bool] = lambda settings: True

    def deployment(self) -> RunnerDeployment:
        """As Prefect is told."""
        deployment = self.flow.to_deployment(
            DEPLOYMENT,
            schedule=self.schedule,
            concurrency_limit=LIMIT,
            description=self.description,
            tags=["cartulary"],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        return cast(RunnerDeployment, deployment)  # not a coroutine, since no event loop runs yet


TABLE = (
    Served(
        process_letters,
        Interval(timedelta(minutes=5)),
        "Whatever is outstanding: take in, load, read, place, build, publish. An upload wakes it.",
    ),
    Served(load_datasets, Interval(timedelta(minutes=15)), "Loads data files, also while a long run reads letters."),
    Served(build_models, Cron("20 * * * *", timezone="UTC"), "Builds what changed; with full_refresh everything."),
    Served(sync_gis, Cron("50 2 * * *", timezone="UTC"), "Compares every layer of the map mirror with gold."),
    Served(
        back_up,
        Cron("10 1 * * *", timezone="UTC"),
        "Saves everything into the backup's folder, and throws away what is too old.",
        lambda settings: bool(settings.backup.directory),
    ),
    Served(maintain, Cron("30 3 * * *", timezone="UTC"), "Sweeps dead runs, forgets what has expired, vacuums the state database."),
)


def serve_all(settings: Settings) -> None:
    """Serve all flows until the process is told to stop; each run gets a process of its own.

    Where ClickHouse is embedded, this process is its owner unless another one is, and the runs attach to it. The caller has prepared
    the environment and asked `check_prefect`.
    """
    api = PrefectApi(settings.orchestrator)
    with _metrics(settings), open_services(settings) as services, answering(services.warehouse):
        repair_gold(services, utc_now())
        with _sweeping(api, services):
            deployments = [served.deployment() for served in TABLE if served.is_wanted(settings)]
            serve(*deployments, pause_on_shutdown=False, print_starting_message=False, query_seconds=POLL_SECONDS)


@contextmanager
def _metrics(settings: Settings) -> Iterator[None]:
    own, directory = settings.orchestrator, settings.data_dir / METRICS_DIRECTORY
    forget_ended(directory)
    try:
        server, thread = start_http_server(own.metrics_port, own.metrics_host, runs_registry(directory))
    except OSError as error:
        raise ConfigurationError(
            f"Cannot answer /metrics on {own.metrics_host}:{own.metrics_port} ({error.strerror}): choose another port with "
            "CARTULARY_ORCHESTRATOR__METRICS_PORT."
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _sweeping(api: PrefectApi, services: Services) -> Iterator[None]:
    """Sweep dead runs away now and all the time, and wake the letters' flow once: what the last process left is taken up at once."""
    stop = threading.Event()

    def sweep() -> None:
        is_woken = False
        while not stop.is_set():
            try:
                sweep_dead_runs(api, services.state.locks, clock=utc_now)
                if not is_woken:
                    wake_letters(api, utc_now())
                    is_woken = True
            except NotFoundError:
                pass  # just started: Prefect has not been told of our flows yet
            except PlatformError as error:
                logger.warning("Dead runs were not swept away: %s", error)
            except Exception:  # whatever Prefect answers: without the sweeper a dead run would keep its place for ever
                logger.exception("Dead runs were not swept away.")
            stop.wait(SWEEP_SECONDS if is_woken else SOON_SECONDS)

    thread = threading.Thread(target=sweep, name="sweeper", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
