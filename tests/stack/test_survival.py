"""Stopped, started, killed in the middle: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from stack import Stack, until
from town import RUN_SECONDS, Town, letter

LETTERS = 6


def counted(stack: Stack, town: Town) -> dict[str, Any]:
    """Everything that can be counted, wherever it is kept."""
    stock = stack.cartulary("status")
    restricted = stack.settings["MAP_RESTRICTED_PASSWORD"]
    count = "select (select count(*) from restricted_map.requests), (select count(*) from public_map.facilities)"
    keys = stack.cartulary("keys", "list")
    return {
        "differences": stock["differences"],
        "layers": {row["name"] if "name" in row else str(sorted(row.items())): row for row in stock["layers"]},
        "requests": town.states(),
        "map": stack.psql("postgis", "gis", "map_restricted", restricted, count),
        "keys": sorted(key["key_id"] for key in keys),
        "uploads": sorted(one["upload_id"] for one in town.items("desk", "/v1/uploads?limit=500")),
    }


def test_stop_and_start(stack: Stack, town: Town) -> None:
    town.wait_for_quiet()
    before = counted(stack, town)
    assert before["differences"] == []
    stack.compose("--profile", "observe", "stop", timeout=240)
    assert not any(one["State"]["Running"] for one in stack.containers().values())
    stack.up()
    # A build that the start has asked for may add to its own journal; whatever came in is as before.
    town.wait_for_quiet()
    after = counted(stack, town)
    for part in ("differences", "requests", "map", "keys", "uploads"):
        assert after[part] == before[part], part
    assert town.program("reader", "GET", "/v1/areas").status_code == 200


def test_letters_come_in_while_the_warehouse_is_away(stack: Stack, town: Town) -> None:
    stack.compose("stop", "clickhouse", timeout=120)
    try:
        upload = {"files": ("birkenweg-9.png", letter("Birkenweg", 9), "image/png")}
        town.took(town.program("site", "POST", "/v1/uploads", data={"purpose": "letter"}, files=upload))
        assert town.web.get("", "/up/clickhouse").status_code == 502
    finally:
        stack.compose("start", "clickhouse", timeout=120)
    until(lambda: town.web.get("", "/up/clickhouse").status_code == 200, "ClickHouse is back")
    town.wait_for_letters()


def test_the_flows_are_killed_in_the_middle(stack: Stack, town: Town) -> None:
    files = [("files", (f"seestrasse-{n}.png", letter("Seestrasse", n), "image/png")) for n in range(1, LETTERS + 1) if n != 3]
    new = set(town.took(town.staff("POST", "/v1/uploads", data={"purpose": "letter"}, files=files)))

    def read() -> int:
        states = {one["letter_id"]: one["state"] for one in town.items("desk", "/v1/letters?limit=500")}
        return sum(states.get(one, "stored") != "stored" for one in new)

    until(lambda: read() > 0, "the first letter is read", RUN_SECONDS, every=0.2)
    kill(stack, "flows")
    assert read() < len(new), "the run was over before it was killed"
    until(lambda: stack.containers()["flows"]["State"].get("Health", {}).get("Status") == "healthy", "the flows are back", 180)
    assert stack.containers()["flows"]["RestartCount"] >= 1
    town.wait_for_letters()
    town.wait_for_quiet()
    twice = "select letter_id from bronze.letters group by letter_id having count() > 1"
    assert sql(stack, twice) == ""
    assert sql(stack, "select count(), uniqExact(request_id) from gold.fct_requests") == f"{len(town.letters)}\t{len(town.letters)}"
    assert stack.cartulary("status")["differences"] == []


def test_every_container_comes_back_from_a_kill(stack: Stack, town: Town) -> None:
    """The places where things are kept, without a warning."""
    before = town.states()
    for service in ("clickhouse", "postgres", "rustfs", "redis", "postgis", "tyk", "api"):
        kill(stack, service)
        until(lambda name=service: is_well(stack, name), f"{service} is back", 180)  # type: ignore[misc]
    upload = {"files": ("kirchgasse-10.png", letter("Kirchgasse", 10), "image/png")}

    def taken() -> bool:
        answer = town.program("site", "POST", "/v1/uploads", data={"purpose": "letter"}, files=upload)
        if answer.status_code in (502, 503):
            return False
        town.took(answer)
        return True

    until(taken, "a letter is taken in again", 120)
    town.wait_for_letters()
    assert before.items() <= town.states().items()
    assert stack.cartulary("status")["differences"] == []


def sql(stack: Stack, question: str) -> str:
    return stack.run("flows", "cartulary", "sql", question, "--format", "TabSeparated").stdout.strip()


def is_well(stack: Stack, service: str) -> bool:
    state = stack.containers()[service]["State"]
    return bool(state["Running"]) and state.get("Health", {}).get("Status", "healthy") == "healthy"


def kill(stack: Stack, service: str) -> None:
    """kill -9 for its first process, which Docker takes for an accident; `docker kill` it would take for an order."""
    number = stack.containers()[service]["State"]["Pid"]
    assert number
    try:
        os.kill(number, signal.SIGKILL)
    except PermissionError:
        pytest.skip("killing a container's process needs root: sudo make test-stack")
