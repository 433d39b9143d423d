"""The portal where a password of the browser's stands before it, and Caddy passes its calls on."""

from __future__ import annotations

from gate_support import PASSWORD, PERSON, Gate
from playwright.sync_api import Browser, expect
from portal_support import Portal, taken_in


def open_portal(door: Gate, chromium: Browser) -> Portal:
    """The portal's page for somebody who knows the password."""
    assert door.api is not None
    credentials = {"username": PERSON, "password": PASSWORD, "origin": door.url}
    context = chromium.new_context(http_credentials=credentials, locale="en-GB", reduced_motion="reduce")
    portal = Portal(door.url, context, context.new_page(), server=door.api)
    portal.page.goto(f"{door.url}/portal/")
    return portal


def test_it_works_without_a_session_and_shows_who_is_there(door: Gate, chromium: Browser) -> None:
    portal = open_portal(door, chromium)
    page = portal.page
    try:
        expect(page.locator("[data-test=connection]")).to_have_text("Live")
        expect(page.locator(".person")).to_have_text(PERSON)
        expect(page.get_by_role("button", name="Log out")).to_have_count(0)
        assert portal.context.cookies() == []

        page.route("**/v1/facility-kinds", lambda route: route.fulfill(json={"items": [{"facility_kind": "school"}], "next_cursor": None}))
        portal.go("New request")
        page.locator("select[name=facility_kind]").select_option("school")
        page.locator("input[name=street]").fill("Hauptstrasse")
        page.locator("input[name=city]").fill("Korvenau")
        page.get_by_role("button", name="Take in").click()
        expect(page.locator("[data-test=submission-receipt]")).to_be_visible()
        taken_in(portal.server, 1)
    finally:
        portal.context.close()
    assert portal.foreign == []
    assert portal.complaints == []


def test_a_key_that_is_not_known_is_said_in_words_for_the_stack(door: Gate, chromium: Browser) -> None:
    door.portal_key = "ctl_wrong_key"
    portal = open_portal(door, chromium)
    try:
        expect(portal.page.locator(".banner")).to_contain_text("The portal is not let in")
        expect(portal.page.locator(".banner")).not_to_contain_text("cartulary serve")
    finally:
        portal.context.close()


def test_the_password_is_asked_for(door: Gate, chromium: Browser) -> None:
    context = chromium.new_context()
    try:
        answer = context.request.get(f"{door.url}/portal/")
        assert answer.status == 401
        assert context.request.get(f"{door.url}/v1/letters").status == 401
    finally:
        context.close()
