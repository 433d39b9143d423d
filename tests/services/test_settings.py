"""Settings: where things are, secrets from files, and sentences for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import ConfigurationError
from services.settings import Settings, read_settings


def test_the_data_directory_is_absolute_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings(_env_file=None).data_dir == tmp_path / "data"
    assert Settings(_env_file=None, data_dir=Path("data/demo")).data_dir == tmp_path / "data/demo"


def test_secrets_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("s3cret\n", encoding="utf-8")
    monkeypatch.setenv("CARTULARY_WAREHOUSE__PASSWORD_FILE", str(tmp_path / "secret"))
    settings = Settings(_env_file=None)
    assert settings.warehouse.password.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)


def test_what_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTULARY_API__PORT", "abc")
    with pytest.raises(ConfigurationError, match="CARTULARY_API__PORT"):
        read_settings(_env_file=None)
