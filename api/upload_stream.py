"""Many files in one multipart request, handed on piece by piece: never a whole file in memory or on a second disk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastapi import Request
from starlette.requests import ClientDisconnect
from streaming_form_data.parser import ParseFailedException, StreamingFormDataParser
from streaming_form_data.targets import BaseTarget

from api.errors import RequestError
from services.errors import PlatformError

# Handing a piece to the other thread costs about 0.1 ms whatever its size: one megabyte makes that nothing, four of them wait at most.
PIECE_BYTES = 1 << 20
WAITING_PIECES = 4
MAX_FIELD_BYTES = 10_000
MAX_FILES = 10_000
FIELDS = ("purpose", "dataset", "mode")

# Uploads have threads of their own, so that slow senders never keep readers waiting.
UPLOAD_THREADS = anyio.CapacityLimiter(32)


@dataclass
class FileStart:
    """A file begins; `fields` are the form fields before it."""

    name: str
    fields: dict[str, str]


@dataclass
class FileEnd:
    """The file before is complete."""


Event = FileStart | FileEnd | bytes
Result = TypeVar("Result")


class Part(BaseTarget):  # type: ignore[misc]
    """What the parser reports about the parts of one name, put in a row with all others."""

    def __init__(self, name: str, form: Form) -> None:
        super().__init__()
        self._name, self._form = name, form
        self.multipart_filename: str | None = None

    def on_start(self) -> None:
        """A part begins."""
        self._form.start(self._name, self.multipart_filename)
        self.multipart_filename = None

    def on_data_received(self, chunk: bytes) -> None:
        """A piece of it."""
        self._form.receive(bytes(chunk))

    def on_finish(self) -> None:
        """A part is complete."""
        self._form.finish()


@dataclass
class Form:
    """Parts in the order in which they come: files become events, fields count for the files after them."""

    fields: dict[str, str]
    events: list[Event] = field(default_factory=list)
    is_field_unused: bool = False
    file_count: int = 0
    problem: str = ""
    _field: str = ""
    _value: bytearray = field(default_factory=bytearray)
    _piece: bytearray = field(default_factory=bytearray)

    def start(self, name: str, file_name: str | None) -> None:
        """A part of this name begins."""
        self._value.clear()
        self._field = name if name in FIELDS else ""
        if not self._field:
            self.file_count += 1
            if self.file_count > MAX_FILES:
                self.problem = f"One request takes at most {MAX_FILES} files: send the rest in another."
            self.events.append(FileStart(file_name or "", dict(self.fields)))
            self.is_field_unused = False

    def receive(self, chunk: bytes) -> None:
        """A piece of the part."""
        if self._field:
            # One byte more than allowed is enough to know that it is too long; the parser lets no exception through.
            self._value += chunk[: MAX_FIELD_BYTES + 1 - len(self._value)]
            return
        self._piece += chunk
        if len(self._piece) >= PIECE_BYTES:
            self._flush()

    def finish(self) -> None:
        """The part is complete."""
        if self._field:
            if len(self._value) > MAX_FIELD_BYTES:
                self.problem = f"The form field {self._field} is longer than {MAX_FIELD_BYTES} bytes."
            self.fields[self._field] = self._value.decode("utf-8", "replace").strip()
            self.is_field_unused = self.file_count > 0
            return
        self._flush()
        self.events.append(FileEnd())

    def _flush(self) -> None:
        if self._piece:
            self.events.append(bytes(self._piece))
            self._piece.clear()

    def take(self) -> list[Event]:
        """All events since the last call."""
        taken, self.events = self.events, []
        return taken


class CutOffError(RequestError):
    """The request ended in the middle of a file: nothing of that file is kept."""


async def read_events(request: Request, form: Form) -> AsyncGenerator[Event, None]:
    """The request's files as events; CutOffError when it ends in the middle of one, RequestError when it is no such form."""
    try:
        parser = StreamingFormDataParser(headers={"Content-Type": request.headers.get("content-type", "")})
    except ParseFailedException as cause:
        raise RequestError("Send multipart/form-data with one part named files for each file.") from cause
    for name in ("files", *FIELDS):
        parser.register(name, Part(name, form))
    is_open = False
    try:
        async for chunk in request.stream():
            try:
                parser.data_received(chunk)
            except ParseFailedException as cause:
                raise RequestError(f"The form cannot be read ({cause}): send multipart/form-data as RFC 7578 says.") from cause
            if form.problem:
                raise RequestError(form.problem)
            for event in form.take():
                is_open = not isinstance(event, FileEnd)
                yield event
    except ClientDisconnect as cause:
        raise CutOffError("The connection ended in the middle of the upload: send the file again.") from cause
    if is_open:
        raise CutOffError("The request ended in the middle of a file: send the file again.")


class Handover:
    """Pieces from the event loop to one thread that consumes them as an ordinary iterator."""

    def __init__(self) -> None:
        self._send: MemoryObjectSendStream[bytes]
        self._receive: MemoryObjectReceiveStream[bytes]
        self._send, self._receive = anyio.create_memory_object_stream[bytes](WAITING_PIECES)
        self._is_complete = False
        self._consumed = anyio.Event()
        self._error: PlatformError | None = None

    @property
    def is_consumed(self) -> bool:
        """Whether the consumer is done, with or without having seen all pieces."""
        return self._consumed.is_set()

    async def put(self, piece: bytes) -> None:
        """Hand over a piece; dropped when the consumer has seen enough."""
        try:
            await self._send.send(piece)
        except anyio.BrokenResourceError:
            return

    def complete(self) -> None:
        """The file is whole."""
        self._is_complete = True
        self._send.close()

    def cut_off(self) -> None:
        """The file will never be whole: the consumer gets an error instead of an end. Does nothing after `complete`."""
        self._send.close()

    def pieces(self) -> Iterator[bytes]:
        """In the consumer's thread: all pieces; CutOffError when the file was cut off."""
        while True:
            try:
                yield anyio.from_thread.run(self._receive.receive)
            except anyio.EndOfStream:
                break
        if not self._is_complete:
            raise CutOffError("The upload was cut off in the middle of a file: send the file again.")

    async def consume(self, consumer: Callable[[], Result], results: list[Result]) -> None:
        """Run the consumer of `pieces` in a thread until it is done, keep its result, and let go of what it left."""
        try:
            results.append(await anyio.to_thread.run_sync(consumer, limiter=UPLOAD_THREADS))
        except PlatformError as error:
            self._error = error
        finally:
            self._receive.close()
            self._consumed.set()

    async def wait(self) -> None:
        """Until the consumer is done; raises what it raised."""
        await self._consumed.wait()
        if self._error is not None:
            raise self._error


async def each_file(request: Request, form: Form, work: Callable[[FileStart, Iterator[bytes]], Result]) -> list[Result]:
    """Run `work` in a thread for one file after the other, while it comes in; what each returned.

    Raises CutOffError when the request ends early, RequestError when it is no such form, and what `work` raises.
    """
    results: list[Result] = []
    failure: PlatformError | None = None
    async with anyio.create_task_group() as group, aclosing(read_events(request, form)) as events:
        handover: Handover | None = None
        try:
            async for event in events:
                if isinstance(event, FileStart):
                    handover = Handover()
                    group.start_soon(handover.consume, partial(work, event, handover.pieces()), results)
                elif handover is not None and isinstance(event, FileEnd):
                    handover.complete()
                    await handover.wait()
                elif handover is not None and isinstance(event, bytes):
                    await handover.put(event)
        except PlatformError as error:  # raised after the group, which would wrap it
            failure = error
        finally:
            if handover is not None:
                handover.cut_off()
    if failure is not None:
        raise failure
    return results
