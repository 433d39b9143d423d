"""From the files on somebody's desk to the map, all through the browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from portal_support import BUILD_MS, Portal, draw_letter

from flows.demo.generate import DemoTown

pytestmark = pytest.mark.timeout(900)

BODY = [
    "Dear Sir or Madam,",
    "the way to the next pharmacy is too far for us.",
    "Please open a pharmacy in our quarter.",
    "Yours faithfully,",
]


@pytest.mark.slow
def test_letters_go_from_the_drop_to_the_map(portal: Portal, town: DemoTown, tmp_path: Path) -> None:
    page = portal.page
    portal.load(town.areas_file, town.facilities_file, town.address_points_file)

    # Data alone make a shaded map.
    expect(portal.map).to_have_attribute("data-shaded-areas", re.compile(r"^[1-9]"), timeout=BUILD_MS)
    expect(portal.map).to_have_attribute("data-drawn-facilities", re.compile(r"^[1-9]"))
    expect(page.locator(".area-label").first).to_be_visible()
    coverage = page.request.get(f"{portal.server.url}/v1/coverage?limit=1000").json()["items"]
    kind = page.locator("[data-test=kind]").input_value()
    parents = {area.parent_code for area in town.town.areas if area.parent_code}
    rows = [row for row in coverage if row["facility_kind"] == kind and row["area_code"] not in parents]
    shares = {row["area_code"]: row["coverage_share"] for row in rows}
    shaded = sum(share is not None for share in shares.values())
    assert shaded > 0
    expect(portal.map).to_have_attribute("data-shaded-areas", str(shaded))
    expect(portal.map).to_have_attribute("data-hatched-areas", str(len(shares) - shaded))

    known = town.town.addresses[10]
    home = [f"{known.street} {known.housenumber}", f"{known.postcode} {known.city}"]
    located = draw_letter(tmp_path / "known.png", ["Anna Ferrin", *home], [*BODY, "Anna Ferrin"])
    nowhere = ["Zwielichtgasse 4", "99999 Atlantis"]
    unknown = draw_letter(tmp_path / "unknown.png", ["Otto Nimmer", *nowhere], [*BODY, "Otto Nimmer"])
    portal.drop([located, unknown])
    for path in (located, unknown):
        expect(portal.line(path.name).first).to_be_visible()
    known_line = portal.line("known.png", "located", "approximate")
    expect(known_line).to_be_visible(timeout=BUILD_MS)
    expect(portal.line("unknown.png", "review")).to_be_visible(timeout=BUILD_MS)
    expect(known_line).to_have_attribute("data-on-map", "true", timeout=BUILD_MS)
    expect(portal.map).to_have_attribute("data-drawn-requests", "1")

    # The same bytes again are the same letter.
    portal.drop([located])
    expect(portal.line("known.png").filter(has_text="was here already")).to_have_count(1, timeout=60_000)
    expect(portal.line("known.png")).to_have_count(1)

    review_by_keyboard(portal, town)
    expect(portal.map).to_have_attribute("data-drawn-requests", "2", timeout=BUILD_MS)


def review_by_keyboard(portal: Portal, town: DemoTown) -> None:
    """Correct the letter that waits, without the mouse."""
    page = portal.page
    truth = town.town.addresses[40]
    portal.go("Review")
    expect(page.get_by_role("heading", name="unknown.png")).to_be_visible()
    expect(page.locator(".why")).not_to_be_empty()
    scan = page.locator(".sheet img")
    expect(scan).to_be_visible()
    assert scan.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300

    page.locator("h2", has_text="unknown.png").click()
    page.keyboard.press("?")
    expect(page.locator(".keys")).to_be_visible()
    page.keyboard.press("e")
    for name, value in (("street", truth.street), ("housenumber", truth.housenumber), ("postcode", truth.postcode), ("city", truth.city)):
        expect(page.locator(f"input[name={name}]")).to_be_focused()
        page.keyboard.press("Control+a")
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-test=review-message]")).to_have_text("Correction saved.", timeout=60_000)
    expect(page.get_by_text("Nothing waits for review.")).to_be_visible()

    # The live list goes on behind every view.
    expect(portal.line("unknown.png", "located", "approximate")).to_be_attached(timeout=120_000)
    portal.go("Letters")
    row = page.get_by_role("row", name=re.compile("unknown.png"))
    expect(row).to_contain_text("Located")
    row.get_by_role("link").click()
    expect(page.locator(".timeline li.is-done", has_text="reviewed")).to_be_visible()
    letter_id = page.url.rpartition("/")[2]
    position = page.request.get(f"{portal.server.url}/v1/letters/{letter_id}").json()["position"]
    assert (position["longitude"], position["latitude"]) == pytest.approx((truth.longitude, truth.latitude), abs=1e-5)
    page.get_by_role("link", name="Show on the map").click()
    expect(page.locator("[data-facts=request]")).to_contain_text("located")
