"""One run of everything outstanding, with the real reader, register, dbt and chDB, on a small drawn town."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from PIL import Image, ImageDraw, ImageFont

from flows.status import take_stock
from flows.steps import run
from flows.steps.geocode import geocode_outstanding
from flows.steps.reprocess import reprocess
from flows.steps.run import run_outstanding
from services.errors import WarehouseError
from services.intake.corrections import CorrectionIn
from services.intake.submissions import SubmissionIn
from services.wiring import Services

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AREAS = 'area_code,name,population,geometry\nA1,Lindach,900,"POLYGON ((9.50 47.10, 9.54 47.10, 9.54 47.14, 9.50 47.14, 9.50 47.10))"\n'
FACILITIES = (
    "facility_id,name,kind,street,housenumber,postcode,city,lon,lat\nf1,Linden-Apotheke,pharmacy,Marktgasse,1,7100,Lindach,9.521,47.121\n"
)
STREETS = {"Birkenweg": 9.511, "Kirchgasse": 9.521, "Seestrasse": 9.531}


def register(houses: int = 10) -> str:
    lines = ["address_id,street,housenumber,postcode,city,lon,lat"]
    for street, longitude in STREETS.items():
        lines += [f"{street}-{n},{street},{n},7100,Lindach,{longitude},{47.11 + n / 1000:.4f}" for n in range(1, houses + 1)]
    return "\n".join(lines) + "\n"


def draw(street: str, housenumber: str) -> bytes:
    image = Image.new("L", (1000, 1300), 250)
    pen = ImageDraw.Draw(image)
    text = ["Anna Frick", f"{street} {housenumber}", "7100 Lindach", "", "", "Lindach, 3.2.2026", "", "Sehr geehrte Damen und Herren,", ""]
    text += ["die nächste Apotheke ist für mich zu weit weg.", "", "Freundliche Grüsse", "Anna Frick"]
    for number, line in enumerate(text):
        pen.text((90, 90 + 52 * number), line, fill=20, font=ImageFont.load_default(34))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def clock() -> Callable[[], datetime]:
    moments = iter(range(10_000_000))
    return lambda: START + timedelta(milliseconds=next(moments))


@pytest.fixture
def town(services: Services, clock: Callable[[], datetime]) -> Services:
    for dataset, text in (("areas", AREAS), ("facilities", FACILITIES), ("address_points", register())):
        load(services, dataset, text, clock)
    return services


def load(services: Services, dataset: str, text: str, clock: Callable[[], datetime]) -> None:
    services.intake.receive_dataset(iter([text.encode()]), f"{dataset}.csv", dataset, None, "cli", clock())


def states(services: Services) -> dict[str, str]:
    return {row["request_id"]: row["state"] for row in services.warehouse.query("select request_id, state from gold.fct_requests")}


def test_letters_and_forms_become_requests_once(town: Services, clock: Callable[[], datetime]) -> None:
    known = town.intake.receive_letter(iter([draw("Kirchgasse", "7")]), "known.png", "cli", clock())
    absent = town.intake.receive_letter(iter([draw("Kirchgasse", "77")]), "absent.png", "cli", clock())
    form = SubmissionIn(channel="phone", street="Seestrase", housenumber="3", postcode="7100", city="Lindach", facility_kind="school")
    typed = town.intake.receive_submission(form, None, clock(), idempotency_key="k1")
    first = run_outstanding(town, clock=clock)
    assert first.counts["extract"]["read"] == 2
    assert states(town).get(known.id) == "located"
    assert states(town).get(absent.id) != "located"
    assert typed.id in states(town)
    again = run_outstanding(town, clock=clock)
    assert not any(any(counts.values()) for counts in again.counts.values())
    row = town.warehouse.query("select * from gold.fct_requests where request_id = {id:String}", {"id": known.id})[0]
    assert (row["facility_kind"], row["area_code"], row["nearest_facility_id"]) == ("pharmacy", "A1", "f1")
    assert str(row["requested_on"]) == "2026-02-03"
    assert take_stock(town).differences == []


def test_what_is_read_is_on_the_map_before_the_last_is_read(
    town: Services, clock: Callable[[], datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "READING_TIME", timedelta())
    monkeypatch.setattr(run, "extract_outstanding", partial(run.extract_outstanding, batch=1))
    seen = []

    def look(step: str, count: int) -> None:
        if step == "extract" and count and town.warehouse.scalar("exists table gold.fct_requests"):
            seen.append(len(states(town)))

    for number in ("7", "8", "9"):
        town.intake.receive_letter(iter([draw("Kirchgasse", number)]), f"{number}.png", "cli", clock())
    run_outstanding(town, clock=clock, progress=look)
    assert seen == [0, 1, 2]
    assert set(states(town).values()) == {"located"} and len(states(town)) == 3


def test_what_comes_later_is_placed_first_and_built_once(town: Services, clock: Callable[[], datetime]) -> None:
    """Only a new register has to be built before addresses are looked up in it."""
    run_outstanding(town, clock=clock)

    def builds() -> int:
        return int(town.warehouse.scalar("select count() from gold.builds where state = 'published'"))

    before = builds()
    form = SubmissionIn(channel="web", street="Seestrasse", housenumber="3", postcode="7100", city="Lindach", facility_kind="school")
    typed = town.intake.receive_submission(form, None, clock(), idempotency_key="k1")
    run_outstanding(town, clock=clock)
    assert states(town) == {typed.id: "located"}
    assert builds() == before + 1
    load(town, "address_points", register(houses=2), clock)
    run_outstanding(town, clock=clock)
    assert states(town)[typed.id] != "located"
    assert builds() == before + 3


def test_a_new_register_asks_the_old_questions_again(town: Services, clock: Callable[[], datetime]) -> None:
    letter = town.intake.receive_letter(iter([draw("Kirchgasse", "12")]), "a.png", "cli", clock())
    run_outstanding(town, clock=clock)
    assert states(town).get(letter.id) != "located"
    load(town, "address_points", register(houses=15), clock)
    run_outstanding(town, clock=clock)
    assert states(town).get(letter.id) == "located"
    load(town, "address_points", register(houses=11), clock)
    run_outstanding(town, clock=clock)
    assert states(town).get(letter.id) != "located"


def test_a_correction_wins_until_another_one(town: Services, clock: Callable[[], datetime]) -> None:
    letter = town.intake.receive_letter(iter([draw("Kirchgasse", "77")]), "a.png", "cli", clock())
    run_outstanding(town, clock=clock)

    def decide(**fields: object) -> str | None:
        correction = CorrectionIn.model_validate({"subject_kind": "letter", "subject_id": letter.id, **fields})
        town.intake.receive_correction(correction, "tester", clock())
        run_outstanding(town, clock=clock)
        return states(town).get(letter.id)

    before = states(town).get(letter.id)
    assert decide(action="correct", housenumber="7") == "located"
    assert decide(action="reject") is None
    assert decide(action="place", longitude=9.52, latitude=47.12) == "located"
    assert decide(action="reopen") == before


def test_a_killed_geocoding_lands_no_answer_twice(town: Services, clock: Callable[[], datetime]) -> None:
    """Killed between the insert and the note in the queue, the same questions are asked again."""
    town.intake.receive_letter(iter([draw("Kirchgasse", "7")]), "a.png", "cli", clock())
    run_outstanding(town, clock=clock)
    count = town.warehouse.scalar("select count() from bronze.geocodes")
    letter_id = town.warehouse.scalar("select letter_id from bronze.letters")
    town.state.work.add("geocode", [f"letter:{letter_id}"], now=clock(), again=True)
    town.state.work.add("extract", [letter_id], now=clock(), again=True)
    geocode_outstanding(town, clock=clock)
    run_outstanding(town, clock=clock)
    assert town.warehouse.scalar("select count() from bronze.geocodes") == count
    assert town.warehouse.scalar("select count() from bronze.extractions") == 1


def test_everything_comes_back_from_the_object_store(town: Services, clock: Callable[[], datetime]) -> None:
    town.intake.receive_letter(iter([draw("Kirchgasse", "7")]), "a.png", "cli", clock())
    run_outstanding(town, clock=clock)
    before = states(town)
    for table in ("uploads", "letters", "extractions", "geocodes", "loads", "address_points", "areas", "facilities"):
        town.warehouse.command(f"truncate table bronze.{table}")
    reprocess(town, read_again=False, clock=clock)
    assert states(town) == before
    assert take_stock(town).differences == []


def test_a_step_that_fails_leaves_its_reason(town: Services, clock: Callable[[], datetime]) -> None:
    class Away:
        name, version = "register", "test"

        def geocode(self, addresses: object) -> dict[str, object]:
            raise WarehouseError("the register is away", retryable=True)

    form = SubmissionIn(channel="web", street="Seestrasse", housenumber="3", postcode="7100", city="Lindach", facility_kind="school")
    town.intake.receive_submission(form, None, clock(), idempotency_key="k1")
    with pytest.raises(WarehouseError, match="register is away"):
        run_outstanding(replace(town, geocoder=Away()), clock=clock)  # type: ignore[arg-type]
    row = town.warehouse.query("select step, state, message from bronze.step_outcomes where state = 'failed'")
    assert row == [{"step": "geocode", "state": "failed", "message": "the register is away"}]
    town.state.work.release_leases()
    run_outstanding(town, clock=clock)
    assert len(states(town)) == 1
