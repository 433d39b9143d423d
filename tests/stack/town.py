"""A small town, its letters, and the people and programs that hand them in and ask about them."""

from __future__ import annotations

import base64
import io
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from httpx import Response
from PIL import Image, ImageDraw, ImageFont
from stack import CLERK, Stack, until
from web import Web

AREAS = 'area_code,name,population,geometry\nA1,Lindach,900,"POLYGON ((9.50 47.10, 9.54 47.10, 9.54 47.14, 9.50 47.14, 9.50 47.10))"\n'
FACILITIES = (
    "facility_id,name,kind,street,housenumber,postcode,city,lon,lat\n"
    "f1,Linden-Apotheke,pharmacy,Marktgasse,1,7100,Lindach,9.521,47.121\n"
    "f2,Schulhaus Lindach,school,Kirchgasse,2,7100,Lindach,9.511,47.112\n"
)
STREETS = {"Birkenweg": 9.511, "Kirchgasse": 9.521, "Seestrasse": 9.531}
HOUSES = 10
# What the portal's own script sends, and no form of another site can.
PORTAL = "X-Requested-With"
# After this time a letter has been read and placed, and the map was built, even where others use the same two cores.
RUN_SECONDS = 420.0


def register() -> str:
    """30 addresses in three streets."""
    lines = ["address_id,street,housenumber,postcode,city,lon,lat"]
    for street, longitude in STREETS.items():
        lines += [f"{street}-{n},{street},{n},7100,Lindach,{longitude},{47.11 + n / 1000:.4f}" for n in range(1, HOUSES + 1)]
    return "\n".join(lines) + "\n"


def letter(street: str, housenumber: int, *, scale: int = 1, kind: str = "PNG") -> bytes:
    """A letter in plain print, so that reading it is not what is tested; a TIFF of scale 5 has 32 million bytes and more."""
    image = Image.new("L", (1000, 1300), 250)
    pen = ImageDraw.Draw(image)
    text = ["Anna Frick", f"{street} {housenumber}", "7100 Lindach", "", "", "Lindach, 3.2.2026", "", "Sehr geehrte Damen und Herren,", ""]
    text += ["die nächste Apotheke ist für mich zu weit weg.", "", "Freundliche Grüsse", "Anna Frick"]
    for number, line in enumerate(text):
        pen.text((90, 90 + 52 * number), line, fill=20, font=ImageFont.load_default(34))
    buffer = io.BytesIO()
    image.resize((1000 * scale, 1300 * scale)).save(buffer, kind)
    return buffer.getvalue()


@dataclass
class Town:
    """Who asks, with which right, and what they handed in."""

    stack: Stack
    web: Web
    keys: dict[str, str]
    letters: dict[str, str] = field(default_factory=dict)
    session_url: str = ""

    @classmethod
    def found(cls, stack: Stack, web: Web) -> Town:
        """With keys that `cartulary keys create` makes inside the stack."""
        notes = stack.folder / "town.json"
        if notes.exists():
            return cls(stack, web, **json.loads(notes.read_text(encoding="utf-8")))
        scopes = {"site": ["intake"], "reader": ["read"], "desk": ["intake", "read", "review", "exact"]}
        keys = {}
        for name, wanted in scopes.items():
            options = [part for scope in wanted for part in ("--scope", scope)]
            keys[name] = str(stack.cartulary("keys", "create", f"the test's {name}", *options)["secret"])
        return cls(stack, web, keys)

    # -- the staff, through the portal's route

    def staff_headers(self) -> dict[str, str]:
        """As the portal's page in a browser sends them."""
        token = base64.b64encode(f"{CLERK}:{self.stack.password}".encode()).decode()
        return {"Authorization": f"Basic {token}", "Origin": self.web.origin(), "Sec-Fetch-Site": "same-origin", PORTAL: "cartulary"}

    def staff(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> Response:
        """A call of the portal."""
        return self.web.ask(method, "", path, headers={**self.staff_headers(), **(headers or {})}, **options)

    def form(self, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
        """What the public form sends, from the form's own page unless the headers say otherwise."""
        given = {"Origin": self.web.origin()} if headers is None else headers
        return self.web.post(
            "", "/form/submissions", json=body, headers={"Idempotency-Key": uuid.uuid4().hex, PORTAL: "cartulary", **given}
        )

    # -- programs, with keys

    def program(self, key: str, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> Response:
        """A call of api.DOMAIN with one of the keys."""
        return self.web.ask(method, "api", path, headers={"X-API-Key": self.keys[key], **(headers or {})}, **options)

    def items(self, key: str, path: str) -> list[dict[str, Any]]:
        """A list of one page."""
        answer = self.program(key, "GET", path)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    # -- handing in

    def note(self, letters: dict[str, str]) -> None:
        """What was handed in, also for a later run on the same stack."""
        self.letters |= letters
        notes = {"keys": self.keys, "letters": self.letters, "session_url": self.session_url}
        (self.stack.folder / "town.json").write_text(json.dumps(notes), encoding="utf-8")

    def took(self, answer: Response) -> list[str]:
        """Ids of what was taken in; letters are noted."""
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        receipts = answer.json()["items"]
        assert all(receipt["state"] == "stored" for receipt in receipts), receipts
        self.note({receipt["id"]: receipt["file_name"] for receipt in receipts if receipt["kind"] == "letter"})
        return [receipt["id"] for receipt in receipts]

    def load_data(self) -> None:
        """The three data files, by a program."""
        for dataset, text in (("areas", AREAS), ("facilities", FACILITIES), ("address_points", register())):
            data = {"purpose": "dataset", "dataset": dataset}
            self.took(self.program("site", "POST", "/v1/uploads", data=data, files={"files": (f"{dataset}.csv", text.encode())}))

    def large_file(self, content: bytes, name: str) -> Response:
        """One file of any size past the gateway: a session, and the body to its link."""
        answer = self.program("site", "POST", "/v1/upload-sessions", json={"file_name": name, "purpose": "letter"})
        assert answer.status_code == 201, answer.text
        self.session_url = str(answer.json()["upload_url"])
        return self.web.at(self.session_url, "PUT", content=content, headers={"Content-Type": "application/octet-stream"})

    # -- waiting

    def states(self) -> dict[str, str]:
        """Requests of the newest build by id; fails when one stands there twice."""
        rows = self.items("desk", "/v1/requests?limit=500")
        found = {row["request_id"]: row["state"] for row in rows}
        assert len(found) == len(rows), rows
        return found

    def wait_for_letters(self, seconds: float = RUN_SECONDS) -> None:
        """Until all letters so far are on the map, each once."""

        def all_there() -> bool:
            states = self.states()
            return all(states.get(one) == "located" for one in self.letters)

        until(all_there, f"all {len(self.letters)} letters located: {self.stack.project}", seconds, every=3.0)

    def wait_for_quiet(self, seconds: float = RUN_SECONDS) -> dict[str, Any]:
        """Until nothing is outstanding; returns the status."""

        def quiet() -> dict[str, Any] | None:
            answer = self.program("reader", "GET", "/v1/status")
            assert answer.status_code == 200, answer.text
            status = dict(answer.json())
            return status if not status["outstanding"] else None

        return until(quiet, "nothing outstanding", seconds, every=3.0)
