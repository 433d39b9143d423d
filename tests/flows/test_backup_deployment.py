"""The daily backup as the flows' process serves it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from backup_support import silent

from flows.steps.backup.shelf import Shelf
from services.errors import ConfigurationError
from services.settings import BackupSettings, Settings
from services.wiring import Services


def test_it_is_served_where_there_is_a_folder_for_it(tmp_path: Path) -> None:
    pytest.importorskip("prefect")
    from flows.deployments import TABLE

    wanted = {served.flow.name: served.is_wanted(Settings(_env_file=None, data_dir=tmp_path)) for served in TABLE}
    assert not wanted.pop("backup") and all(wanted.values())
    given = Settings(_env_file=None, data_dir=tmp_path, backup=BackupSettings(directory="/backups"))
    assert all(served.is_wanted(given) for served in TABLE)


def test_it_goes_where_the_setting_says_and_leaves_its_outcome(services: Services, tmp_path: Path) -> None:
    pytest.importorskip("prefect")
    from flows.backup import _back_up

    with pytest.raises(ConfigurationError, match="CARTULARY_BACKUP__DIRECTORY"):
        _back_up(services, lambda step, count: silent(step))
    settings = services.settings.model_copy(update={"backup": BackupSettings(directory=str(tmp_path / "backups"), keep_days=1)})
    result = _back_up(replace(services, settings=settings), lambda step, count: silent(step))
    assert result.counts["backup"]["tables"] > 10
    assert len(Shelf(tmp_path / "backups").backups()) == 1
    outcome = services.warehouse.query("select state, counts['tables'] as tables from bronze.step_outcomes where step = 'backup'")
    assert outcome == [{"state": "done", "tables": result.counts["backup"]["tables"]}]
