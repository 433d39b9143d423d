"""Keeps what a paid reader answered in the object store, so that the same question is never paid twice."""

from __future__ import annotations

import logging

from pydantic import BaseModel, ConfigDict, ValidationError

from services.errors import NotFoundError, ObjectStoreError
from services.metrics import METRICS
from services.object_store.base import ObjectStore

logger = logging.getLogger(__name__)

PREFIX = "cache/vision/"


class KeptAnswer(BaseModel):
    """A usable answer: its text, and the model that gave it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    model: str


class AnswerCache:
    """Answers by the hash of their question, below `cache/vision/`; a store that is away costs money, never a letter."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def get(self, key: str) -> KeptAnswer | None:
        """The answer, or None when none is kept or it cannot be read."""
        try:
            kept = KeptAnswer.model_validate_json(self._objects.read(object_key(key)))
        except NotFoundError:
            kept = None
        except (ObjectStoreError, ValidationError) as error:
            logger.warning("A kept answer could not be read, so the question is asked again: %s", type(error).__name__)
            kept = None
        METRICS.vision_cache.labels("miss" if kept is None else "hit").inc()
        return kept

    def put(self, key: str, answer: KeptAnswer) -> str:
        """Keep an answer; its object's key, also where that failed, which is only logged: it may be there all the same."""
        try:
            self._objects.put(object_key(key), [answer.model_dump_json().encode()], "application/json")
        except ObjectStoreError as error:
            logger.warning("An answer could not be kept, and may have to be paid again: %s", error)
        return object_key(key)


def object_key(key: str) -> str:
    """Where the answer to a question is kept."""
    return f"{PREFIX}{key[:2]}/{key}.json"
