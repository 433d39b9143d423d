"""One service after the other is taken away while letters come in: nothing is lost, nothing doubled, and nobody has to lend a hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
import pytest
from outside import CITY, POSTCODE, STREET, Outside, draw_letter, outside_world, read_letter
from vision_api import VisionApi, _Handler

from flows.clock import utc_now
from flows.serve import serving
from flows.status import take_stock
from services import breaker, wiring
from services.orchestrator.inline import InlineOrchestrator
from services.wiring import Services, open_services

PATIENCE_SECONDS = 120.0
AREAS = 'area_code,name,population,geometry\nA1,Lindach,900,"POLYGON ((9.50 47.10, 9.54 47.10, 9.54 47.14, 9.50 47.14, 9.50 47.10))"\n'
FACILITIES = (
    "facility_id,name,kind,street,housenumber,postcode,city,lon,lat\nf1,Linden-Apotheke,pharmacy,Marktgasse,1,7100,Lindach,9.521,47.121\n"
)
# The register knows the first nine houses; whatever letters come from, only Nominatim knows.
REGISTER = "address_id,street,housenumber,postcode,city,lon,lat\n" + "".join(
    f"b{number},{STREET},{number},{POSTCODE},{CITY},9.511,{47.11 + number / 10_000:.4f}\n" for number in range(1, 10)
)


def eventually(what: str, holds: Callable[[], bool]) -> None:
    started = time.monotonic()
    while not holds():
        assert time.monotonic() < started + PATIENCE_SECONDS, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.25)
    print(f"{time.monotonic() - started:6.1f} s  {what}")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    # What takes half a minute on a server takes a part of a second here: pauses before somebody looks again.
    monkeypatch.setattr(breaker, "FIRST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE_SECONDS", 0.5)
    monkeypatch.setattr(wiring, "InlineOrchestrator", partial(InlineOrchestrator, idle_seconds=0.5))
    api = VisionApi(answer=read_letter)
    with outside_world(tmp_path, type("Handler", (_Handler,), {"api": api}), api) as opened:
        yield opened


class Sender:
    """Sends letters as a scanner does: refused for now, it tries again with the same bytes."""

    def __init__(self, url: str, key: str) -> None:
        self.client = httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=30)
        self.accepted: dict[int, str] = {}
        self.refused: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def send(self, number: int) -> bool:
        try:
            answer = self.client.post("/v1/uploads", files={"files": (f"{number}.png", draw_letter(number), "image/png")})
        except httpx.TimeoutException:
            self.refused.append(number)
            return False
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0
            self.refused.append(number)
            return False
        assert answer.status_code == 202, answer.text
        self.accepted[number] = answer.json()["items"][0]["id"]
        return True

    def send_again(self) -> bool:
        waiting, self.refused = self.refused, []
        return all([self.send(number) for number in waiting])


def located(services: Services) -> dict[str, dict[str, Any]]:
    rows = services.warehouse.query("select request_id, state, precision, latitude from gold.fct_requests")
    return {row["request_id"]: row for row in rows}


def mirrored(world: Outside) -> set[str]:
    with psycopg.connect(world.settings.postgis.url.get_secret_value()) as connection:
        return {row[0] for row in connection.execute("select request_id from restricted_map.requests")}


def readings(services: Services) -> dict[str, int]:
    sql = "select letter_id, argMax(is_fallback, finished_at) as is_fallback from bronze.extractions group by letter_id"
    return {row["letter_id"]: row["is_fallback"] for row in services.warehouse.query(sql)}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whatever_is_away_comes_back_to_everything(world: Outside) -> None:
    with ExitStack() as stack:
        services = stack.enter_context(open_services(world.settings))
        server = stack.enter_context(serving(services, port=0))
        for dataset, text in (("areas", AREAS), ("facilities", FACILITIES), ("address_points", REGISTER)):
            services.intake.receive_dataset(iter([text.encode()]), f"{dataset}.csv", dataset, None, "cli", utc_now())
        server.orchestrator.wake()
        eventually("the first build", lambda: bool(services.warehouse.scalar("select count() from gold.builds")))
        sender = stack.enter_context(Sender(server.url, services.keys.create("scanner", ["intake", "read"], utc_now()).secret))
        assert sender.send(10)
        eventually("the first letter on the map", lambda: mirrored_is(world, sender))

        number = 10
        for name, service in world.services.items():
            service.stop()
            for _ in range(2):
                number += 1
                sender.send(number)
                # Long enough for the worker to find it away.
                time.sleep(1.5)
            service.start()
            eventually(f"what came while {name} was away is taken in", sender.send_again)
            eventually(f"what came while {name} was away is on the map", lambda: mirrored_is(world, sender))

        letters = set(sender.accepted.values())
        # On the map is also what the reader at hand read, or the register placed, while another one was away.
        eventually("the model has read all letters", lambda: readings(services) == dict.fromkeys(letters, 0))
        eventually("all are at their house", lambda: {row["precision"] for row in located(services).values()} == {"house"})
        assert len(letters) == number - 9
        stored = services.warehouse.query("select letter_id, count() as times from bronze.letters group by letter_id")
        assert {row["letter_id"]: row["times"] for row in stored} == dict.fromkeys(letters, 1)
        requests = located(services)
        assert set(requests) == letters
        for number, letter_id in sender.accepted.items():
            assert requests[letter_id]["latitude"] == pytest.approx(47.11 + number / 10_000)
        assert services.state.work.failed() == []
        assert take_stock(services).differences == []


def mirrored_is(world: Outside, sender: Sender) -> bool:
    """Whether PostGIS shows exactly what was accepted: read, placed, built and mirrored."""
    try:
        return mirrored(world) == set(sender.accepted.values())
    except psycopg.Error:
        return False
