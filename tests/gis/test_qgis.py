"""The real QGIS opens the project, counts what PostGIS holds, and draws a map in the style's inks."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from map_rows import fill_mirror, made_up_rows
from typer.testing import CliRunner

from flows.cli import app
from gis.qgis import export_qgis
from gis.styles.model import palette
from services.errors import ConfigurationError
from services.settings import Settings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PYTHON = "/usr/bin/python3"
PROBE = Path(__file__).with_name("qgis_probe.py")


def ask_qgis(home: Path, **job: Any) -> dict[str, Any]:
    """What the system's QGIS says about a project or styles."""
    environment = {"QT_QPA_PLATFORM": "offscreen", "PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8"}
    if subprocess.run([PYTHON, "-c", "import qgis.core"], env=environment, capture_output=True).returncode:
        pytest.skip("no QGIS here: make system-deps")
    done = subprocess.run([PYTHON, str(PROBE), json.dumps(job)], env=environment, capture_output=True, text=True, timeout=120)
    answers = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert answers, done.stdout + done.stderr
    return json.loads(answers[-1].removeprefix("RESULT "))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def filled(postgres: Any) -> Iterator[Settings]:
    name = postgres.create_database(postgis=True)
    yield fill_mirror(postgres.url(name))
    postgres.drop_database(name)


def test_the_real_qgis_counts_and_draws_every_layer(filled: Settings, tmp_path: Path) -> None:
    exported = export_qgis(filled, tmp_path / "map.qgz", now=NOW, restricted=True)
    found = ask_qgis(tmp_path, project=str(exported.path), picture=str(tmp_path / "map.png"))
    assert found["opened"] and found["title"] == "Need and help" and found["crs"] == "EPSG:3857"
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert sorted(layers) == sorted(exported.layers)
    assert {(layer["valid"], layer["crs"], layer["renderer"]) for layer in layers.values()} == {(True, "EPSG:4326", "RuleRenderer")}
    rows = made_up_rows()
    wanted = {"Facilities": "facilities", "Requests per cell": "request_cells", "Areas": "areas", "Requests (exact)": "requests"}
    for name, table in wanted.items():
        assert layers[name]["count"] == layers[name]["read"] == len(rows[table]), name
    for title, table in (("Coverage", "area_coverage"), ("Catchments", "catchments")):
        for kind, label in (("pharmacy", "Pharmacy"), ("zoo", "Zoo")):
            of_kind = [row for row in rows[table] if row["facility_kind"] == kind]
            assert layers[f"{title}: {label}"]["count"] == len(of_kind) > 0
    assert found["choices"] == ["Catchments", "Coverage"]
    shown = {name for name, layer in layers.items() if layer["shown"]}
    assert shown == {"Requests (exact)", "Facilities", "Requests per cell", "Areas", "Coverage: Pharmacy"}
    picture = found["picture"]
    assert picture["errors"] == [] and 50_000 < picture["scale"] < 500_000
    inks = palette()
    for ink in ("paper", "ramp_2", "ramp_3", "ramp_4", "hatch_ground", "ink", "rubric"):
        assert picture["colours"].get(inks[ink], 0) > 20, ink
    assert len(picture["colours"]) > 100  # cells over shades, edges, letters
    shaded = sum(picture["colours"].get(inks[f"ramp_{step}"], 0) for step in range(5))
    assert shaded > 0.3 * sum(picture["colours"].values())


def test_without_the_right_no_exact_request_is_in_it(filled: Settings, tmp_path: Path) -> None:
    exported = export_qgis(filled, tmp_path / "map.qgz", now=NOW)
    document = zipfile.ZipFile(exported.path).read("cartulary.qgs").decode()
    assert "restricted" not in document.replace("restrictToRequestBBOX", "") and "Requests (exact)" not in exported.layers


def test_no_password_is_inside_and_the_same_again_is_the_same_file(filled: Settings, tmp_path: Path) -> None:
    first = export_qgis(filled, tmp_path / "one.qgz", now=NOW, restricted=True).path
    second = export_qgis(filled, tmp_path / "two.qgz", now=NOW, restricted=True).path
    assert first.read_bytes() == second.read_bytes()
    document = zipfile.ZipFile(first).read("cartulary.qgs").decode()
    assert "password" not in document and "-secret" not in document
    assert f"user='{filled.geoserver.restricted_username}'" in document


def test_connections_are_those_of_its_readers(filled: Settings, tmp_path: Path) -> None:
    geoserver = filled.geoserver.model_copy(update={"public_url": "https://maps.lindenau.example/geoserver/"})
    settings = filled.model_copy(update={"geoserver": geoserver})
    exported = export_qgis(settings, tmp_path / "map.qgz", now=NOW, host="db.lindenau.example", port=5433)
    document = zipfile.ZipFile(exported.path).read("cartulary.qgs").decode()
    assert "host=db.lindenau.example port=5433" in document and "127.0.0.1" not in document
    assert "url=https://maps.lindenau.example/geoserver/wms" in document
    assert "typename='cartulary:areas' url='https://maps.lindenau.example/geoserver/wfs'" in document
    assert "cartulary_restricted" not in document


def test_the_command_writes_it(filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTULARY_POSTGIS__URL", filled.postgis.url.get_secret_value())
    path = tmp_path / "deep" / "map.qgz"
    done = CliRunner().invoke(app, ["--data-dir", str(tmp_path), "export", "qgis", "--out", str(path), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["layers"][0] == "Facilities" and path.exists()


def test_without_a_mirror_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="CARTULARY_POSTGIS__URL"):
        export_qgis(Settings(_env_file=None), tmp_path / "map.qgz", now=NOW)


def test_an_empty_mirror_says_what_to_do(postgis_database: str, tmp_path: Path) -> None:
    from services.errors import PublishError
    from services.settings import PostgisSettings

    with pytest.raises(PublishError, match="cartulary run"):
        export_qgis(Settings(_env_file=None, postgis=PostgisSettings(url=postgis_database)), tmp_path / "map.qgz", now=NOW)
