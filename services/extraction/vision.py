"""Reads letters with a vision model, several at once; the offline reader sees every letter first, as a witness and for when the model
is away."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator, Sequence
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread

from services.breaker import BreakerState, CircuitBreaker
from services.errors import ExtractionError, PlatformError
from services.extraction.base import OUTAGES, Attempt, Extraction, Extractor, LetterFile, Reader
from services.extraction.cache import AnswerCache
from services.extraction.own_addresses import own_addresses
from services.extraction.vision_answer import UnusableAnswerError
from services.extraction.vision_calls import CostCapError, Timing, VisionCalls, longest_question_seconds
from services.extraction.vision_client import VisionClient, VisionFaultError
from services.extraction.vision_judgement import judge
from services.extraction.vision_prompt import PROMPT_VERSION, PageJpeg, draw_pages
from services.extraction.vision_reading import VisionReader, VisionReading
from services.metrics import METRICS
from services.object_store.base import ObjectStore
from services.settings import VisionSettings
from services.state.spending import Spending

logger = logging.getLogger(__name__)

# Rises whenever the same answer could be judged differently.
RULES_VERSION = "1"
# Taken up again at once when the model answers: as many letters as a batch of work has.
MANY = 64
# What the offline reader may need for a letter of many pages (1.4 s a page), on a machine that has other work.
OFFLINE_SECONDS = 300.0
_BREAKER_GAUGE: dict[BreakerState, int] = {"closed": 0, "half_open": 1, "open": 2}

_Answer = Extraction | ExtractionError
_Done = SimpleQueue[tuple[str, _Answer] | BaseException]
_Seen = tuple[LetterFile, Extraction | ExtractionError]


class VisionExtractor:
    """Extractor with the model of these settings; `offline` reads every letter first (1.4 s a page), `own` are the operator's addresses."""

    name = "vision"

    def __init__(
        self,
        settings: VisionSettings,
        offline: Extractor,
        *,
        objects: ObjectStore,
        spending: Spending,
        own: Sequence[str] = (),
        timing: Timing | None = None,
    ) -> None:
        self.model = settings.model
        self._settings, self._offline = settings, offline
        self._timing = timing or Timing()
        self._own = own_addresses(own)
        self._own_key = f" own {zlib.crc32(repr(sorted(own)).encode()):08x}" if own else ""
        self._lock = Lock()
        self._untold: dict[str, tuple[Attempt, ...]] = {}
        self._client = VisionClient(settings)
        calls = VisionCalls(settings, self._client, spending, self._timing)
        self._reader = VisionReader(calls, AnswerCache(objects), model=settings.model, url=self._client.server, timing=self._timing)
        self._breaker = CircuitBreaker(self._timing.monotonic, lambda state: METRICS.vision_breaker.set(_BREAKER_GAUGE[state]))

    @property
    def version(self) -> str:
        """Prompt, rules and own addresses."""
        return f"{PROMPT_VERSION} rules {RULES_VERSION}{self._own_key}"

    def extract(self, letters: Sequence[LetterFile]) -> Iterator[tuple[str, Extraction | ExtractionError]]:
        """Yield each letter's extraction or error as it is done: the offline reader hands letters on to `concurrency` threads.

        A caller that stops early waits for no answer: what was asked is paid, kept in the cache and found there next time, and its
        attempts are told with the letter's next reading by this extractor. Raises
        ExtractionError, retryable, when longer than any letter may take none is done.
        """
        todo: SimpleQueue[_Seen | None] = SimpleQueue()
        done: _Done = SimpleQueue()
        stop = Event()
        count = min(self._settings.concurrency, len(letters))
        # Daemons: the end of the process does not wait for a slow server either.
        threads = [Thread(target=copy_context().run, args=(self._work, todo, done, stop), name="vision", daemon=True) for _ in range(count)]
        patience = OFFLINE_SECONDS + longest_question_seconds(self._settings)
        first = Thread(target=copy_context().run, args=(self._look, letters, todo, done, stop, count), daemon=True)
        for thread in (first, *threads):
            thread.start()
        try:
            for _ in letters:
                try:
                    answer = done.get(timeout=patience)
                except Empty:
                    message = f"No letter was read for {patience:.0f} s, a reader hangs: what was not read is tried again."
                    raise ExtractionError(message, retryable=True) from None
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        finally:
            self._leave(done, stop)
            # So that the offline reader has only one caller; who hangs there is not waited for.
            first.join(OFFLINE_SECONDS)

    def retakes(self) -> int:
        """Many when the model has answered since its last failure; one to try, when it may be back; else none."""
        if self._breaker.is_proven:
            return MANY
        return 0 if self._breaker.state == "open" else 1

    def close(self) -> None:
        """End the offline reader's processes and all connections."""
        self._offline.close()
        self._client.close()

    def _look(
        self,
        letters: Sequence[LetterFile],
        todo: SimpleQueue[_Seen | None],
        done: _Done,
        stop: Event,
        count: int,
    ) -> None:
        """Let the offline reader see all letters, and hand each on."""
        by_id = {letter.letter_id: letter for letter in letters}
        try:
            for letter_id, seen in self._offline.extract(letters):
                if stop.is_set():
                    return
                todo.put((by_id[letter_id], seen))
        except BaseException as error:  # the caller must hear of it, or waits for ever
            done.put(error)
        finally:
            for _ in range(count):
                todo.put(None)

    def _work(self, todo: SimpleQueue[_Seen | None], done: _Done, stop: Event) -> None:
        while (item := todo.get()) is not None and not stop.is_set():
            letter, seen = item
            with self._lock:
                attempts = list(self._untold.pop(letter.letter_id, ()))
            answer: _Answer
            try:
                answer = self._read(letter, seen, attempts)
            except PlatformError as error:  # the state database, say: the letter is tried again
                answer = error if isinstance(error, ExtractionError) else ExtractionError(str(error), retryable=error.retryable)
                answer.attempts = tuple(attempts)
            except BaseException as error:
                done.put(error)
                return
            with self._lock:
                if stop.is_set():
                    self._untold[letter.letter_id] = answer.attempts
                else:
                    done.put((letter.letter_id, answer))

    def _leave(self, done: _Done, stop: Event) -> None:
        """Stop, and keep the attempts of what nobody fetched."""
        with self._lock:
            stop.set()
            while not done.empty():
                if not isinstance(answer := done.get(), BaseException):
                    self._untold[answer[0]] = answer[1].attempts

    def _read(self, letter: LetterFile, seen: Extraction | ExtractionError, attempts: list[Attempt]) -> _Answer:
        offline = seen if isinstance(seen, Extraction) else None
        try:
            pages = draw_pages(letter, offline.page_rotations if offline else (), self._settings.max_image_side)
            reading = self._reader.kept(pages, attempts)
            if reading is None:
                if not self._breaker.allows():
                    return self._otherwise(letter, seen, "circuit_open", attempts)
                reading = self._through_breaker(pages, attempts)
        except CostCapError as cap:
            logger.warning("%s", cap)
            return self._otherwise(letter, seen, "cost_cap", attempts)
        except VisionFaultError as fault:
            logger.warning("Letter %s is read offline: %s", letter.letter_id, fault)
            return self._otherwise(letter, seen, fault.outcome, attempts)
        except UnusableAnswerError as problem:
            raw = attempts[-1].raw
            reader = Reader(self.name, self.version, attempts[-1].returned_model)
            rotations = offline.page_rotations if offline else ()
            logger.warning("Letter %s goes to review: the vision model gave no usable answer (%s)", letter.letter_id, problem.outcome)
            return Extraction(
                outcome="failed", problem=problem.outcome, raw=raw, page_rotations=rotations, reader=reader, attempts=tuple(attempts)
            )
        judged = judge(reading.answer, reading.model, reading.raw, offline, self._own)
        return judged.model_copy(update={"reader": Reader(self.name, self.version, reading.model), "attempts": tuple(attempts)})

    def _through_breaker(self, pages: Sequence[PageJpeg], attempts: list[Attempt]) -> VisionReading:
        """Ask, and tell the breaker whether the model is there: a refusal or a bad answer is an answer."""
        try:
            reading = self._reader.read(pages, attempts)
        except VisionFaultError as fault:
            if fault.outcome in OUTAGES:
                self._breaker.failed(at_once=fault.outcome == "misconfigured")
            elif fault.outcome == "refusal":
                self._breaker.succeeded()
            else:
                self._breaker.left()
            raise
        except UnusableAnswerError:
            self._breaker.succeeded()
            raise
        except BaseException:
            self._breaker.left()
            raise
        self._breaker.succeeded()
        return reading

    def _otherwise(self, letter: LetterFile, seen: Extraction | ExtractionError, reason: str, attempts: Sequence[Attempt]) -> _Answer:
        """The offline reading, marked as such; its error, where it could not read the letter either."""
        METRICS.observe_fallback(reason)
        if isinstance(seen, ExtractionError):
            seen.attempts = tuple(attempts)
            return seen
        reader = Reader(self._offline.name, self._offline.version, self._offline.model)
        return seen.model_copy(update={"is_fallback": True, "problem": reason, "reader": reader, "attempts": tuple(attempts)})
