"""Brings a backup back into an empty platform, part by part, and compares what is there then with what was saved."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.steps.alone import alone
from flows.steps.backup.manifest import (
    INDEX,
    KEYS,
    MANIFEST,
    MIRROR,
    OBJECTS,
    POOL,
    PREFECT,
    STATE,
    WAREHOUSE,
    Manifest,
    confirm_known,
    confirm_whole,
    read_manifest,
)
from flows.steps.backup.shelf import ARCHIVES, find_backup
from flows.steps.backup.take import BACKUP, NATIVE, PREFECT_SETTING
from flows.steps.record import Clock, StepResult, recorded
from services.backup.contents import confirm_equal
from services.errors import BackupError, BusyError, ConfigurationError
from services.object_store.backup import Pool, file_digest
from services.object_store.backup import restore as restore_objects
from services.settings import Settings
from services.state.backup import (
    RESTORING,
    filled_tables,
    forget_restore,
    note_restore,
    other_clients,
    restore_state,
    unfinished_restore,
)
from services.state.locks import Lease
from services.tracing import current_run_id, run_scope
from services.warehouse import backup_restore
from services.warehouse.backup import Say
from services.warehouse.migrate import migrate
from services.wiring import Services, open_services

RESTORE = "restore"
# Whoever is connected to a database that is restored, in the stack; docs/backup.md names the same.
STOP = "docker compose stop api flows prefect-server tyk"


def restore_backup(settings: Settings, path: Path, *, clock: Clock, say: Say) -> StepResult:
    """Restore the backup at `path` (the newest one of a folder that holds several); killed and called again, it goes on.

    BackupError before anything is touched when the backup is damaged, or the platform is not empty. Of the object store nothing is
    deleted: what it has that the backup has not was accepted later, and is registered at the end.
    """
    folder = find_backup(path)
    manifest = read_manifest(folder)
    confirm_known(manifest)
    say("checking the backup")
    confirm_whole(folder, manifest, set())
    _confirm_fits(settings, folder, manifest)
    # Before anything is opened: by its name in the databases this run tells its own connections from others.
    with run_scope(uuid.uuid4().hex), open_services(settings, is_restoring=True) as services:
        return restore_into(services, folder, manifest, clock=clock, say=say)


def restore_into(services: Services, folder: Path, manifest: Manifest, *, clock: Clock, say: Say) -> StepResult:
    """Restore a backup that was found whole into these services, as `restore_backup` says."""
    _confirm_nobody_works(services)
    with alone(services, BACKUP, clock=clock, wait_seconds=0) as lease, _noted(services, folder, manifest, clock):
        counts, message = _Restore(services, folder, manifest, clock, say, lease).run()
        return recorded(services, current_run_id(), RESTORE, lambda: StepResult(RESTORE, counts, message), clock)


class _Restore:
    def __init__(self, services: Services, folder: Path, manifest: Manifest, clock: Clock, say: Say, lease: Lease) -> None:
        self.services, self.settings = services, services.settings
        self.folder, self.manifest = folder, manifest
        self.clock, self.say, self.lease = clock, say, lease

    def run(self) -> tuple[dict[str, int], str]:
        """Bring all parts back, compare them, and register what the objects have that the rest has not; counts and what to know."""
        self.say(OBJECTS)
        put, kept = restore_objects(self.services.objects, Pool(self.folder.parent / POOL), self.folder / INDEX)
        self._step(WAREHOUSE)
        wanted = self.manifest.parts[WAREHOUSE].contents
        archive = (self.manifest.disk, self.manifest.archive) if self.manifest.archive else None
        backup_restore.restore_warehouse(self.services.warehouse, self.folder / WAREHOUSE, wanted, archive, self.say, self.lease.check)
        self._step(STATE)
        # Compared within its transaction.
        restore_state(self.services.state.database, self.folder / STATE, self.manifest.parts[STATE].contents)
        left = [part for part in (PREFECT, MIRROR, KEYS) if part in self.manifest.parts and not self._restore_other(part)]
        self._step("comparing with the backup")
        confirm_equal(WAREHOUSE, wanted, backup_restore.contents(self.services.warehouse, wanted))
        self._take_up()
        messages = [f"{self.manifest.name} is restored."]
        if left:
            messages.append(f"Left out, since it is not configured here: {', '.join(left)}.")
        if kept:
            messages.append(f"{kept} objects are newer in the store than in the backup, and stayed.")
        if self.manifest.damaged_objects:
            messages.append(f"Damaged before the backup: {', '.join(self.manifest.damaged_objects[:5])}.")
        tables = sum(len(part.tables) for part in self.manifest.parts.values())
        return {"tables": tables, "rows": self.manifest.rows, "objects": put}, " ".join(messages)

    def _step(self, what: str) -> None:
        self.lease.confirm()
        self.say(what)

    def _restore_other(self, part: str) -> bool:
        """Bring one of the parts back that only a stack has, and compare it; False where it is not configured."""
        settings, wanted = self.settings, self.manifest.parts[part].contents
        if part == PREFECT and (url := settings.backup.prefect_database_url.get_secret_value()):
            from services.state.postgres_dump import restore_database

            self._step(part)
            confirm_equal(part, wanted, restore_database(url, PREFECT_SETTING, self.folder / f"{part}.dump"))
            return True
        if part == MIRROR and settings.postgis.url.get_secret_value():
            from gis.backup import mirror_contents, restore_mirror

            self._step(part)
            restore_mirror(settings.postgis, self.folder / f"{part}.dump")
            confirm_equal(part, wanted, mirror_contents(settings.postgis))
            return True
        if part == KEYS and (url := settings.backup.redis_url.get_secret_value()):
            from services.gateway.backup import key_contents, restore_keys, saved_keys

            self._step(part)
            path, now = self.folder / f"{part}.jsonl", self.clock()
            restore_keys(url, path, now)
            confirm_equal(part, saved_keys(path, now), key_contents(url, path, now))
            return True
        return False

    def _take_up(self) -> None:
        """What an older version lacks, claims of processes that are no more, and what was accepted while the backup was taken."""
        migrate(self.services.warehouse)
        self.services.state.work.release_leases()
        self.say("registering what came in while the backup was taken")
        self.services.intake.rebuild_bronze(self.clock())


def _confirm_fits(settings: Settings, folder: Path, manifest: Manifest) -> None:
    """What the server itself wrote only such a server can read, from its own disk."""
    if manifest.parts[WAREHOUSE].kind != NATIVE:
        return
    if not settings.warehouse.host:
        raise BackupError(
            "The warehouse's part of this backup was written by a ClickHouse server, and only such a server can read it: set "
            "CARTULARY_WAREHOUSE__HOST, or restore in the stack."
        )
    directory = settings.backup.directory
    if not (settings.backup.warehouse_disk and directory and Path(directory).resolve() == folder.parent):
        raise ConfigurationError(
            f"ClickHouse reads this backup from its own disk: copy {folder.parent} (with objects and {ARCHIVES}) to "
            "CARTULARY_BACKUP__DIRECTORY, set CARTULARY_BACKUP__WAREHOUSE_DISK, and restore from there."
        )


def _confirm_nobody_works(services: Services) -> None:
    if services.warehouse.is_attached:
        raise BusyError("Another process has the data, as `cartulary serve` or `cartulary warehouse`: stop it first.")
    others = other_clients(services.state.database)
    if url := services.settings.backup.prefect_database_url.get_secret_value():
        from services.state.postgres_dump import connected
        from services.state.postgres_dump import others as clients

        with connected(url, PREFECT_SETTING) as connection:
            others += clients(connection)
    if others:
        raise BusyError(
            f"Others are connected to the databases ({', '.join(sorted(set(others))[:5])}): stop them first, in the stack with {STOP}."
        )


@contextmanager
def _noted(services: Services, folder: Path, manifest: Manifest, clock: Clock) -> Iterator[None]:
    """Note which backup is restored before the first change, until all of it is there; who else would open the platform is refused."""
    database = services.state.database
    own = f"{manifest.name} {file_digest(folder / MANIFEST)[0][:16]}"
    under_way = unfinished_restore(database)
    if under_way and under_way != own:
        raise BackupError(
            f"The restore of {under_way.partition(' ')[0]} was not finished: restore that one, or begin with an empty platform."
        )
    if not under_way:
        _confirm_empty(services, manifest, clock)
        note_restore(database, own)
    yield
    forget_restore(database)


def _confirm_empty(services: Services, manifest: Manifest, clock: Clock) -> None:
    busy = {name: owner for name, owner in services.state.locks.holders(clock()).items() if name not in (RESTORING, BACKUP)}
    if busy:
        name, owner = next(iter(busy.items()))
        raise BusyError(f"{owner.partition('#')[0]} is at the {name} just now: stop everything else first.")
    filled = backup_restore.filled_tables(services.warehouse) + filled_tables(services.state.database)
    if MIRROR in manifest.parts and services.settings.postgis.url.get_secret_value():
        from gis.backup import filled_tables as filled_in_postgis

        filled += filled_in_postgis(services.settings.postgis)
    if filled:
        raise BackupError(
            f"A backup comes back into an empty platform only, and here there are rows in {', '.join(filled[:5])}: name another "
            "--data-dir, or empty the databases first (docs/backup.md says how; what is in the object store may stay)."
        )
