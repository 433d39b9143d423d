"""What a backup says of itself: one manifest with counts and hashes of everything, and whether it still tells the truth."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from services.backup.contents import Content, Contents
from services.errors import BackupError
from services.object_store.backup import Pool, check, file_digest
from services.warehouse.migrate import DDL_DIR

FORMAT = 1
MANIFEST = "manifest.json"
INDEX = "objects.index"
POOL = "objects"
OBJECTS, WAREHOUSE, STATE, PREFECT, MIRROR, KEYS = "objects", "warehouse", "state", "prefect", "map_mirror", "gateway_keys"


class Frozen(BaseModel):
    """Part of a manifest: nothing may be missing, nothing may be unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SavedFile(Frozen):
    """One file of a backup."""

    sha256: str
    size: int


class SavedTable(Frozen):
    """One table, or another set of things: how many, and the hash of their content in any order."""

    rows: int
    digest: str


class Part(Frozen):
    """One part of the platform: how it was saved (`kind`), and what it held."""

    kind: str
    tables: dict[str, SavedTable]

    @property
    def contents(self) -> Contents:
        """As the services compare them."""
        return {name: Content(table.rows, table.digest) for name, table in self.tables.items()}

    @classmethod
    def of(cls, kind: str, contents: Contents) -> Part:
        """A part with these contents."""
        return cls(kind=kind, tables={name: SavedTable(rows=one.rows, digest=one.digest) for name, one in sorted(contents.items())})


class Manifest(Frozen):
    """The whole backup; `archive` is the file of the warehouse's own server, from the folder that holds all backups."""

    format: int
    cartulary: str
    name: str
    started_at: datetime
    finished_at: datetime
    migrations: tuple[str, ...]
    parts: dict[str, Part]
    files: dict[str, SavedFile]
    disk: str = ""
    archive: str = ""
    damaged_objects: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all parts but the objects."""
        return sum(table.rows for name, part in self.parts.items() if name != OBJECTS for table in part.tables.values())

    @property
    def objects(self) -> int:
        """How many objects it has."""
        return self.parts[OBJECTS].tables[OBJECTS].rows


def this_version() -> str:
    """Of Cartulary."""
    try:
        return version("cartulary")
    except PackageNotFoundError:
        return "unknown"


def list_files(folder: Path, archive: Path | None) -> dict[str, SavedFile]:
    """Every file of a backup but its manifest as it is read back from the disk, by its path from the folder of all backups or its own."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST}
    if archive is not None:
        found[f"../{archive.parent.name}/{archive.name}"] = archive
    return {name: SavedFile(sha256=digest, size=size) for name, path in found.items() for digest, size in [file_digest(path)]}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it with a hash of itself."""
    told = json.loads(manifest.model_dump_json())
    text = json.dumps({**told, "digest": _digest(told)}, ensure_ascii=False, indent=1)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup; BackupError when it is missing, damaged, or of a format that this version does not know."""
    path = folder / MANIFEST
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        digest = told.pop("digest")
        if not isinstance(told.get("format"), int) or told["format"] > FORMAT:
            raise BackupError(
                f"{folder} was written by a newer Cartulary ({told.get('cartulary')}, format {told.get('format')}): use that version."
            )
        if digest != _digest(told):
            raise ValueError("its hash is another one")
        return Manifest.model_validate(told)
    except FileNotFoundError:
        raise BackupError(f"{folder} is no backup: it has no {MANIFEST}.") from None
    except (OSError, ValueError, KeyError, AttributeError, ValidationError) as cause:
        raise BackupError(f"{path} is damaged ({' '.join(str(cause).split())[:100]}): use another backup.") from cause


def _digest(told: object) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def confirm_known(manifest: Manifest) -> None:
    """BackupError when the warehouse of the backup has tables of which this version does not know."""
    if newer := sorted(set(manifest.migrations) - {path.stem for path in DDL_DIR.glob("[0-9]*.sql")}):
        raise BackupError(
            f"{manifest.name} was written by a newer Cartulary ({manifest.cartulary}; it has {', '.join(newer)}): use that version."
        )


def problems(folder: Path, manifest: Manifest, known: set[str], *, only: frozenset[str] | None = None) -> list[str]:
    """What is missing or damaged in a backup; `known` are objects found good before, of all but `only` the length alone is looked at."""
    wrong = []
    for name, wanted in manifest.files.items():
        path = folder / name
        if not path.is_file():
            wrong.append(f"{path} is missing")
        elif path.stat().st_size != wanted.size or file_digest(path)[0] != wanted.sha256:
            wrong.append(f"{path} is damaged")
    if not wrong:
        objects = manifest.parts[OBJECTS].contents[OBJECTS]
        wrong += check(Pool(folder.parent / POOL), folder / INDEX, objects, known, only=only)
    return wrong


def confirm_whole(folder: Path, manifest: Manifest, known: set[str], *, only: frozenset[str] | None = None) -> None:
    """BackupError that names what is missing or damaged, if anything is."""
    if wrong := problems(folder, manifest, known, only=only):
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise BackupError(f"The backup {manifest.name} is not whole: {'; '.join(wrong[:3])}{more}. Use another one.")
