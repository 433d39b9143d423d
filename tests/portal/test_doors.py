"""What comes in through the portal: refused files, data with bad rows, requests taken down on the phone."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect
from portal_support import Portal, taken_in

from services.settings import DBT_PROJECT_DIR

SAMPLE = DBT_PROJECT_DIR / "models" / "silver" / "staging" / "facilities" / "sample.csv"


def test_a_refused_file_says_why(portal: Portal, tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.png", tmp_path / "broken.png"
    empty.write_bytes(b"")
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + b"not really" * 40)
    portal.drop([empty, broken])
    for path in (empty, broken):
        line = portal.line(path.name, "refused")
        expect(line).to_be_visible()
        expect(line.locator(".line-state")).not_to_have_text(re.compile(r"^(refused)?$"))
    portal.go("Letters")
    portal.page.get_by_role("link", name="Refused").click()
    expect(portal.page.get_by_role("row", name=re.compile("broken.png"))).to_be_visible()


def test_rejected_rows_are_shown_with_line_and_reason(portal: Portal, tmp_path: Path) -> None:
    path = tmp_path / "facilities.csv"
    path.write_bytes(SAMPLE.read_bytes())
    portal.load(path)
    portal.go("Data")
    card = portal.page.locator("[data-dataset=facilities]")
    expect(card.locator(".newest")).to_contain_text("2 rejected")
    card.get_by_text("Rejected rows").click()
    rows = card.locator("details").first.locator("tbody tr")
    expect(rows).to_have_count(2)
    received = path.read_text(encoding="utf-8").splitlines()
    for row in rows.all():
        number = int(row.locator("td").first.inner_text())
        assert row.locator("code.raw").inner_text().strip() == received[number - 1].strip()
        assert row.locator("td").nth(1).inner_text().strip()


def test_a_request_by_phone_is_taken_in_once(portal: Portal) -> None:
    page = portal.page
    portal.go("New request")
    page.get_by_role("button", name="Take in").click()
    expect(page.get_by_role("alert")).to_contain_text("Asks for, Street, Town")

    kinds = page.locator("select[name=facility_kind]")
    if kinds.locator("option").count() < 2:
        # Kinds are a seed: they are there from the first build on.
        page.route("**/v1/facility-kinds", lambda route: route.fulfill(json={"items": [{"facility_kind": "school"}], "next_cursor": None}))
        page.reload()
    kinds.select_option("school")
    page.locator("input[name=street]").fill("Hauptstrasse")
    page.locator("input[name=city]").fill("Korvenau")
    # The answer to the first attempt is lost on its way.
    page.route("**/v1/submissions", lambda route: (route.fetch(), route.abort())[1], times=1)
    page.get_by_role("button", name="Take in").click()
    expect(page.get_by_role("alert")).to_contain_text("No connection")
    page.get_by_role("button", name="Take in").click()
    expect(page.locator("[data-test=submission-receipt]")).to_be_visible()
    taken_in(portal.server, 1)
    # The browser itself reports the aborted request.
    portal.complaints[:] = [text for text in portal.complaints if "ERR_FAILED" not in text]
