"""What tests of the models share: rows straight into bronze, and gold as one comparable value."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from services.contracts import load_contracts
from services.settings import Settings
from services.state.state import State
from services.warehouse.client import Warehouse
from services.warehouse.landing import Landing

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KINDS = ("pharmacy", "school", "bus_stop")
# Columns that say when something was built rather than what.
TIMES = {"builds"}


@dataclass
class Bronze:
    """Writes bronze rows as the steps would; ids and choices come from the seed, times from a counter."""

    warehouse: Warehouse
    seed: int = 1
    calls: int = 0
    generations: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.choose = random.Random(self.seed)
        self.contracts = load_contracts()

    def _now(self) -> datetime:
        self.calls += 1
        return START + timedelta(minutes=self.calls)

    def _id(self) -> str:
        return uuid.UUID(int=self.choose.getrandbits(128)).hex

    def load(
        self, dataset: str, rows: Sequence[dict[str, Any]], state: str = "loaded", mode: str = "replace", asked_before: int = 0
    ) -> None:
        """A new generation of a dataset, asked for so many minutes before it was loaded."""
        landing = Landing(self.warehouse, self.contracts[dataset])
        landing.ensure_table()
        generation = self.generations[dataset] = self.generations.get(dataset, 0) + 1
        load_id, now = f"{dataset}-{generation}-{self.seed}", self._now()
        columns = self.contracts[dataset].column_names
        landed = [
            {**{column: str(row.get(column, "")) for column in columns}, "_load_id": load_id, "_row_number": number}
            for number, row in enumerate(rows, 1)
        ]
        self.warehouse.insert(f"bronze.{dataset}", landed)
        self.warehouse.insert(
            "bronze.loads",
            [
                {
                    "load_id": load_id,
                    "upload_id": f"upload of {load_id}",
                    "dataset": dataset,
                    "mode": mode,
                    "generation": generation,
                    "state": state,
                    "received_rows": len(rows),
                    "landed_rows": len(rows),
                    "rejected_rows": 0,
                    "asked_at": now - timedelta(minutes=asked_before),
                    "started_at": now,
                    "finished_at": now,
                }
            ],
        )

    def town(self, houses: int = 120) -> None:
        """Two areas in a region, houses, and facilities of three kinds; another call is another generation of all three."""
        west = "POLYGON((9.50 47.00,9.53 47.00,9.53 47.05,9.50 47.05,9.50 47.00))"
        east = "MULTIPOLYGON(((9.53 47.00,9.56 47.00,9.56 47.05,9.53 47.05,9.53 47.00)))"
        region = "POLYGON((9.49 46.99,9.57 46.99,9.57 47.06,9.49 47.06,9.49 46.99))"
        self.load(
            "areas",
            [
                {"area_code": "R", "name": "Region", "population": 900, "level": 4, "geometry": region},
                {
                    "area_code": "W",
                    "name": "West",
                    "population": self.choose.randint(300, 500),
                    "level": 8,
                    "parent_code": "R",
                    "geometry": west,
                },
                {"area_code": "E", "name": "East", "level": 8, "parent_code": "R", "geometry": east},
            ],
        )
        self.load("address_points", [{"address_id": f"a{n}", "street": "Street", "housenumber": n, **self._place()} for n in range(houses)])
        self.facilities()

    def facilities(self, count: int = 12) -> None:
        """A generation of facilities."""
        rows = [{"facility_id": f"f{n}", "name": f"F {n}", "kind": self.choose.choice(KINDS), **self._place()} for n in range(count)]
        self.load("facilities", rows)

    def _place(self) -> dict[str, float]:
        return {"lon": round(self.choose.uniform(9.5, 9.56), 6), "lat": round(self.choose.uniform(47.0, 47.05), 6)}

    def letter(self) -> str:
        """A letter that arrived and was not read yet."""
        letter_id, upload_id, now = self._id(), self._id() * 2, self._now()
        self.warehouse.insert(
            "bronze.uploads",
            [{"upload_id": upload_id, "purpose": "letter", "file_name": "l.jpg", "state": "stored", "door": "cli", "received_at": now}],
        )
        self.warehouse.insert(
            "bronze.letters", [{"letter_id": letter_id, "pages": [(upload_id, 1)], "file_name": "l.jpg", "door": "cli", "received_at": now}]
        )
        return letter_id

    def read(self, letter_id: str, outcome: str = "read", **changes: Any) -> str:
        """A reading of a letter."""
        extraction_id, now = self._id(), self._now()
        self.warehouse.insert(
            "bronze.extractions",
            [
                {
                    "extraction_id": extraction_id,
                    "letter_id": letter_id,
                    "extractor": "ocr",
                    "model": "m",
                    "outcome": outcome,
                    "street": "Street",
                    "housenumber": "1",
                    "postcode": "1000",
                    "city": "Town",
                    "text": "Street 1\n1000 Town",
                    "letter_date": date(2026, self.choose.randint(1, 12), 1),
                    "language": self.choose.choice(["de", "en"]),
                    "facility_kind": self.choose.choice([*KINDS, ""]),
                    "street_score": 0.99,
                    "city_score": 0.99,
                    "agreement_score": 1.0,
                    "sender_score": 1.0,
                    "started_at": now,
                    "finished_at": now,
                    **changes,
                }
            ],
        )
        return extraction_id

    def place(
        self, kind: str, subject_id: str, extraction_id: str = "", correction_id: str = "", precision: str = "house", **changes: Any
    ) -> None:
        """A geocoder's answer."""
        place = self._place() if precision != "none" else {"lon": None, "lat": None}
        self.warehouse.insert(
            "bronze.geocodes",
            [
                {
                    "geocode_id": self._id(),
                    "subject_kind": kind,
                    "subject_id": subject_id,
                    "extraction_id": extraction_id,
                    "correction_id": correction_id,
                    "geocoder": "register",
                    "register_generation": 1,
                    "precision": precision,
                    "address_id": "a1" if precision == "house" else "",
                    "matched_street": "Street",
                    "matched_housenumber": "1",
                    "matched_postcode": "1000",
                    "matched_city": "Town",
                    "longitude": place["lon"],
                    "latitude": place["lat"],
                    "uncertainty_m": 10.0 if precision != "none" else None,
                    "street_similarity": 1.0,
                    "street_edits": 0,
                    "city_similarity": 1.0,
                    "is_postcode_equal": 1,
                    "is_housenumber_equal": 1,
                    "candidate_margin": 1.0,
                    "geocoded_at": self._now(),
                    **changes,
                }
            ],
        )

    def located_letter(self) -> str:
        """A letter that was read and placed at a house."""
        letter_id = self.letter()
        self.place("letter", letter_id, self.read(letter_id))
        return letter_id

    def submission(self, *, has_position: bool) -> str:
        """A request typed into the form."""
        submission_id, place = self._id(), self._place()
        self.warehouse.insert(
            "bronze.submissions",
            [
                {
                    "submission_id": submission_id,
                    "channel": self.choose.choice(["web", "phone"]),
                    "street": "Street",
                    "facility_kind": self.choose.choice(KINDS),
                    "longitude": place["lon"] if has_position else None,
                    "latitude": place["lat"] if has_position else None,
                    "received_at": self._now(),
                }
            ],
        )
        return submission_id

    def correct(self, kind: str, subject_id: str, action: str) -> str:
        """A person's decision."""
        correction_id, place = self._id(), self._place()
        self.warehouse.insert(
            "bronze.corrections",
            [
                {
                    "correction_id": correction_id,
                    "subject_kind": kind,
                    "subject_id": subject_id,
                    "action": action,
                    "facility_kind": self.choose.choice([None, *KINDS]),
                    "longitude": place["lon"] if action == "place" else None,
                    "latitude": place["lat"] if action == "place" else None,
                    "reviewer": "r",
                    "corrected_at": self._now(),
                }
            ],
        )
        return correction_id


def bare_services(warehouse: Warehouse, settings: Settings) -> Any:
    """What a build needs of the services, without reader and intake."""
    return SimpleNamespace(warehouse=warehouse, settings=settings, contracts=load_contracts(), state=State.open(settings))


def gold_content(warehouse: Warehouse) -> dict[str, list[str]]:
    """Every row of every gold table, sorted; floats to nine digits, since sums of floats depend on the order of threads."""
    tables = warehouse.query("select name from system.tables where database = 'gold' and name not in ('builds', 'dim_dates') order by name")
    return {row["name"]: sorted(_text(line) for line in warehouse.query(f"select * from gold.{row['name']}")) for row in tables}


def _text(row: dict[str, Any]) -> str:
    return repr({name: round(value, 9) if isinstance(value, float) else value for name, value in row.items()})
