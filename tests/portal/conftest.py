"""The real app on a free port, driven in Debian's Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from gate_support import Gate, gate
from playwright.sync_api import Browser, expect, sync_playwright
from portal_support import Portal

from flows.demo.generate import DemoTown, write_town
from flows.serve import serving
from services.settings import PROJECT_ROOT
from services.wiring import Services

DIST = PROJECT_ROOT / "services" / "portal" / "dist"
# Without a network, without a GPU (the map is drawn by SwiftShader), and every look outside fails at once.
FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-domain-reliability",
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    "--no-pings",
    "--disable-features=OptimizationHints,MediaRouter,Translate,CertificateTransparencyComponentUpdater,AutofillServerCommunication",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]

# Server, browser and dbt share this machine, the first and the last of them one process.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser per module: Playwright's loop may not outlive the tests that use it."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("chromium missing: make system-deps")
    if not ((DIST / "index.html").is_file() and (DIST / "form" / "index.html").is_file()):
        pytest.skip("the portal is not built: make portal")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def patient_health(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of health that waits for its thread is none that failed: the browser complains about the 503."""
    monkeypatch.setattr("api.routes.health.CHECK_SECONDS", 60.0)


@pytest.fixture
def portal(chromium: Browser, services: Services, patient_health: None) -> Iterator[Portal]:
    """The portal, logged in; at the end nothing was asked of elsewhere and nothing was complained about."""
    with serving(services, port=0) as server:
        context = chromium.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", reduced_motion="reduce")
        page = context.new_page()
        portal = Portal(server.url, context, page, server=server)
        portal.log_in()
        yield portal
        context.close()
    assert portal.foreign == []
    assert portal.complaints == []


@pytest.fixture
def door(chromium: Browser, services: Services, patient_health: None) -> Iterator[Gate]:
    """The stack's door before the real API, which knows the keys of the portal and of the form."""
    portal_key = services.keys.create("portal", ["intake", "read", "review", "exact"], datetime.now(UTC)).secret
    form_key = services.keys.create("form", ["intake"], datetime.now(UTC)).secret
    # Links for uploads name the API's own host, as in the stack.
    api = services.settings.api.model_copy(update={"public_url": "https://api.example.org", "requests_per_minute": 3000})
    services = replace(services, settings=services.settings.model_copy(update={"api": api}))
    with serving(services, port=0) as server, gate(server, portal_key=portal_key, form_key=form_key) as door:
        yield door


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> DemoTown:
    """The demo town's data files; its letters are not drawn."""
    return write_town(7, tmp_path_factory.mktemp("town"))
