"""Whose address it is: layouts and decoys, as lines with positions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.extraction.base import Line
from services.extraction.blocks import outline
from services.extraction.sender import SenderAddress, find_sender

HEIGHT = 1700.0
BODY = ["Sehr geehrte Damen und Herren,", "", "seit die Apotheke in der Hauptstrasse 12 in Schaan", "zu ist, müssen wir weit fahren.", ""]
CLOSING = ["Freundliche Grüsse", "", "Anna Frick"]


def letter(*columns: tuple[float, float, Sequence[str]]) -> list[Line]:
    """Lines of 30 pixels, 40 apart: (left, top, texts); an empty text leaves a gap."""
    return [
        Line(text, 0.99, left, top + 40 * place, left + 14 * len(text), top + 40 * place + 30)
        for left, top, texts in columns
        for place, text in enumerate(texts)
        if text
    ]


def find(lines: Sequence[Line]) -> SenderAddress | None:
    return find_sender(outline(lines), [HEIGHT])


SENDER = ["Anna Frick", "Dorfstrasse 5", "9490 Vaduz"]
RECIPIENT = ["An die Gemeinde Schaan", "Gemeindeverwaltung", "Rathausplatz 1", "9494 Schaan"]


@pytest.mark.parametrize(
    "lines",
    [
        letter((100, 80, SENDER), (100, 400, RECIPIENT), (100, 700, BODY), (100, 1000, CLOSING)),
        letter((800, 80, SENDER), (100, 400, RECIPIENT), (100, 700, BODY), (100, 1000, CLOSING)),
        letter((800, 80, SENDER), (100, 80, RECIPIENT), (100, 700, BODY), (100, 1000, CLOSING)),
        letter((100, 80, RECIPIENT), (100, 400, BODY), (100, 700, [*CLOSING, *SENDER[1:]])),
        letter((100, 80, ["Anna Frick, Dorfstrasse 5, 9490 Vaduz"]), (100, 200, RECIPIENT), (100, 700, BODY), (100, 1000, CLOSING)),
        letter((600, 20, ["Stadtarchiv · Archivweg 3 · 9494 Schaan"]), (100, 150, SENDER), (100, 500, BODY), (100, 900, CLOSING)),
        letter((100, 80, SENDER), (100, 400, ["To the Town Clerk", "Council Offices", "2 Market Square", "9494 Schaan"]), (100, 700, BODY)),
        letter(
            (100, 80, ["Absender: Anna Frick", *SENDER[1:]]), (100, 400, ["Frau Berta Beck", "Feldweg 2", "9494 Schaan"]), (100, 700, BODY)
        ),
    ],
    ids=["top left", "top right", "beside the recipient", "under the signature", "one line", "letterhead", "english recipient", "marked"],
)
def test_finds_the_sender(lines: list[Line]) -> None:
    found = find(lines)
    assert found is not None and found.block.street is not None and found.block.city is not None
    assert (found.block.street.street, found.block.street.housenumber) == ("Dorfstrasse", "5")
    assert (found.block.city.postcode, found.block.city.city) == ("9490", "Vaduz")
    assert found.score >= 0.6


def test_two_addresses_with_nothing_to_tell_them_apart_leave_doubt() -> None:
    found = find(letter((100, 80, SENDER), (800, 80, ["Berta Beck", "Feldweg 2", "9494 Schaan"])))
    assert found is not None
    assert found.score < 0.6


@pytest.mark.parametrize(
    "lines",
    [
        letter((100, 80, RECIPIENT), (100, 500, BODY), (100, 900, CLOSING)),
        letter((600, 20, ["Stadtarchiv · Archivweg 3 · 9494 Schaan"]), (100, 500, BODY), (100, 900, CLOSING)),
        letter(
            (100, 500, ["Sehr geehrte Damen und Herren,", "die Post an der", "Hauptstrasse 12, 9494 Schaan", "war für uns wichtig."]),
            (100, 900, CLOSING),
        ),
    ],
    ids=["only the recipient", "only the letterhead", "only in the text"],
)
def test_an_address_that_is_not_the_senders_is_never_sure(lines: list[Line]) -> None:
    found = find(lines)
    assert found is None or found.score < 0.6


def test_a_town_alone_is_an_address_without_street() -> None:
    found = find(letter((100, 80, ["Anna Frick", "9490 Vaduz"]), (100, 500, BODY), (100, 900, CLOSING)))
    assert found is not None and found.block.city is not None
    assert (found.block.street, found.block.city.city) == (None, "Vaduz")


def test_no_lines_no_address() -> None:
    assert find([]) is None
