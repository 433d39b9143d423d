"""The public form, as a citizen meets it: no login, one request however often it is sent, and nothing typed is lost."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from accessibility_support import complaints_about
from gate_support import Gate
from playwright.sync_api import Browser, Locator, Page, expect
from portal_support import Watched, taken_in

from services.settings import DBT_PROJECT_DIR

START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def form(door: Gate, chromium: Browser) -> Iterator[Watched]:
    """The form's page; at the end nothing was asked of elsewhere and nothing was complained about."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", reduced_motion="reduce")
    watched = Watched(door.url, context, context.new_page())
    open_form(watched.page, door)
    yield watched
    context.close()
    assert watched.foreign == []
    assert watched.complaints == []


def open_form(page: Page, door: Gate) -> None:
    """The form, once it stands there."""
    page.goto(f"{door.url}/form/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def fill(page: Page, **more: str) -> None:
    """What must be there, and more."""
    page.locator("select[name=facility_kind]").select_option(more.pop("facility_kind", "pharmacy"))
    for name, value in {"street": "Hauptstrasse", "city": "Korvenau", **more}.items():
        page.locator(f"[name={name}]").fill(value)


def send(page: Page) -> None:
    """Press the button."""
    page.locator("button[type=submit]").click()


def note(page: Page) -> Locator:
    """What stands in the way."""
    return page.get_by_role("alert")


def submissions(door: Gate, count: int) -> list[dict[str, Any]]:
    """What has been taken in, once there is so much."""
    assert door.api is not None
    return taken_in(door.api, count)


def test_a_request_is_taken_in_with_a_receipt(form: Watched, door: Gate) -> None:
    page = form.page
    fill(page, housenumber="12a", postcode="7410", message="Too far on foot.\nEspecially in winter.", requester_name="A. Citizen")
    page.locator("[name=contact]").fill("a@example.org")
    send(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, your request has been taken in")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    receipt = page.locator("[data-test=receipt]").text_content()
    (row,) = submissions(door, 1)
    assert row["submission_id"] == receipt
    assert (row["channel"], row["street"], row["housenumber"], row["city"]) == ("web", "Hauptstrasse", "12a", "Korvenau")
    assert (row["facility_kind"], row["requester_name"], row["contact"]) == ("pharmacy", "A. Citizen", "a@example.org")
    assert row["message"] == "Too far on foot.\nEspecially in winter."
    assert complaints_about(page) == []

    # The number is still there after a reload, and nothing of what was typed.
    page.reload()
    expect(page.locator("[data-test=receipt]")).to_have_text(receipt or "")
    page.get_by_role("button", name="Send another request").click()
    expect(page.locator("[name=street]")).to_have_value("")
    assert form.context.cookies() == []


def test_a_double_click_is_one_request(form: Watched, door: Gate) -> None:
    fill(form.page)
    form.page.locator("button[type=submit]").dblclick()
    expect(form.page.locator("[data-test=receipt]")).to_be_visible()
    submissions(door, 1)


def test_a_lost_answer_and_a_reload_do_not_make_two(form: Watched, door: Gate) -> None:
    page = form.page
    fill(page, message="Once.")
    # The request arrives, its answer does not.
    page.route("**/form/submissions", lambda route: (route.fetch(), route.abort())[1], times=1)
    send(page)
    expect(note(page)).to_contain_text("This could not be sent")
    expect(note(page)).to_be_focused()
    page.reload()
    expect(page.locator("[name=message]")).to_have_value("Once.")
    send(page)
    expect(page.locator("[data-test=receipt]")).to_be_visible()
    submissions(door, 1)
    form.forgive("ERR_FAILED")


def test_other_words_after_a_lost_answer_are_another_request(form: Watched, door: Gate) -> None:
    page = form.page
    fill(page)
    page.route("**/form/submissions", lambda route: (route.fetch(), route.abort())[1], times=1)
    send(page)
    expect(note(page)).to_contain_text("This could not be sent")
    page.locator("[name=street]").fill("Marktgasse")
    send(page)
    expect(page.locator("[data-test=receipt]")).to_be_visible()
    assert {row["street"] for row in submissions(door, 2)} == {"Hauptstrasse", "Marktgasse"}
    form.forgive("ERR_FAILED")


def test_a_window_that_was_duplicated_sends_its_own_request(form: Watched, door: Gate) -> None:
    fill(form.page)
    send(form.page)
    expect(form.page.locator("[data-test=receipt]")).to_be_visible()
    form.page.get_by_role("button", name="Send another request").click()
    fill(form.page, street="Kirchweg")
    draft = form.page.evaluate("sessionStorage.getItem('cartulary-form')")
    other = form.context.new_page()
    form.watch(other)
    open_form(other, door)
    other.evaluate("(draft) => sessionStorage.setItem('cartulary-form', draft)", draft)
    other.goto(f"{door.url}/form/")
    other.reload()
    send(form.page)
    expect(form.page.locator("[data-test=receipt]")).to_be_visible()
    expect(other.locator("[name=street]")).to_have_value("Kirchweg")
    other.locator("[name=street]").fill("Bahnweg")
    send(other)
    expect(other.locator("[data-test=receipt]")).to_be_visible()
    assert sorted(row["street"] for row in submissions(door, 3)) == ["Bahnweg", "Hauptstrasse", "Kirchweg"]
    form.forgive("status of 409")


def test_too_many_requests_are_told_when_to_come_back(form: Watched, door: Gate) -> None:
    page = form.page
    door.refusals = [(429, {"Retry-After": "2"})]
    fill(page, message="Wait for me.")
    # The countdown goes on when the test says so.
    page.clock.install(time=START)
    page.clock.pause_at(START + timedelta(hours=1))
    send(page)
    expect(note(page)).to_contain_text("Too many requests came from this connection")
    expect(note(page)).to_be_focused()
    button = page.locator("button[type=submit]")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_text("Send again in 2 s")
    page.clock.run_for(1000)
    expect(button).to_have_text("Send again in 1 s")
    button.evaluate("button => button.click()")  # does nothing yet
    page.clock.resume()
    expect(button).to_have_text("Send request")
    expect(page.locator("[name=message]")).to_have_value("Wait for me.")
    submissions(door, 0)
    send(page)
    expect(page.locator("[data-test=receipt]")).to_be_visible()
    submissions(door, 1)
    form.forgive("status of 429")


@pytest.mark.parametrize(("status", "words"), [(502, "This could not be sent"), (503, "This could not be sent"), (403, "not taken here")])
def test_an_outage_keeps_what_was_typed(form: Watched, door: Gate, status: int, words: str) -> None:
    page = form.page
    door.refusals = [(status, {})]
    fill(page, message="Keep me.")
    send(page)
    expect(note(page)).to_contain_text(words)
    expect(note(page)).to_contain_text("What you typed is still here")
    for name, value in (("street", "Hauptstrasse"), ("city", "Korvenau"), ("message", "Keep me.")):
        expect(page.locator(f"[name={name}]")).to_have_value(value)
    assert complaints_about(page) == []
    send(page)
    expect(page.locator("[data-test=receipt]")).to_be_visible()
    form.forgive(f"status of {status}")


def test_what_is_missing_stands_beside_its_field(form: Watched, door: Gate) -> None:
    page = form.page
    send(page)
    expect(note(page)).to_be_focused()
    expect(note(page)).to_contain_text("3 answers are missing")
    for name, words in (("facility_kind", "Choose what is missing."), ("street", "Enter the street."), ("city", "Enter the town.")):
        field = page.locator(f"[name={name}]")
        expect(field).to_have_attribute("aria-invalid", "true")
        assert words in (
            field.evaluate("field => document.getElementById(field.getAttribute('aria-describedby').split(' ').pop()).innerText")
        )
    assert complaints_about(page) == []
    note(page).get_by_role("link", name="Enter the street.").click()
    expect(page.locator("[name=street]")).to_be_focused()
    page.keyboard.type("Hauptstrasse")
    expect(page.locator("[name=street]")).to_have_attribute("aria-invalid", "false")
    expect(note(page)).to_contain_text("2 answers are missing")
    assert [path for method, path in form.asked if method == "POST"] == []

    # Something else needs words, and goes out without a kind.
    fill(page, facility_kind="other")
    send(page)
    expect(note(page)).to_contain_text("Say in your own words what is missing.")
    page.locator("[name=message]").fill("A bench.")
    send(page)
    expect(page.locator("[data-test=receipt]")).to_be_visible()
    assert [(row["facility_kind"], row["message"]) for row in submissions(door, 1)] == [("", "A bench.")]


def test_it_goes_by_keyboard_alone(form: Watched, door: Gate) -> None:
    page = form.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the form")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("[name=facility_kind]")).to_be_focused()
    # One letter: of several, one that comes late would begin another word.
    page.keyboard.type("S")
    expect(page.locator("[name=facility_kind]")).to_have_value("school")
    for text in ("", "Hauptstrasse", "2", "7410", "Korvenau", "", ""):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Tab")
    expect(page.locator("button[type=submit]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-test=receipt]")).to_be_visible()
    assert [(row["facility_kind"], row["city"]) for row in submissions(door, 1)] == [("school", "Korvenau")]


def test_it_speaks_german_to_who_does(door: Gate, chromium: Browser) -> None:
    door.site = {
        "name": "Gemeinde Korvenau",
        "contact": "rathaus@example.org",
        "privacy_url": "/privacy.html",
        "form": {"intro": {"de": "Willkommen."}},
    }
    context = chromium.new_context(locale="de-CH")
    form = Watched(door.url, context, context.new_page())
    page = form.page
    try:
        page.goto(f"{door.url}/form/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Was ist zu weit weg?")
        expect(page.locator("html")).to_have_attribute("lang", "de")
        expect(page.locator(".lead")).to_have_text("Willkommen.")
        expect(page.locator(".privacy")).to_contain_text("Gemeinde Korvenau bewahrt Ihre Anfrage auf")
        footer = page.locator("footer")
        expect(footer.get_by_role("link", name="rathaus@example.org")).to_have_attribute("href", "mailto:rathaus@example.org")
        expect(footer.get_by_role("link", name="Datenschutz")).to_have_attribute("href", "/privacy.html")
        assert complaints_about(page) == []
        page.locator("[name=street]").fill("Hauptstrasse")
        page.get_by_role("link", name="English").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("What is too far away?")
        expect(page.locator("[name=street]")).to_have_value("Hauptstrasse")
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "en")
    finally:
        context.close()
    assert form.foreign == []
    assert form.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_can_be_read(form: Watched, scheme: str, width: int) -> None:
    page = form.page
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 740})
    for language in ("English", "Deutsch"):
        page.get_by_role("link", name=language).click()
        send(page)
        expect(note(page)).not_to_be_empty()
        assert complaints_about(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_offers_the_kinds_of_the_seed(form: Watched) -> None:
    with (DBT_PROJECT_DIR / "seeds" / "facility_kinds.csv").open(encoding="utf-8") as file:
        kinds = {row["facility_kind"] for row in csv.DictReader(file)}
    offered = form.page.locator("select[name=facility_kind] option").evaluate_all("options => options.map(({ value }) => value)")
    assert set(offered) == {"", *kinds, "other"}
