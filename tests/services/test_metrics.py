"""Metrics as Prometheus wants them, and as docs/metrics.md tells them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from services.errors import NotFoundError, StateError
from services.metrics import ALLOWED, OTHER, Metrics
from services.settings import PROJECT_ROOT

DOCUMENT = PROJECT_ROOT / "docs/metrics.md"
# Filled by names that the code gives: the API's routes, and HTTP's classes of status.
BY_CODE = {"operation", "status"}


def ours() -> list[MetricWrapperBase]:
    return [metric for metric in vars(Metrics()).values() if isinstance(metric, MetricWrapperBase)]


def name_of(metric: MetricWrapperBase) -> str:
    return metric._name + ("_total" if isinstance(metric, Counter) else "")


def row(metric: MetricWrapperBase) -> str:
    kind = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}[type(metric)]
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    return f"| `{name_of(metric)}` | {kind} | {labels} | {metric._documentation} |"


def test_the_document_tells_every_metric() -> None:
    told = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `cartulary_")]
    assert told == sorted(row(metric) for metric in ours())


def test_the_document_tells_the_values_of_every_label() -> None:
    told = dict(re.findall(r"^- `(\w+)`: (.+)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    assert {label: sorted(re.findall(r"`(\w+)`", values)) for label, values in told.items()} == {
        label: sorted(values) for label, values in ALLOWED.items()
    }


@pytest.mark.parametrize("metric", ours(), ids=name_of)
def test_names_and_labels_follow_prometheus(metric: MetricWrapperBase) -> None:
    assert re.fullmatch(r"cartulary(_[a-z]+)+", name_of(metric))
    assert name_of(metric).endswith("_seconds") or not isinstance(metric, Histogram)
    assert metric._documentation and not metric._documentation.endswith(".")
    assert set(metric._labelnames) <= set(ALLOWED) | BY_CODE


@given(text=st.text(max_size=30), number=st.integers(min_value=0, max_value=10**12))
def test_no_input_makes_a_new_series(text: str, number: int) -> None:
    metrics = Metrics()
    metrics.know_operations(["list_areas"])
    metrics.observe_request(text, text, 200, 0.1)
    metrics.observe_receipt(text, text)
    metrics.observe_step(text, text, 0.1, {text: number})
    metrics.set_work({text: {text: number}}, {text: datetime(2026, 3, 1, tzinfo=UTC)}, {text: number})
    metrics.observe_bytes(text, number)
    with metrics.call(text, text):
        pass
    known = set().union(*ALLOWED.values()) | {"list_areas", "2xx", "done", OTHER}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples if family.name.startswith("cartulary") else ():
            assert {value for label, value in sample.labels.items() if label != "le"} <= known


def fails(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        (lambda: None, "done"),
        (fails(NotFoundError("x")), "missing"),
        (fails(StateError("x")), "refused"),
        (fails(StateError("x", retryable=True)), "unavailable"),
        (fails(KeyError("x")), "broken"),
    ],
)
def test_calls_are_counted_by_how_they_end(action: Callable[[], None], outcome: str) -> None:
    metrics = Metrics()
    try:
        with metrics.call("state", "write"):
            action()
    except (NotFoundError, StateError, KeyError):
        assert outcome != "done"
    labels = {"capability": "state", "call": "write"}
    assert metrics.registry.get_sample_value("cartulary_capability_calls_total", {**labels, "outcome": outcome}) == 1
    assert metrics.registry.get_sample_value("cartulary_capability_call_seconds_count", labels) == 1


def test_the_process_and_ages_are_told() -> None:
    metrics = Metrics()
    metrics.set_work({"load": {"pending": 3}}, {"load": datetime(2026, 3, 1, tzinfo=UTC)}, {"load": 2})
    metrics.set_build(7, datetime(2026, 3, 2, tzinfo=UTC))
    value = metrics.registry.get_sample_value
    assert value("process_resident_memory_bytes") and value("process_open_fds") and value("process_cpu_seconds_total")
    assert value("cartulary_work_items", {"kind": "load", "state": "pending"}) == 3
    assert value("cartulary_work_oldest_timestamp_seconds", {"kind": "load"}) == datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert value("cartulary_work_struggling_items", {"kind": "load"}) == 2
    assert value("cartulary_gold_built_timestamp_seconds") == datetime(2026, 3, 2, tzinfo=UTC).timestamp()
    metrics.set_debt(2, datetime(2026, 3, 3, tzinfo=UTC))
    assert value("cartulary_gold_failed_builds") == 2
    assert value("cartulary_gold_unseen_timestamp_seconds") == datetime(2026, 3, 3, tzinfo=UTC).timestamp()
    metrics.set_debt(0, None)
    assert value("cartulary_gold_unseen_timestamp_seconds") == 0
    metrics.set_work({}, {}, {})
    assert value("cartulary_work_oldest_timestamp_seconds", {"kind": "load"}) is None, "nothing waits: nothing is old"
