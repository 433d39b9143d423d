"""The landing page: what runs here, for whom, and whether it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from accessibility_support import complaints_about
from gate_support import LANDING, Gate, gate
from playwright.sync_api import Browser, Locator, expect
from portal_support import Watched

from services.settings import PROJECT_ROOT

PORTAL = PROJECT_ROOT / "services" / "portal"
SERVICES = {
    *("portal", "api", "form", "geoserver", "grafana", "prefect", "prometheus", "alertmanager", "clickhouse", "ch-ui", "rustfs"),
    *("dbt-docs", "hop", "lab", "bi", "geonode", "nominatim"),
}


@pytest.fixture
def front(chromium: Browser) -> Iterator[Gate]:
    """The door without an API behind it."""
    with gate(None) as door:
        door.url = door.url.replace("127.0.0.1", "localhost")
        yield door


@pytest.fixture
def landing(front: Gate, chromium: Browser) -> Iterator[Watched]:
    """The landing page; at the end nothing was asked of elsewhere and nothing was complained about."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", reduced_motion="reduce")
    yield Watched(front.url, context, context.new_page())
    context.close()


def finish(watched: Watched) -> None:
    """Nothing was asked of elsewhere; the browser itself reports services that are down, and nothing else."""
    watched.forgive("Failed to load resource: the server responded with a status of 50")
    assert watched.foreign == []
    assert watched.complaints == []


def service(watched: Watched, name: str) -> Locator:
    """A line of the list."""
    return watched.page.locator(f'[data-up="{name}"]')


def test_it_says_of_each_service_whether_it_answers(landing: Watched, front: Gate) -> None:
    front.up = {"grafana": 502, "prefect": 504, "bi": 502, "nominatim": 504, "hop": 500}
    landing.page.goto(front.url)
    for name, state in (("portal", "up"), ("grafana", "down"), ("prefect", "down"), ("bi", "off"), ("nominatim", "off"), ("hop", "down")):
        expect(service(landing, name).locator(".state")).to_have_text(state)
    expect(landing.page.locator("[data-test=summary]")).to_have_text("Grafana, Prefect and Apache Hop do not answer")
    assert {path.removeprefix("/up/") for _, path in landing.asked if path.startswith("/up/")} == SERVICES
    assert complaints_about(landing.page) == []
    finish(landing)


def test_it_asks_again_while_somebody_looks(landing: Watched, front: Gate) -> None:
    page = landing.page
    page.clock.install()
    front.up = {"grafana": 502}
    page.goto(front.url)
    expect(service(landing, "grafana").locator(".state")).to_have_text("down")
    # The sentence comes when all have answered, and with it the clock of the next time.
    expect(page.locator("[data-test=summary]")).to_have_text("Grafana does not answer")
    front.up = {}
    page.clock.run_for(15_000)
    expect(service(landing, "grafana").locator(".state")).to_have_text("up")
    expect(page.locator("[data-test=summary]")).to_have_text("Everything runs")

    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.clock.run_for(15_000)
    page.wait_for_timeout(300)
    asked = len(landing.asked)
    page.clock.run_for(60_000)
    page.wait_for_timeout(300)
    assert len(landing.asked) == asked
    front.up = {"prefect": 502}
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("[data-test=summary]")).to_have_text("Prefect does not answer")
    finish(landing)


def test_a_server_that_is_away_is_said_to_be_and_nothing_more(landing: Watched, front: Gate) -> None:
    page = landing.page
    page.clock.install()
    page.goto(front.url)
    expect(page.locator("[data-test=summary]")).to_have_text("Everything runs")
    page.route("**/up/*", lambda route: route.abort())
    page.clock.run_for(15_000)
    expect(page.locator("[data-test=summary]")).to_have_text("This server does not answer; asking again")
    expect(service(landing, "portal").locator(".state")).to_have_text("not known")
    landing.forgive("ERR_FAILED")
    finish(landing)


def test_links_lead_to_this_host_and_its_sub_domains(landing: Watched, front: Gate) -> None:
    landing.page.goto(front.url)
    host = front.url.removeprefix("http://")
    links = landing.page.locator(".service h3 a").evaluate_all("links => links.map((link) => [link.closest('li').dataset.up, link.href])")
    assert dict(links) == {
        "form": f"http://{host}/form/",
        "geoserver": f"http://{host}/geoserver/web/",
        "api": f"http://api.{host}/docs",
        "portal": f"http://{host}/portal/",
        "grafana": f"http://{host}/grafana/",
        "clickhouse": f"http://play.{host}/play",
        "ch-ui": f"http://ch-ui.{host}/",
        "dbt-docs": f"http://{host}/dbt-docs/",
        "prefect": f"http://prefect.{host}/",
        "prometheus": f"http://{host}/prometheus/",
        "alertmanager": f"http://{host}/alertmanager/",
        "rustfs": f"http://console.{host}/",
        "lab": f"http://lab.{host}/",
        "bi": f"http://bi.{host}/",
        "hop": f"http://hop.{host}/",
        "geonode": f"http://geonode.{host}/",
    }
    expect(service(landing, "clickhouse").locator("code")).to_have_text(f"sql.{host}")
    expect(landing.page.locator("[data-test=nameless]")).to_be_hidden()
    finish(landing)


def test_opened_by_an_ip_address_it_says_what_it_cannot_reach(landing: Watched, front: Gate) -> None:
    landing.url = front.url.replace("localhost", "127.0.0.1")
    landing.page.goto(landing.url)
    expect(landing.page.locator("[data-test=nameless]")).to_be_visible()
    assert service(landing, "prefect").locator("a").get_attribute("href") is None
    expect(service(landing, "portal").locator("a")).to_have_attribute("href", "/portal/")
    assert complaints_about(landing.page) == []
    finish(landing)


def test_names_and_links_of_its_own(landing: Watched, front: Gate) -> None:
    front.site = {
        "name": "Gemeinde Korvenau",
        "logo": "/mark.svg",
        "intro": "Was fehlt wo?",
        "contact": "+423 000 00 00",
        "privacy_url": "/privacy.html",
        "imprint_url": "javascript:alert(1)",
    }
    page = landing.page
    page.goto(front.url)
    expect(page).to_have_title("Gemeinde Korvenau")
    expect(page.get_by_role("img", name="Gemeinde Korvenau")).to_be_visible()
    expect(page.locator(".lead")).to_have_text("Was fehlt wo?")
    expect(page.get_by_role("link", name="+423 000 00 00")).to_have_attribute("href", "tel:+4230000000")
    expect(page.get_by_role("link", name="Privacy notice")).to_have_attribute("href", "/privacy.html")
    expect(page.get_by_role("link", name="Legal notice")).to_have_count(0)
    assert complaints_about(page) == []
    finish(landing)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1280])
def test_it_fits_and_can_be_read(landing: Watched, front: Gate, scheme: str, width: int) -> None:
    front.up = {"grafana": 502, "bi": 502}
    page = landing.page
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(front.url)
    expect(service(landing, "grafana").locator(".state")).to_have_text("down")
    assert complaints_about(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    finish(landing)


def test_it_wears_the_portals_inks() -> None:
    for copy, original in (("tokens.css", "src/styles/tokens.css"), ("mark.svg", "public/mark.svg")):
        assert (LANDING / copy).read_text(encoding="utf-8") == (PORTAL / original).read_text(encoding="utf-8")
    assert set(json.loads((LANDING / "site.json").read_text(encoding="utf-8"))) == {
        *("name", "logo", "intro", "contact", "privacy_url", "imprint_url", "form"),
    }
