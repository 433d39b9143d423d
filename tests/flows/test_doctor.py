"""The doctor asks every service that a setting names, and says what to do where none answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from postgres_support import free_port
from pydantic import SecretStr
from vision_api import KEY, serve

from flows.doctor import examine
from services.settings import (
    GeocodingSettings,
    GeoserverSettings,
    ObjectStoreSettings,
    OrchestratorSettings,
    PostgisSettings,
    Settings,
    StateSettings,
    VisionSettings,
    WarehouseSettings,
)


def found(settings: Settings) -> dict[str, tuple[bool, str]]:
    return {finding.check: (finding.is_ok, finding.found) for finding in examine(settings)}


def test_embedded_nothing_outside_is_asked(tmp_path: Path) -> None:
    assert not {"postgis", "clickhouse", "prefect", "vision model"} & set(found(Settings(_env_file=None, data_dir=tmp_path)))


def test_who_does_not_answer_is_named_without_a_secret(tmp_path: Path) -> None:
    port, secret = free_port(), "secret-of-this-test"
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        warehouse=WarehouseSettings(host="127.0.0.1", port=port, password=SecretStr(secret)),
        object_store=ObjectStoreSettings(endpoint_url=f"http://127.0.0.1:{port}", access_key="a", secret_key=SecretStr(secret)),
        state=StateSettings(url=SecretStr(f"postgresql://u:{secret}@127.0.0.1:{port}/x")),
        vision=VisionSettings(url=f"http://127.0.0.1:{port}/v1", api_key=SecretStr(secret)),
        geocoding=GeocodingSettings(nominatim_url=f"http://127.0.0.1:{port}"),
        postgis=PostgisSettings(url=SecretStr(f"postgresql://u:{secret}@127.0.0.1:{port}/x")),
        geoserver=GeoserverSettings(url=f"http://127.0.0.1:{port}/geoserver", password=SecretStr(secret)),
        orchestrator=OrchestratorSettings(prefect_api_url=f"http://127.0.0.1:{port}/api", prefect_auth=SecretStr(f"u:{secret}")),
    )
    findings = {finding.check: finding for finding in examine(settings)}
    outside = ("clickhouse", "object store", "state database", "vision model", "nominatim", "postgis", "geoserver", "prefect")
    assert {name: findings[name].is_ok for name in outside} == dict.fromkeys(outside, False)
    assert all(findings[name].repair.startswith("start it, or correct CARTULARY_") for name in outside)
    assert secret not in str(findings)


def test_who_answers_is_well(tmp_path: Path, postgis_database: str) -> None:
    with serve() as api:
        settings = Settings(
            _env_file=None,
            data_dir=tmp_path,
            state=StateSettings(url=SecretStr(postgis_database)),
            postgis=PostgisSettings(url=SecretStr(postgis_database)),
            vision=VisionSettings(url=api.url, api_key=SecretStr(KEY)),
        )
        findings = found(settings)
    assert [findings[name] for name in ("state database", "postgis", "vision model")] == [(True, "answers")] * 3


def test_a_postgres_without_postgis_is_no_mirror(tmp_path: Path, postgres_database: str) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, postgis=PostgisSettings(url=SecretStr(postgres_database)))
    assert not found(settings)["postgis"][0]


@pytest.mark.parametrize(
    ("status", "told"),
    [(200, "answers"), (405, "answers"), (401, "API_KEY"), (402, "paid"), (403, "API_KEY"), (404, "CARTULARY_VISION__URL"), (503, "503")],
)
def test_how_a_vision_model_is_found(tmp_path: Path, status: int, told: str) -> None:
    with serve() as api:
        api.listing = status
        # As it stands in many a manual: the doctor asks where the letters go.
        settings = Settings(
            _env_file=None, data_dir=tmp_path, vision=VisionSettings(url=f"{api.url}/chat/completions", api_key=SecretStr(KEY))
        )
        is_ok, found_text = found(settings)["vision model"]
    assert (is_ok, told in found_text) == (told == "answers", True), found_text
