"""The series of other programs that our rules and dashboards name: looked up in their documentation or seen on a running one."""

from __future__ import annotations

import re

TARGET = {"job", "instance"}

# Seen: Caddy 2.11.7 and Prometheus 2.42 with their own /metrics, Alertmanager 0.25. From documentation: the others.
EXPORTERS: dict[str, set[str]] = {
    # Caddy, with `metrics` in its global options
    "caddy_http_request_duration_seconds_count": {"code", "handler", "method", "server", *TARGET},
    # Prometheus and Alertmanager
    "prometheus_rule_evaluation_failures_total": {"rule_group", *TARGET},
    "alertmanager_notifications_failed_total": {"integration", "reason", *TARGET},
    # ClickHouse's own endpoint: system.asynchronous_metrics
    "ClickHouseAsyncMetrics_FilesystemMainPathAvailableBytes": TARGET,
    "ClickHouseAsyncMetrics_FilesystemMainPathTotalBytes": TARGET,
    # node-exporter, collector filesystem
    "node_filesystem_avail_bytes": {"device", "fstype", "mountpoint", *TARGET},
    "node_filesystem_size_bytes": {"device", "fstype", "mountpoint", *TARGET},
    # cAdvisor
    "container_oom_events_total": {"id", "image", "name", *TARGET},
    # redis_exporter, postgres_exporter
    "redis_up": TARGET,
    "redis_memory_used_bytes": TARGET,
    "redis_memory_max_bytes": TARGET,
    "pg_up": TARGET,
}

# A summary is one sentence, with what the alert found in it.
TEXT = re.compile(r"[A-Z{1-9].*\.", re.DOTALL)
