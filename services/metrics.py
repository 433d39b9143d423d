"""Every Prometheus metric of Cartulary, each with the only label values it may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
OTHER = "other"

# Labels with a closed set of values; anything else is counted as `other`, so that no input can make new series.
ALLOWED: Mapping[str, frozenset[str]] = {
    "method": frozenset({"GET", "HEAD", "POST", "OPTIONS"}),
    "step": frozenset({"load", "extract", "geocode", "transform", "publish", "register", "requeue", "reprocess"}),
    "state": frozenset({"done", "failed", "pending", "claimed", "stored", "refused"}),
    "kind": frozenset({"letter", "dataset", "submission", "correction", "register", "load", "extract", "geocode"}),
    "count": frozenset(
        {"received", "landed", "rejected", "read", "unreadable", "failed", "placed", "models", "tests", "published", "registered"}
    ),
    "capability": frozenset({"warehouse", "objects", "state"}),
}


class Metrics:
    """The metrics of one process; a registry of its own keeps the tests apart."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._operations: frozenset[str] = frozenset()
        self.requests = Counter("cartulary_http_requests", "HTTP answers", ["operation", "method", "status"], registry=self.registry)
        self.seconds = Histogram(
            "cartulary_http_request_seconds",
            "Seconds from the request's headers to the end of its answer",
            ["operation"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
            registry=self.registry,
        )
        self.refusals = Counter("cartulary_rate_limited_requests", "Requests answered with 429", registry=self.registry)
        self.receipts = Counter("cartulary_receipts", "Files and forms taken in or refused", ["kind", "state"], registry=self.registry)
        self.steps = Counter("cartulary_steps", "Runs of a step", ["step", "state"], registry=self.registry)
        self.step_seconds = Histogram(
            "cartulary_step_seconds", "Seconds of a step", ["step"], buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 1800), registry=self.registry
        )
        self.step_items = Counter("cartulary_step_items", "What the steps counted", ["step", "count"], registry=self.registry)
        self.work = Gauge("cartulary_work_items", "Outstanding, running and failed work", ["kind", "state"], registry=self.registry)
        self.ready = Gauge(
            "cartulary_capability_ready", "1 when the capability answered the last readiness check", ["capability"], registry=self.registry
        )
        self.generation = Gauge("cartulary_gold_generation", "Newest published build of gold", registry=self.registry)
        self.listeners = Gauge("cartulary_event_listeners", "Open connections of /v1/events", registry=self.registry)

    def know_operations(self, names: Iterable[str]) -> None:
        """The only values of the label `operation`: the API's route names, never paths."""
        self._operations = frozenset(names)

    def observe_request(self, operation: str, method: str, status: int, seconds: float) -> None:
        """Count one HTTP answer."""
        operation = operation if operation in self._operations else OTHER
        self.requests.labels(
            operation, allowed("method", method), f"{status // 100}xx" if status not in (401, 403, 404, 422, 429) else str(status)
        ).inc()
        self.seconds.labels(operation).observe(seconds)

    def observe_receipt(self, kind: str, state: str) -> None:
        """Count one file or form that came in."""
        self.receipts.labels(allowed("kind", kind), allowed("state", state)).inc()

    def observe_step(self, step: str, state: str, seconds: float, counts: Mapping[str, int]) -> None:
        """Count one run of a step, its seconds and what it counted."""
        step = allowed("step", step)
        self.steps.labels(step, allowed("state", state)).inc()
        self.step_seconds.labels(step).observe(seconds)
        for name, count in counts.items():
            self.step_items.labels(step, allowed("count", name)).inc(max(0, count))

    def set_work(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Replace the numbers of work items per kind and state."""
        self.work.clear()
        for kind, states in counts.items():
            for state, count in states.items():
                self.work.labels(allowed("kind", kind), allowed("state", state)).inc(count)

    def render(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


def allowed(label: str, value: str) -> str:
    """The value if the label may take it, else `other`."""
    return value if value in ALLOWED[label] else OTHER


METRICS = Metrics()
"""The process's metrics: the API serves them, the steps and the intake add to them."""
