"""Bring data files into their datasets: all rows or none, every row landed or rejected with its reason."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from flows.steps.load_rules import REJECTED_ROWS_KEPT, check, look_back, room, rows_before
from flows.steps.record import Clock, StepResult
from services.contracts import DatasetContract
from services.errors import ContractError, NotFoundError, PlatformError, StateError
from services.state.locks import this_process
from services.tabular.base import Progress, Reader
from services.tabular.csv_reader import CsvReader, NotCleanError
from services.tabular.opening import file_format, looks_clean, open_quickly, open_reader
from services.tabular.scan import scan
from services.warehouse import loads
from services.warehouse.landing import CleanCsv, Landing
from services.warehouse.loads import Load
from services.wiring import Services

logger = logging.getLogger(__name__)

LOAD = "load"
MODES = ("replace", "append", "upsert")
# Longer than any load may take; whoever is alone at loading frees the claims of the dead before.
LEASE_SECONDS = 6 * 3600
TOO_LARGE, MAX_TOO_LARGE = "MEMORY_LIMIT_EXCEEDED", 5
# Loads run one after the other, across processes by the lock of `run.LOADING`: each uses all cores, and takes what it finds started
# for left by a killed process.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class LoadResult:
    """What became of one file: landed + rejected = received."""

    load_id: str
    upload_id: str
    dataset: str
    mode: str
    generation: int
    received: int
    landed: int
    rejected: int
    unknown_columns: Sequence[str] = ()
    warnings: Sequence[str] = ()
    was_loaded_before: bool = False


def _silent(done: int, total: int) -> None:
    """No progress is wanted."""


def _alone() -> None:
    """No other process can be at it."""


def load_upload(
    services: Services,
    *,
    upload_id: str,
    dataset: str,
    mode: str | None,
    now: datetime,
    progress: Progress = _silent,
    confirm: Callable[[], None] = _alone,
) -> LoadResult:
    """Load one stored upload (the SHA-256 of its bytes) into a dataset, under the contract's mode unless another is given.

    The same upload is not loaded again while it is the newest (or, appended, while it counts), and not at all when a replacement asked
    for later is loaded already: the result is then that load, with a warning. `progress` is told bytes done and in all; `confirm`
    raises StateError when another process may load by now, which then takes this load for dead: nothing of it becomes visible.
    Raises ContractError when the file as a whole does not fit: nothing of it is visible then; NotFoundError when there is no such
    upload; WarehouseError or ObjectStoreError when one of them does not answer: the same call later goes on.
    """
    with _one_at_a_time:
        return _load_alone(services, upload_id, dataset, mode, now, progress, confirm)


def load_at_once(
    services: Services, upload_id: str, dataset: str, mode: str | None, *, clock: Clock, progress: Progress, confirm: Callable[[], None]
) -> LoadResult:
    """Load what was just received, and settle its place in the queue either way; the errors of `load_upload`."""
    queue, owner = services.state.work, this_process()
    for item in queue.claim(LOAD, keys=[upload_id], limit=1, owner=owner, lease_seconds=LEASE_SECONDS, now=clock()):
        if (item.payload.get("dataset"), item.payload.get("mode") or None) != (dataset, mode):
            # An older wish for the same file stays before this one, whose turn finds it loaded.
            queue.release(LOAD, [upload_id], owner=owner)
    try:
        result = load_upload(services, upload_id=upload_id, dataset=dataset, mode=mode, now=clock(), progress=progress, confirm=confirm)
    except PlatformError as error:
        queue.fail(LOAD, upload_id, str(error), error.retryable, clock(), owner=owner)
        raise
    queue.done(LOAD, [upload_id], owner=owner)
    return result


def load_outstanding(services: Services, now: datetime, progress: Progress = _silent, confirm: Callable[[], None] = _alone) -> StepResult:
    """Load every upload that waits for it; a file that does not fit its contract fails alone. `confirm` is that of `load_upload`."""
    for contract in services.contracts.values():
        Landing(services.warehouse, contract).ensure_table()
    counts = {"loaded": 0, "landed": 0, "rejected": 0, "failed": 0}
    messages: list[str] = []
    started = time.monotonic()
    owner = this_process()
    while True:
        moment = now + timedelta(seconds=time.monotonic() - started)
        items = services.state.work.claim(LOAD, limit=1, owner=owner, lease_seconds=LEASE_SECONDS, now=moment)
        if not items:
            return StepResult(LOAD, counts, " ".join(messages))
        item = items[0]
        dataset = str(item.payload.get("dataset", ""))
        try:
            mode = item.payload.get("mode") or None
            result = load_upload(services, upload_id=item.key, dataset=dataset, mode=mode, now=moment, progress=progress, confirm=confirm)
        except StateError:
            # No fault of the file, which may be somebody else's by now.
            raise
        except PlatformError as error:
            logger.warning("%s was not loaded into %s: %s", item.key[:12], dataset, error)
            failed_at = now + timedelta(seconds=time.monotonic() - started)
            # Memory may be short for now; a file that it never suffices for is not to be loaded and deleted for ever.
            may_pass = error.retryable and not (TOO_LARGE in str(error) and item.attempts + 1 >= MAX_TOO_LARGE)
            services.state.work.fail(LOAD, item.key, str(error), may_pass, failed_at, owner=owner)
            counts["failed"] += 1
            messages.append(f"{dataset}: {error}")
            continue
        services.state.work.done(LOAD, [item.key], owner=owner)
        messages += [f"{dataset}: {warning}." for warning in result.warnings]
        if not result.was_loaded_before:
            counts["loaded"] += 1
            counts["landed"] += result.landed
            counts["rejected"] += result.rejected


def _load_alone(
    services: Services, upload_id: str, dataset: str, mode: str | None, now: datetime, progress: Progress, confirm: Callable[[], None]
) -> LoadResult:
    contract = _contract(services, dataset)
    mode = mode or contract.mode
    if mode not in MODES or (mode == "upsert" and not contract.natural_key):
        raise ContractError(f"{dataset} cannot be loaded with mode {mode}: use one of {', '.join(MODES)} (upsert needs a natural_key).")
    landing = Landing(services.warehouse, contract)
    landing.ensure_table()
    # Twice: what another process loads just now is not dead, and what it took for dead may not be published.
    confirm()
    attempts = loads.of_dataset(services.warehouse, dataset)
    _bury_dead(services, landing, attempts, now)
    counting = loads.effective(attempts)
    if before := _loaded_before(counting, upload_id, mode, contract):
        return _result(before, (), was_loaded_before=True)
    asked_at = _asked_at(services, upload_id, dataset) or now
    if overtaken := _overtaken_by(counting, asked_at):
        note = f"{upload_id[:12]} was not loaded, since a replacement asked for later, {overtaken.upload_id[:12]}, is loaded already"
        return _result(overtaken, [note], was_loaded_before=True)
    started = time.monotonic()
    load = Load(_load_id(upload_id, dataset, mode, now), upload_id, dataset, contract.version, mode, now, asked_at=asked_at)
    loads.record(services.warehouse, load)
    try:
        with services.objects.local_path(_object_key(upload_id)) as path, room():
            load, warnings = _land(landing, contract, load, path, progress)
        replaced = rows_before(landing, load, contract, counting)
        check(load, contract, replaced)
    except PlatformError as error:
        _fail(services, landing, load, error, now + timedelta(seconds=time.monotonic() - started))
        raise
    warnings += look_back(landing, load, replaced)
    finished_at = now + timedelta(seconds=time.monotonic() - started)
    confirm()
    load = loads.publish(services.warehouse, replace(load, message="; ".join(warnings), finished_at=finished_at))
    return _result(load, warnings)


def _contract(services: Services, dataset: str) -> DatasetContract:
    try:
        return services.contracts[dataset]
    except KeyError:
        raise NotFoundError(f"There is no dataset {dataset!r}; there are {', '.join(sorted(services.contracts))}.") from None


def _object_key(upload_id: str) -> str:
    return f"uploads/{upload_id[:2]}/{upload_id}"


def _load_id(upload_id: str, dataset: str, mode: str, now: datetime) -> str:
    return hashlib.sha256(f"load:{upload_id}:{dataset}:{mode}:{now.isoformat()}".encode()).hexdigest()[:32]


def _asked_at(services: Services, upload_id: str, dataset: str) -> datetime | None:
    """When this load was asked for: as the queue knows it, else when the file was received."""
    item = services.state.work.get(LOAD, upload_id)
    if item and item.payload.get("dataset") == dataset and item.payload.get("asked_at"):
        return datetime.fromisoformat(str(item.payload["asked_at"]))
    return loads.received_at(services.warehouse, upload_id)


def _overtaken_by(counting: Sequence[Load], asked_at: datetime) -> Load | None:
    """The replacement asked for later: what comes late, after a retry or a killed process, would have been replaced by it."""
    return next((load for load in counting if load.mode == "replace" and (load.asked_at or load.started_at) > asked_at), None)


def _loaded_before(counting: Sequence[Load], upload_id: str, mode: str, contract: DatasetContract) -> Load | None:
    """The load that makes another one needless: the last one or, appended, any that counts."""
    candidates = counting if mode == "append" else counting[:1]
    same = (upload_id, mode, contract.version)
    return next((load for load in candidates if (load.upload_id, load.mode, load.contract_version) == same), None)


def _bury_dead(services: Services, landing: Landing, attempts: Sequence[Load], now: datetime) -> None:
    """Remove what killed attempts left: whoever loads is alone at it."""
    for load in attempts:
        if load.state == "started":
            landing.delete(load.load_id)
            buried = replace(load, state="failed", message="The process was stopped while loading.", finished_at=now)
            loads.record(services.warehouse, buried)


def _land(landing: Landing, contract: DatasetContract, load: Load, path: Path, progress: Progress) -> tuple[Load, list[str]]:
    with tempfile.TemporaryDirectory(prefix="cartulary-") as folder:
        reader: Reader | None = _land_quickly(landing, contract, load.load_id, path)
        if reader is None:
            reader = open_reader(path, contract, Path(folder))
            _land_batches(landing, load.load_id, reader.batches(progress))
    progress(path.stat().st_size, path.stat().st_size)
    landed, rejected = landing.count(load.load_id), landing.count_rejected(load.load_id)
    if not landing.has_every_row(load.load_id, reader.reading.received):
        raise ContractError(
            f"{reader.reading.received} rows were received but {landed} landed and {rejected} were rejected, or some twice, which does not "
            "add up: nothing was loaded. Please report this file."
        )
    load = replace(
        load,
        received_rows=reader.reading.received,
        landed_rows=landed,
        rejected_rows=rejected,
        unknown_columns=reader.mapping.unknown_columns,
    )
    return load, [*reader.mapping.warnings, *reader.reading.warnings]


def _land_quickly(landing: Landing, contract: DatasetContract, load_id: str, path: Path) -> Reader | None:
    """Let ClickHouse read a clean CSV while its bytes are looked at; None, and nothing landed, when it is not clean after all.

    Rows that do not surely fit are read again by the careful reader, which alone rejects.
    """
    if not landing.can_read(path) or contract.of_type("geometry") or file_format(path) != "csv" or not looks_clean(path):
        return None
    reader, file = open_quickly(path, contract)
    dialect = file.dialect
    if dialect.title_lines or dialect.field_count < 2 or (file.has_mark and not dialect.header):
        return None
    places = {name: reader.mapping.place(name) for name in contract.column_names}
    clean = CleanCsv(path, dialect.delimiter, bool(dialect.header), dialect.field_count, places, reader.has_decimal_comma)
    with ThreadPoolExecutor(max_workers=1) as pool:
        looking = pool.submit(scan, path)
        was_read = landing.land_clean_csv(load_id, clean)
        seen = looking.result()
    if was_read and file.is_clean(seen):
        reader.reading.received = seen.line_count - dialect.skip_lines
        if landing.count(load_id) == reader.reading.received or _reread(landing, load_id, reader):
            if landing.has_every_row(load_id, reader.reading.received):
                return reader
            logger.warning("ClickHouse numbered the rows of %s in another way than expected: they are read again.", load_id)
    landing.delete(load_id)
    return None


def _reread(landing: Landing, load_id: str, reader: CsvReader) -> bool:
    """Read again what ClickHouse did not land; False when its rows are not the careful reader's rows."""

    def missing(first: int, end: int) -> list[int]:
        return landing.missing_rows(load_id, first, end)

    try:
        _land_batches(landing, load_id, reader.batches(wanted=missing))
    except NotCleanError:
        return False
    return True


def _land_batches(landing: Landing, load_id: str, batches: Iterable[pa.Table]) -> None:
    try:
        for batch in batches:
            landing.land_batch(load_id, batch)
    finally:
        landing.close_batches(load_id)


def _fail(services: Services, landing: Landing, load: Load, error: PlatformError, finished_at: datetime) -> None:
    """Take a failed load's rows away and note why; when the warehouse is the reason, the next attempt does it."""
    try:
        landing.delete(load.load_id, keep_rejected=REJECTED_ROWS_KEPT)
        loads.record(services.warehouse, replace(load, state="failed", message=str(error), finished_at=finished_at))
    except PlatformError as second:
        logger.warning("the failed load %s stays until the next attempt: %s", load.load_id, second)


def _result(load: Load, warnings: Sequence[str], *, was_loaded_before: bool = False) -> LoadResult:
    return LoadResult(
        load_id=load.load_id,
        upload_id=load.upload_id,
        dataset=load.dataset,
        mode=load.mode,
        generation=load.generation,
        received=load.received_rows,
        landed=load.landed_rows,
        rejected=load.rejected_rows,
        unknown_columns=tuple(load.unknown_columns),
        warnings=tuple(warnings),
        was_loaded_before=was_loaded_before,
    )
