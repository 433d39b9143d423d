"""What tests of loading share: an upload is stored and loaded in one call."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from flows.steps.load import LoadResult, load_upload
from services.contracts import DatasetContract
from services.warehouse.client import Warehouse

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Loader:
    """Stores bytes as an upload and loads them; every call is a second later."""

    warehouse: Warehouse
    objects: Any
    state: Any
    contracts: dict[str, DatasetContract]
    calls: int = field(default=0)

    @property
    def services(self) -> Any:
        return SimpleNamespace(warehouse=self.warehouse, objects=self.objects, state=self.state, contracts=self.contracts)

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.calls)

    def store(self, content: bytes) -> str:
        upload_id = hashlib.sha256(content).hexdigest()
        self.objects.put(f"uploads/{upload_id[:2]}/{upload_id}", [content], "text/csv")
        return upload_id

    def load(self, content: str | bytes, dataset: str = "address_points", mode: str | None = None) -> LoadResult:
        self.calls += 1
        data = content.encode() if isinstance(content, str) else content
        return load_upload(self.services, upload_id=self.store(data), dataset=dataset, mode=mode, now=self.now)

    def rows(self, result: LoadResult) -> list[tuple[str, ...]]:
        columns = ", ".join(f"`{name}`" for name in self.contracts[result.dataset].column_names)
        found = self.warehouse.query(
            f"select {columns} from bronze.{result.dataset} where _load_id = {{id:String}} order by _row_number", {"id": result.load_id}
        )
        return [tuple(str(value) for value in row.values()) for row in found]

    def numbers(self, result: LoadResult) -> list[int]:
        found = self.warehouse.query(
            f"select _row_number from bronze.{result.dataset} where _load_id = {{id:String}} order by _row_number", {"id": result.load_id}
        )
        return [int(row["_row_number"]) for row in found]

    def rejected(self, load_id: str) -> list[tuple[int, int, str, str, str]]:
        found = self.warehouse.query(
            "select row_number, line_number, line, column_name, reason from bronze.rejected_rows "
            "where load_id = {id:String} order by row_number",
            {"id": load_id},
        )
        return [(int(row["row_number"]), int(row["line_number"]), row["line"], row["column_name"], row["reason"]) for row in found]

    def loads(self, dataset: str = "address_points") -> list[dict[str, Any]]:
        return self.warehouse.query("select * from bronze.loads where dataset = {name:String} order by _ingested_at", {"name": dataset})
