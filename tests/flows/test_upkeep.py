"""What the stack's jobs call: migrations, dbt's documentation, the map mirror; each may be called at every start."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows.steps.document import document, place
from services.errors import PublishError
from services.settings import WarehouseSettings
from services.warehouse import dbt_chdb
from services.wiring import Services

COMMAND = [sys.executable, "-c", "from flows.cli import app; app()"]


def cartulary(data_dir: Path, *arguments: str) -> str:
    done = subprocess.run([*COMMAND, "--data-dir", str(data_dir), *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_migrations_are_applied_once(tmp_path: Path) -> None:
    first = json.loads(cartulary(tmp_path, "migrate", "--json"))
    assert first["applied"][0] == "0001_uploads"
    assert json.loads(cartulary(tmp_path, "migrate", "--json")) == {"applied": []}
    assert (tmp_path / "state" / "state.sqlite").exists()


def test_publishing_without_a_map_mirror_is_no_error(tmp_path: Path) -> None:
    assert "nothing to publish" in cartulary(tmp_path, "publish")


def test_the_documentation_is_one_page_of_all_models(services: Services) -> None:
    result = document(services)
    assert result.counts == {"written": 1}
    page = (services.settings.data_dir / "dbt-docs" / "index.html").read_text(encoding="utf-8")
    assert "mart_coverage_by_area" in page
    assert "One row per" in page
    # Nothing is fetched from elsewhere when somebody opens it.
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']?(?:https?:)?//", page)


def test_a_page_is_exchanged_as_a_whole(tmp_path: Path) -> None:
    page, folder = tmp_path / "new.html", tmp_path / "served"
    for text in ("first", "second"):
        page.write_text(text, encoding="utf-8")
        place(page, folder)
        assert (folder / "index.html").read_text(encoding="utf-8") == text
    assert [path.name for path in folder.iterdir()] == ["index.html"]


def test_dbt_without_a_warehouse_says_so(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.steps.dbt_runner import DbtRunner

    runner = DbtRunner(services.warehouse, services.settings.data_dir / "dbt", project_dir=services.settings.data_dir)
    with pytest.raises(PublishError, match="documentation"):
        runner.document()


def test_dbt_builds_as_a_user_of_its_own_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    environment: dict[str, str] = {}
    monkeypatch.setattr(dbt_chdb.os, "environ", environment)
    settings = WarehouseSettings(host="clickhouse", username="writer", password="w", dbt_username="dbt", dbt_password="d")  # type: ignore[arg-type]
    dbt_chdb.use_server(settings)
    assert (environment["DBT_CARTULARY_USER"], environment["DBT_ENV_SECRET_CARTULARY_PASSWORD"]) == ("dbt", "d")
    dbt_chdb.use_server(settings.model_copy(update={"dbt_username": ""}))
    assert (environment["DBT_CARTULARY_USER"], environment["DBT_ENV_SECRET_CARTULARY_PASSWORD"]) == ("writer", "w")
