"""What the tests of backups share: a small town that was read, placed and built, and empty platforms to restore into."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from flows.steps.backup.manifest import Manifest, confirm_whole, read_manifest
from flows.steps.backup.restore import restore_into
from flows.steps.backup.shelf import find_backup
from flows.steps.backup.take import take_backup
from flows.steps.record import StepResult
from flows.steps.run import run_outstanding
from services.contracts import load_contracts
from services.extraction.ocr import OcrExtractor
from services.gateway.keys import KeyRegistry
from services.geocoding.register import RegisterGeocoder
from services.intake.intake import Intake
from services.intake.submissions import SubmissionIn
from services.object_store.local import LocalObjectStore
from services.settings import Settings
from services.state.state import State
from services.warehouse.client import Warehouse
from services.wiring import Services

AREAS = 'area_code,name,population,geometry\nA1,Lindach,900,"POLYGON ((9.50 47.10, 9.54 47.10, 9.54 47.14, 9.50 47.14, 9.50 47.10))"\n'
FACILITIES = (
    "facility_id,name,kind,street,housenumber,postcode,city,lon,lat\nf1,Linden-Apotheke,pharmacy,Marktgasse,1,7100,Lindach,9.521,47.121\n"
)
REGISTER = "address_id,street,housenumber,postcode,city,lon,lat\n" + "".join(
    f"Seestrasse-{n},Seestrasse,{n},7100,Lindach,9.531,{47.11 + n / 1000:.4f}\n" for n in range(1, 26)
)


def utc_now() -> datetime:
    return datetime.now(UTC)


def silent(_: str) -> None:
    """Nobody is told."""


def letter(housenumber: int) -> bytes:
    """A letter that the offline reader reads."""
    image = Image.new("L", (1000, 1300), 250)
    pen = ImageDraw.Draw(image)
    text = [
        "Anna Frick",
        f"Seestrasse {housenumber}",
        "7100 Lindach",
        "",
        "",
        "Lindach, 3.2.2026",
        "",
        "Sehr geehrte Damen und Herren,",
        "",
    ]
    text += ["die nächste Apotheke ist für mich zu weit weg.", "", "Freundliche Grüsse", "Anna Frick"]
    for number, line in enumerate(text):
        pen.text((90, 90 + 52 * number), line, fill=20, font=ImageFont.load_default(34))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def form(housenumber: int) -> SubmissionIn:
    return SubmissionIn(
        channel="phone", street="Seestrasse", housenumber=str(housenumber), postcode="7100", city="Lindach", facility_kind="school"
    )


def fill(services: Services) -> None:
    """A town, a letter and a form, from bytes to the map; and a key."""
    for dataset, text in (("areas", AREAS), ("facilities", FACILITIES), ("address_points", REGISTER)):
        services.intake.receive_dataset(iter([text.encode()]), f"{dataset}.csv", dataset, None, "cli", utc_now())
    services.intake.receive_letter(iter([letter(1)]), "first.png", "cli", utc_now())
    services.intake.receive_submission(form(2), None, utc_now(), idempotency_key="k1")
    services.state.api_keys.add("k1", "a key", ["read"], "h" * 64, utc_now())
    run_outstanding(services, clock=utc_now)
    assert requests(services) == {"located": 2}


def requests(services: Services) -> dict[str, int]:
    rows = services.warehouse.query("select state, count() as n from gold.fct_requests group by state")
    return {row["state"]: int(row["n"]) for row in rows}


@contextmanager
def platform(warehouse: Warehouse, extractor: OcrExtractor, data_dir: Path) -> Iterator[Services]:
    """All embedded services on this process's warehouse, with a state and an object store of their own."""
    settings = Settings(_env_file=None, data_dir=data_dir)
    state, objects, contracts = State.open(settings), LocalObjectStore(data_dir / "objects"), load_contracts()
    yield Services(
        settings=settings,
        warehouse=warehouse,
        objects=objects,
        state=state,
        intake=Intake(settings=settings, objects=objects, state=state, warehouse=warehouse, contracts=contracts),
        extractor=extractor,
        geocoder=RegisterGeocoder(warehouse),
        keys=KeyRegistry(state),
        contracts=contracts,
    )
    state.close()


@dataclass(frozen=True)
class Saved:
    """A folder of backups with one in it."""

    folder: Path
    result: StepResult

    @property
    def backup(self) -> Path:
        return find_backup(self.folder)

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.backup)


def take(services: Services, folder: Path, keep: timedelta | None = None, say: Callable[[str], None] = silent) -> Saved:
    return Saved(folder, take_backup(services, folder, keep=keep, clock=utc_now, say=say))


def bring_back(services: Services, folder: Path, say: Callable[[str], None] = silent) -> StepResult:
    """The newest backup of the folder into these services, as `cartulary restore` does it once they are open."""
    backup = find_backup(folder)
    manifest = read_manifest(backup)
    confirm_whole(backup, manifest, set())
    return restore_into(services, backup, manifest, clock=utc_now, say=say)
