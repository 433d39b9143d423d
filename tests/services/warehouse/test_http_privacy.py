"""What is asked of a ClickHouse server stands in no URL, and in no error when nobody answers."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from postgres_support import free_port
from pydantic import SecretStr
from warehouse_support import ServingProcess

from services.errors import WarehouseError
from services.settings import Settings, WarehouseSettings
from services.warehouse.client import Warehouse

STREET = "Verschwiegene Gasse 7"


def test_parameters_travel_in_the_body(http_warehouse: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="urllib3.connectionpool"):
        rows = http_warehouse.query("select arrayJoin({streets:Array(String)}) as street", {"streets": [STREET]})
    assert rows == [{"street": STREET}]
    assert "POST /?" in caplog.text
    assert "Gasse" not in caplog.text


def test_an_error_says_who_is_away_and_not_what_was_asked() -> None:
    settings = WarehouseSettings(host="127.0.0.1", port=free_port(), password=SecretStr("x"), timeout_seconds=5)
    with Warehouse.open(Settings(_env_file=None, warehouse=settings)) as warehouse, pytest.raises(WarehouseError) as raised:
        warehouse.query("select {street:String}", {"street": STREET})
    assert raised.value.retryable
    assert f"ClickHouse at 127.0.0.1:{settings.port} did not answer a query" in str(raised.value)
    assert "Connection refused" in str(raised.value)
    assert "http" not in str(raised.value)


def test_the_log_of_the_door_holds_codes_and_no_words_of_a_statement(tmp_path: Path) -> None:
    process = ServingProcess(tmp_path / "data", more={"CARTULARY_LOG__LEVEL": "info"})
    try:
        with Warehouse.open(process.settings) as attached, pytest.raises(WarehouseError, match="CANNOT_PARSE_DATE"):
            attached.query("select toDate({street:String})", {"street": STREET})
    finally:
        process.stop()
    assert "CANNOT_PARSE_DATE (code 38)" in process.log()
    assert "Versch" not in process.log()
