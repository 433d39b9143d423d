"""The register first, then Nominatim about what the register leaves open, and one choice among what both know."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.geocoding.base import Address, Geocode, GeocoderName
from services.geocoding.cache import CachedQuestions, Client, Clock
from services.geocoding.comparison import Comparison, Finding, Match, joined
from services.geocoding.ladder import MIN_STREET, StreetMatch, decide
from services.geocoding.osm_places import parse_places
from services.geocoding.questions import Step, steps
from services.geocoding.register import Found, RegisterGeocoder
from services.geocoding.tidying import tidy
from services.metrics import METRICS
from services.settings import GeocodingSettings
from services.state.geocode_cache import GeocodeCache
from services.warehouse.client import Warehouse

logger = logging.getLogger(__name__)


@dataclass
class _Search:
    """One address on its way: what the register offered, what is left to ask, what was found."""

    address: Address
    register: Found
    known: Geocode
    left: list[Step] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    spellings_found: set[int] = field(default_factory=set)
    is_unanswered: bool = False

    def next_step(self) -> Step | None:
        """What to ask now; None when there is nothing left that could find more."""
        while self.left and not self._may_find_more(self.left[0]):
            self.left.pop(0)
        return self.left[0] if self.left else None

    def _may_find_more(self, step: Step) -> bool:
        # A house on a street that is spelled a little differently ends nothing: the street as it was read may exist as well.
        if self.is_unanswered or any(
            isinstance(match, StreetMatch) and match.address_id and match.street_edits == 0 for match in self.matches
        ):
            return False
        if step.aim == "place":
            return self.known.precision == "none" and not self.matches
        return step.spelling not in self.spellings_found

    def take(self, step: Step, matches: Sequence[Match]) -> None:
        """Note what a question found, and go on to the next."""
        self.left.remove(step)
        self.matches += matches
        if any(isinstance(match, StreetMatch) for match in matches):
            self.spellings_found.add(step.spelling)


class NominatimGeocoder:
    """Geocoder over the register and Nominatim.

    Nominatim is not asked about what the register knows exactly (street, house number, postcode or town as they were read): the
    register is the official list of the very houses that OpenStreetMap's were mapped from or checked against, so the answer could only
    be the same house, less surely, at the price of telling another server where somebody lives.
    """

    name: GeocoderName = "nominatim"
    version = "1"

    def __init__(self, client: Client, warehouse: Warehouse, cache: GeocodeCache, settings: GeocodingSettings, *, clock: Clock) -> None:
        self._client = client
        self._register = RegisterGeocoder(warehouse)
        self._comparison = Comparison(warehouse)
        self._questions = CachedQuestions(client, cache, settings, version=self.version, clock=clock)

    def answers_for_good(self) -> bool:
        """Whether Nominatim answers just now: one short question."""
        return self._client.is_up()

    def geocode(self, addresses: Mapping[str, Address]) -> dict[str, Geocode]:
        """Answer every address under its key, equal addresses with one search. Where Nominatim was to be asked but is away, the answer
        is the register's and provisional. Raises WarehouseError, StateError."""
        tidied = {key: tidy(address) for key, address in addresses.items()}
        distinct = {address: str(number) for number, address in enumerate(dict.fromkeys(tidied.values()))}
        offers = self._register.find({identifier: address for address, identifier in distinct.items()})
        searches = {address: _search(address, offers[identifier]) for address, identifier in distinct.items()}
        while open_steps := [(search, step) for search in searches.values() if (step := search.next_step())]:
            self._ask(open_steps)
        answers = {address: self._decide(search) for address, search in searches.items()}
        for address in tidied.values():
            answer = answers[address]
            METRICS.observe_geocode(answer.geocoder, answer.precision, is_provisional=bool(answer.is_provisional))
        waiting = sum(search.is_unanswered for search in searches.values())
        if waiting:
            logger.warning(
                "Nominatim is away: the register alone answered for %d of %d addresses, which are asked again later.",
                waiting,
                len(searches),
            )
        return {key: answers[address] for key, address in tidied.items()}

    def _ask(self, open_steps: Sequence[tuple[_Search, Step]]) -> None:
        """One question for each search, all compared together."""
        answers = self._questions.ask(step.question for _, step in open_steps)
        findings = []
        for search, step in open_steps:
            answer = answers[step.question]
            search.is_unanswered = answer.text is None
            raw = answer.text or ""
            findings.append([Finding(search.address, place, raw) for place in parse_places(answer.places)])
        matches = iter(self._comparison.match([finding for found in findings for finding in found]))
        for (search, step), found in zip(open_steps, findings, strict=True):
            search.take(step, [match for match in (next(matches) for _ in found) if match is not None])

    def _decide(self, search: _Search) -> Geocode:
        found = joined(search.register, search.matches)
        answer = decide(found.places, found.streets)
        versions: Mapping[GeocoderName, str] = {"register": self._register.version, self.name: self.version}
        return answer.model_copy(
            update={"geocoder_version": versions[answer.geocoder], "is_provisional": int(search.is_unanswered)},
        )


def _search(address: Address, offer: Found) -> _Search:
    known = decide(offer.places, offer.streets)
    search = _Search(address, offer, known)
    if not _is_settled(address, known):
        search.left = steps(address, known)
    return search


def _is_settled(address: Address, known: Geocode) -> bool:
    """Whether the register knows all that the address says: street and house number as they were read, the postcode, and a town of about
    that name, which without a postcode is spelled exactly so."""
    if not address.street:
        return known.precision != "none"
    is_town_like = not address.city or known.city_similarity >= MIN_STREET
    is_place_exact = is_town_like if known.is_postcode_equal else not address.postcode and known.city_similarity == 1
    wanted = "house" if address.housenumber else "street"
    return known.precision == wanted and known.street_similarity == 1 and is_place_exact
