"""What is wrong on this machine, and the exact command that repairs it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flows.reachability import reach_outside
from services.errors import PlatformError
from services.settings import PROJECT_ROOT, Settings
from services.warehouse.owner import DirectoryLock

MIN_FREE_BYTES = 2_000_000_000
MIN_MEMORY_BYTES = 3_000_000_000


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, whether it is well, what was found, and how to repair it; a warning works for now."""

    check: str
    is_ok: bool
    found: str
    repair: str = ""
    is_warning: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether it has to be repaired."""
        return not (self.is_ok or self.is_warning)


def examine(settings: Settings) -> list[Finding]:
    """All checks of this machine and of every service that the settings name; a check that itself breaks is a finding, never a crash."""
    findings = []
    for check in (_python, _processor, _memory, _data_dir, _disk, _packages, _portal, _fonts_and_models, _outside):
        findings += list(_guarded(check, settings))
    return findings


def _guarded(check: Callable[[Settings], Iterator[Finding]], settings: Settings) -> Iterator[Finding]:
    try:
        yield from check(settings)
    except (OSError, PlatformError) as error:
        yield Finding(check.__name__.strip("_"), False, str(error), "repair what the sentence names, then run `cartulary doctor` again")


def _python(settings: Settings) -> Iterator[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", sys.version_info >= (3, 11), found, "sudo apt-get install python3.11, then make clean setup")


def _processor(settings: Settings) -> Iterator[Finding]:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else "avx2 assumed"
    has_avx2 = "avx2" in flags
    yield Finding(
        "processor", has_avx2, "AVX2 found" if has_avx2 else "no AVX2", "ClickHouse needs a processor with AVX2: rent another kind of VPS"
    )


def _memory(settings: Settings) -> Iterator[Finding]:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield Finding(
        "memory", total >= MIN_MEMORY_BYTES, f"{total / 1e9:.1f} GB of at least 3 GB", "set CARTULARY_EXTRACTION__WORKERS=1 and add memory"
    )


def _data_dir(settings: Settings) -> Iterator[Finding]:
    directory = settings.data_dir.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    is_writable = os.access(directory, os.W_OK)
    yield Finding("data directory", is_writable, f"{directory}", f"sudo chown -R $(id -un) {directory}")
    if not settings.warehouse.host and is_writable:
        try:
            DirectoryLock(directory / "warehouse").release()
            yield Finding("warehouse", True, "free")
        except PlatformError as error:
            yield Finding("warehouse", True, str(error))


def _disk(settings: Settings) -> Iterator[Finding]:
    free = shutil.disk_usage(settings.data_dir.resolve()).free
    yield Finding(
        "disk", free >= MIN_FREE_BYTES, f"{free / 1e9:.1f} GB free of at least 2 GB", "free space, or name another disk with --data-dir"
    )


def _packages(settings: Settings) -> Iterator[Finding]:
    missing = []
    for requirement in importlib.metadata.requires("cartulary") or []:
        name = requirement.split(";")[0].split(">")[0].split("=")[0].split("<")[0].split("[")[0].strip()
        if "extra ==" in requirement:
            continue
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    yield Finding("packages", not missing, f"missing: {', '.join(missing)}" if missing else "all there", "make setup")


def _portal(settings: Settings) -> Iterator[Finding]:
    is_built = (PROJECT_ROOT / "services/portal/dist/index.html").exists()
    yield Finding("portal", is_built, "built" if is_built else "not built", "make portal")


def _fonts_and_models(settings: Settings) -> Iterator[Finding]:
    models = list(Path(str(importlib.metadata.distribution("rapidocr").locate_file("rapidocr/models"))).glob("*.onnx"))
    yield Finding("reader's models", bool(models), f"{len(models)} inside the package", "make clean setup")


def _outside(settings: Settings) -> Iterator[Finding]:
    for reach in reach_outside(settings):
        repair = f"start it, or correct {reach.setting} and what belongs to it in .env"
        yield Finding(reach.name, not reach.problem, reach.problem or "answers", repair)
