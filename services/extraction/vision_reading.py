"""Gets one usable answer about a letter: from the cache, from the model, or from the model after it was told what was wrong."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from services.extraction.base import Attempt, AttemptOutcome
from services.extraction.cache import AnswerCache, KeptAnswer, object_key
from services.extraction.vision_answer import UnusableAnswerError, VisionAnswer, parse_answer
from services.extraction.vision_calls import Timing, VisionCalls
from services.extraction.vision_client import Reply, VisionFaultError
from services.extraction.vision_prompt import PROMPT_VERSION, PageJpeg, first_messages, question_key, repair_messages

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VisionReading:
    """What the model made of a letter, who it says it is, and its words."""

    answer: VisionAnswer
    model: str
    raw: str


class VisionReader:
    """Reads pages with the model named `model` at `url`; safe for threads."""

    def __init__(self, calls: VisionCalls, cache: AnswerCache, *, model: str, url: str, timing: Timing) -> None:
        self._calls, self._cache, self._model, self._url, self._timing = calls, cache, model, url, timing

    def kept(self, pages: Sequence[PageJpeg], attempts: list[Attempt]) -> VisionReading | None:
        """The reading that was paid for before, or None."""
        key = question_key(pages, self._model, self._url)
        kept = self._cache.get(key)
        if kept is None:
            return None
        try:
            reading = VisionReading(parse_answer(kept.text), kept.model, kept.text)
        except UnusableAnswerError:  # the form was changed since: the kept answer is of no use
            return None
        attempts.append(
            Attempt(
                requested_model=self._model,
                returned_model=kept.model,
                prompt_version=PROMPT_VERSION,
                outcome=self._outcome(kept.model),
                input_tokens=0,
                output_tokens=0,
                cost=0.0,
                latency_ms=0.0,
                raw=kept.text,
                started_at=self._timing.now(),
                is_cached=True,
                cache_key=object_key(key),
            )
        )
        return reading

    def read(self, pages: Sequence[PageJpeg], attempts: list[Attempt]) -> VisionReading:
        """Ask, and where the answer cannot be used, say what is wrong and ask once more.

        Raises UnusableAnswerError when the second answer cannot be used either; VisionFaultError and CostCapError where none came,
        VisionFaultError `refusal` where the model declined.
        """
        messages, key = first_messages(pages), question_key(pages, self._model, self._url)

        def judge(reply: Reply) -> tuple[AttemptOutcome, str]:
            """A usable answer is paid: it is kept before anything else is done that could fail."""
            outcome = self._judge(reply)
            is_usable = outcome in ("ok", "other_model")
            return outcome, self._cache.put(key, KeptAnswer(text=reply.text, model=reply.model)) if is_usable else ""

        for is_repair in (False, True):
            reply = self._calls.ask(messages, pages, attempts, judge)
            if reply.is_refusal:
                raise VisionFaultError("refusal", "the model declined to read the letter")
            try:
                answer = _parsed(reply)
            except UnusableAnswerError as problem:
                if is_repair:
                    raise
                logger.info("The vision model's answer cannot be used, it is told why: %s", problem.outcome)
                messages = [*messages, *repair_messages(reply.text, str(problem))]
                continue
            self._note_model(reply.model)
            return VisionReading(answer, reply.model, reply.text)
        raise AssertionError("the repair returns or raises")

    def _judge(self, reply: Reply) -> AttemptOutcome:
        if reply.is_refusal:
            return "refusal"
        try:
            _parsed(reply)
        except UnusableAnswerError as problem:
            return problem.outcome
        return self._outcome(reply.model)

    def _outcome(self, model: str) -> AttemptOutcome:
        return "ok" if model == self._model else "other_model"

    def _note_model(self, model: str) -> None:
        if model != self._model:
            logger.warning(
                "Asked for the model %s, the answer is by %s: compare the results, or name it in CARTULARY_VISION__MODEL.",
                self._model,
                model,
            )


def _parsed(reply: Reply) -> VisionAnswer:
    try:
        return parse_answer(reply.text)
    except UnusableAnswerError:
        if reply.is_cut_off:
            raise UnusableAnswerError(
                "cut_off", "it was cut off because it is too long: copy every line once, and nothing twice."
            ) from None
        raise
