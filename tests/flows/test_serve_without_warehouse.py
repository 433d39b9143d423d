"""`cartulary serve` started while ClickHouse is away takes letters in; they are registered when it is there."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path

import httpx
import pytest
from outside import draw_letter
from postgres_support import free_port
from pydantic import SecretStr
from warehouse_support import ServingProcess

from flows.clock import utc_now
from flows.serve import serving
from flows.steps.run import run_outstanding
from services import wiring
from services.errors import WarehouseError
from services.orchestrator.inline import InlineOrchestrator
from services.settings import Settings, WarehouseSettings
from services.warehouse.migrate import DATABASES
from services.wiring import Services, open_services

PASSWORD = "of-this-test"
PATIENCE_SECONDS = 90


def letters_in(services: Services) -> int:
    try:
        return int(services.warehouse.scalar("select count() from bronze.letters"))
    except WarehouseError:
        return -1


def test_a_letter_is_accepted_and_registered_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wiring, "InlineOrchestrator", partial(InlineOrchestrator, idle_seconds=0.5))
    port = free_port()
    away = WarehouseSettings(host="127.0.0.1", port=port, password=SecretStr(PASSWORD))
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", warehouse=away)
    with caplog.at_level(logging.WARNING), open_services(settings) as services, serving(services, port=0) as server:
        assert "What comes in is kept until the warehouse answers" in caplog.text
        key = services.keys.create("scanner", ["intake"], utc_now()).secret
        files = {"files": ("letter.png", draw_letter(1), "image/png")}
        answer = httpx.post(f"{server.url}/v1/uploads", files=files, headers={"X-API-Key": key}, timeout=30)
        assert answer.status_code == 202, answer.text
        command = ("warehouse", "--port", str(port))
        process = ServingProcess(tmp_path / "clickhouse", command, {"CARTULARY_WAREHOUSE__PASSWORD": PASSWORD})
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while letters_in(services) < 1:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert letters_in(services) == 1
            server.orchestrator.close()
        finally:
            process.stop()


def test_a_run_migrates_a_warehouse_that_was_away_at_the_start(tmp_path: Path) -> None:
    process = ServingProcess(tmp_path / "data")
    try:
        with open_services(process.settings) as services:
            for database in DATABASES:
                services.warehouse.command(f"drop database {database} sync")
            assert letters_in(services) == -1
            run_outstanding(services, clock=utc_now)
            assert letters_in(services) == 0
    finally:
        process.stop()
