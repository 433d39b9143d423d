"""After any sequence of events the incremental result equals a full rebuild."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from dbt_support import Bronze, gold_content

from flows.steps.transform import transform

ACTIONS = ("accept", "correct", "place", "reject", "reopen")


class Story:
    """Random events about letters and submissions, remembering what exists."""

    def __init__(self, bronze: Bronze) -> None:
        self.bronze, self.choose = bronze, bronze.choose
        self.letters: list[str] = []
        self.submissions: list[str] = []

    def _subject(self) -> tuple[str, str]:
        return self.choose.choice([*(("letter", name) for name in self.letters), *(("submission", name) for name in self.submissions)])

    def arrive(self) -> None:
        """Letters in every state of work, and submissions with and without a position."""
        self.letters.append(self.bronze.letter())
        self.letters.append(self.bronze.located_letter())
        half_way = self.bronze.letter()
        self.bronze.read(half_way, self.choose.choice(["read", "unreadable"]))
        self.letters.append(half_way)
        self.submissions.append(self.bronze.submission(has_position=self.choose.random() < 0.5))

    def read_again(self) -> None:
        """Another reading, placed or not."""
        letter = self.choose.choice(self.letters)
        extraction = self.bronze.read(letter)
        if self.choose.random() < 0.7:
            self.bronze.place("letter", letter, extraction, precision=self.choose.choice(["house", "street", "city", "none"]))

    def place_submission(self) -> None:
        """An answer about a submission."""
        self.bronze.place("submission", self.choose.choice(self.submissions), precision=self.choose.choice(["house", "street", "none"]))

    def decide(self) -> None:
        """A person's decision; a corrected address is looked up at once, later or never."""
        kind, subject = self._subject()
        action = self.choose.choice(ACTIONS)
        correction = self.bronze.correct(kind, subject, action)
        if action == "correct" and self.choose.random() < 0.7:
            self.bronze.place(kind, subject, correction_id=correction, precision=self.choose.choice(["house", "street", "none"]))

    def publish_data(self) -> None:
        """A new generation of the reference data."""
        self.choose.choice([self.bronze.town, self.bronze.facilities])()

    def fail_load(self) -> None:
        """A load that failed, and rows that no reader may see."""
        self.bronze.load("facilities", [{"facility_id": "ghost", "kind": "school", "lon": 9.51, "lat": 47.01}], state="failed")


@pytest.mark.parametrize("seed", [1, 2])
def test_incremental_equals_full_rebuild(platform: Any, now: datetime, seed: int) -> None:
    bronze = Bronze(platform.warehouse, seed=seed)
    story = Story(bronze)
    bronze.town()
    story.arrive()
    transform(platform, now=now)
    small: list[Callable[[], None]] = [story.arrive, story.read_again, story.place_submission, story.decide, story.decide, story.fail_load]
    reasons = []
    for step in range(5):
        for _ in range(bronze.choose.randint(1, 8)):
            bronze.choose.choice(small)()
        if step == 2:
            story.publish_data()
        reasons.append(transform(platform, now=now).message)
    assert [bool(reason) for reason in reasons] == [False, False, True, False, False]
    incremental = gold_content(platform.warehouse)
    assert incremental["fct_requests"] and incremental["fct_geocodes"]
    transform(platform, full_refresh=True, now=now)
    assert gold_content(platform.warehouse) == incremental


def test_request_leaves_gold_when_it_is_rejected_and_comes_back(platform: Any, bronze: Bronze, now: datetime) -> None:
    bronze.town()
    letters = [bronze.located_letter() for _ in range(3)]
    transform(platform, now=now)

    def requests() -> set[str]:
        return {row["request_id"] for row in platform.warehouse.query("select request_id from gold.fct_requests")}

    assert requests() == set(letters)
    bronze.correct("letter", letters[0], "reject")
    assert transform(platform, now=now).message == ""
    assert requests() == set(letters[1:])
    bronze.correct("letter", letters[0], "reopen")
    transform(platform, now=now)
    assert requests() == set(letters)


def test_an_erased_row_leads_to_a_full_rebuild(platform: Any, bronze: Bronze, now: datetime) -> None:
    bronze.town()
    kept, erased = bronze.located_letter(), bronze.located_letter()
    transform(platform, now=now)
    for table in ("letters", "extractions"):
        platform.warehouse.command(
            f"alter table bronze.{table} delete where letter_id = {{id:String}}", {"id": erased}, {"mutations_sync": 1}
        )
    platform.warehouse.command("alter table bronze.geocodes delete where subject_id = {id:String}", {"id": erased}, {"mutations_sync": 1})
    assert "taken away" in transform(platform, now=now).message
    assert [row["request_id"] for row in platform.warehouse.query("select request_id from gold.fct_requests")] == [kept]
