"""Asks each question once: from the answers kept, else several at a time from the server, whose answers are kept then, also when it found
nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from services.errors import GeocodingError
from services.geocoding.questions import Question
from services.metrics import METRICS
from services.settings import GeocodingSettings
from services.state.geocode_cache import GeocodeCache, KeptAnswer

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]


class Client(Protocol):
    """A server that takes one question at a time."""

    def ask(self, question: Question) -> Sequence[Mapping[str, Any]]:
        """The places found; GeocodingError, retryable when it did not answer."""
        ...

    def is_up(self) -> bool:
        """Whether it answers just now."""
        ...


@dataclass(frozen=True)
class Answer:
    """The server's answer as JSON, an array of places; None when it is away."""

    text: str | None

    @property
    def places(self) -> list[Mapping[str, Any]]:
        """The places, best first."""
        return json.loads(self.text) if self.text else []


class CachedQuestions:
    """Many questions at once."""

    def __init__(self, client: Client, cache: GeocodeCache, settings: GeocodingSettings, *, version: str, clock: Clock) -> None:
        self._client, self._cache, self._clock = client, cache, clock
        self._concurrency = settings.concurrency
        self._scope = (version, *sorted(settings.country_codes))
        self._kept_for = {True: timedelta(days=settings.cache_days), False: timedelta(days=settings.negative_cache_days)}

    def ask(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        """The answer to each question. Equal ones are asked once; what has no answer, since the server is away, is not kept.
        Raises StateError when the answers kept cannot be read."""
        keys = {question: question.key(self._scope) for question in questions}
        known = self._cache.get_many(sorted(set(keys.values())), self._clock())
        for key in keys.values():
            METRICS.geocoder_cache.labels(("places" if json.loads(known[key]) else "nothing") if key in known else "unknown").inc()
        unknown = {key: question for question, key in keys.items() if key not in known}
        asked = self._ask_server(unknown)
        return {question: Answer(known.get(key) or asked[key]) for question, key in keys.items()}

    def _ask_server(self, questions: Mapping[str, Question]) -> dict[str, str | None]:
        if not questions:
            return {}
        # Each question in a copy of this context, whose run id goes out with it.
        with ThreadPoolExecutor(self._concurrency, "geocoder") as threads:
            running = {key: threads.submit(copy_context().run, self._answer, question) for key, question in questions.items()}
            answers = {key: future.result() for key, future in running.items()}
        now = self._clock()
        kept = {
            key: KeptAnswer(text, now + self._kept_for[is_found]) for key, (text, is_found, is_kept) in answers.items() if text and is_kept
        }
        self._cache.put_many(kept)
        return {key: text for key, (text, _, _) in answers.items()}

    def _answer(self, question: Question) -> tuple[str | None, bool, bool]:
        """The answer, whether something was found, and whether to keep it."""
        try:
            places = self._client.ask(question)
        except GeocodingError as error:
            if error.retryable:
                logger.debug("%s", error)
                return None, False, False
            logger.warning("%s", error)
            return "[]", False, False
        return json.dumps(places, ensure_ascii=False), bool(places), True
