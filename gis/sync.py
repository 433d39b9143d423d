"""Bring the map mirror to what gold has: only rows that changed travel, and readers see all of a sync or nothing of it."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psycopg

from gis import schema
from gis.layers import LAYERS, Hashes, Layer, gold_version
from gis.mirror import ATTEMPTS, Connection, mirror_state, only_sync, write_state
from gis.staging import NOTHING, LayerChange, Staging, read_mirrored
from services.errors import PublishError
from services.metrics import METRICS
from services.settings import PostgisSettings
from services.warehouse.client import Warehouse

# So many keys of each layer's problems are told; all of them are in map_mirror.problems.
TOLD_KEYS = 10


@dataclass(frozen=True)
class SyncResult:
    """What a sync did to each layer; empty when the mirror had this gold already."""

    changes: Mapping[str, LayerChange]

    @property
    def counts(self) -> dict[str, int]:
        """Rows of all layers."""
        totals: Counter[str] = Counter()
        for change in self.changes.values():
            totals.update(change.counts)
        return dict(totals)

    @property
    def report(self) -> str:
        """A sentence about what was wrong with rows of gold; empty when nothing was."""
        parts = []
        for layer, change in self.changes.items():
            told = [f"{key} ({problem})" for key, problem in change.problems[:TOLD_KEYS]]
            if more := len(change.problems) - len(told):
                told.append(f"{more} more in map_mirror.problems")
            if told:
                parts.append(f"{layer}: {change.repaired} repaired, {change.left_out} left out: {', '.join(told)}")
        return "; ".join(parts)


def sync(
    connection: Connection,
    warehouse: Warehouse,
    settings: PostgisSettings,
    *,
    now: datetime,
    layers: Sequence[Layer] = LAYERS,
    is_forced: bool = False,
) -> SyncResult:
    """Compare hashes, bring over what differs, and merge it in one transaction; nothing when the mirror shows this gold.

    Killed at any moment the mirror is as it was. PublishError (retryable) when another sync runs, when gold changes meanwhile, or when
    PostGIS is away.
    """
    with only_sync(connection):
        before = gold_version(warehouse)
        version = _digest(before)
        state = mirror_state(connection)
        if state is not None and state.gold_version == version and not is_forced:
            return SyncResult({})
        schema.prepare(connection, settings)
        schema.bring_up(connection, [layer.table for layer in layers])
        with connection.transaction():
            staged = {layer.name: _stage(connection, warehouse, layer) for layer in layers}
            if gold_version(warehouse) != before:
                raise PublishError(
                    "Gold was published anew while it was read: the next run brings the map mirror up to it.", retryable=True
                )
            changes = _merge_all(connection, staged)
            schema.grant(connection, [layer.table for layer in layers], settings)
            write_state(connection, version, [name for name, change in changes.items() if change.is_change], now)
    for name, change in changes.items():
        METRICS.observe_layer(name, staged[name].seconds, change.counts)
    return SyncResult(changes)


@dataclass(frozen=True)
class _Staged:
    staging: Staging | None  # None: nothing differs
    seconds: float


def _stage(connection: Connection, warehouse: Warehouse, layer: Layer) -> _Staged:
    started = time.perf_counter()
    is_new = not schema.is_there(connection, layer.table)
    if is_new:
        rows, gone = layer.all_rows(warehouse, connection), NOTHING
    else:
        mirrored, wanted = read_mirrored(connection, layer), layer.hashes(warehouse)
        coming = wanted[_are_missing(wanted, mirrored.hashes)]
        gone = mirrored.only(_are_missing(mirrored.hashes, wanted))
        if not len(coming) and not len(gone.hashes):
            return _Staged(None, time.perf_counter() - started)
        rows = layer.rows(warehouse, connection, coming, wanted)
    staging = Staging(connection, layer, is_new=is_new)
    staging.fill(rows, gone)
    staging.check()
    return _Staged(staging, time.perf_counter() - started)


def _merge_all(connection: Connection, staged: Mapping[str, _Staged]) -> dict[str, LayerChange]:
    """All layers, tried again while somebody else's lock is in the way."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with connection.transaction():
                return {name: layer.staging.merge() if layer.staging else LayerChange() for name, layer in staged.items()}
        except psycopg.errors.LockNotAvailable:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _are_missing(values: Hashes, among: Hashes) -> npt.NDArray[np.bool_]:
    """Which of the values are not among the others; both are sorted, so that no set has to be made of them."""
    if not len(among):
        return np.ones(len(values), dtype=np.bool_)
    return np.not_equal(among[np.minimum(np.searchsorted(among, values), len(among) - 1)], values)


def _digest(tables: Mapping[str, str]) -> str:
    """One name for this gold as this code shows it."""
    digest = hashlib.sha256(repr(sorted(tables.items())).encode())
    for path in sorted(path for path in Path(__file__).parent.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(path.read_bytes())
    return digest.hexdigest()
