"""Reads letters offline, on all cores: one process per reader, answers as they come, and a crash costs one letter's try."""

from __future__ import annotations

import os
import signal
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, resource_tracker
from multiprocessing.context import SpawnProcess
from threading import Lock

from services.errors import ExtractionError
from services.extraction.base import Extraction, LetterFile
from services.extraction.own_addresses import OwnAddress, own_addresses
from services.extraction.reader import LineReader

# Rises whenever the same letter could be read differently: readers, cuts, vocabulary or rules.
RULES_VERSION = "2"
BYTES_PER_READER = 1_000_000_000
# A slow page takes 20 s on one core; whatever takes longer than this hangs.
LETTER_SECONDS = 120.0
PAGE_SECONDS = 60.0
_STOP_SECONDS = 5.0
_CLOSE_SECONDS = 2.0

# What a process sends back: letter, extraction or error sentence, whether trying again may help.
_Answer = tuple[str, "Extraction | str", bool]


def reader_count() -> int:
    """One reader per core that this process may use, as memory allows (1 GB each), at least one."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(cores, memory // BYTES_PER_READER))


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started meanwhile do not see Ctrl-C, not even while they start: their parent ends them."""
    resource_tracker.ensure_running()  # else the first start would do it, and let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(channel: connection.Connection, own: Sequence[OwnAddress]) -> None:
    """Main loop of a reader process: letters in, answers out, until the channel closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from services.extraction.letter import read_letter  # in the process only: models cost a second and 700 MB

    reader = LineReader()
    while True:
        try:
            letter: LetterFile | None = channel.recv()
        except (EOFError, OSError):  # the parent is gone, even by kill -9
            return
        if letter is None:
            return
        answer: _Answer
        try:
            answer = (letter.letter_id, read_letter(reader, letter, own), False)
        except ExtractionError as error:
            answer = (letter.letter_id, str(error), error.retryable)
        except MemoryError:
            sentence = f"{letter.path.name} needs more memory than there is; close other programs or scan at a lower resolution"
            answer = (letter.letter_id, sentence, True)
        except Exception as error:  # a reader must outlive every letter; the letter gets the blame
            sentence = f"{letter.path.name} could not be read ({type(error).__name__}: {error}); look at it by hand"
            answer = (letter.letter_id, sentence, False)
        try:
            channel.send(answer)
        except OSError:  # nobody waits for it any more
            return


@dataclass
class _Worker:
    process: SpawnProcess
    channel: connection.Connection
    letter: LetterFile | None = None
    deadline: float = 0.0  # of the letter, by time.monotonic()


class OcrExtractor:
    """Extractor with RapidOCR in `workers` spawned processes (0: one per core, as memory allows), started when first needed;
    `own` are the operator's addresses, as 'Marktgasse 1, 7410 Korvenau' (ConfigurationError if not): never a sender's. A letter
    that takes longer than `letter_seconds` and `page_seconds` for each page loses its process."""

    name = "ocr"
    model = LineReader.model()

    def __init__(
        self,
        workers: int = 0,
        own: Sequence[str] = (),
        *,
        letter_seconds: float = LETTER_SECONDS,
        page_seconds: float = PAGE_SECONDS,
    ) -> None:
        self._count = workers or reader_count()
        self._own = own_addresses(own)
        self._own_key = f" own {zlib.crc32(repr(sorted(own)).encode()):08x}" if own else ""
        self._letter_seconds, self._page_seconds = letter_seconds, page_seconds
        self._workers: list[_Worker] = []
        self._is_closing = False
        # One batch at a time: two threads that extract would take each other's answers.
        self._lock = Lock()

    @property
    def version(self) -> str:
        """Library, rules and own addresses."""
        return f"{LineReader.version()} rules {RULES_VERSION}{self._own_key}"

    def extract(self, letters: Sequence[LetterFile]) -> Iterator[tuple[str, Extraction | ExtractionError]]:
        """Yield each letter's extraction or error as it is done.

        A process that dies or hangs is replaced, and its letter may be tried again.
        Raises ExtractionError (retryable) when another thread closes the extractor meanwhile.
        """
        with self._lock:
            waiting = deque(letters)
            self._start(min(self._count, len(waiting)))
            try:
                while waiting or any(worker.letter for worker in self._workers):
                    if self._is_closing:
                        raise ExtractionError("the reader was closed meanwhile; what was not read will be tried again", retryable=True)
                    self._hand_out(waiting)
                    yield from self._collect()
            finally:
                self._drop_busy()

    def retakes(self) -> int:
        """None: it has no fallback."""
        return 0

    def close(self) -> None:
        """End all processes, within seconds even when they are busy; the next extract starts new ones."""
        self._is_closing = True
        try:
            if not self._lock.acquire(timeout=_CLOSE_SECONDS):
                # Another thread reads, or a caller was interrupted between two letters and will never take the next one.
                for worker in list(self._workers):
                    with suppress(ValueError):  # closed meanwhile
                        worker.process.kill()
                if not self._lock.acquire(timeout=_CLOSE_SECONDS):
                    return
            try:
                for worker in self._workers:
                    _stop(worker)
                self._workers.clear()
            finally:
                self._lock.release()
        finally:
            self._is_closing = False

    def _start(self, count: int) -> None:
        self._workers = [worker for worker in self._workers if worker.process.is_alive()]
        context = get_context("spawn")  # forking a process that has ClickHouse's threads would hang
        while len(self._workers) < count:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, self._own), name="letter-reader", daemon=True)
            with _interrupts_held():
                process.start()
            theirs.close()
            self._workers.append(_Worker(process, ours))

    def _hand_out(self, waiting: deque[LetterFile]) -> None:
        if waiting and not self._workers:
            self._start(min(self._count, len(waiting)))
        for worker in self._workers:
            if worker.letter is None and waiting:
                letter = waiting.popleft()
                try:
                    worker.channel.send(letter)
                except (BrokenPipeError, OSError):  # died while idle: nothing is lost
                    waiting.appendleft(letter)
                    continue
                worker.letter = letter
                worker.deadline = time.monotonic() + self._seconds_for(letter)

    def _collect(self) -> Iterator[tuple[str, Extraction | ExtractionError]]:
        """Wait until a process answers, dies or has had its time."""
        handles = [handle for worker in self._workers for handle in (worker.channel, worker.process.sentinel)]
        deadlines = [worker.deadline for worker in self._workers if worker.letter]
        ready = connection.wait(handles, max(0.0, min(deadlines) - time.monotonic()) if deadlines else 0.0)
        for worker in [worker for worker in self._workers if worker.channel in ready or worker.process.sentinel in ready]:
            answer = _receive(worker)
            if answer is None:
                yield from self._replace(worker)
                continue
            worker.letter = None
            letter_id, outcome, retryable = answer
            yield letter_id, (ExtractionError(outcome, retryable=retryable) if isinstance(outcome, str) else outcome)
        late = [worker for worker in self._workers if worker.letter and worker.deadline <= time.monotonic()]
        for worker in [worker for worker in late if not worker.channel.poll()]:
            worker.process.kill()
            yield from self._replace(worker, is_late=True)

    def _seconds_for(self, letter: LetterFile) -> float:
        return self._letter_seconds + self._page_seconds * letter.pages

    def _replace(self, worker: _Worker, *, is_late: bool = False) -> Iterator[tuple[str, ExtractionError]]:
        self._workers.remove(worker)
        worker.process.join(_STOP_SECONDS)
        code = worker.process.exitcode
        _stop(worker)
        self._start(len(self._workers) + 1)
        if worker.letter is not None:
            name, seconds = worker.letter.path.name, self._seconds_for(worker.letter)
            happened = f"the reader needed more than {seconds:.0f} s for {name} and was stopped"
            if not is_late:
                happened = f"the reader's process ended (exit code {code}) while it read {name}"
            sentence = f"{happened}; it will be tried again"
            yield worker.letter.letter_id, ExtractionError(sentence, retryable=True)

    def _drop_busy(self) -> None:
        """A caller that stops early leaves no half-read letter behind whose answer would be taken for another's."""
        for worker in [worker for worker in self._workers if worker.letter is not None]:
            self._workers.remove(worker)
            worker.process.terminate()
            _stop(worker)


def _receive(worker: _Worker) -> _Answer | None:
    """The answer that waits, or None if the process died without one."""
    try:
        answer: _Answer | None = worker.channel.recv() if worker.channel.poll() else None
    except (EOFError, OSError):
        return None
    return answer


def _stop(worker: _Worker) -> None:
    if worker.process.is_alive():
        try:
            worker.channel.send(None)
        except (BrokenPipeError, OSError):
            worker.process.terminate()
        worker.process.join(_STOP_SECONDS)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(_STOP_SECONDS)
    worker.channel.close()
    worker.process.close()
