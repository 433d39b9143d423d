"""Every Prometheus metric of Cartulary, each with the only label values it may take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from services.errors import NotFoundError, PlatformError

CONTENT_TYPE = CONTENT_TYPE_LATEST
OTHER = "other"

# Labels with a closed set of values; anything else is counted as `other`, so that no input can make new series.
ALLOWED: Mapping[str, frozenset[str]] = {
    "method": frozenset({"GET", "HEAD", "POST", "PUT", "OPTIONS"}),
    "step": frozenset(
        {"load", "extract", "geocode", "transform", "publish", "register", "requeue", "reprocess", "clean_up", "document"}
        | {"backup", "restore"}
    ),
    "state": frozenset({"done", "failed", "pending", "claimed", "stored", "refused"}),
    "kind": frozenset({"letter", "dataset", "submission", "correction", "register", "load", "extract", "geocode", "retake"}),
    "count": frozenset(
        {"received", "landed", "rejected", "read", "unreadable", "failed", "placed", "models", "tests", "published", "registered"}
        | {"house", "street", "postcode", "city", "none", "requeued", "retried", "read_again"}
        | {"inserted", "updated", "deleted", "repaired", "left_out", "written"}
        | {"tables", "rows", "objects", "damaged", "removed"}
    ),
    "capability": frozenset({"warehouse", "objects", "state", "mirror", "orchestrator", "geoserver", "gateway"}),
    "call": frozenset({"query", "statement", "insert", "read", "write", "open", "put", "look", "list", "delete"}),
    # missing: there is no such thing. refused: the same call fails again. unavailable: it may succeed later. broken: nobody foresaw it.
    "outcome": frozenset({"done", "missing", "refused", "unavailable", "broken"}),
    "direction": frozenset({"in", "out"}),
    # What another process asked of this one's chDB: for rows, an insert from data or through input(), any other statement, or nothing
    # that could be read.
    "statement": frozenset({"rows", "insert", "input", "other", "none"}),
    # How a question to Nominatim ended: places, none, a question that it cannot take, no answer, or not asked since it is away.
    "found": frozenset({"places", "nothing", "refused", "unavailable", "not_asked"}),
    "kept": frozenset({"places", "nothing", "unknown"}),
    "geocoder": frozenset({"register", "nominatim"}),
    "precision": frozenset({"house", "street", "postcode", "city", "none"}),
    "standing": frozenset({"final", "provisional"}),
    # How a question to the vision model ended, or why a letter was read without it.
    "answer": frozenset(
        {"ok", "other_model", "invalid_json", "wrong_schema", "cut_off", "refusal", "rate_limited", "server_error", "timeout"}
        | {"disconnected", "misconfigured", "bad_request", "circuit_open", "cost_cap"}
    ),
    "cache": frozenset({"hit", "miss"}),
    "layer": frozenset({"areas", "area_coverage", "facilities", "catchments", "request_cells", "requests"}),
    "change": frozenset({"inserted", "updated", "deleted", "repaired", "left_out"}),
}


class Metrics:
    """The metrics of one process; a registry of its own keeps the tests apart."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # CPU, memory, open files, start time, Python's version and garbage collection: the names that every dashboard knows.
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
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
        self.oldest_work = Gauge(
            "cartulary_work_oldest_timestamp_seconds", "When the oldest outstanding item was added", ["kind"], registry=self.registry
        )
        self.struggling_work = Gauge(
            "cartulary_work_struggling_items", "Work tried again after three failures or more", ["kind"], registry=self.registry
        )
        self.calls = Counter(
            "cartulary_capability_calls",
            "Calls of a capability, by how they ended",
            ["capability", "call", "outcome"],
            registry=self.registry,
        )
        self.call_seconds = Histogram(
            "cartulary_capability_call_seconds",
            "Seconds of a call of a capability",
            ["capability", "call"],
            buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 300),
            registry=self.registry,
        )
        self.object_bytes = Counter(
            "cartulary_object_store_bytes", "Bytes stored (in) and read (out)", ["direction"], registry=self.registry
        )
        self.vision_calls = Counter("cartulary_vision_calls", "Questions to the vision model", ["answer"], registry=self.registry)
        self.vision_seconds = Histogram(
            "cartulary_vision_call_seconds",
            "Seconds of a question to the vision model",
            buckets=(0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160),
            registry=self.registry,
        )
        self.vision_tokens = Counter(
            "cartulary_vision_tokens", "Tokens sent (out) and answered (in)", ["direction"], registry=self.registry
        )
        self.vision_cost = Counter("cartulary_vision_cost", "Cost in the currency of the prices", registry=self.registry)
        self.vision_cache = Counter("cartulary_vision_cache", "Letters looked up in the answers kept", ["cache"], registry=self.registry)
        self.vision_fallbacks = Counter("cartulary_vision_fallbacks", "Letters read offline instead", ["answer"], registry=self.registry)
        self.vision_breaker = Gauge(
            "cartulary_vision_breaker", "0: questions go out, 1: one is let through to try, 2: none go out", registry=self.registry
        )
        self.geocoder_questions = Counter("cartulary_geocoder_questions", "Questions to Nominatim", ["found"], registry=self.registry)
        self.geocoder_seconds = Histogram(
            "cartulary_geocoder_question_seconds",
            "Seconds of a question to Nominatim, with its repetitions",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self.geocoder_cache = Counter(
            "cartulary_geocoder_cache", "Questions looked up in the answers kept", ["kept"], registry=self.registry
        )
        self.geocoder_answers = Counter(
            "cartulary_geocoder_answers", "Addresses answered", ["geocoder", "precision", "standing"], registry=self.registry
        )
        self.geocoder_breaker = Gauge(
            "cartulary_geocoder_breaker", "0: questions go out, 1: one is let through to try, 2: none go out", registry=self.registry
        )
        self.mirror_rows = Counter(
            "cartulary_mirror_rows", "Rows of the map mirror that a sync touched", ["layer", "change"], registry=self.registry
        )
        self.mirror_seconds = Histogram(
            "cartulary_mirror_layer_seconds",
            "Seconds to compare a layer with gold and to bring over what differs",
            ["layer"],
            buckets=(0.05, 0.25, 1, 5, 15, 60, 300),
            registry=self.registry,
        )
        self.warehouse_requests = Counter(
            "cartulary_warehouse_http_requests",
            "Requests of other processes to the chDB of this one",
            ["statement", "status"],
            registry=self.registry,
        )
        self.warehouse_seconds = Histogram(
            "cartulary_warehouse_http_request_seconds",
            "Seconds from such a request's headers to the end of its answer",
            ["statement"],
            buckets=(0.005, 0.025, 0.1, 0.5, 1, 5, 30, 300),
            registry=self.registry,
        )
        self.warehouse_bytes = Counter(
            "cartulary_warehouse_http_bytes", "Bytes of such requests (in) and answers (out)", ["direction"], registry=self.registry
        )
        self.generation = Gauge("cartulary_gold_generation", "Newest published build of gold", registry=self.registry)
        self.built = Gauge("cartulary_gold_built_timestamp_seconds", "When that build was published", registry=self.registry)
        self.failed_builds = Gauge("cartulary_gold_failed_builds", "Builds that failed since that one", registry=self.registry)
        self.unseen = Gauge(
            "cartulary_gold_unseen_timestamp_seconds",
            "Since when something waits to be built into gold; 0: nothing",
            registry=self.registry,
        )
        self.backup_finished = Gauge(
            "cartulary_backup_finished_timestamp_seconds", "When the newest backup was complete, 0 without one", registry=self.registry
        )
        self.listeners = Gauge("cartulary_event_listeners", "Open connections of /v1/events", registry=self.registry)

    def know_operations(self, names: Iterable[str]) -> None:
        """The only values of the label `operation`: the API's route names, never paths."""
        self._operations = frozenset(names)

    def observe_request(self, operation: str, method: str, status: int, seconds: float) -> None:
        """Count one HTTP answer."""
        operation = operation if operation in self._operations else OTHER
        self.requests.labels(operation, allowed("method", method), _status(status)).inc()
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

    @contextmanager
    def call(self, capability: str, call: str) -> Iterator[None]:
        """Count and time a block that asks a capability for something; how it ended is read from its PlatformError."""
        started = time.perf_counter()
        outcome = "broken"
        try:
            yield
            outcome = "done"
        except NotFoundError:
            outcome = "missing"
            raise
        except PlatformError as error:
            outcome = "unavailable" if error.retryable else "refused"
            raise
        finally:
            capability, call = allowed("capability", capability), allowed("call", call)
            self.calls.labels(capability, call, outcome).inc()
            self.call_seconds.labels(capability, call).observe(time.perf_counter() - started)

    def observe_geocode(self, geocoder: str, precision: str, *, is_provisional: bool) -> None:
        """Count one address that was answered."""
        labels = allowed("geocoder", geocoder), allowed("precision", precision), "provisional" if is_provisional else "final"
        self.geocoder_answers.labels(*labels).inc()

    def observe_warehouse_request(self, statement: str, status: int, seconds: float, bytes_in: int, bytes_out: int) -> None:
        """Count one request of another process to the chDB of this one."""
        statement = allowed("statement", statement)
        self.warehouse_requests.labels(statement, _status(status)).inc()
        self.warehouse_seconds.labels(statement).observe(seconds)
        self.warehouse_bytes.labels("in").inc(bytes_in)
        self.warehouse_bytes.labels("out").inc(bytes_out)

    def observe_bytes(self, direction: str, count: int) -> None:
        """Count bytes that went into the object store or came out of it."""
        self.object_bytes.labels(allowed("direction", direction)).inc(count)

    def observe_answer(self, answer: str, seconds: float, tokens_out: int, tokens_in: int, cost: float) -> None:
        """Count one question to the vision model: tokens that went out with it and came in with its answer."""
        self.vision_calls.labels(allowed("answer", answer)).inc()
        self.vision_seconds.observe(seconds)
        self.vision_tokens.labels("out").inc(tokens_out)
        self.vision_tokens.labels("in").inc(tokens_in)
        self.vision_cost.inc(cost)

    def observe_fallback(self, reason: str) -> None:
        """Count one letter that was read offline because the vision model did not answer."""
        self.vision_fallbacks.labels(allowed("answer", reason)).inc()

    def observe_layer(self, layer: str, seconds: float, rows: Mapping[str, int]) -> None:
        """Count what a sync did to one layer of the map mirror, and the seconds it took to find out."""
        layer = allowed("layer", layer)
        self.mirror_seconds.labels(layer).observe(seconds)
        for change, count in rows.items():
            self.mirror_rows.labels(layer, allowed("change", change)).inc(count)

    def set_build(self, generation: int, published_at: datetime | None) -> None:
        """The newest published build of gold; generation 0 and None when there is none."""
        self.generation.set(generation)
        self.built.set(published_at.timestamp() if published_at else 0)

    def set_debt(self, failed_builds: int, unseen_since: datetime | None) -> None:
        """What gold lacks: builds that failed since the published one, and when the oldest change came that it has not seen."""
        self.failed_builds.set(failed_builds)
        self.unseen.set(unseen_since.timestamp() if unseen_since else 0)

    def set_backup(self, finished_at: datetime | None) -> None:
        """When the newest backup was complete; None when there is none."""
        self.backup_finished.set(finished_at.timestamp() if finished_at else 0)

    def set_work(self, counts: Mapping[str, Mapping[str, int]], oldest: Mapping[str, datetime], struggling: Mapping[str, int]) -> None:
        """Replace the numbers of work items per kind and state, when the oldest outstanding one of each kind was added, and how many
        of each kind keep failing."""
        self.struggling_work.clear()
        for kind, count in struggling.items():
            self.struggling_work.labels(allowed("kind", kind)).inc(count)
        self.oldest_work.clear()
        for kind, added_at in oldest.items():
            self.oldest_work.labels(allowed("kind", kind)).set(added_at.timestamp())
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


def _status(status: int) -> str:
    return f"{status // 100}xx" if status not in (401, 403, 404, 422, 429) else str(status)


METRICS = Metrics()
"""The process's metrics: the API serves them, the steps and the intake add to them."""
