"""What tests of the vision extractor share: an offline reader that costs nothing, and a clock that they turn themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from PIL import Image
from vision_api import KEY, MODEL, VisionApi

from services.errors import ExtractionError
from services.extraction.base import Extraction, LetterFile
from services.extraction.vision import VisionExtractor
from services.extraction.vision_calls import Timing
from services.object_store.local import LocalObjectStore
from services.settings import Settings, VisionSettings
from services.state.state import State

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SEEN = Extraction(
    outcome="read",
    sender_name="Anna Frick",
    street="Dorfstrasse",
    housenumber="5",
    postcode="9490",
    city="Vaduz",
    text="Anna Frick\nDorfstrasse 5\n9490 Vaduz",
    street_score=0.95,
    city_score=0.95,
    agreement_score=0.95,
    sender_score=0.9,
    address_page=1,
    address_box=(0.1, 0.1, 0.4, 0.2),
    page_rotations=(0,),
)


@dataclass
class Glasses:
    """An offline reader that always sees the same, or fails."""

    seen: Extraction | ExtractionError = SEEN
    name: str = "ocr"
    version: str = "glasses 1"
    model: str = "glass"

    def extract(self, letters: Sequence[LetterFile]) -> Iterator[tuple[str, Extraction | ExtractionError]]:
        for letter in letters:
            yield letter.letter_id, self.seen

    def retakes(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing to give back."""


@dataclass
class Turned:
    """Time that only passes when somebody waits or the test says so; chance that is always in the middle."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.waits.append(seconds)
            self.seconds += seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    @property
    def timing(self) -> Timing:
        return Timing(now=self.now, monotonic=lambda: self.seconds, sleep=self.sleep, uniform=lambda low, high: (low + high) / 2)


@dataclass
class Desk:
    """An extractor of its own folder and state database, asking the imitation."""

    api: VisionApi
    folder: Path
    time: Turned = field(default_factory=Turned)
    glasses: Glasses = field(default_factory=Glasses)
    opened: list[VisionExtractor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = State.open(Settings(_env_file=None, data_dir=self.folder))
        self.objects = LocalObjectStore(self.folder / "objects")

    def extractor(self, *, own: Sequence[str] = (), timing: Timing | None = None, **changes: Any) -> VisionExtractor:
        given = {"url": self.api.url, "api_key": KEY, "model": MODEL, "timeout_seconds": 30.0, "requests_per_minute": 60_000, **changes}
        extractor = VisionExtractor(
            VisionSettings(**given),
            self.glasses,
            objects=self.objects,
            spending=self.state.spending,
            own=own,
            timing=timing or self.time.timing,
        )
        self.opened.append(extractor)
        return extractor

    def close(self) -> None:
        for extractor in self.opened:
            extractor.close()
        self.state.close()

    def letter(self, name: str = "it", page: Image.Image | None = None) -> LetterFile:
        """A page whose picture differs by its name."""
        path = self.folder / f"{name}.png"
        if not path.exists():
            picture = page or Image.new("RGB", (300, 400), tuple(hashlib.sha256(name.encode()).digest()[:3]))
            picture.save(path)
        return LetterFile(name, path, "image/png")

    def read(self, extractor: VisionExtractor | None = None, name: str = "it") -> Extraction:
        [(_, answer)] = list((extractor or self.extractor()).extract([self.letter(name)]))
        assert isinstance(answer, Extraction), answer
        return answer
