"""What dbt says about a gold model: its description and its columns, read from the yml files that dbt itself reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import yaml

from services.settings import DBT_PROJECT_DIR

GOLD_DIR = DBT_PROJECT_DIR / "models" / "gold"


@dataclass(frozen=True)
class GoldColumn:
    """One column: what it holds, its ClickHouse type without `Nullable` and `LowCardinality`, and whether it may be null."""

    description: str
    data_type: str
    is_nullable: bool


@dataclass(frozen=True)
class GoldModel:
    """One gold table as dbt's contract on it says."""

    description: str
    columns: Mapping[str, GoldColumn]


@cache
def gold_models() -> Mapping[str, GoldModel]:
    """All gold models by name."""
    models = {}
    for path in sorted(GOLD_DIR.rglob("_*__models.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
            columns = {column["name"]: _column(column["description"], column["data_type"]) for column in model["columns"]}
            models[model["name"]] = GoldModel(" ".join(model["description"].split()), columns)
    return models


def _column(description: str, data_type: str) -> GoldColumn:
    is_nullable = data_type.startswith("Nullable(")
    for wrapper in ("Nullable(", "LowCardinality("):
        if data_type.startswith(wrapper):
            data_type = data_type.removeprefix(wrapper).removesuffix(")")
    return GoldColumn(description, data_type, is_nullable)
