"""Build silver and gold with dbt, test what was built, and only then let readers see it."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from flows.steps import gold
from flows.steps.alone import alone, running_from
from flows.steps.dbt_runner import DbtRunner, Project, project_digest
from flows.steps.record import StepResult, never
from services.errors import PlatformError, PublishError
from services.warehouse.client import Warehouse
from services.warehouse.landing import Landing
from services.wiring import Services

logger = logging.getLogger(__name__)

# dbt keeps its flags and adapters in globals: two builds in one process would mix them up.
BUILD_LOCK = threading.Lock()
# And two processes would build into one gold_next: they take turns. Longer than a build of everything takes.
BUILD = "build"
WAIT_SECONDS = 3600.0
# How long a build that failed twice on the same things is let alone.
RED_PAUSE = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What requests are measured against: a new generation of one of these changes every row, so that all is built anew.
REFERENCE_DATASETS = ("address_points", "areas", "facilities")
# These are only ever added to; a mutation (an erasure) in one of them takes something away that a build could not see as new.
APPEND_ONLY = ("letters", "extractions", "geocodes", "submissions", "corrections", "uploads")
Inputs = dict[str, dict[str, int]]


@dataclass(frozen=True)
class _Plan:
    """What is to be built: `reason` says why all of it, and is empty when only what is new has to be looked at."""

    build: gold.Build
    changed_after: datetime
    reason: str

    @property
    def is_full(self) -> bool:
        return bool(self.reason)


def needs_build(services: Services, *, for_placing: bool = False) -> bool:
    """Whether bronze, the reference data or the project changed since gold was published, or a build died while publishing.

    `for_placing` asks only whether the tables that addresses are looked up in are behind, which letters and requests do not change.
    """
    builds = gold.journal(services.warehouse)
    if not builds or builds[0].state != "published":
        return _inputs(services.warehouse) != {} or bool(builds)
    if builds[0].fingerprint != _fingerprint(services.warehouse):
        return True
    return not for_placing and builds[0].inputs != _inputs(services.warehouse)


def failed_lately(services: Services, now: datetime) -> bool:
    """Whether building is in vain for now: the last two builds failed on just what is there, the newer one within the hour.

    One failure may be an outage's; the second says that a person has to look at it.
    """
    builds = gold.journal(services.warehouse)[:2]
    if len(builds) < 2 or any(build.state != "failed" for build in builds) or now - builds[0].started_at >= RED_PAUSE:
        return False
    fingerprint, inputs = _fingerprint(services.warehouse), _inputs(services.warehouse)
    is_same = all(build.fingerprint == fingerprint and build.inputs == inputs for build in builds)
    if is_same:
        logger.warning("Build %d failed, and nothing has changed since: it is not tried again within the hour.", builds[0].generation)
    return is_same


class _Stopped(PlatformError):
    """Ends a build that nobody waits for any more."""


def transform(services: Services, *, full_refresh: bool = False, now: datetime, is_stopping: Callable[[], bool] = never) -> StepResult:
    """Build what changed into gold_next, test it there, and exchange it for gold; `now` is noted as the moment of the build.

    Killed at any moment and called again, gold is what one undisturbed build makes; `is_stopping` ends it as a kill would, before its
    next statement. PublishError names what failed; gold is then as it was. BusyError when another process has been building for an
    hour, StateError when one may build meanwhile.
    """
    with BUILD_LOCK, alone(services, BUILD, clock=running_from(now), wait_seconds=WAIT_SECONDS) as lease:
        warehouse = services.warehouse
        for contract in services.contracts.values():
            Landing(warehouse, contract).ensure_table()
        _repair(warehouse)
        digest = project_digest()
        runner = DbtRunner(warehouse, services.settings.data_dir / "dbt")
        project = runner.project(digest)
        plan = _plan(warehouse, project, full_refresh, now)
        gold.write_journal(warehouse, plan.build, changed_after=plan.changed_after)
        gold.clear_next(warehouse)
        selected = () if plan.is_full else project.growing
        if not plan.is_full:
            gold.clone_gold(warehouse, [name for name in project.gold if name not in selected or name in project.incremental_gold])

        def check() -> None:
            lease.check()
            if is_stopping():
                raise _Stopped("Nobody waits for this build any more.")

        try:
            outcome = runner.build(project, selected, full_refresh=plan.is_full, check=check)
        except _Stopped:
            logger.info("Build %d was ended half way, since this process stops: the next one begins anew.", plan.build.generation)
            return StepResult("transform")
        built = gold.table_uuids(warehouse, "gold_next")
        # Still ours: then what was just noted is what we built and tested, and nobody else is at it.
        lease.confirm()
        row = {
            "is_full_refresh": int(plan.is_full),
            "model_count": outcome.model_count,
            "test_count": outcome.test_count,
            "message": plan.reason,
        }
        if outcome.failures:
            message = "; ".join(outcome.failures)
            gold.record_build(warehouse, plan.build, "failed", {**row, "message": message})
            gold.write_journal(warehouse, replace(plan.build, state="failed"), changed_after=plan.changed_after)
            raise PublishError(f"Build {plan.build.generation} failed, so gold is as it was: {message}")
        lease.confirm()
        names = [name for name in project.gold if plan.is_full or name in selected]
        gold.publish_tables(warehouse, plan.build, {name: built[name] for name in names}, row)
        counts = {"models": outcome.model_count, "tests": outcome.test_count}
        return StepResult("transform", counts, plan.reason)


def repair_gold(services: Services, now: datetime) -> bool:
    """Finish the exchange of a build whose process died in the middle of it; whether there was one. Without one it costs one query."""
    builds = gold.journal(services.warehouse)
    if not builds or builds[0].state != "publishing":
        return False
    with BUILD_LOCK, alone(services, BUILD, clock=running_from(now), wait_seconds=WAIT_SECONDS):
        return _repair(services.warehouse)


def _repair(warehouse: Warehouse) -> bool:
    builds = gold.journal(warehouse)
    if not builds or builds[0].state != "publishing":
        return False
    gold.finish_publishing(warehouse, builds[0])
    return True


def _plan(warehouse: Warehouse, project: Project, full_refresh: bool, now: datetime) -> _Plan:
    builds = gold.journal(warehouse)
    fingerprint, inputs = _fingerprint(warehouse), _inputs(warehouse)
    published = next((build for build in builds if build.state == "published"), None)
    reason = "a full refresh was asked for" if full_refresh else _why_all(warehouse, project, builds, published, fingerprint, inputs)
    build = gold.Build(
        generation=max((build.generation for build in builds), default=0) + 1,
        state="started",
        fingerprint=fingerprint,
        seen_until=warehouse.scalar(gold.read_sql("seen_until")),
        inputs=inputs,
        tables={},
        started_at=now,
    )
    return _Plan(build, EPOCH if reason or published is None else published.seen_until, reason)


def _why_all(
    warehouse: Warehouse, project: Project, builds: list[gold.Build], published: gold.Build | None, fingerprint: str, inputs: Inputs
) -> str:
    """Why everything has to be built anew; empty when adding what is new gives the same."""
    if published is None:
        return "nothing was published before"
    if published.fingerprint != fingerprint:
        return "models, seeds or reference data changed"
    # A build that died half way may have left silver tables made from other reference data than gold is.
    if any(build.fingerprint != fingerprint for build in builds if build.generation > published.generation):
        return "a build with other models or reference data did not finish"
    if any(build.tables for build in builds if build.generation > published.generation):
        return "a build was published only in part"
    for table in APPEND_ONLY:
        before, today = published.inputs.get(table), inputs.get(table, {"rows": 0, "mutation": 0})
        if before and (today["rows"] < before["rows"] or today["mutation"] != before["mutation"]):
            return f"rows were taken away from bronze.{table}"
    missing = sorted(set(project.gold) - set(gold.table_uuids(warehouse, "gold")))
    return f"gold lacks {', '.join(missing)}" if missing else ""


def _inputs(warehouse: Warehouse) -> Inputs:
    rows = warehouse.query(gold.read_sql("bronze_inputs"))
    return {row["table"]: {"rows": row["row_count"], "mutation": row["mutation"]} for row in rows}


def _fingerprint(warehouse: Warehouse) -> str:
    generations = [
        [row["dataset"], row["newest_generation"], row["newest_load_id"]]
        for row in warehouse.query(gold.read_sql("reference_generations"))
        if row["dataset"] in REFERENCE_DATASETS
    ]
    return hashlib.sha256(json.dumps([project_digest(), generations]).encode()).hexdigest()
