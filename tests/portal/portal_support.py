"""Pages as their users see them, and what they asked for and complained about."""

from __future__ import annotations

import base64
import mimetypes
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, expect

from flows.serve import Server

# For what waits for a whole build by dbt, in the process that also serves the page.
BUILD_MS = 240_000
PATIENCE_SECONDS = 60.0
# Drops files on an element as a file manager does.
DROP = """(target, files) => {
  const transfer = new DataTransfer();
  for (const { name, type, content } of files) {
    const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  for (const kind of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
}"""


@dataclass
class Watched:
    """A page of this address, and what it asked for and complained about."""

    url: str
    context: BrowserContext
    page: Page
    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request."""

    def __post_init__(self) -> None:
        self.watch(self.page)

    def watch(self, page: Page) -> None:
        """Note every request to elsewhere and every complaint of the browser."""
        page.on("request", self._request)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "blob:", "data:")):
            self.foreign.append(request.url)
        self.asked.append((request.method, request.url.removeprefix(self.url).partition("?")[0]))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def forgive(self, part: str) -> None:
        """Forget complaints with this text: the browser itself reports every answer that is an error."""
        self.complaints[:] = [text for text in self.complaints if part not in text]


@dataclass
class Portal(Watched):
    """The portal in its page."""

    server: Server = field(kw_only=True)

    def log_in(self) -> None:
        """Open the portal as `cartulary serve` does."""
        self.page.goto(self.server.portal_url())
        expect(self.page.locator("[data-test=connection]")).to_have_class("connection is-live")

    def go(self, view: str) -> None:
        """Show a view by its section's link; it is there when the link says so."""
        link = self.page.get_by_role("navigation", name="Sections").get_by_role("link", name=view)
        link.click()
        expect(link).to_have_attribute("aria-current", "page")

    def drop(self, files: Sequence[Path]) -> None:
        """Drag files onto the page and let go."""
        contents = [
            {
                "name": path.name,
                "type": mimetypes.guess_type(path.name)[0] or "",
                "content": base64.b64encode(path.read_bytes()).decode(),
            }
            for path in files
        ]
        self.page.locator("body").evaluate(DROP, contents)

    def choose(self, path: Path) -> None:
        """Pick a file with the file dialog, which passes its address on instead of its bytes."""
        self.page.locator("[data-test=files]").set_input_files(path)

    def load(self, *paths: Path) -> None:
        """Drop data files, keep the data set that each one's name suggests, and wait until all are loaded."""
        self.drop(paths)
        for path in paths:
            form = self.page.locator(f'[data-assign="{path.name}"]')
            expect(form.get_by_role("combobox").first).to_have_value(path.stem)
            form.get_by_role("button", name="Load").click()
        for path in paths:
            expect(self.line(path.name, "loaded")).to_be_visible(timeout=BUILD_MS)

    def line(self, file_name: str, *states: str) -> Locator:
        """The line of a file in the live list, in one of these states: while the answer to its upload is on its way, the event of
        what was taken in may have a line of its own beside the one that is being sent."""
        of_file = f'.line[data-file="{file_name}"]'
        return self.page.locator(", ".join(f'{of_file}[data-state="{state}"]' for state in states) or of_file)

    @property
    def map(self) -> Locator:
        """The map; its data attributes say what is drawn."""
        return self.page.locator("[data-test=map]")


def taken_in(server: Server, count: int) -> list[dict[str, Any]]:
    """The requests that were taken in, once there are so many: where the worker has taken one up, its receipt comes before its row."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        rows = server.services.warehouse.query("select * from bronze.submissions")
        if len(rows) == count or time.monotonic() > deadline:
            assert len(rows) == count
            return rows
        time.sleep(0.1)


def draw_letter(path: Path, sender: Sequence[str], body: Sequence[str]) -> Path:
    """A letter in plain print, so that reading it is not what is tested."""
    sheet = Image.new("L", (1240, 1754), 255)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=34)
    for number, text in enumerate(sender):
        pen.text((120, 130 + 52 * number), text, fill=0, font=font)
    for number, text in enumerate(body):
        pen.text((120, 720 + 56 * number), text, fill=0, font=font)
    sheet.save(path)
    return path
