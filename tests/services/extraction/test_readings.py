"""How far several readings of an address agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from services.extraction.address_blocks import AddressBlock
from services.extraction.address_lines import StreetPart
from services.extraction.base import Line
from services.extraction.reader import LineReader, PageReading
from services.extraction.readings import Verified, verify


class SameAgain:
    """Reads every line again as it was read first."""

    def read_again(self, page: Mapping[int, Line], indices: Sequence[int], cuts: Sequence[object]) -> list[list[Line]]:
        return [[page[index]] * len(cuts) for index in indices]


def verified(text: str, last: float) -> Verified:
    """A street's line of which every reading has this score for its last character."""
    line = Line(text, 0.99, 100, 100, 400, 130, 1, 0, (*(0.999,) * (len(text) - 1), last))
    block = AddressBlock(StreetPart(*text.rsplit(" ", 1), 1.0), None, line, None, "", 0.0, ())
    pages = cast(Mapping[int, PageReading], {1: {0: line}})
    return verify(cast(LineReader, SameAgain()), pages, block)


@pytest.mark.parametrize("number", ["76", "128", "6"])
def test_readings_that_are_sure_of_the_number_agree(number: str) -> None:
    found = verified(f"Dorfstrasse {number}", 0.999)
    assert (found.street, found.housenumber, found.agreement) == ("Dorfstrasse", number, 1.0)


@pytest.mark.parametrize("number", ["76", "128"])
def test_a_last_digit_that_no_reading_is_sure_of_may_be_a_letter(number: str) -> None:
    assert verified(f"Dorfstrasse {number}", 0.97).agreement <= 0.5


@pytest.mark.parametrize("number", ["6", "75", "7b"])
def test_numbers_that_cannot_be_taken_for_one_with_a_letter_need_no_more(number: str) -> None:
    assert verified(f"Dorfstrasse {number}", 0.97).agreement == 1.0
