"""Make bronze whole again from the object store, and try once more what had failed."""

from __future__ import annotations

from flows.steps.record import Clock, StepResult
from flows.steps.run import run_outstanding
from services.wiring import Services

BATCH = 10_000


def reprocess(services: Services, *, read_again: bool, clock: Clock) -> StepResult:
    """Register what bronze lacks, retry failed work, optionally read every letter again, and do what is then outstanding."""
    rebuilt = services.intake.rebuild_bronze(clock())
    retried = services.state.work.retry_failed()
    letters = _read_again(services, clock) if read_again else 0
    run_outstanding(services, clock=clock)
    message = f"damaged or missing in the object store, restore them from a backup: {', '.join(rebuilt.damaged)}" if rebuilt.damaged else ""
    return StepResult("reprocess", {"registered": rebuilt.registered, "retried": retried, "read_again": letters}, message)


def _read_again(services: Services, clock: Clock) -> int:
    """Queue every letter for a new attempt; the old extractions stay, the newest one counts."""
    now = clock()
    count, after = 0, ""
    while True:
        rows = services.warehouse.query(
            "select distinct letter_id from bronze.letters where letter_id > {after:String} order by letter_id limit {batch:UInt32}",
            {"after": after, "batch": BATCH},
        )
        if not rows:
            return count
        ids = [str(row["letter_id"]) for row in rows]
        payload = {letter_id: {"attempt": now.isoformat()} for letter_id in ids}
        count += services.state.work.add("extract", ids, payload=payload, now=now, again=True)
        after = ids[-1]
