"""Files above 32 MB: past the gateway's limit, by links that work once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from gate_support import PASSWORD, PERSON, Gate
from playwright.sync_api import Browser, Route, expect
from portal_support import Portal

from services.settings import DBT_PROJECT_DIR

pytestmark = pytest.mark.timeout(900)

SAMPLE = DBT_PROJECT_DIR / "models" / "silver" / "staging" / "facilities" / "sample.csv"
LARGE_BYTES = 33_000_000
# 33 MB through a browser that draws maps without a graphics card, beside other tests on two cores.
LONG_MS = 240_000


def large_csv(path: Path) -> Path:
    """The sample of facilities with a column that the contract does not know, which makes it 33 MB."""
    head, *rows = SAMPLE.read_text(encoding="utf-8").splitlines()
    padding = "x" * (LARGE_BYTES // len(rows))
    path.write_text("\n".join([f"{head},note", *(f"{row},{padding}" for row in rows)]) + "\n", encoding="utf-8")
    assert path.stat().st_size > LARGE_BYTES
    return path


def send(portal: Portal, path: Path) -> None:
    """Choose a data file, keep the data set that its name suggests."""
    portal.choose(path)
    portal.page.locator(f'[data-assign="{path.name}"]').get_by_role("button", name="Load").click()


def test_a_large_file_goes_by_a_session_and_a_small_one_does_not(portal: Portal, tmp_path: Path) -> None:
    send(portal, large_csv(tmp_path / "facilities.csv"))
    line = portal.line("facilities.csv", "loaded")
    expect(line).to_be_visible(timeout=LONG_MS)
    expect(line).to_contain_text(re.compile(r"facilities: \d+ rows landed, 2 rejected"))
    sent = [path for method, path in portal.asked if method == "POST"]
    assert sent[0] == "/v1/upload-sessions"
    assert sent[1].startswith("/intake/")
    assert len(sent) == 2

    small = tmp_path / "small.png"
    small.write_bytes(b"")
    portal.choose(small)
    expect(portal.line("small.png", "refused")).to_be_visible(timeout=LONG_MS)
    assert [path for method, path in portal.asked if method == "POST"][2:] == ["/v1/uploads"]


def test_what_is_too_large_is_said_before_it_is_sent(portal: Portal, tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    with path.open("wb") as file:
        file.truncate(60_000_001)
    portal.choose(path)
    line = portal.line("book.pdf", "failed")
    expect(line).to_contain_text("The file has 61 MB; at most 50 MB are taken")
    assert not any(asked.startswith("/intake/") for _, asked in portal.asked)
    portal.forgive("The file has 61 MB")  # Uppy's own line


def test_a_large_file_that_is_no_letter_is_refused_with_its_reason(portal: Portal, tmp_path: Path) -> None:
    path = tmp_path / "scan.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(LARGE_BYTES))
    portal.choose(path)
    line = portal.line("scan.jpg", "refused")
    expect(line).to_be_visible(timeout=LONG_MS)
    expect(line.locator(".line-state")).not_to_have_text(re.compile("^(refused)?$"))


def test_a_broken_transfer_begins_anew_with_a_new_link(door: Gate, chromium: Browser, tmp_path: Path) -> None:
    context = chromium.new_context(http_credentials={"username": PERSON, "password": PASSWORD, "origin": door.url}, locale="en-GB")
    assert door.api is not None
    portal = Portal(door.url, context, context.new_page(), server=door.api)
    try:
        portal.page.goto(f"{door.url}/portal/")
        expect(portal.page.locator("[data-test=connection]")).to_have_text("Live")
        door.cut_after = 5_000_000
        # The second attempt waits for its link until it was seen that the first one broke.
        held: list[Route] = []
        portal.page.route("**/v1/upload-sessions", lambda route: held.append(route) if door.intakes else route.continue_(), times=2)
        send(portal, large_csv(tmp_path / "facilities.csv"))
        expect(portal.line("facilities.csv", "sending")).to_contain_text("The transfer broke off", timeout=LONG_MS)
        while not held:
            portal.page.wait_for_timeout(100)
        held[0].continue_()
        expect(portal.line("facilities.csv", "loaded")).to_be_visible(timeout=LONG_MS)
        assert len(door.intakes) == 2
        assert len(set(door.intakes)) == 2
        assert door.api.services.warehouse.scalar("select count() from bronze.uploads") == 1
    finally:
        context.close()
    assert portal.foreign == []  # the links named another host
    # Of the attempt that broke, in the browser's words and in Uppy's.
    for part in ("Failed to load resource", "[Uppy]"):
        portal.forgive(part)
    assert portal.complaints == []
