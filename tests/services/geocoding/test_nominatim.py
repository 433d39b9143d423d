"""The register and a real Nominatim with the demo town, of which the register lacks a street and some houses.

One file for all of it, so that one test process imports the town once.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.demo.town import AddressPoint
from flows.steps.geocode import geocode_outstanding, requeue_provisional
from services.geocoding.base import Address, Geocode
from services.geocoding.chain import NominatimGeocoder
from services.geocoding.ladder import distance_m
from services.geocoding.nominatim import NominatimClient
from services.geocoding.questions import Question
from services.geocoding.register import RegisterGeocoder
from services.metrics import METRICS
from services.settings import GeocodingSettings, Settings
from services.state.state import State
from services.warehouse.client import Warehouse
from services.wiring import Services, _open_geocoder
from tests.services.geocoding.nominatim_server import NominatimServer
from tests.services.geocoding.register_data import drop_register, load_register

# In Korvenau, 7410, whose quarter there is Altmarkt.
MISSING_STREET = "Salzgasse"
KNOWN_STREET = "Marktgasse"
MISSING_NUMBERS = frozenset({"27", "27a"})


class MovingClock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


def is_registered(address: AddressPoint) -> bool:
    return address.street != MISSING_STREET and not (address.street == KNOWN_STREET and address.housenumber in MISSING_NUMBERS)


@pytest.fixture
def register(clean_warehouse: Warehouse, nominatim: NominatimServer) -> Iterator[Warehouse]:
    """The town's register, as incomplete as registers are."""
    entries = [address for address in nominatim.town.addresses if is_registered(address)]
    load_register(
        clean_warehouse,
        [(a.address_id, a.street, a.housenumber, a.postcode, a.city, a.longitude, a.latitude) for a in entries],
    )
    yield clean_warehouse
    drop_register(clean_warehouse)


@pytest.fixture
def client(nominatim: NominatimServer) -> NominatimClient:
    return NominatimClient(GeocodingSettings(nominatim_url=nominatim.url), sleep=lambda seconds: None)


@pytest.fixture
def geocoder(register: Warehouse, client: NominatimClient, settings: Settings, clock: MovingClock) -> Iterator[NominatimGeocoder]:
    state = State.open(settings)
    yield NominatimGeocoder(client, register, state.geocode_cache, GeocodingSettings(), clock=clock)
    state.close()


def ask(geocoder: NominatimGeocoder, *parts: str) -> Geocode:
    return geocoder.geocode({"it": Address(*parts)})["it"]


def test_a_house_that_the_register_lacks_is_found(geocoder: NominatimGeocoder, nominatim: NominatimServer) -> None:
    [house] = [a for a in nominatim.town.addresses if (a.street, a.housenumber) == (KNOWN_STREET, "27a")]
    found = ask(geocoder, KNOWN_STREET, "27 A", "7410", "Korvenau")
    assert (found.geocoder, found.precision, found.is_housenumber_equal, found.is_provisional) == ("nominatim", "house", 1, 0)
    assert found.address_id.startswith("osm:node/")
    assert (found.matched_street, found.matched_housenumber, found.matched_postcode, found.matched_city) == (
        *(KNOWN_STREET, "27a"),
        *("7410", "Korvenau"),
    )
    assert (found.longitude, found.latitude) == (house.longitude, house.latitude)
    assert found.uncertainty_m is not None and found.uncertainty_m < 50
    assert (found.street_similarity, found.street_edits, found.city_similarity, found.is_postcode_equal) == (1, 0, 1, 1)
    assert found.candidate_margin > 0.1
    assert json.loads(found.raw)[0]["address"]["house_number"] == "27a", "the whole answer is kept"
    assert found.geocoder_version == geocoder.version


def test_what_the_register_knows_exactly_is_not_asked(geocoder: NominatimGeocoder, nominatim: NominatimServer) -> None:
    known = [address for address in nominatim.town.addresses if is_registered(address)][:50]
    before = nominatim.questions
    found = geocoder.geocode({a.address_id: Address(a.street, a.housenumber, a.postcode, a.city) for a in known})
    assert {key: answer.address_id for key, answer in found.items()} == {a.address_id: a.address_id for a in known}
    assert {(answer.geocoder, answer.is_provisional) for answer in found.values()} == {("register", 0)}
    assert nominatim.questions == before


def test_every_house_is_found_without_a_register(geocoder: NominatimGeocoder, nominatim: NominatimServer, register: Warehouse) -> None:
    drop_register(register)
    houses = nominatim.town.addresses[::40]
    assert len({a.city for a in houses}) == 4
    found = geocoder.geocode({a.address_id: Address(a.street, a.housenumber, a.postcode, a.city) for a in houses})
    for house in houses:
        answer = found[house.address_id]
        assert (answer.precision, answer.matched_housenumber) == ("house", house.housenumber), house
        assert answer.longitude is not None and answer.latitude is not None
        assert distance_m(answer.longitude, answer.latitude, house.longitude, house.latitude) < 1, house


@pytest.mark.parametrize("street", ["Marktgase", "Marktqasse", "MARKTGASSF"])
def test_the_register_repairs_what_nominatim_cannot(geocoder: NominatimGeocoder, client: NominatimClient, street: str) -> None:
    assert client.ask(Question(street=f"27 {street}", city="Korvenau", postcode="7410")) == [], "so it needs the repair"
    found = ask(geocoder, street, "27", "7410", "Korvenau")
    assert (found.geocoder, found.precision, found.matched_street) == ("nominatim", "house", KNOWN_STREET)
    assert found.street_edits == 1, "measured against what was read, not against the repaired spelling"
    assert found.street_similarity < 1


def test_a_street_that_the_register_lacks_is_not_taken_for_one_like_it(
    geocoder: NominatimGeocoder, register: Warehouse, nominatim: NominatimServer
) -> None:
    there = [address for address in nominatim.town.addresses if address.street == "Hill Lane" and address.housenumber != "11"]
    load_register(register, [(a.address_id, a.street, a.housenumber, a.postcode, a.city, a.longitude, a.latitude) for a in there])
    asked = Address("Mill Lane", "11", "7430", "Marlowick")
    known = RegisterGeocoder(register).geocode({"it": asked})["it"]
    assert (known.matched_street, known.candidate_margin > 0.1) == ("Hill Lane", True), "the register is sure, and wrong"
    found = geocoder.geocode({"it": asked})["it"]
    assert (found.geocoder, found.precision, found.matched_street, found.street_edits) == ("nominatim", "house", "Mill Lane", 0)
    assert 0.02 < found.candidate_margin < 0.1, "the one like it is a candidate"


def test_the_register_repairs_the_town(geocoder: NominatimGeocoder, client: NominatimClient) -> None:
    assert client.ask(Question(street=f"9 {MISSING_STREET}", city="Korvenav", postcode="7410")) == []
    found = ask(geocoder, MISSING_STREET, "9", "7410", "Korvenav")
    assert (found.precision, found.matched_city) == ("house", "Korvenau")
    assert 0.7 < found.city_similarity < 1


@pytest.mark.parametrize("number", ["9999", "27bis", "27 z"])
@pytest.mark.parametrize("street", [KNOWN_STREET, MISSING_STREET])
def test_an_unknown_number_is_the_street_and_no_house(geocoder: NominatimGeocoder, street: str, number: str) -> None:
    found = ask(geocoder, street, number, "7410", "Korvenau")
    assert (found.precision, found.matched_street, found.address_id, found.is_housenumber_equal) == ("street", street, "", 0)
    assert found.uncertainty_m is not None and found.uncertainty_m > 60
    assert found.geocoder == ("register" if street == KNOWN_STREET else "nominatim")


def test_an_answer_from_another_town_is_refused(geocoder: NominatimGeocoder, client: NominatimClient) -> None:
    [offered] = client.ask(Question(street=f"9 {MISSING_STREET}", postcode="7440"))
    assert (offered["address"]["house_number"], offered["address"]["postcode"]) == ("9", "7410"), "Nominatim overlooks the postcode"
    found = ask(geocoder, MISSING_STREET, "9", "7440", "Dreivelden")
    assert (found.precision, found.matched_postcode, found.address_id) == ("postcode", "7440", "")
    assert ask(geocoder, MISSING_STREET, "9", "7440", "").precision == "postcode"


@pytest.mark.parametrize(("postcode", "city"), [("9999", "Korvenau"), ("7410", "Anderswo"), ("7410", ""), ("", "Korvenau")])
def test_postcode_or_town_is_enough(geocoder: NominatimGeocoder, postcode: str, city: str) -> None:
    found = ask(geocoder, MISSING_STREET, "9", postcode, city)
    assert (found.geocoder, found.precision, found.matched_housenumber) == ("nominatim", "house", "9")
    assert found.is_postcode_equal == int(postcode == "7410")
    assert found.city_similarity == (1 if city == "Korvenau" else pytest.approx(found.city_similarity, abs=0.7))


def test_without_town_and_postcode_nothing_is_asked(geocoder: NominatimGeocoder, nominatim: NominatimServer) -> None:
    before = nominatim.questions
    assert ask(geocoder, MISSING_STREET, "9").precision == "none"
    assert nominatim.questions == before


@pytest.mark.parametrize("street", ["Salzgasse9", "Salzgasse 9, bus 3", "Flat 2, Salzgasse 9"])
def test_artefacts_of_reading_are_put_right(geocoder: NominatimGeocoder, client: NominatimClient, street: str) -> None:
    assert client.ask(Question(text=f"{street}, 7410 Korvenau")) == [], "as it was read, Nominatim does not know it"
    found = ask(geocoder, street, "", "7410", "Korvenau")
    assert (found.precision, found.matched_street, found.matched_housenumber) == ("house", MISSING_STREET, "9")


def test_a_quarter_may_stand_for_its_town(geocoder: NominatimGeocoder, nominatim: NominatimServer) -> None:
    for number, who in (("27", "nominatim"), (_registered_number(nominatim), "register")):
        found = ask(geocoder, KNOWN_STREET, number, "7410", "Altmarkt")
        assert (found.geocoder, found.precision, found.matched_city, found.city_similarity) == (who, "house", "Altmarkt", 1)


def _registered_number(nominatim: NominatimServer) -> str:
    return next(a.housenumber for a in nominatim.town.addresses if a.street == KNOWN_STREET and is_registered(a))


def test_equal_addresses_are_asked_once(geocoder: NominatimGeocoder, nominatim: NominatimServer) -> None:
    spellings = [Address("Salzgasse", "9", "7410", "Korvenau"), Address(" SALZGASSE", "9", "7410", "KORVENAU")]
    before = nominatim.questions
    found = geocoder.geocode({str(number): spellings[number % 2] for number in range(200)})
    assert len(found) == 200
    assert {answer.address_id for answer in found.values()} == {found["0"].address_id} != {""}
    assert nominatim.questions == before + 1
    assert ask(geocoder, "Salzgasse", "9", "7410", "Korvenau") == found["0"]
    assert nominatim.questions == before + 1, "the next batch is answered from what was kept"


def test_answers_expire_and_nothing_found_sooner(geocoder: NominatimGeocoder, nominatim: NominatimServer, clock: MovingClock) -> None:
    addresses = {"found": Address(MISSING_STREET, "9", "7410", "Korvenau"), "nothing": Address("Nirgendpfad", "9", "7410", "Korvenau")}

    def questions(key: str) -> int:
        before = nominatim.questions
        geocoder.geocode({key: addresses[key]})
        return nominatim.questions - before

    settings = GeocodingSettings()
    assert questions("found") == 1
    first = questions("nothing")
    assert first > 1
    assert (questions("found"), questions("nothing")) == (0, 0)
    clock.now += timedelta(days=settings.negative_cache_days, seconds=1)
    assert (questions("found"), questions("nothing")) == (0, first)
    clock.now += timedelta(days=settings.cache_days)
    assert questions("found") == 1


def test_a_setting_chooses_it(nominatim: NominatimServer, register: Warehouse, settings: Settings) -> None:
    state = State.open(settings)
    chosen = settings.model_copy(update={"geocoding": GeocodingSettings(nominatim_url=nominatim.url)})
    assert _open_geocoder(settings, register, state).name == "register"
    geocoder = _open_geocoder(chosen, register, state)
    assert (geocoder.name, geocoder.answers_for_good()) == ("nominatim", True)
    assert geocoder.geocode({"it": Address(MISSING_STREET, "9", "7410", "Korvenau")})["it"].geocoder == "nominatim"
    state.close()


def read_letter(services: Services, letter_id: str, street: str, housenumber: str, now: datetime) -> None:
    """A letter as the reader leaves it: an extraction, and work for the geocoder."""
    services.warehouse.insert(
        "bronze.extractions",
        [
            {
                **{"extraction_id": f"{letter_id}-1", "letter_id": letter_id, "extractor": "ocr", "outcome": "read"},
                **{"street": street, "housenumber": housenumber, "postcode": "7410", "city": "Korvenau"},
                "text": f"Anna Frick\n{street} {housenumber}\n7410 Korvenau\n\nWir brauchen eine Apotheke.",
                **{"street_score": 0.99, "city_score": 0.99, "agreement_score": 1.0, "sender_score": 1.0},
                **{"started_at": now, "finished_at": now},
            }
        ],
    )
    services.state.work.add("geocode", [f"letter:{letter_id}"], now=now)


def send_submission(services: Services, letter_id: str, number: int, now: datetime) -> None:
    """A submission with an address that only Nominatim can know."""
    services.warehouse.insert(
        "bronze.submissions",
        [
            {
                **{"submission_id": letter_id, "channel": "web", "street": KNOWN_STREET, "housenumber": f"{1000 + number}"},
                **{"postcode": "7410", "city": "Korvenau", "received_at": now},
            }
        ],
    )
    services.state.work.add("geocode", [f"submission:{letter_id}"], now=now)


def asked_so_far(outcome: str) -> float:
    """Questions to Nominatim that ended so, in this process."""
    return METRICS.registry.get_sample_value("cartulary_geocoder_questions_total", {"found": outcome}) or 0.0


def evidence_of(services: Services) -> dict[str, tuple[Any, ...]]:
    rows = services.warehouse.query("select letter_id, state, precision, address_id, longitude from silver.int_letters__evidence")
    return {row["letter_id"]: (row["state"], row["precision"], row["address_id"][:9]) for row in rows}


@pytest.fixture
def placing(services: Services, evidence: Warehouse, geocoder: NominatimGeocoder) -> Services:
    """All services, with the chain as their geocoder and the view that decides about letters."""
    return dataclasses.replace(services, geocoder=geocoder)


@pytest.fixture
def town_letters(placing: Services, register: Warehouse, nominatim: NominatimServer, clock: MovingClock) -> Services:
    entries = [address for address in nominatim.town.addresses if is_registered(address)]
    load_register(register, [(a.address_id, a.street, a.housenumber, a.postcode, a.city, a.longitude, a.latitude) for a in entries])
    read_letter(placing, "lacking", KNOWN_STREET, "27", clock())
    read_letter(placing, "registered", KNOWN_STREET, _registered_number(nominatim), clock())
    return placing


def test_a_letter_is_located_where_the_register_lacks_the_house(town_letters: Services, clock: MovingClock) -> None:
    counts = geocode_outstanding(town_letters, clock=clock).counts
    assert counts == {"house": 2}
    decided = evidence_of(town_letters)
    assert decided["lacking"] == ("located", "house", "osm:node/")
    assert decided["registered"][:2] == ("located", "house")
    rows = town_letters.warehouse.query(
        "select subject_id, geocoder, geocoder_version, is_provisional, raw != '' as has_raw from bronze.geocodes"
    )
    by_letter = {row["subject_id"]: row for row in rows}
    assert (by_letter["lacking"]["geocoder"], by_letter["lacking"]["has_raw"]) == ("nominatim", 1)
    assert (by_letter["registered"]["geocoder"], by_letter["registered"]["has_raw"]) == ("register", 0)
    assert {row["is_provisional"] for row in rows} == {0}

    town_letters.state.work.add("geocode", ["letter:lacking", "letter:registered"], now=clock(), again=True)
    assert geocode_outstanding(town_letters, clock=clock).counts == {}, "the same answer lands once"


def test_letters_wait_for_nominatim_with_the_registers_answer(
    town_letters: Services, nominatim: NominatimServer, clock: MovingClock
) -> None:
    services = town_letters
    for number in range(30):
        send_submission(services, f"many-{number}", number, clock())
    nominatim.stop()
    before = {outcome: asked_so_far(outcome) for outcome in ("unavailable", "not_asked")}
    geocode_outstanding(services, clock=clock)
    assert asked_so_far("unavailable") - before["unavailable"] <= 3 + GeocodingSettings().concurrency, "not a timeout for each"
    assert asked_so_far("not_asked") - before["not_asked"] >= 20
    assert evidence_of(services)["lacking"][:2] == ("approximate", "street")
    assert evidence_of(services)["registered"][:2] == ("located", "house")
    provisional = services.warehouse.scalar("select count() from bronze.geocodes where is_provisional = 1")
    assert provisional == 31
    assert services.warehouse.query("select distinct geocoder from bronze.geocodes") == [{"geocoder": "register"}]

    clock.now += timedelta(minutes=1)
    assert requeue_provisional(services, clock=clock).counts == {}, "while it is away nothing is asked again"

    nominatim.start()
    assert requeue_provisional(services, clock=clock).counts == {"requeued": provisional}
    geocode_outstanding(services, clock=clock)
    assert evidence_of(services)["lacking"] == ("located", "house", "osm:node/")
    assert services.warehouse.scalar("select countIf(geocoder = 'nominatim') from bronze.geocodes") >= 1
    assert requeue_provisional(services, clock=clock).counts == {}, "each was asked again once"

    # What was answered for good is not taken back by the next outage, whoever asks.
    nominatim.stop()
    services.state.geocode_cache.forget_expired(clock() + timedelta(days=1000))
    services.state.work.add("geocode", ["letter:lacking"], now=clock(), again=True)
    clock.now += timedelta(minutes=1)
    assert geocode_outstanding(services, clock=clock).counts == {}
    assert evidence_of(services)["lacking"] == ("located", "house", "osm:node/")
