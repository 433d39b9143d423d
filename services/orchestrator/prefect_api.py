"""Prefect's HTTP API, as far as Cartulary asks it: wake a batch run, see which runs are under way, end those whose process died."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import quote

import urllib3
from urllib3.util import Retry, Timeout, make_headers

from services.errors import ConfigurationError, NotFoundError, OrchestratorError, PlatformError
from services.metrics import METRICS
from services.settings import OrchestratorSettings
from services.tracing import RUN_ID_HEADER, current_run_id

logger = logging.getLogger(__name__)

# The flow that an upload wakes, and the name under which all flows are deployed.
LETTERS = "letters"
DEPLOYMENT = "cartulary"
WAITING = ("SCHEDULED", "PENDING")
UNDER_WAY = ("PENDING", "RUNNING", "CANCELLING")
PAGE = 200
# A run that is to start so soon needs no other one beside it.
SOON = timedelta(seconds=5)
# Least time between two questions whether a run is needed: uploads come faster.
WAKE_PAUSE_SECONDS = 1.0
# Connecting again is safe whatever was asked; what may have arrived is not sent twice.
RETRIES = Retry(total=2, connect=2, read=0, status=0, redirect=0, other=0, backoff_factor=0.3)


@dataclass(frozen=True)
class Run:
    """One flow run as Prefect knows it; `changed_at` is when it came into its state."""

    run_id: str
    deployment_id: str
    state: str
    changed_at: datetime
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        """From Prefect's JSON."""
        state = found.get("state") or {}
        changed_at = datetime.fromisoformat(str(state.get("timestamp") or found["created"]))
        deployment_id, parameters = str(found.get("deployment_id") or ""), found.get("parameters") or {}
        return cls(str(found["id"]), deployment_id, str(state.get("type") or ""), changed_at, parameters)


class PrefectApi:
    """A client of Prefect's API; its errors are OrchestratorError (retryable when Prefect did not answer) or ConfigurationError."""

    def __init__(self, settings: OrchestratorSettings) -> None:
        self._url = settings.prefect_api_url.rstrip("/")
        auth = settings.prefect_auth.get_secret_value()
        headers = make_headers(basic_auth=auth, user_agent="cartulary") if auth else make_headers(user_agent="cartulary")
        timeout = Timeout(connect=settings.timeout_seconds, read=settings.timeout_seconds)
        self._pool = urllib3.PoolManager(headers=headers, timeout=timeout, retries=RETRIES)

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def version(self) -> str:
        """Version of the server: answers only who may use it."""
        return str(self._ask("read", "GET", "/admin/version"))

    def deployment_id(self, flow: str) -> str:
        """The deployment of one of our flows; NotFoundError when it was never served."""
        return str(self._ask("look", "GET", f"/deployments/name/{quote(flow)}/{quote(DEPLOYMENT)}")["id"])

    def deployment_ids(self) -> list[str]:
        """The deployments of all our flows."""
        found = self._ask("list", "POST", "/deployments/filter", {"deployments": {"name": {"any_": [DEPLOYMENT]}}})
        return [str(deployment["id"]) for deployment in found]

    def runs(self, deployment_ids: Sequence[str], states: Sequence[str], *, due_before: datetime | None = None) -> list[Run]:
        """Up to 200 runs of these deployments in these states, with `due_before` only those that were to start by then."""
        if not deployment_ids:
            return []
        wanted: dict[str, Any] = {"deployment_id": {"any_": list(deployment_ids)}, "state": {"type": {"any_": list(states)}}}
        if due_before:
            wanted["expected_start_time"] = {"before_": due_before.isoformat()}
        return [Run.of(found) for found in self._ask("list", "POST", "/flow_runs/filter", {"flow_runs": wanted, "limit": PAGE})]

    def create_run(self, deployment_id: str) -> str:
        """Schedule a run for now; its id."""
        body = {"state": {"type": "SCHEDULED"}, "tags": ["woken"]}
        return str(self._ask("put", "POST", f"/deployments/{deployment_id}/create_flow_run", body)["id"])

    def end_run(self, run_id: str, state: str, message: str) -> None:
        """Set a run CRASHED or CANCELLED, whatever it is now: its place within the concurrency limit is free then."""
        body = {"state": {"type": state, "name": state.title(), "message": message}, "force": True}
        self._ask("write", "POST", f"/flow_runs/{run_id}/set_state", body)

    def _ask(self, call: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        with METRICS.call("orchestrator", call):
            try:
                headers = {**self._pool.headers, "content-type": "application/json", RUN_ID_HEADER: current_run_id() or "-"}
                answer = self._pool.request(method, self._url + path, body=json.dumps(body) if body else None, headers=headers)
            except urllib3.exceptions.HTTPError as cause:
                reason = type(getattr(cause, "reason", None) or cause).__name__
                message = (
                    f"Prefect did not answer at {self._url} ({reason}): is the server running? CARTULARY_ORCHESTRATOR__PREFECT_API_URL"
                )
                raise OrchestratorError(f"{message} names it.", retryable=True) from cause
            self._check(answer, path)
            try:
                return json.loads(answer.data) if answer.data else None
            except ValueError as cause:
                # A proxy's page says 200 as well.
                raise OrchestratorError(
                    f"What answered {path} at {self._url} is not Prefect: its answer is no JSON.", retryable=True
                ) from cause

    def _check(self, answer: urllib3.BaseHTTPResponse, path: str) -> None:
        if answer.status in (401, 403):
            raise ConfigurationError(
                f"Prefect at {self._url} refused the user or password: CARTULARY_ORCHESTRATOR__PREFECT_AUTH must be the user:password of "
                "the server's PREFECT_SERVER_API_AUTH_STRING."
            )
        if answer.status == 404:
            raise NotFoundError(f"Prefect at {self._url} has no {path}: start `cartulary flows`, which tells it our flows.")
        if answer.status >= 300:
            said = answer.data[:300].decode(errors="replace")
            is_retryable = answer.status >= 500 or answer.status == 429
            raise OrchestratorError(f"Prefect at {self._url} answered {path} with {answer.status}: {said}", retryable=is_retryable)


class PrefectOrchestrator:
    """Wakes the flow that does all outstanding work; a wake-up that fails is logged, since the flow's schedule finds the work too."""

    def __init__(self, settings: OrchestratorSettings, clock: Callable[[], datetime]) -> None:
        self._api = PrefectApi(settings)
        self._clock = clock
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="wake", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is work; returns at once, and many calls make one run."""
        self._wake.set()

    def close(self) -> None:
        """Stop; a wake-up that is under way is finished."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self._api.close()

    def _loop(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            if self._stop.is_set():
                return
            try:
                wake_letters(self._api, self._clock())
            except PlatformError as error:
                logger.warning("The flows were not woken, and find the work by their schedule: %s", error)
            except Exception:  # whatever Prefect answers, the next upload must wake it
                logger.exception("The flows were not woken, and find the work by their schedule.")
            self._stop.wait(WAKE_PAUSE_SECONDS)


def check_prefect(settings: OrchestratorSettings) -> None:
    """Raise ConfigurationError when there is no URL or the password is wrong, OrchestratorError when nobody answers there."""
    if not settings.prefect_api_url:
        raise ConfigurationError(
            "CARTULARY_ORCHESTRATOR__PREFECT_API_URL is empty: name Prefect's API (http://127.0.0.1:4200/api), or use `cartulary serve` "
            "alone, which does the work itself."
        )
    logger.info("Prefect %s answers at %s.", PrefectApi(settings).version(), settings.prefect_api_url)


def wake_letters(api: PrefectApi, now: datetime) -> bool:
    """Schedule one run of the letters' flow unless one is waiting that will see the new work; whether one was scheduled.

    A run that is under way may have looked already: behind it one may wait.
    """
    deployment_id = api.deployment_id(LETTERS)
    if api.runs([deployment_id], WAITING, due_before=now + SOON):
        return False
    api.create_run(deployment_id)
    return True
