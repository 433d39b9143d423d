"""Throw away what nobody needs any more, and give its space free."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from flows.steps.load import LEASE_SECONDS
from flows.steps.record import Clock, StepResult
from services.state.idempotency import KEPT
from services.wiring import Services

# So long a lease that ended is kept, for whoever wants to know what died.
LEASES_KEPT = timedelta(days=1)
ORPHANED = Path(__file__).with_name("sql") / "orphaned_incoming_tables.sql"


def clean_up(services: Services, *, clock: Clock) -> StepResult:
    """Forget expired idempotency keys, sessions, upload links, geocoder's answers and leases, drop what dead loads left, vacuum the state.

    Nothing that was received or decided is touched.
    """
    now, state = clock(), services.state
    counts = {
        "idempotency_keys": state.idempotency.forget(now - KEPT),
        "sessions": state.sessions.forget_expired(now),
        "upload_sessions": state.upload_sessions.forget_expired(now),
        "geocoder_answers": state.geocode_cache.forget_expired(now),
        "leases": state.locks.forget(now - LEASES_KEPT),
        "incoming_tables": _drop_orphaned_tables(services, now - timedelta(seconds=LEASE_SECONDS)),
    }
    state.database.vacuum()
    return StepResult("clean_up", counts, "" if any(counts.values()) else "Nothing had expired; the state database was vacuumed.")


def _drop_orphaned_tables(services: Services, before: datetime) -> int:
    """Drop tables of incoming batches that are older than any load may take: their processes are dead."""
    orphans = services.warehouse.query(ORPHANED.read_text(encoding="utf-8"), {"before": int(before.timestamp())})
    for orphan in orphans:
        services.warehouse.command(f"drop table if exists bronze.`{orphan['name']}` sync")
    return len(orphans)
