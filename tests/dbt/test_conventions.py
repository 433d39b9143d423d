"""Every rule about models that the manifest can tell."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.steps.dbt_runner import DbtRunner, project_digest
from services.contracts import load_contracts
from services.settings import DBT_PROJECT_DIR, Settings
from services.warehouse.client import Warehouse

NAMES = {
    "staging": re.compile(r"stg_(?P<folder>[a-z_]+?)__[a-z_]+s"),
    "intermediate": re.compile(r"int_[a-z_]+s__[a-z_]+"),
    "core": re.compile(r"(dim|fct)_[a-z_]+s"),
    "marts": re.compile(r"mart_[a-z_]+"),
}
# What a layer may read.
READS = {
    "staging": {"source"},
    "intermediate": {"staging", "intermediate", "seed", "source"},
    "core": {"staging", "intermediate", "core", "seed"},
}
READS["marts"] = READS["core"] | {"marts"}
# Where an engine may be named: DDL, what fills its placeholder, and the configuration of all models.
DDL = DBT_PROJECT_DIR.parent / "services" / "warehouse" / "ddl"
ENGINES = (DDL, DDL.with_name("migrate.py"))
ENGINE = re.compile(r"MergeTree|\bengine\s*=\s*'?(Memory|Log|TinyLog|StripeLog|Join|Set|Buffer|Null)\b")
PERSONAL = {"sender_name", "requester_name", "contact", "text", "raw", "message", "note", "reviewer", "candidates"}
JOIN = re.compile(r"\bleft join\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def manifest(warehouse: Warehouse, session_dir: Path) -> Any:
    settings = Settings(_env_file=None, data_dir=session_dir)
    return DbtRunner(warehouse, settings.data_dir / "dbt").project(project_digest()).manifest


@pytest.fixture(scope="module")
def models(manifest: Any) -> list[Any]:
    found = [node for node in manifest.nodes.values() if node.resource_type == "model"]
    assert len(found) >= 23
    return found


def _layer(node: Any) -> str:
    if node.resource_type in {"source", "seed"}:
        return str(node.resource_type)
    return str(node.fqn[2])


def test_names_follow_their_folder(models: list[Any]) -> None:
    wrong = [node.name for node in models if not NAMES[_layer(node)].fullmatch(node.name)]
    assert wrong == []
    for node in models:
        if _layer(node) == "staging":
            assert node.name.startswith(f"stg_{node.fqn[3]}__")


def test_descriptions_end_with_the_grain(models: list[Any]) -> None:
    wrong = [node.name for node in models if not re.search(r"One row per [^.]+\.$", node.description.strip())]
    assert wrong == []


def test_columns_of_gold_are_described_and_typed(models: list[Any]) -> None:
    for node in models:
        if node.schema == "gold_next":
            assert node.config.contract.enforced, node.name
            assert [name for name, column in node.columns.items() if not column.description or not column.data_type] == [], node.name


def test_layers_are_not_skipped(models: list[Any], manifest: Any) -> None:
    for node in models:
        for name in node.depends_on.nodes:
            parent = manifest.nodes.get(name) or manifest.sources[name]
            # The journal says what is new, and bronze's own clock is read beside the staging views.
            assert _layer(parent) in READS[_layer(node)] or parent.source_name == "cartulary", (node.name, parent.name)


def test_every_model_is_tested(models: list[Any], manifest: Any) -> None:
    tests = [node for node in manifest.nodes.values() if node.resource_type == "test"]
    assert len(tests) >= 40
    tested = {name for test in tests for name in test.depends_on.nodes} | {
        test.depends_on.nodes[0] for test in manifest.unit_tests.values()
    }
    # Views that only unite, pick or follow other models are tested through the tables made of them.
    untested = {node.name for node in models if node.unique_id not in tested and node.config.materialized == "table"}
    assert untested <= {"int_requests__placed", "int_requests__nearest_facilities"}
    assert len(manifest.unit_tests) >= 12


def test_left_joins_give_nulls(models: list[Any]) -> None:
    for node in models:
        if JOIN.search(node.raw_code):
            has_setting = (node.config.get("query_settings") or {}).get("join_use_nulls") == 1
            assert has_setting or "settings join_use_nulls = 1" in node.raw_code, node.name


def test_every_gold_model_has_a_reader(models: list[Any], manifest: Any) -> None:
    read = {name for exposure in manifest.exposures.values() for name in exposure.depends_on.nodes}
    gold = {node.unique_id for node in models if node.schema == "gold_next"}
    assert len(gold) >= 13
    assert gold - read == set()


def test_tables_that_the_api_reads_are_exposed(manifest: Any) -> None:
    queries = (DBT_PROJECT_DIR.parent / "api" / "queries").glob("*.sql")
    read = {name for path in queries for name in re.findall(r"\bgold\.([a-z_]+)", path.read_text(encoding="utf-8"))} - {"builds"}
    api = next(exposure for exposure in manifest.exposures.values() if exposure.name == "api")
    exposed = {name.rsplit(".", 1)[1] for name in api.depends_on.nodes}
    assert read and read <= exposed


def test_tables_name_engine_and_order(models: list[Any]) -> None:
    for node in models:
        if node.config.materialized in {"table", "incremental"}:
            assert node.config.get("engine") and node.config.get("order_by"), node.name


def test_only_the_project_file_and_ddl_name_engines() -> None:
    root = DBT_PROJECT_DIR.parent
    folders = [root / name for name in ("api", "flows", "gis", "services")] + [DBT_PROJECT_DIR / name for name in ("macros", "models")]
    files = [Path(place) / name for folder in folders for place, _, names in _walk(folder) for name in names]
    read = [path for path in files if path.suffix in {".py", ".sql", ".yml"} and not path.is_relative_to(ENGINES[0])]
    assert len(read) > 150
    assert [str(path.relative_to(root)) for path in read if path not in ENGINES and ENGINE.search(path.read_text(encoding="utf-8"))] == []


def _walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in {"node_modules", "target", "dist"}]
        yield place, folders, names


def test_gold_has_no_column_about_persons(models: list[Any]) -> None:
    personal = PERSONAL.union(*(contract.pii_columns for contract in load_contracts().values()))
    gold = [node for node in models if node.schema == "gold_next"]
    columns = {(node.name, name) for node in gold for name in node.columns}
    assert len(columns) > 100
    assert {(table, name) for table, name in columns if name in personal} == set()
