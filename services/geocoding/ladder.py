"""Chooses among what the register offered: house, then street, then postcode, then town; and how clear the choice is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

from services.geocoding.base import Candidate, Geocode, GeocoderName, Precision

# The street says more than the town: towns are also known by their postcode.
STREET_SHARE = 0.65
# Two entries within this distance are one place: registers hold houses twice, a few metres apart.
SAME_PLACE_M = 50.0
HOUSE_UNCERTAINTY_M = 15.0
# A street below this similarity is another street; a town below it is another town.
MIN_STREET = 0.7
MIN_PLACE = 0.45
MAX_CANDIDATES = 8
EARTH_RADIUS_M = 6_371_008.8


@dataclass(frozen=True)
class PlaceMatch:
    """A town that the address may mean; `similarity` 0 to 1 over postcode and name, `radius_m` half its diagonal, `raw` the answer
    of a geocoder that is not the register."""

    city_key: str
    postcode_key: str
    city: str
    postcode: str
    longitude: float
    latitude: float
    radius_m: float
    is_postcode_equal: bool
    city_similarity: float
    similarity: float
    geocoder: GeocoderName = "register"
    raw: str = ""


@dataclass(frozen=True)
class StreetMatch:
    """A street of such a town, with the house asked for if `address_id` is not empty; its position, or else the street's middle.

    `radius_m` is half the diagonal of either; a house is scattered when entries of it lie too far apart to be one place.
    """

    place: PlaceMatch
    street_key: str
    accented_key: str
    street: str
    street_edits: int
    street_similarity: float
    longitude: float
    latitude: float
    radius_m: float
    address_id: str
    housenumber: str
    is_scattered: bool = False

    @property
    def similarity(self) -> float:
        """Street and town together, 0 to 1."""
        return STREET_SHARE * self.street_similarity + (1 - STREET_SHARE) * self.place.similarity

    def is_same_street(self, other: StreetMatch) -> bool:
        """Whether two entries are one street: the same name in the same town, whose postcode may be missing in some rows."""
        if self.accented_key != other.accented_key:
            return False
        codes = {self.place.postcode_key, other.place.postcode_key} - {""}
        cities = {self.place.city_key, other.place.city_key} - {""}
        return len(cities) <= 1 and (len(codes) <= 1 or bool(cities))

    def distance_m(self, other: StreetMatch) -> float:
        """Great-circle distance in metres."""
        return distance_m(self.longitude, self.latitude, other.longitude, other.latitude)


def distance_m(longitude: float, latitude: float, other_longitude: float, other_latitude: float) -> float:
    """Great-circle distance in metres (haversine), degrees in."""
    north, other_north = radians(latitude), radians(other_latitude)
    half = sin((other_north - north) / 2) ** 2 + cos(north) * cos(other_north) * sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(half)))


def decide(places: Sequence[PlaceMatch], streets: Sequence[StreetMatch]) -> Geocode:
    """One answer from all candidates. The street is chosen before the house: a house on a street that resembles less never wins over
    the better street without that house, since the house may be missing from the register."""
    ranked = sorted(streets, key=lambda match: (-match.similarity, not match.address_id, match.street_key, match.place.postcode_key))
    near = [match for match in ranked if match.street_similarity >= MIN_STREET and match.place.similarity >= MIN_PLACE]
    candidates = tuple(_candidate(match) for match in ranked[:MAX_CANDIDATES])
    if not near:
        return _place_answer(places, candidates)
    best = near[0]
    same = [match for match in near if match.is_same_street(best)]
    houses = [match for match in same if match.address_id]
    chosen = houses[0] if houses else best
    precision: Precision = "house" if houses else "street"
    others = [match for match in ranked if not match.is_same_street(chosen) and not _is_same_place(match, chosen)]
    # The same number of the same street in two places far apart: nobody can say which is meant.
    twins = [match for match in houses if match.distance_m(chosen) > SAME_PLACE_M]
    if houses and chosen.is_scattered:
        twins.append(chosen)
    second = max([match.similarity for match in (*others, *twins)], default=0.0)
    return Geocode(
        geocoder=chosen.place.geocoder,
        precision=precision,
        address_id=chosen.address_id,
        matched_street=chosen.street,
        matched_housenumber=chosen.housenumber,
        matched_postcode=chosen.place.postcode,
        matched_city=chosen.place.city,
        longitude=chosen.longitude,
        latitude=chosen.latitude,
        uncertainty_m=HOUSE_UNCERTAINTY_M + (chosen.radius_m if houses else max(chosen.radius_m, 50.0)),
        street_similarity=chosen.street_similarity,
        street_edits=chosen.street_edits,
        city_similarity=max(match.place.city_similarity for match in same),
        is_postcode_equal=int(any(match.place.is_postcode_equal for match in same)),
        is_housenumber_equal=int(bool(houses)),
        candidate_margin=max(0.0, chosen.similarity - second),
        candidates=candidates,
        raw=chosen.place.raw,
    )


def _is_same_place(match: StreetMatch, chosen: StreetMatch) -> bool:
    """The same house under another spelling of its street."""
    return bool(match.address_id and chosen.address_id) and match.distance_m(chosen) <= SAME_PLACE_M


def _candidate(match: StreetMatch) -> Candidate:
    return Candidate(
        address_id=match.address_id,
        street=match.street,
        housenumber=match.housenumber,
        postcode=match.place.postcode,
        city=match.place.city,
        longitude=match.longitude,
        latitude=match.latitude,
        similarity=round(match.similarity, 4),
        street_similarity=round(match.street_similarity, 4),
        city_similarity=round(match.place.city_similarity, 4),
        precision="house" if match.address_id else "street",
    )


def _place_answer(places: Sequence[PlaceMatch], candidates: tuple[Candidate, ...]) -> Geocode:
    """No street: the postcode if it is known, else the town if its name is close enough."""
    known = [place for place in places if place.is_postcode_equal or place.city_similarity >= MIN_STREET]
    if not known:
        return Geocode(precision="none", candidates=candidates)
    best = known[0]
    second = max((place.similarity for place in known if place.city_key != best.city_key), default=0.0)
    return Geocode(
        geocoder=best.geocoder,
        precision="postcode" if best.is_postcode_equal else "city",
        matched_postcode=best.postcode,
        matched_city=best.city,
        longitude=best.longitude,
        latitude=best.latitude,
        uncertainty_m=max(best.radius_m, 200.0),
        city_similarity=best.city_similarity,
        is_postcode_equal=int(best.is_postcode_equal),
        candidate_margin=max(0.0, best.similarity - second),
        candidates=candidates,
        raw=best.raw,
    )
