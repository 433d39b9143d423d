"""Fixtures for all tests, and the table of what did not run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from warehouse_support import empty

from services.contracts import load_contracts
from services.extraction.ocr import OcrExtractor
from services.gateway.keys import KeyRegistry
from services.geocoding.register import RegisterGeocoder
from services.intake.intake import Intake
from services.object_store.local import LocalObjectStore
from services.settings import Settings
from services.state.state import State
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate
from services.wiring import Services

pytest_plugins = ["postgres_support"]

COMPLETE = "CARTULARY_TESTS_COMPLETE"
# The longest files first, so that no worker is left with one of them at the end.
LONGEST = (
    "test_outages",
    "test_kill",
    "test_prefect",
    "test_demo_command",
    "test_nominatim",
    "test_over_http",
    "test_incremental",
    "test_main_job",
    "test_run",
    "test_backup_stack",
    "test_backup_kill",
    "test_backup",
    "test_notebooks",
    "test_page",
    "test_serve_beside",
    "test_vision",
    "test_build",
    "test_ocr",
)

# How long an example takes says something about the machine and what else it does, and nothing about the property.
hypothesis_settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest files first; the order within a file stays."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture
def now() -> datetime:
    """A fixed moment."""
    return datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def session_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for this test process alone."""
    return tmp_path_factory.mktemp("cartulary")


@pytest.fixture(scope="session")
def warehouse(session_dir: Path) -> Iterator[Warehouse]:
    """A migrated chDB: one engine per process, since chDB opens one directory per process."""
    with Warehouse.open(Settings(_env_file=None, data_dir=session_dir)) as opened:
        migrate(opened)
        yield opened


@pytest.fixture
def clean_warehouse(warehouse: Warehouse) -> Warehouse:
    """The session's chDB without a row in bronze and without anything that dbt built."""
    empty(warehouse)
    return warehouse


@pytest.fixture
def settings(session_dir: Path, tmp_path: Path) -> Settings:
    """Embedded settings of this test; the warehouse stays the session's."""
    return Settings(_env_file=None, data_dir=tmp_path)


@pytest.fixture(scope="session")
def extractor() -> Iterator[OcrExtractor]:
    """One reader process, started when first used."""
    extractor = OcrExtractor(workers=1)
    yield extractor
    extractor.close()


@pytest.fixture
def services(settings: Settings, clean_warehouse: Warehouse, extractor: OcrExtractor) -> Iterator[Services]:
    """All embedded services on an empty warehouse, state and object store."""
    state = State.open(settings)
    objects = LocalObjectStore(settings.data_dir / "objects")
    contracts = load_contracts()
    yield Services(
        settings=settings,
        warehouse=clean_warehouse,
        objects=objects,
        state=state,
        intake=Intake(settings=settings, objects=objects, state=state, warehouse=clean_warehouse, contracts=contracts),
        extractor=extractor,
        geocoder=RegisterGeocoder(clean_warehouse),
        keys=KeyRegistry(state),
        contracts=contracts,
    )
    state.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End with a table of what did not run and the command that enables it."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        reasons[reason] = reasons.get(reason, 0) + 1
    if reasons:
        terminalreporter.section("not run, and the command that enables it")
        for reason, count in sorted(reasons.items()):
            terminalreporter.write_line(f"{count:5}  {reason}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where everything must run, a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get(COMPLETE) and reporter and reporter.stats.get("skipped") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
