"""One question to a Nominatim server, by geopy: with a timeout, repeated where that may help, and not asked while the server is away."""

from __future__ import annotations

import json
import logging
import random
import ssl
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx2
from geopy.adapters import AdapterHTTPError, BaseSyncAdapter  # type: ignore[import-untyped]
from geopy.exc import (  # type: ignore[import-untyped]
    GeocoderAuthenticationFailure,
    GeocoderInsufficientPrivileges,
    GeocoderQueryError,
    GeocoderQuotaExceeded,
    GeocoderTimedOut,
    GeocoderUnavailable,
    GeopyError,
)
from geopy.geocoders import Nominatim  # type: ignore[import-untyped]

from services.breaker import BreakerState, CircuitBreaker
from services.deadline import soon, within
from services.errors import ConfigurationError, GeocodingError
from services.geocoding.questions import Question
from services.metrics import METRICS
from services.settings import GeocodingSettings
from services.tracing import RUN_ID_HEADER, current_run_id

ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.3
# As many places as may share a street's name in one town.
LIMIT = 5
# Whether the server is back is asked in the middle of other work.
PROBE_SECONDS = 3.0
BREAKER_VALUES: Mapping[BreakerState, int] = {"closed": 0, "half_open": 1, "open": 2}
# Nobody else's question would be answered either: key or quota missing, or told to wait.
CLOSED_DOORS = (GeocoderAuthenticationFailure, GeocoderInsufficientPrivileges, GeocoderQuotaExceeded)
# geopy's own, and what it stumbles over when the JSON is not Nominatim's.
WRONG_ANSWERS = (GeopyError, ValueError, TypeError, AttributeError)

Place = Mapping[str, Any]

# It would tell each URL, and so the address that is asked for.
logging.getLogger("httpx2").setLevel(logging.WARNING)


class NominatimClient:
    """A Nominatim server; any number of threads may ask at once."""

    def __init__(
        self,
        settings: GeocodingSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        url = _parsed(settings.nominatim_url)
        # Not the URL itself, which may hold a password.
        self._name = f"Nominatim at {url.hostname}"
        self._countries = list(settings.country_codes)
        self._sleep, self._chance = sleep, chance or random.SystemRandom()
        self._breaker = CircuitBreaker(monotonic, lambda state: METRICS.geocoder_breaker.set(BREAKER_VALUES[state]))
        self._geopy = Nominatim(
            user_agent=f"cartulary/{version('cartulary')}",
            scheme=url.scheme,
            domain=f"{url.netloc}{url.path}",
            timeout=settings.timeout_seconds,
            adapter_factory=_adapter_factory(settings.concurrency),
        )

    def ask(self, question: Question) -> Sequence[Place]:
        """The places found, best first; empty when there are none.

        Raises GeocodingError: not retryable when the server cannot take this question, retryable when it did not answer or is not
        asked for a while, since it answered nobody before.
        """
        if not self._breaker.allows():
            METRICS.geocoder_questions.labels("not_asked").inc()
            raise GeocodingError(f"{self._name} is away and not asked for a while: see whether it runs.", retryable=True)
        started = time.perf_counter()
        outcome = "unavailable"
        try:
            places = self._ask_patiently(question)
            outcome = "places" if places else "nothing"
            return places
        except GeocodingError as error:
            outcome = "unavailable" if error.retryable else "refused"
            raise
        finally:
            self._breaker.left()
            METRICS.geocoder_questions.labels(outcome).inc()
            METRICS.geocoder_seconds.observe(time.perf_counter() - started)

    def is_up(self) -> bool:
        """Whether the server answers just now, by one short question, also while it is not asked otherwise."""
        try:
            self._geopy.geocode("0", exactly_one=False, limit=1, timeout=PROBE_SECONDS)
        except WRONG_ANSWERS:
            return False
        self._breaker.succeeded()
        return True

    def _ask_patiently(self, question: Question) -> Sequence[Place]:
        for attempt in range(ATTEMPTS):
            try:
                places = self._ask_once(question)
            except GeocoderQueryError as cause:
                # It answers, only not this.
                self._breaker.succeeded()
                raise GeocodingError(f"{self._name} cannot take the question: {type(cause).__name__}", retryable=False) from None
            except WRONG_ANSWERS as cause:
                if attempt < ATTEMPTS - 1 and _may_help_to_repeat(cause):
                    # Between half and all of the pause, so that those who failed together do not come back together.
                    self._sleep(FIRST_PAUSE_SECONDS * 2**attempt * (0.5 + self._chance.random() / 2))
                    continue
                self._breaker.failed(at_once=isinstance(cause, CLOSED_DOORS) or _status(cause) == 429)
                # Without the cause's own text: it repeats the URL, and so the address that was asked for.
                raise GeocodingError(f"{self._name} gave no answer: {_said(cause)}. See whether it runs.", retryable=True) from None
            self._breaker.succeeded()
            return places
        raise AssertionError("the last attempt returns or raises")

    def _ask_once(self, question: Question) -> Sequence[Place]:
        found = self._geopy.geocode(
            question.parameters(), exactly_one=False, limit=LIMIT, addressdetails=True, country_codes=self._countries
        )
        return [location.raw for location in found or []]


def _parsed(url: str) -> SplitResult:
    """Our error does not repeat the URL, which may hold a password."""
    wrong = ConfigurationError(
        "CARTULARY_GEOCODING__NOMINATIM_URL is no address of a server: write it like http://nominatim:8080, or leave it empty to place "
        "letters by the address register alone."
    )
    try:
        parsed = urlsplit(url)
    except ValueError:
        raise wrong from None
    if parsed.scheme not in ("http", "https") or not parsed.hostname:
        raise wrong
    return parsed


def _status(cause: Exception) -> int:
    """The HTTP status behind geopy's exception; 0 when there was no answer at all."""
    return int(getattr(cause.__cause__, "status_code", 0))


def _may_help_to_repeat(cause: Exception) -> bool:
    """Not where the server said no (4xx): the same question would get the same answer, or be asked too often already."""
    return not 400 <= _status(cause) < 500


def _said(cause: Exception) -> str:
    status = _status(cause)
    return f"{type(cause).__name__}, HTTP {status}" if status else type(cause).__name__


def _adapter_factory(connections: int) -> Callable[..., BaseSyncAdapter]:
    """Connections are kept open, as many as there are threads; each question bears the run's id and has to be answered in whole within
    its timeout, which geopy's own adapters hold for each read."""

    class Adapter(BaseSyncAdapter):  # type: ignore[misc]
        def __init__(self, *, proxies: object, ssl_context: ssl.SSLContext | None) -> None:
            super().__init__(proxies=proxies, ssl_context=ssl_context)
            limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
            # As geopy's adapters: the system's certificates, and no proxy of the environment.
            self._http = httpx2.AsyncClient(
                verify=ssl_context or ssl.create_default_context(), limits=limits, trust_env=False, follow_redirects=True, timeout=None
            )
            weakref.finalize(self, soon, self._http.aclose)

        def get_text(self, url: str, *, timeout: float, headers: Mapping[str, str]) -> str:
            run_id = current_run_id()
            try:
                question = self._http.get(url, headers={**headers, **({RUN_ID_HEADER: run_id} if run_id else {})})
                answer = within(timeout, question)
            except TimeoutError:
                raise GeocoderTimedOut("no whole answer in time") from None
            except httpx2.HTTPError as cause:
                raise GeocoderUnavailable(type(cause).__name__) from None
            if answer.status_code >= 400:
                # Without its text, which geopy would log: it may repeat the address.
                raise AdapterHTTPError("no success", status_code=answer.status_code, headers=answer.headers, text="")
            return answer.text

        def get_json(self, url: str, *, timeout: float, headers: Mapping[str, str]) -> Any:
            return json.loads(self.get_text(url, timeout=timeout, headers=headers))

    return Adapter
