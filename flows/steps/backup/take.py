"""Takes a backup: each part in an order in which nothing that comes in meanwhile is lost or doubled."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

from flows.steps import gold
from flows.steps.alone import alone
from flows.steps.backup.manifest import (
    FORMAT,
    INDEX,
    KEYS,
    MIRROR,
    OBJECTS,
    PREFECT,
    STATE,
    WAREHOUSE,
    Manifest,
    Part,
    confirm_whole,
    list_files,
    this_version,
    write_manifest,
)
from flows.steps.backup.shelf import ARCHIVES, PARTIAL, Shelf
from flows.steps.record import Clock, StepResult
from flows.steps.transform import BUILD, BUILD_LOCK, WAIT_SECONDS
from services.backup.contents import Contents
from services.errors import BackupError, ConfigurationError, vendor_errors
from services.object_store.backup import SavedObjects
from services.object_store.backup import save as save_objects
from services.state.backup import SQLITE, save_state
from services.state.locks import Lease
from services.warehouse.backup import (
    Definition,
    Say,
    drop_snapshot,
    save_native,
    save_parquet,
    save_schema,
    take_snapshot,
    wait_for_native,
)
from services.wiring import Services

BACKUP = "backup"
PARQUET, NATIVE, POOLED, DUMPED, REDIS = "parquet", "clickhouse", "pool", "postgres", "redis"
PREFECT_SETTING = "CARTULARY_BACKUP__PREFECT_DATABASE_URL"
OWN_FOLDERS = ("warehouse", "objects", "state")


def take_backup(services: Services, folder: Path, *, keep: timedelta | None, clock: Clock, say: Say) -> StepResult:
    """Save everything into a new dated folder below `folder`, and throw older backups away when `keep` is given.

    The order: first the state, so that no work counts as done whose result is not saved; then the warehouse at one moment, between two
    builds; the objects last, so that everything that either of the two names is there. What was accepted in between is among the
    objects, from which a restore registers it. Others work on meanwhile; only a build waits, for the second that the snapshot takes.

    Raises BusyError when another process takes or restores a backup. Whatever happens, only a backup that was read back whole gets a
    name that looks like one.
    """
    shelf = Shelf(folder.resolve())
    _confirm_elsewhere(services, shelf)
    with (
        alone(services, BACKUP, clock=clock, wait_seconds=0) as lease,
        vendor_errors(BackupError, "The backup could not be written: check the disk and its permissions", OSError, retryable=True),
    ):
        partial = shelf.begin(clock())
        try:
            manifest, objects = _save(services, shelf, partial, clock, say, lease)
            say("reading it back")
            confirm_whole(partial, manifest, set(), only=objects.new)
            lease.confirm()
            done = shelf.finish(partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        removed = shelf.prune(keep, clock())
    counts = {
        "tables": sum(len(part.tables) for name, part in manifest.parts.items() if name != OBJECTS),
        "rows": manifest.rows,
        "objects": manifest.objects,
        "damaged": len(objects.damaged),
        "removed": removed,
    }
    return StepResult(BACKUP, counts, _said(done, objects))


def _said(done: Path, objects: SavedObjects) -> str:
    if not objects.damaged:
        return f"{done} is complete; {len(objects.new)} objects are new."
    names = ", ".join(objects.damaged[:5])
    return f"{done} is complete, but for what is damaged or missing in the object store, restore it from an older backup: {names}"


def _save(services: Services, shelf: Shelf, partial: Path, clock: Clock, say: Say, lease: Lease) -> tuple[Manifest, SavedObjects]:
    name, started_at = partial.name.removeprefix(PARTIAL), clock()
    for part in (STATE, WAREHOUSE):
        (partial / part).mkdir(mode=0o700)
    say(STATE)
    state = save_state(services.state.database, partial / STATE)
    parts = {STATE: Part.of("sqlite" if (partial / STATE / SQLITE).exists() else DUMPED, state)}
    is_native = _is_native(services, shelf)
    parts[WAREHOUSE] = Part.of(NATIVE if is_native else PARQUET, _save_warehouse(services, shelf, partial, is_native, clock, say, lease))
    parts |= _save_others(services, partial, clock, say, lease)
    lease.check()
    say(OBJECTS)
    objects = save_objects(services.objects, shelf.pool, partial / INDEX)
    parts[OBJECTS] = Part.of(POOLED, {OBJECTS: objects.content})
    rows = services.warehouse.query("select distinct name from bronze.schema_migrations order by name")
    manifest = Manifest(
        format=FORMAT,
        cartulary=this_version(),
        name=name,
        started_at=started_at,
        finished_at=clock(),
        migrations=tuple(row["name"] for row in rows),
        parts=parts,
        files=list_files(partial, shelf.archive(name) if is_native else None),
        disk=services.settings.backup.warehouse_disk if is_native else "",
        archive=shelf.archive(name).name if is_native else "",
        damaged_objects=objects.damaged,
    )
    write_manifest(partial, manifest)
    return manifest, objects


def _save_warehouse(services: Services, shelf: Shelf, partial: Path, is_native: bool, clock: Clock, say: Say, lease: Lease) -> Contents:
    warehouse, folder = services.warehouse, partial / WAREHOUSE
    if is_native:
        wait_for_native(warehouse, lease.check)
    say("waiting for the build under way, if there is one")
    found = _snapshot(services, clock)
    try:
        save_schema(warehouse, found, folder)
        if not is_native:
            return save_parquet(warehouse, found, folder, say, lease.check)
        archive = shelf.archive(partial.name.removeprefix(PARTIAL))
        saved = save_native(warehouse, found, services.settings.backup.warehouse_disk, archive.name, say, lease.check)
        if not archive.is_file():
            raise ConfigurationError(
                f"ClickHouse has written its backup, but not where this process sees it, at {archive}: mount the folder of the disk "
                f"{services.settings.backup.warehouse_disk!r} as {ARCHIVES} below CARTULARY_BACKUP__DIRECTORY."
            )
        return saved
    finally:
        drop_snapshot(warehouse)


def _snapshot(services: Services, clock: Clock) -> list[Definition]:
    """All tables as one build left them, and no other has begun to change them."""
    warehouse = services.warehouse
    with BUILD_LOCK, alone(services, BUILD, clock=clock, wait_seconds=WAIT_SECONDS):
        builds = gold.journal(warehouse)
        if builds and builds[0].state == "publishing":  # its process died
            gold.finish_publishing(warehouse, builds[0])
        return take_snapshot(warehouse)


def _save_others(services: Services, partial: Path, clock: Clock, say: Say, lease: Lease) -> dict[str, Part]:
    """What only a stack has: Prefect's database, the map mirror, the gateway's keys."""
    settings, parts = services.settings, {}
    if url := settings.backup.prefect_database_url.get_secret_value():
        from services.state.postgres_dump import save_database  # psycopg is installed with the stack only

        lease.check()
        say(PREFECT)
        parts[PREFECT] = Part.of(DUMPED, save_database(url, PREFECT_SETTING, partial / f"{PREFECT}.dump", ["--no-privileges"]))
    if settings.postgis.url.get_secret_value():
        from gis.backup import save_mirror

        lease.check()
        say(MIRROR)
        parts[MIRROR] = Part.of(DUMPED, save_mirror(settings.postgis, partial / f"{MIRROR}.dump"))
    if url := settings.backup.redis_url.get_secret_value():
        from services.gateway.backup import save_keys

        say(KEYS)
        parts[KEYS] = Part.of(REDIS, save_keys(url, partial / f"{KEYS}.jsonl", clock()))
    return parts


def _is_native(services: Services, shelf: Shelf) -> bool:
    """Whether the server writes its own part: it has a disk for it, and the backup goes where that disk lies."""
    backup, warehouse = services.settings.backup, services.warehouse
    is_server = not (warehouse.is_embedded or warehouse.is_attached)
    return bool(is_server and backup.warehouse_disk and backup.directory and Path(backup.directory).resolve() == shelf.folder)


def _confirm_elsewhere(services: Services, shelf: Shelf) -> None:
    """A backup inside of what it saves would save itself."""
    own = [services.settings.data_dir.resolve() / name for name in OWN_FOLDERS]
    if any(shelf.folder == folder or folder in shelf.folder.parents for folder in own):
        raise BackupError(f"{shelf.folder} belongs to the data itself: name a folder elsewhere, best on another disk.")
