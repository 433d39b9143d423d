"""What a map of the mirror is drawn around, and for which kinds it has layers."""

from __future__ import annotations

from map_rows import TABLES, fill_mirror, made_up_rows
from shapely.geometry import box

from gis.contents import read_contents


def test_a_merged_cell_larger_than_the_land_does_not_move_the_map(postgis_database: str) -> None:
    rows = {**made_up_rows()}
    rows["request_cells"] = [*rows["request_cells"], {**rows["request_cells"][0], "h3_cell": "merged", "geometry": box(0, 40, 20, 55)}]
    contents = read_contents(fill_mirror(postgis_database, rows).postgis, TABLES)
    assert contents.extents["request_cells"] == (0, 40, 20, 55)
    assert contents.extent() == contents.extents["areas"]


def test_requests_without_a_topic_make_no_layer(postgis_database: str) -> None:
    rows = {**made_up_rows()}
    rows["requests"] = [*rows["requests"], {**rows["requests"][0], "request_id": "unclear", "facility_kind": ""}]
    contents = read_contents(fill_mirror(postgis_database, rows).postgis, TABLES)
    assert set(contents.kinds) == {"pharmacy", "school", "hospital", "zoo"}
