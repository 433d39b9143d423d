"""Who may see the portal, and what it says when it cannot go on."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from playwright.sync_api import Browser, expect
from portal_support import Portal

from flows.serve import serving
from services.wiring import Services

ENDED = "This session has ended."


def test_the_link_works_once(portal: Portal, chromium: Browser) -> None:
    cookies = {cookie["name"]: cookie for cookie in portal.context.cookies()}
    assert cookies["cartulary_session"]["httpOnly"]
    assert cookies["cartulary_session"]["sameSite"] == "Strict"

    link = portal.server.portal_url()
    first, second = chromium.new_context(), chromium.new_context()
    try:
        answer = first.new_page().goto(link)
        assert answer is not None
        assert answer.status == 200
        again = second.new_page().goto(link)
        assert again is not None
        assert again.status == 401
        assert "used before" in again.text()
    finally:
        first.close()
        second.close()


def test_without_a_session_it_says_what_to_do(portal: Portal, chromium: Browser) -> None:
    stranger = chromium.new_context()
    try:
        page = stranger.new_page()
        page.goto(f"{portal.server.url}/portal/")
        expect(page.locator(".banner")).to_contain_text(ENDED)
        expect(page.locator(".banner")).to_contain_text("cartulary serve")
        assert page.request.get(f"{portal.server.url}/v1/letters").status == 401
    finally:
        stranger.close()


def test_it_comes_back_after_the_server_was_away(chromium: Browser, services: Services) -> None:
    with serving(services, port=0) as server:
        port = int(server.url.rpartition(":")[2])
        context = chromium.new_context()
        page = context.new_page()
        page.goto(server.portal_url())
        connection = page.locator("[data-test=connection]")
        expect(connection).to_have_text("Live")
    try:
        expect(connection).to_have_text("Not connected")
        expect(page.locator(".banner")).to_contain_text("nothing you sent is lost")
        with serving(services, port=port):
            # It asks again after 30 s at most.
            expect(connection).to_have_text("Live", timeout=90_000)
            expect(page.locator(".banner")).to_have_count(0)
            context.close()
    finally:
        context.close()


def test_a_capability_that_is_down_is_named(portal: Portal) -> None:
    portal.page.route(
        "**/health/ready",
        lambda route: route.fulfill(
            status=200,
            content_type="application/json",
            body='{"status":"not ready","capabilities":{"warehouse":{"is_ready":false,"detail":"no answer within 3 seconds","seconds":3}}}',
        ),
    )
    portal.page.reload()
    expect(portal.page.locator(".banner")).to_contain_text(re.compile(r"warehouse does not answer \(no answer within 3 seconds\)"))
    expect(portal.page.locator(".banner")).to_contain_text("Letters are still taken in")


def test_requests_without_the_portals_header_change_nothing(portal: Portal) -> None:
    answer = portal.page.request.post(
        f"{portal.server.url}/v1/submissions",
        data={"channel": "phone", "city": "Korvenau", "facility_kind": "school"},
        headers={"Idempotency-Key": f"test-{datetime.now(UTC).timestamp()}"},
    )
    assert answer.status == 403
    assert portal.server.services.warehouse.scalar("select count() from bronze.submissions") == 0


def test_logging_out_ends_the_session_here_and_everywhere(portal: Portal) -> None:
    page = portal.page
    value = portal.context.cookies()[0]["value"]
    page.get_by_role("button", name="Log out").click()
    expect(page.locator(".banner")).to_contain_text(ENDED)
    expect(page.get_by_role("button", name="Log out")).to_have_count(0)
    assert portal.context.cookies() == []
    # A copy of the cookie opens nothing either.
    stale = page.request.get(f"{portal.server.url}/v1/letters", headers={"Cookie": f"cartulary_session={value}"})
    assert stale.status == 401
    # Away from the page first, which goes on asking.
    page.goto("about:blank")
    portal.forgive("status of 401")
