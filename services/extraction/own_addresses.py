"""The operator's own addresses: no letter to the operator comes from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from services.errors import ConfigurationError
from services.extraction.address_blocks import AddressBlock
from services.extraction.address_lines import CityPart, StreetPart, find_city, find_street, segments, split_one_line
from services.extraction.words import plain

# A reader may take a few letters wrong, but neighbours write too: the house number must be the same.
_SIMILAR = 80


@dataclass(frozen=True)
class OwnAddress:
    """One of the operator's addresses."""

    street: StreetPart
    city: CityPart

    def is_at(self, block: AddressBlock) -> bool:
        """Whether the block gives this address; a town or postcode that was not read says nothing against it."""
        if block.street is None or _key(block.street.housenumber) != _key(self.street.housenumber):
            return False
        if fuzz.ratio(_key(block.street.street), _key(self.street.street)) < _SIMILAR:
            return False
        if block.city is None:
            return True
        is_same_code = bool(block.city.postcode) and _key(block.city.postcode) == _key(self.city.postcode)
        return is_same_code or fuzz.ratio(_key(block.city.city), _key(self.city.city)) >= _SIMILAR


def own_addresses(texts: Sequence[str]) -> tuple[OwnAddress, ...]:
    """Addresses from texts such as 'Marktgasse 1, 7410 Korvenau'; ConfigurationError where street, number or town is missing."""
    return tuple(_own_address(text) for text in texts)


def _own_address(text: str) -> OwnAddress:
    parts = [part for segment in segments(text) for part in (split_one_line(segment) or (segment,))]
    city = next((city for part in reversed(parts) if (city := find_city(part)) is not None), None)
    street = next((street for part in parts if find_city(part) is None and (street := find_street(part)) is not None), None)
    if street is None or city is None:
        raise ConfigurationError(
            f"The own address {text!r} lacks a street with house number or a postcode with town: write it as 'Marktgasse 1, 7410 Korvenau'."
        )
    return OwnAddress(street, city)


def _key(text: str) -> str:
    return plain(text).replace(" ", "").replace("strasse", "str")
