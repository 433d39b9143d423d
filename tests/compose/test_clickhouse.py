"""The server's own files: users by role, what readers may not see, and settings where they have an effect."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from compose_support import services

from services.settings import DBT_PROJECT_DIR, PROJECT_ROOT

CONTAINER = PROJECT_ROOT / "services" / "warehouse" / "container"
USERS = ElementTree.parse(CONTAINER / "users.d" / "cartulary.xml").getroot()
CONFIG = ElementTree.parse(CONTAINER / "config.d" / "cartulary.xml").getroot()
READERS = ("grafana", "play", "bi")
REVOKE = re.compile(r"REVOKE SELECT\(([a-z0-9_, ]+)\) ON gold\.(\w+)")
# With these a reader could make the server ask others, or read its files.
SOURCES = ("FILE", "URL", "S3", "REMOTE", "MYSQL", "POSTGRES", "READ", "ALL ON *.*")


def grants(path: str) -> list[str]:
    return [query.text or "" for query in USERS.findall(f"{path}/grants/query")]


def gold_models() -> dict[str, set[str]]:
    files = (DBT_PROJECT_DIR / "models" / "gold").glob("*/_*models.yml")
    models = (model for path in files for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"])
    return {model["name"]: {column["name"] for column in model["columns"]} for model in models}


def hidden() -> dict[str, set[str]]:
    """Columns that readers may not see, per table."""
    found = [REVOKE.fullmatch(query) for query in grants("roles/reader") if query.startswith("REVOKE")]
    return {match.group(2): set(match.group(1).split(", ")) for match in found if match}


def questions() -> Iterator[tuple[str, str]]:
    """Every SQL of those who ask as a reader, and where it stands."""
    for path in sorted((PROJECT_ROOT / "grafana" / "dashboards").glob("*.json")):
        for sql in re.findall(r'"(?:rawSql|query)": "((?:[^"\\]|\\.)*)"', path.read_text(encoding="utf-8")):
            yield path.name, json.loads(f'"{sql}"')
    for path in sorted((PROJECT_ROOT / "services" / "extras").glob("*/**/*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield from ((path.name, "".join(cell["source"])) for cell in cells if cell["cell_type"] == "code")
    app = PROJECT_ROOT / "services" / "extras" / "bi" / "app.py"
    yield from (
        (app.name, sql) for sql in re.findall(r'"""(.*?)"""|"(select [^"]*)"', app.read_text(encoding="utf-8"), re.DOTALL) for sql in sql
    )


def test_every_password_comes_from_the_environment() -> None:
    given = next(service for service in services() if service.name == "clickhouse").spec["environment"]
    for user in USERS.find("users") or ():
        password = user.find("password")
        assert password is not None and not password.text, user.tag
        assert password.attrib["from_env"] in given, user.tag
    assert {user.tag for user in USERS.find("users") or ()} == {"default", "writer", "dbt", *READERS}


def test_the_operators_user_is_inside_alone() -> None:
    addresses = [ip.text for ip in USERS.findall("users/default/networks/ip")]
    assert addresses == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("user", READERS)
def test_readers_read_within_limits(user: str) -> None:
    assert grants(f"users/{user}") == ["GRANT reader"]
    assert (USERS.findtext(f"users/{user}/profile"), USERS.findtext(f"users/{user}/quota")) == ("reader", "reader")


def test_the_readers_profile_is_read_only_and_cannot_be_widened() -> None:
    profile = USERS.find("profiles/reader")
    assert profile is not None and profile.findtext("readonly") == "2"
    for name in ("max_memory_usage", "max_execution_time", "max_result_rows"):
        most = profile.findtext(f"constraints/{name}/max")
        assert most and int(most) >= int(profile.findtext(name) or 0) > 0, name
        # 0 is no limit.
        assert int(profile.findtext(f"constraints/{name}/min") or 0) >= 1, name
    assert profile.find("constraints/max_memory_usage_for_user/readonly") is not None
    assert USERS.find("quotas/reader/interval") is not None


def test_nobody_may_ask_elsewhere() -> None:
    for query in (query for path in ("roles/reader", "users/writer", "users/dbt") for query in grants(path)):
        assert not any(re.search(rf"\b{re.escape(source)}", query) for source in SOURCES), query
    for query in grants("users/dbt"):
        assert not re.search(r"(INSERT|ALL|ALTER|DROP).* ON (bronze|gold)\.", query), query


def test_where_somebody_asked_from_is_hidden_from_readers() -> None:
    models = gold_models()
    for table, columns in hidden().items():
        assert columns <= models[table], f"gold.{table} has no {columns - models[table]}"
    telling = {"longitude", "latitude", "h3_cell", "address_id", "nearest_facility_id", "nearest_facility_distance_km"}
    for table in ("fct_requests", "fct_geocodes", "fct_extractions"):
        assert models[table] & telling == hidden().get(table, set()), table


def test_nobody_who_asks_as_a_reader_asks_for_what_is_hidden() -> None:
    asked = list(questions())
    assert len(asked) > 30 and {Path(name).suffix for name, _ in asked} == {".json", ".ipynb", ".py"}
    for name, sql in asked:
        for table, columns in hidden().items():
            if f"gold.{table}" in sql and "gold.mart" not in sql and "gold.dim" not in sql:
                words = set(re.findall(r"\w+", sql))
                assert not words & columns, f"{name}: {sql}"
                assert not re.search(r"select\s+\*", sql), f"{name}: {sql}"


def test_settings_stand_where_they_have_an_effect() -> None:
    """Profiles, users and quotas in config.d would be left out silently, as would be settings of the server in users.d."""
    assert not {"profiles", "users", "quotas", "roles"} & {part.tag for part in CONFIG}
    assert {part.tag for part in USERS} == {"profiles", "quotas", "roles", "users"}


def test_the_server_keeps_its_own_logs_small_and_tells_prometheus() -> None:
    assert CONFIG.findtext("prometheus/port") == "9363"
    for name in ("query_log", "part_log"):
        assert "ttl" in (CONFIG.findtext(f"{name}/engine") or ""), name
    removed = {part.tag for part in CONFIG if part.attrib.get("remove") == "1"}
    assert {"trace_log", "text_log", "metric_log", "asynchronous_metric_log", "mysql_port", "postgresql_port"} <= removed
    assert CONFIG.findtext("backups/allowed_disk") == "backups"
