"""Letters from bytes to the map through the vision model, and what becomes of them while it is away."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from jinja2 import Template
from PIL import Image
from vision_api import KEY, MODEL, Asked, VisionApi, serve
from vision_support import Glasses

from flows.demo.correspondence import Letter, write_letters
from flows.demo.letters import LetterFile, draw_letters
from flows.demo.town import build_town
from flows.steps.extract import extract_outstanding
from flows.steps.geocode import geocode_outstanding
from services.errors import ExtractionError
from services.extraction.base import Extraction
from services.extraction.ocr import OcrExtractor
from services.extraction.pages import open_page
from services.extraction.vision import VisionExtractor
from services.extraction.vision_calls import Timing
from services.settings import DBT_PROJECT_DIR, VisionSettings
from services.tracing import run_scope
from services.wiring import Services
from tests.services.geocoding.register_data import drop_register, load_register

SEED = 7
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
# Ordinary letters of several layouts, languages and file types, one of which lay the wrong way round in the scanner.
NUMBERS = (0, 1, 5)


def answer_of(letter: Letter) -> dict[str, Any]:
    """What a careful model answers, from the generator's truth."""
    head = [letter.sender, letter.street_line, letter.city_line, ""]
    tail = [letter.closing, "", letter.sender]
    recipient = [*letter.recipient, "", letter.date_text, "", letter.salutation, "", letter.body, ""]
    lines = [*recipient, *tail, *head[1:3]] if letter.layout == "signature" or letter.number == 30 else [*head, *recipient, *tail]
    written = {"street": letter.street, "housenumber": letter.housenumber}
    place = {"postcode": letter.case.written_postcode or letter.postcode, "city": letter.city}
    return {
        "transcription": ["\n".join(lines)],
        "sender_name": letter.sender,
        "addresses": [{"role": "sender", "name": letter.sender, **written, **place}],
        "letter_date": letter.written_on.isoformat(),
        "language": letter.language,
        "facility_kind": letter.facility_kind,
    }


def thumbnail(picture: Image.Image) -> np.ndarray[Any, Any]:
    grey = np.asarray(picture.convert("L").resize((60, 84), Image.Resampling.BOX), dtype=float)
    return (grey - grey.mean()) / (grey.std() + 1e-9)


@pytest.fixture(scope="module")
def post() -> list[LetterFile]:
    wanted = [letter for letter in write_letters(build_town(SEED), SEED) if letter.number in NUMBERS]
    return list(draw_letters(wanted, SEED))


class Moments:
    """A clock that moves a little with each look, and by hand."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    @property
    def timing(self) -> Timing:
        return Timing(
            now=lambda: self.moment,
            monotonic=lambda: (self.moment - START).total_seconds(),
            sleep=self.sleep,
            uniform=lambda low, high: high,
        )


@pytest.fixture
def clock() -> Moments:
    return Moments()


@pytest.fixture
def api() -> Iterator[VisionApi]:
    with serve() as api:
        yield api


def with_vision(services: Services, api: VisionApi, clock: Moments, offline: Any) -> Services:
    settings = VisionSettings(url=api.url, api_key=KEY, model=MODEL, timeout_seconds=10, requests_per_minute=60_000)
    extractor = VisionExtractor(settings, offline, objects=services.objects, spending=services.state.spending, timing=clock.timing)
    return replace(services, extractor=extractor)


@pytest.fixture
def desk(services: Services, api: VisionApi, clock: Moments) -> Iterator[Services]:
    """Services whose offline reader costs nothing."""
    services = with_vision(services, api, clock, Glasses())
    yield services
    services.extractor.close()


def receive(services: Services, clock: Moments, count: int, name: str = "page") -> list[str]:
    for number in range(count):
        path = services.settings.data_dir / f"{name}{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 400), (40 * number, len(name) * 9, 99)).save(path)
        services.intake.receive_letter(iter([path.read_bytes()]), path.name, "cli", clock())
    return [str(row["letter_id"]) for row in services.warehouse.query("select letter_id from bronze.letters order by received_at")]


def read(services: Services, clock: Callable[[], datetime]) -> int:
    """As a run does: until nothing more comes."""
    count = 0
    while more := len(list(extract_outstanding(services, clock=clock))):
        count += more
    return count


def newest(services: Services) -> dict[str, dict[str, Any]]:
    rows = services.warehouse.query("select * from bronze.extractions order by finished_at desc, extraction_id limit 1 by letter_id")
    return {row["letter_id"]: row for row in rows}


def attempts(services: Services) -> list[str]:
    rows = services.warehouse.query("select outcome from bronze.extraction_attempts order by started_at, attempt_id")
    return [row["outcome"] for row in rows]


def evidence(services: Services) -> dict[str, dict[str, Any]]:
    """Decide as int_letters__evidence does, with its own SQL and seed."""
    with (DBT_PROJECT_DIR / "seeds/evidence_rules.csv").open(encoding="utf-8") as seed:
        rules = [{"rule": row["rule"], "value": float(row["value"])} for row in csv.DictReader(seed)]
    services.warehouse.command(
        "create or replace table silver.evidence_rules (rule String, value Float64) engine = MergeTree order by rule",
    )
    services.warehouse.insert("silver.evidence_rules", rules)
    model = Template((DBT_PROJECT_DIR / "models/silver/intermediate/int_letters__evidence.sql").read_text("utf-8"))
    sql = model.render(config=lambda **_: "", source=lambda _, table: f"bronze.{table}", ref=lambda name: f"silver.{name}")
    rows = services.warehouse.query(f"select * from ({sql})")
    services.warehouse.command("drop table silver.evidence_rules")
    return {row["letter_id"]: row for row in rows}


def test_letters_go_from_bytes_to_their_house(
    services: Services, api: VisionApi, clock: Moments, extractor: OcrExtractor, post: Sequence[LetterFile]
) -> None:
    """With the real offline reader as witness; the model reads drawn handwriting as the generator wrote it."""
    desk = with_vision(services, api, clock, extractor)
    town = build_town(SEED)
    register = [(a.address_id, a.street, a.housenumber, a.postcode, a.city, a.longitude, a.latitude) for a in town.addresses]
    load_register(services.warehouse, register)
    known: list[tuple[np.ndarray[Any, Any], Letter]] = []
    for file in post:
        services.intake.receive_letter(iter([file.content]), file.name, "cli", clock())
        path = services.settings.data_dir / file.name
        path.write_bytes(file.content)
    names = {row["letter_id"]: row["file_name"] for row in services.warehouse.query("select letter_id, file_name from bronze.letters")}
    letters = {file.name: file.letter for file in post}
    for file in post:
        path = services.settings.data_dir / file.name
        media = {"jpg": "image/jpeg", "png": "image/png", "pdf": "application/pdf", "tif": "image/tiff"}[path.suffix[1:]]
        page = Image.fromarray(open_page(path, media, 1).image[:, :, ::-1].copy())
        known += [(thumbnail(page.rotate(turn, expand=True)), file.letter) for turn in (0, 90, 180, 270)]

    def answer(asked: Asked) -> dict[str, Any]:
        """The letter whose picture is most like the one that was sent."""
        sent = thumbnail(asked.pictures[0])
        return answer_of(max(known, key=lambda item: float((item[0] * sent).mean()))[1])

    api.answer = answer
    with run_scope("run-9"):
        assert read(desk, clock) == len(NUMBERS)
    geocode_outstanding(desk, clock=clock)
    found, decided = newest(desk), evidence(desk)
    for letter_id, name in names.items():
        letter, row = letters[name], found[letter_id]
        assert (row["extractor"], row["model"], row["is_fallback"]) == ("vision", MODEL, 0)
        assert (row["street"], row["housenumber"], row["city"]) == (letter.street, letter.housenumber, letter.city)
        assert decided[letter_id]["state"] == "located", (name, decided[letter_id]["reason"], row["agreement_score"])
        assert decided[letter_id]["longitude"] == pytest.approx(letter.longitude, abs=1e-6)
    rows = desk.warehouse.query("select distinct run_id, prompt_version, requested_model from bronze.extraction_attempts")
    assert rows == [{"run_id": "run-9", "prompt_version": "letter_v1", "requested_model": MODEL}]
    assert {asked.headers["x-request-id"] for asked in api.asked} == {"run-9"}

    # The same letters with an address that the model made up: nothing is believed.
    invented = {"street": register[0][1], "housenumber": register[0][2], "postcode": register[0][3], "city": register[0][4]}

    def lie(asked: Asked) -> dict[str, Any]:
        truth = answer(asked)
        return {**truth, "addresses": [{**truth["addresses"][0], **invented}]}

    api.answer = lie
    for key in list(desk.objects.list("cache/vision/")):
        desk.objects.delete(key)
    desk.extractor.close()
    # Without a witness, which would only help.
    desk = with_vision(services, api, clock, Glasses(seen=ExtractionError("the reader's process ended", retryable=True)))
    ids = list(names)
    desk.state.work.add("extract", ids, payload={letter_id: {"attempt": "again"} for letter_id in ids}, now=clock(), again=True)
    assert read(desk, clock) == len(NUMBERS)
    geocode_outstanding(desk, clock=clock)
    states = {row["reason"].split(":")[0] for row in evidence(desk).values() if row["state"] != "located"}
    assert all(row["state"] == "review" for row in evidence(desk).values()) and states <= {"not_in_text", "sender_unclear"}
    drop_register(services.warehouse)
    desk.extractor.close()


def test_what_an_outage_left_to_the_offline_reader_is_taken_up_again(desk: Services, api: VisionApi, clock: Moments) -> None:
    api.always = "500"
    letters = receive(desk, clock, 5)
    assert read(desk, clock) == 5
    first = newest(desk)
    assert {(row["extractor"], row["is_fallback"]) for row in first.values()} == {("ocr", 1)}
    assert {row["problem"] for row in first.values()} <= {"circuit_open", "server_error"}
    asked, recorded = len(api.asked), attempts(desk)
    assert recorded == ["server_error"] * asked
    # While it is away nothing is read again, however often a run comes.
    for _ in range(3):
        assert read(desk, clock) == 0
    assert len(api.asked) == asked
    # When it may be back, one letter tries, and adds no second fallback reading.
    clock.sleep(3600)
    assert read(desk, clock) == 0
    assert asked < len(api.asked) <= asked + 4
    assert desk.warehouse.scalar("select count() from bronze.extractions") == 5
    # It is back: one tries, then all others follow in the same run.
    api.always = ""
    clock.sleep(3600)
    assert read(desk, clock) == 5
    assert {(row["extractor"], row["is_fallback"], row["problem"]) for row in newest(desk).values()} == {("vision", 0, "")}
    assert set(newest(desk)) == set(letters)
    assert desk.warehouse.scalar("select count() from bronze.extractions") == 10
    assert read(desk, clock) == 0 and desk.state.work.outstanding("retake") == 0


@pytest.mark.parametrize(("fault", "problem"), [("refusal", "refusal"), ("422", "bad_request")])
def test_what_will_not_pass_is_left_to_the_offline_reader(desk: Services, api: VisionApi, clock: Moments, fault: str, problem: str) -> None:
    api.faults.append(fault)
    receive(desk, clock, 1)
    assert read(desk, clock) == 1
    clock.sleep(3600)
    assert read(desk, clock) == 0
    assert [(row["is_fallback"], row["problem"]) for row in newest(desk).values()] == [(1, problem)]


def test_a_letter_that_fails_where_others_do_not_is_given_up(desk: Services, api: VisionApi, clock: Moments) -> None:
    receive(desk, clock, 1)
    assert read(desk, clock) == 1
    green = 9 * len("cursed page")
    api.cursed = lambda asked: "500" if abs(asked.pictures[0].getpixel((10, 10))[1] - green) < 3 else ""  # type: ignore[index]
    receive(desk, clock, 1, "cursed page")
    assert read(desk, clock) == 1
    for number in range(15):
        # The other letters are answered, this one never.
        clock.sleep(1000)
        receive(desk, clock, 1, "letter no. " + "x" * (2 + number))
        assert read(desk, clock) <= 1
    assert desk.state.work.outstanding("retake") == 0
    asked = len(api.asked)
    clock.sleep(3600)
    assert read(desk, clock) == 0 and len(api.asked) == asked


def test_an_unusable_answer_is_an_extraction_for_review(desk: Services, api: VisionApi, clock: Moments) -> None:
    api.always = "wrong_schema"
    receive(desk, clock, 1)
    assert read(desk, clock) == 1
    [row] = newest(desk).values()
    assert (row["outcome"], row["problem"], row["extractor"]) == ("failed", "wrong_schema", "vision")
    assert attempts(desk) == ["wrong_schema", "wrong_schema"]
    [decided] = evidence(desk).values()
    assert (decided["state"], decided["reason"].split(":")[0]) == ("review", "answer_unusable")


def test_without_any_reader_the_letter_waits_and_its_questions_are_kept(desk: Services, api: VisionApi, clock: Moments) -> None:
    broken: Extraction | ExtractionError = ExtractionError("the reader's process ended", retryable=True)
    desk = with_vision(desk, api, clock, Glasses(seen=broken))
    api.faults.extend(["500"] * 4)
    receive(desk, clock, 1)
    assert read(desk, clock) == 0
    assert attempts(desk) == ["server_error"] * 4 and newest(desk) == {}
    clock.sleep(60)
    assert read(desk, clock) == 1
    assert [row["extractor"] for row in newest(desk).values()] == ["vision"]
    desk.extractor.close()


def test_killed_between_question_and_extraction_nothing_is_paid_or_counted_twice(
    desk: Services, api: VisionApi, clock: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """As kill -9: nothing after it happens."""

    insert = desk.warehouse.insert

    def dying(table: str, rows: Any) -> None:
        if table == "bronze.extractions":
            raise Killed
        insert(table, rows)

    receive(desk, clock, 1)
    with monkeypatch.context() as patch:
        patch.setattr(type(desk.warehouse), "insert", lambda self, table, rows: dying(table, rows))
        with pytest.raises(Killed):
            read(desk, clock)
    desk.state.work.release_leases()
    spent = desk.state.spending.spent("2026-03")
    assert read(desk, clock) == 1
    assert len(api.asked) == 1 and desk.state.spending.spent("2026-03") == spent
    assert desk.warehouse.scalar("select count() from bronze.extractions") == 1
    costs = desk.warehouse.query("select is_cached, cost > 0 as paid from bronze.extraction_attempts order by is_cached")
    assert costs == [{"is_cached": 0, "paid": 1}, {"is_cached": 1, "paid": 0}]
    # From the letter to the object that holds its text, for whoever has to erase it.
    keys = desk.warehouse.query("select distinct cache_key from bronze.extraction_attempts")
    assert [row["cache_key"] for row in keys] == list(desk.objects.list("cache/vision/"))
    assert json.loads(next(iter(newest(desk).values()))["raw"])["model"] == MODEL
