"""Whose address it is: layouts and decoys, as lines with positions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.errors import ConfigurationError
from services.extraction.base import Line
from services.extraction.blocks import outline
from services.extraction.own_addresses import own_addresses
from services.extraction.sender import SenderAddress, find_sender
from services.extraction.words import is_office

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


OFFICES = {
    "German": ["Stadt Korvenau, Planungsamt", "Marktgasse 1", "7410 Korvenau"],
    "French": ["Ville de Korvenau, service du plan", "Marktgasse 1", "7410 Korvenau"],
    "English": ["Korvenau Town Council", "Marktgasse 1", "7410 Korvenau"],
    "Dutch": ["Het gemeentebestuur", "Marktgasse 1", "7410 Korvenau"],
    "Italian": ["Amministrazione comunale di Korvenau", "Marktgasse 1", "7410 Korvenau"],
    "misread": ["Korvenan Toun Couvcil", "Marktgasse 1", "7410 Korvenau"],
    "a person": ["Herr Franz Adam", "Marktgasse 1", "7410 Korvenau"],
    "no name": ["Marktgasse 1", "7410 Korvenau"],
}


@pytest.mark.parametrize("recipient", OFFICES.values(), ids=OFFICES)
@pytest.mark.parametrize("top", [200, 400], ids=["first block", "below a smeared sender"])
def test_a_recipient_is_never_surely_the_sender_when_the_senders_address_cannot_be_read(recipient: list[str], top: float) -> None:
    smeared = letter((100, 80, ["~-.:"])) if top == 400 else []
    found = find([*smeared, *letter((100, top, recipient), (800, 600, ["12.3.2026"]), (100, 700, BODY), (100, 1000, CLOSING))])
    assert found is None or found.score < 0.6


@pytest.mark.parametrize("recipient", OFFICES.values(), ids=OFFICES)
@pytest.mark.parametrize("closing", ["Mit bestem Dank und Gruss", "Avec mes salutations distinguées", "With kind regards"])
def test_the_address_below_the_signature_wins_over_the_recipients(recipient: list[str], closing: str) -> None:
    found = find(letter((100, 100, recipient), (800, 400, ["12.3.2026"]), (100, 600, BODY), (100, 900, [closing, "", *SENDER])))
    assert found is not None and found.block.street is not None
    assert found.block.street.street == "Dorfstrasse"
    assert found.score >= 0.6


@pytest.mark.parametrize("name", ["anna Frick", "AnnaFrick", "Anna @rick", "Femke de Clerk"])
def test_a_name_read_badly_is_still_signed(name: str) -> None:
    signature = ["Freundliche Grüsse", "", name if "Clerk" in name else "Anna Frick"]
    found = find(letter((100, 80, [name, *SENDER[1:]]), (100, 700, BODY), (100, 1000, signature)))
    assert found is not None and "signed" in found.block.reasons
    assert found.score >= 0.6


def test_an_initial_is_no_recipients_mark() -> None:
    found = find(
        letter(
            (100, 80, ["A. Frick", *SENDER[1:]]), (100, 400, RECIPIENT), (100, 700, BODY), (100, 1000, ["Freundliche Grüsse", "A. Frick"])
        )
    )
    assert found is not None and "recipient" not in found.block.reasons
    assert found.score >= 0.6


def test_an_own_address_is_never_the_senders() -> None:
    own = own_addresses(["Gemeinde Korvenau, Marktgasse 1, 7410 Korvenau"])
    text = letter((100, 80, ["Anna Frick", "Marktgase 1", "7410 Korvenau"]), (100, 600, BODY), (100, 900, CLOSING))
    assert find(text) is not None
    assert find_sender(outline(text), [HEIGHT], own) is None


@pytest.mark.parametrize("street", ["Marktgasse 11", "Marktgasse 1a", "Feldweg 1"])
def test_a_neighbour_of_an_own_address_is_a_sender(street: str) -> None:
    own = own_addresses(["Marktgasse 1, 7410 Korvenau"])
    text = letter((100, 80, ["Anna Frick", street, "7410 Korvenau"]), (100, 600, BODY), (100, 900, CLOSING))
    found = find_sender(outline(text), [HEIGHT], own)
    assert found is not None and found.score >= 0.6


@pytest.mark.parametrize("text", ["", "Korvenau", "Marktgasse 1", "7410 Korvenau", "Marktgasse, Korvenau"])
def test_an_own_address_must_be_whole(text: str) -> None:
    with pytest.raises(ConfigurationError, match="Marktgasse 1, 7410 Korvenau"):
        own_addresses([text])


@pytest.mark.parametrize(
    "text", ["Bauamt", "Stadtverwaltung Korvenau", "Amt für Raumplanung", "Ville de Korvenau", "Gemeentebestuur", "Gemeindeverwa1tung"]
)
def test_offices_are_known(text: str) -> None:
    assert is_office(text)


@pytest.mark.parametrize("text", ["Anna Frick", "Camille de Vries", "Hannes Stadler", "Odile Garnier", "Lotte Kuipers", "Dario Lombardi"])
def test_people_are_no_offices(text: str) -> None:
    assert not is_office(text)
