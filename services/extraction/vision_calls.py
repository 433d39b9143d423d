"""Questions to a vision model in time and within the budget: paced, paid, tried again where that may help, and each one recorded."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from services.errors import PlatformError
from services.extraction.base import Attempt, AttemptOutcome
from services.extraction.vision_client import MAX_OUTPUT_TOKENS, Reply, VisionClient, VisionFaultError
from services.extraction.vision_prompt import PROMPT_VERSION, Message, PageJpeg
from services.metrics import METRICS
from services.settings import VisionSettings
from services.state.spending import Spending

logger = logging.getLogger(__name__)

TRIES = 4
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 20.0
# A server that wants longer than this is away: the letter is read otherwise meanwhile, and taken up again.
PATIENCE_SECONDS = 30.0
_SECONDS_PER_MINUTE = 60.0
_MILLION = 1_000_000
# For setting money aside: words are at least two characters a token, pictures at most one token per 16 x 16 pixels (Pixtral's patches;
# newer models take four of them together).
_CHARS_PER_TOKEN = 2
_PATCH_PIXELS = 256

# What a reply is worth, and where it was kept (empty: nowhere).
Judge = Callable[[Reply], tuple[AttemptOutcome, str]]


class CostCapError(Exception):
    """The month's money is spent."""


@dataclass(frozen=True)
class Timing:
    """Clocks, waiting and chance, all of which a test replaces."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform


@dataclass
class Pace:
    """Spreads questions evenly over the minute, for all threads of this process together."""

    per_minute: int
    timing: Timing
    _lock: Lock = field(default_factory=Lock)
    _next: float = 0.0

    def wait(self) -> None:
        """Return when it is this question's turn."""
        with self._lock:
            now = self.timing.monotonic()
            turn = max(now, self._next)
            self._next = turn + _SECONDS_PER_MINUTE / self.per_minute
        if turn > now:
            self.timing.sleep(turn - now)

    def hold(self, seconds: float) -> None:
        """Let nobody ask for so long."""
        with self._lock:
            self._next = max(self._next, self.timing.monotonic() + seconds)


class VisionCalls:
    """Asks as often as is sensible and records every attempt; safe for threads."""

    def __init__(self, settings: VisionSettings, client: VisionClient, spending: Spending, timing: Timing) -> None:
        self._settings, self._client, self._spending, self._timing = settings, client, spending, timing
        self._pace = Pace(settings.requests_per_minute, timing)

    def ask(self, messages: Sequence[Message], pages: Sequence[PageJpeg], attempts: list[Attempt], judge: Judge) -> Reply:
        """The model's reply; every attempt, with what `judge` says of its reply, is added to `attempts`.

        Raises VisionFaultError of the last try, or CostCapError before one that the month's money does not cover.
        """
        for number in range(TRIES):
            self._pace.wait()
            try:
                return self._ask_once(messages, pages, attempts, judge)
            except VisionFaultError as fault:
                pause = self._pause(number, fault)
                if not fault.is_passing or number == TRIES - 1 or pause > PATIENCE_SECONDS:
                    raise
                logger.info("Asking the vision model again in %.1f s: %s", pause, fault)
                if fault.retry_after is not None:
                    self._pace.hold(fault.retry_after)
                self._timing.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Price of an answer, in the currency of the prices."""
        return (input_tokens * self._settings.input_price + output_tokens * self._settings.output_price) / _MILLION

    def _pause(self, number: int, fault: VisionFaultError) -> float:
        """Full jitter (M. Brooker, Exponential Backoff And Jitter, 2015), and never before the server asks to be asked again."""
        jitter = self._timing.uniform(0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**number))
        return (fault.retry_after or 0.0) + jitter

    def _ask_once(self, messages: Sequence[Message], pages: Sequence[PageJpeg], attempts: list[Attempt], judge: Judge) -> Reply:
        started_at, started = self._timing.now(), self._timing.monotonic()
        month = f"{started_at:%Y-%m}"
        tokens_in = _most_tokens(messages, pages)
        reserved = self.cost(tokens_in, MAX_OUTPUT_TOKENS)
        if not self._spending.reserve(month, reserved, self._settings.monthly_cost_cap):
            raise CostCapError(
                f"The cost cap of {self._settings.monthly_cost_cap:g} is reached for {month}: letters are read offline until the next "
                "month, or raise CARTULARY_VISION__MONTHLY_COST_CAP."
            )

        def record(
            outcome: AttemptOutcome, model: str, sent: int, received: int, cost: float, raw: str, seconds: float, cache_key: str = ""
        ) -> None:
            attempts.append(
                Attempt(
                    requested_model=self._settings.model,
                    returned_model=model,
                    prompt_version=PROMPT_VERSION,
                    outcome=outcome,
                    input_tokens=sent,
                    output_tokens=received,
                    cost=cost,
                    latency_ms=round(seconds * 1000, 3),
                    raw=raw,
                    started_at=started_at,
                    cache_key=cache_key,
                )
            )
            METRICS.observe_answer(outcome, seconds, sent, received, cost)
            self._settle(month, reserved, cost)

        try:
            reply = self._client.ask(messages)
        except VisionFaultError as fault:
            # Whoever did not hear the answer pays for it all the same.
            paid = reserved if fault.may_cost else 0.0
            record(fault.outcome, "", 0, 0, paid, fault.raw, self._timing.monotonic() - started)
            raise
        seconds = self._timing.monotonic() - started
        sent, received = reply.input_tokens, reply.output_tokens
        is_counted = sent is not None and received is not None
        cost = self.cost(sent or 0, received or 0) if is_counted else reserved
        outcome, cache_key = judge(reply)
        record(outcome, reply.model, sent or 0, received or 0, cost, reply.text, seconds, cache_key)
        return reply

    def _settle(self, month: str, reserved: float, cost: float) -> None:
        """Where the books cannot be reached, what was set aside stays spent: the answer itself is kept."""
        try:
            self._spending.settle(month, reserved, cost)
        except PlatformError as error:
            logger.warning("The month's books keep %.6f instead of %.6f for an answer: %s", reserved, cost, error)


def longest_question_seconds(settings: VisionSettings) -> float:
    """Seconds after which a letter is answered or given up: two questions, with all that each may wait for."""
    turn = settings.concurrency * _SECONDS_PER_MINUTE / settings.requests_per_minute
    return 2 * TRIES * (settings.timeout_seconds + PATIENCE_SECONDS + turn)


def _most_tokens(messages: Sequence[Message], pages: Sequence[PageJpeg]) -> int:
    """More tokens than the question can have."""
    texts = [message["content"] for message in messages if isinstance(message["content"], str)]
    words = sum(len(text) for text in texts) // _CHARS_PER_TOKEN
    return words + 1000 + sum(page.width * page.height // _PATCH_PIXELS + page.height // 16 for page in pages)
