"""Keyboard, labels, small screens and both colour schemes."""

from __future__ import annotations

from pathlib import Path

import pytest
from accessibility_support import NAMELESS, PALE
from playwright.sync_api import expect
from portal_support import Portal

VIEWS = ("Map", "Review", "Letters", "Data", "Quality", "New request")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_control_has_a_name_and_every_text_contrast(portal: Portal, scheme: str) -> None:
    portal.page.emulate_media(color_scheme=scheme)
    for view in VIEWS:
        portal.go(view)
        expect(portal.page.locator(".loading")).to_have_count(0)
        assert portal.page.evaluate(NAMELESS) == [], view
        assert portal.page.evaluate(PALE) == [], view


def test_all_views_fit_a_phone(portal: Portal) -> None:
    portal.page.set_viewport_size({"width": 390, "height": 844})
    for view in VIEWS:
        portal.go(view)
        expect(portal.page.locator(".loading")).to_have_count(0)
        assert portal.page.evaluate("document.documentElement.scrollWidth") <= 390, view
        assert portal.page.locator("main").evaluate("main => main.scrollWidth") <= 390, view


def test_the_keyboard_reaches_everything(portal: Portal) -> None:
    page = portal.page
    expect(page.get_by_role("button", name="Show everything")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose files")).to_be_focused()
    reached = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText || ''"))
    assert {"Arrivals", "Areas", "Zoom in", "Zoom out", "Show everything", "Map of areas, facilities and requests"} <= reached


def test_news_is_said_aloud(portal: Portal, tmp_path: Path) -> None:
    path = tmp_path / "nothing.png"
    path.write_bytes(b"")
    portal.drop([path])
    expect(portal.page.locator("p[aria-live=polite]")).to_have_text("nothing.png: refused")
