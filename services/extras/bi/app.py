"""A page of figures on gold: coverage by area and kind, requests over time, and a map without foreign tiles."""

from __future__ import annotations

import json
import os
from typing import Any

import clickhouse_connect
import pandas as pd
import pydeck
import streamlit as st
from clickhouse_connect.driver.exceptions import ClickHouseError

# A program of its own in an image of its own, which knows nothing of `services`: it reads its four variables itself.
HOST = os.environ.get("CLICKHOUSE_HOST", "clickhouse")
PORT = int(os.environ.get("CLICKHOUSE_PORT", "8123"))
USER = os.environ.get("CLICKHOUSE_USER", "bi")
PASSWORD = os.environ.get("CLICKHOUSE_PASSWORD", "")

# Gold changes when a build is published, some minutes after the last upload.
KEEP_SECONDS = 300
# From not covered to covered; readable with any kind of colour vision.
LOW, HIGH, UNKNOWN = (217, 95, 14), (33, 102, 172), (190, 190, 190)
CELL = [84, 39, 136, 170]

KINDS = "select facility_kind, label, distance_km, facility_count from gold.dim_facility_kinds order by label"
AREAS = "select area_code, area_name, level, geometry_geojson from gold.dim_areas order by area_name"
EXTENT = "select min(min_longitude), max(max_longitude), min(min_latitude), max(max_latitude) from gold.dim_areas"
COVERAGE = """
select area_code, area_name, population, covered_population, coverage_share, address_point_count, median_distance_km, request_count
from gold.mart_coverage_by_area
where facility_kind = {kind:String}
order by coverage_share nulls last, area_name
"""
TREND = """
select month_date as month, channel, sum(request_count) as requests
from gold.mart_request_trends
where facility_kind = {kind:String} and (empty({areas:Array(String)}) or has({areas:Array(String)}, area_code))
group by month_date, channel
order by month_date, channel
"""
CELLS = "select longitude, latitude, resolution, request_count from gold.mart_requests_by_cell"
BUILT = "select max(finished_at) from gold.builds where state = 'published'"


@st.cache_resource
def client() -> Any:
    """One client for all visitors: without a session, several may ask at once."""
    return clickhouse_connect.get_client(host=HOST, port=PORT, username=USER, password=PASSWORD, autogenerate_session_id=False)


@st.cache_data(ttl=KEEP_SECONDS, show_spinner="Asking the warehouse …")
def rows(query: str, **parameters: Any) -> pd.DataFrame:
    """The answer to a query, kept for some minutes."""
    return client().query_df(query, parameters=parameters)


def shade(share: float | None) -> list[int]:
    """A colour for a share of 0 to 1; grey where there is none."""
    if share is None or pd.isna(share):
        return [*UNKNOWN, 120]
    return [round(low + (high - low) * share) for low, high in zip(LOW, HIGH, strict=True)] + [150]


def percent(share: float | None) -> str:
    """A share for people."""
    return "unknown" if share is None or pd.isna(share) else f"{share:.0%}"


def filters() -> tuple[pd.Series, pd.DataFrame]:
    """What the visitor wants to see: a kind of facility, and areas of one level."""
    kinds, areas = rows(KINDS), rows(AREAS)
    known = kinds["facility_count"] > 0
    kinds = pd.concat([kinds[known], kinds[~known]])
    with st.sidebar:
        st.header("What to show")
        label = st.selectbox("Kind of facility", kinds["label"], key="kind")
        levels = sorted(areas["level"].unique(), reverse=True)
        level = st.selectbox("Level of areas", levels, key="level", help="The higher, the smaller the areas.")
        areas = areas[areas["level"] == level]
        chosen = st.multiselect("Areas", areas["area_name"], key="areas", placeholder="All")
    return kinds[kinds["label"] == label].iloc[0], areas[areas["area_name"].isin(chosen)] if chosen else areas


def show_figures(coverage: pd.DataFrame, kind: pd.Series) -> None:
    """The four numbers at the top."""
    counted = coverage.dropna(subset=["coverage_share", "population"])
    people = counted["population"].sum()
    figures = st.columns(4)
    figures[0].metric("Facilities", f"{kind['facility_count']:,}")
    figures[1].metric("People covered", percent(counted["covered_population"].sum() / people) if people else "unknown")
    figures[2].metric("Areas below half", f"{int((coverage['coverage_share'] < 0.5).sum()):,}")
    figures[3].metric("Requests", f"{int(coverage['request_count'].sum()):,}")
    st.caption(
        f"Covered: an address within {kind['distance_km']:g} km of such a facility. "
        "An area with fewer than 20 known addresses has no share; people are counted only where share and population are known."
    )


def show_coverage(coverage: pd.DataFrame) -> None:
    """Chart and table, the worst first."""
    st.subheader("Coverage by area")
    known = coverage.dropna(subset=["coverage_share"])
    if known.empty:
        st.info("No area has 20 known addresses yet.")
    else:
        chart = known.assign(percent=100 * known["coverage_share"])
        label = "Covered addresses in per cent"
        st.bar_chart(chart, x="area_name", y="percent", x_label="", y_label=label, horizontal=True, sort="percent")
    st.dataframe(
        coverage.drop(columns="area_code"),
        hide_index=True,
        column_config={
            "area_name": "Area",
            "population": st.column_config.NumberColumn("People", format="localized"),
            "covered_population": st.column_config.NumberColumn("People covered", format="%.0f"),
            "coverage_share": st.column_config.NumberColumn("Coverage", format="percent"),
            "address_point_count": st.column_config.NumberColumn("Addresses", format="localized"),
            "median_distance_km": st.column_config.NumberColumn("Median distance, km", format="%.2f"),
            "request_count": st.column_config.NumberColumn("Requests", format="localized"),
        },
    )


def show_trend(kind: pd.Series, areas: pd.DataFrame, *, is_all: bool) -> None:
    """Requests per month and channel."""
    st.subheader("Requests over time")
    trend = rows(TREND, kind=kind["facility_kind"], areas=[] if is_all else areas["area_code"].tolist())
    if trend.empty:
        st.info("Nobody has asked for this here yet.")
        return
    st.bar_chart(trend, x="month", y="requests", color="channel", x_label="", y_label="Requests")


def show_map(coverage: pd.DataFrame, areas: pd.DataFrame) -> None:
    """Areas by coverage, and where requests come from, by cell; no tile of anybody else's lies below."""
    st.subheader("Map")
    shares = coverage.set_index("area_code")["coverage_share"]
    names = areas.assign(share=areas["area_code"].map(shares))
    features = [
        {
            "type": "Feature",
            "geometry": json.loads(area.geometry_geojson),
            "properties": {"colour": shade(area.share), "text": f"{area.area_name}: {percent(area.share)}"},
        }
        for area in names.itertuples()
    ]
    cells = rows(CELLS)
    cells["text"] = cells["request_count"].map(lambda count: f"{count} requests")
    # The area that a cell stands for: a hexagon of the resolution has 5.16 km2 at 7, and a seventh of it one finer.
    cells["radius"] = (5_160_000 * 7.0 ** (7 - cells["resolution"].astype(int)) / 3.1416) ** 0.5 * 0.5
    west, east, south, north = (float(value) for value in rows(EXTENT).iloc[0])
    view = pydeck.data_utils.compute_view([[west, south], [east, north]])
    layers = [
        pydeck.Layer(
            "GeoJsonLayer",
            {"type": "FeatureCollection", "features": features},
            get_fill_color="properties.colour",
            get_line_color=[90, 90, 90],
            line_width_min_pixels=1,
            pickable=True,
        ),
        pydeck.Layer("ScatterplotLayer", cells, get_position=["longitude", "latitude"], get_radius="radius", get_fill_color=CELL),
    ]
    st.pydeck_chart(pydeck.Deck(layers, initial_view_state=view, map_provider=None, tooltip={"text": "{text}"}), height=520)
    st.caption(
        "Areas: from orange (nobody covered) to blue (everybody); grey: unknown. Circles: cells with five requests or more for any kind; "
        "fewer are counted in a larger cell, so that nobody can be found."
    )


def page() -> None:
    """The whole page."""
    st.title("Coverage and requests")
    kind, areas = filters()
    if areas.empty:
        st.info("No areas are loaded yet: load the dataset `areas` in the portal.")
        return
    coverage = rows(COVERAGE, kind=kind["facility_kind"])
    is_all = len(areas) == len(rows(AREAS).query("level == @areas.level.iloc[0]"))
    coverage = coverage[coverage["area_code"].isin(areas["area_code"])]
    show_figures(coverage, kind)
    left, right = st.columns(2, gap="large")
    with left:
        show_coverage(coverage)
    with right:
        show_map(coverage, areas)
        show_trend(kind, areas, is_all=is_all)
    st.caption(f"Published {rows(BUILT).iloc[0, 0]:%d %B %Y, %H:%M} UTC.")


st.set_page_config(page_title="Cartulary: coverage and requests", layout="wide")
try:
    page()
except ClickHouseError as error:
    if "UNKNOWN_TABLE" in str(error) or "UNKNOWN_DATABASE" in str(error):
        st.info("Nothing has been built yet. Load areas, address points and facilities in the portal; the figures follow by themselves.")
    else:
        st.error("The warehouse does not answer as it should. The operator finds the reason with `docker compose logs bi clickhouse`.")
        st.caption(f"{type(error).__name__} at {HOST}:{PORT}")
