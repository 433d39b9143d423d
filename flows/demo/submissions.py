"""Requests that came by web form and telephone: mostly clean addresses, some typed badly, some incomplete."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flows.demo.correspondence import KINDS, sender_name
from flows.demo.plan import load_phrases
from flows.demo.town import AddressPoint, Town

COUNT = 60
# Every tenth or so is flawed, each in another way; the rest is as the register has it.
FLAWS = {
    7: "typo",
    13: "position",
    19: "street_only",
    24: "typo",
    31: "absent",
    37: "typo",
    43: "position",
    48: "street_only",
    55: "absent",
}

Submission = Mapping[str, str | float]


def write_submissions(town: Town, seed: int) -> list[Submission]:
    """Bodies for `POST /v1/submissions`, the channel being web or phone."""
    rng = np.random.default_rng([seed, 4])
    homes = rng.choice(len(town.addresses), COUNT, replace=False)
    return [_submission(town, town.addresses[int(home)], FLAWS.get(number, ""), rng) for number, home in enumerate(homes)]


def _submission(town: Town, home: AddressPoint, flaw: str, rng: np.random.Generator) -> Submission:
    phrases = load_phrases()
    language = town.settlement(home.area_code).language
    kind = KINDS[int(rng.integers(len(KINDS)))]
    body: dict[str, str | float] = {
        "channel": "phone" if rng.random() < 0.3 else "web",
        "requester_name": sender_name(phrases, language, rng),
        "street": home.street,
        "housenumber": home.housenumber,
        "postcode": home.postcode,
        "city": home.city,
        "facility_kind": kind,
        "message": phrases.messages[language].format(kind=phrases.kinds[language][kind]),
    }
    if flaw == "typo":
        body["street"] = _mistyped(home.street, rng)
    elif flaw == "street_only":
        body["housenumber"] = ""
    elif flaw == "absent":
        body["housenumber"] = str(900 + int(rng.integers(50)))
    elif flaw == "position":
        # Somebody tapped the map: 5 m beside the front door.
        body |= {"longitude": round(home.longitude + 0.00005, 6), "latitude": round(home.latitude + 0.00003, 6)}
    return body


def _mistyped(street: str, rng: np.random.Generator) -> str:
    """Two neighbouring letters swapped in the middle."""
    pairs = [(index, street[index : index + 2]) for index in range(1, len(street) - 2)]
    spots = [index for index, pair in pairs if pair.isalpha() and pair[0] != pair[1]]
    index = spots[int(rng.integers(len(spots)))]
    return street[:index] + street[index + 1] + street[index] + street[index + 2 :]
