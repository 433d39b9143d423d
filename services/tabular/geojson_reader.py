"""GeoJSON read feature by feature, so that memory holds one batch whatever the file's size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from services.contracts import DatasetContract
from services.errors import ContractError
from services.tabular.base import Mapping, Progress, Reading, batch_table, map_columns
from services.tabular.features import Feature, NumberText, features
from services.tabular.geometry import read_polygons, to_wkt

BATCH_BYTES = 1 << 23


def looks_like_geojson(head: bytes) -> bool:
    """Whether a file that begins like this is JSON (also one feature per line, also with record separators)."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x1e")
    return text.startswith(b"{") and (b'"type"' in head or b'"features"' in head)


class GeoJsonReader:
    """A FeatureCollection or newline-delimited features, opened for one contract.

    Properties become columns by name and alias. A Point gives longitude and latitude; a polygon gives the geometry or, where the
    contract wants a position, a point inside it.
    """

    def __init__(self, path: Path, contract: DatasetContract) -> None:
        self.reading = Reading()
        self._path, self._contract = path, contract
        self._repaired = self._pointed = 0
        self.mapping = self._map()

    def batches(self, progress: Progress = lambda done, total: None) -> Iterator[pa.Table]:
        """All features as batches, in order; those that are no row have an objection."""
        total = self._path.stat().st_size
        pending: list[Feature] = []
        size = 0
        for feature in features(self._path):
            pending.append(feature)
            size += len(feature.text)
            if size >= BATCH_BYTES:
                yield self._batch(pending)
                progress(feature.offset, total)
                pending, size = [], 0
        if pending:
            yield self._batch(pending)
        progress(total, total)
        if self._repaired:
            self.reading.warnings.append(f"polygons that crossed themselves and were repaired: {self._repaired}")
        if self._pointed:
            self.reading.warnings.append(f"outlines of which a point inside was taken: {self._pointed}")
        if not self.reading.received:
            raise ContractError("The GeoJSON file holds no features: there is nothing to load.")

    def _map(self) -> Mapping:
        """Names of all properties, mapped; what only the geometry gives is added under the contract's own name."""
        names: dict[str, None] = {}
        for feature in features(self._path):
            names.update(dict.fromkeys(_properties(feature.value)))
            if isinstance(feature.value, dict) and feature.value.get("id") is not None:
                names.setdefault("id")
        matched = self._contract.match(list(names))
        given = [name for name in self._contract.of_type("longitude", "latitude", "geometry") if name not in matched]
        return map_columns(self._contract, [*names, *given])

    def _batch(self, pending: list[Feature]) -> pa.Table:
        objections: dict[int, tuple[str, str]] = {}
        rows: list[dict[str, str]] = []
        for position, feature in enumerate(pending):
            row = self._row(feature.value)
            rows.append(row)
            if feature.objection:
                objections[position] = ("", feature.objection)
            elif geometry_objection := self._place(row, feature):
                objections[position] = geometry_objection
        columns = {name: [row.get(name, "") for row in rows] for name in self._contract.column_names}
        for name in self._contract.of_type("geometry"):
            columns[name], unreadable, repaired = read_polygons(columns[name])
            self._repaired += repaired
            for position, reason in unreadable.items():
                objections.setdefault(position, (name, f"{name} {reason}"))
        first = self.reading.received + 1
        self.reading.received += len(pending)
        return batch_table(
            {name: pa.array(values, pa.large_string()) for name, values in columns.items()},
            np.arange(first, first + len(pending), dtype=np.uint64),
            np.array([feature.line for feature in pending], dtype=np.uint64),
            pa.array([feature.text for feature in pending], pa.large_string()),
            objections,
        )

    def _row(self, feature: Any) -> dict[str, str]:
        values = _properties(feature)
        if isinstance(feature, dict) and feature.get("id") is not None:
            values.setdefault("id", feature["id"])
        row = {}
        for header, column in zip(self.mapping.headers, self.mapping.columns, strict=True):
            if column is not None and values.get(header) is not None:
                row[column] = _text(values[header])
        return row

    def _place(self, row: dict[str, str], feature: Feature) -> tuple[str, str] | None:
        """Fill in the columns that the geometry gives; returns (column, reason) when it cannot."""
        geometry = feature.value.get("geometry") if isinstance(feature.value, dict) else None
        if not isinstance(geometry, dict):
            return None
        polygons = self._contract.of_type("geometry")
        longitude, latitude = self._contract.of_type("longitude"), self._contract.of_type("latitude")
        if polygons:
            row[polygons[0]] = json.dumps(_numbers(geometry))
        if not (longitude and latitude):
            return None
        if geometry.get("type") == "Point" and isinstance(point := geometry.get("coordinates"), list) and len(point) >= 2:
            row[longitude[0]], row[latitude[0]] = _text(point[0]), _text(point[1])
            return None
        shape = shapely.from_geojson(json.dumps(_numbers(geometry)), on_invalid="ignore")
        if shape is None or shape.is_empty:
            return longitude[0], "the geometry is not readable"
        inside = shapely.point_on_surface(shape)
        self._pointed += 1
        row[longitude[0]], row[latitude[0]] = to_wkt(inside).removeprefix("POINT (").removesuffix(")").split(" ")[:2]
        return None


def _properties(feature: Any) -> dict[str, Any]:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    return dict(properties) if isinstance(properties, dict) else {}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def _numbers(value: Any) -> Any:
    """A geometry whose numbers were kept as text, with numbers again."""
    if isinstance(value, dict):
        return {key: _numbers(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_numbers(part) for part in value]
    return float(value) if isinstance(value, NumberText) else value
