"""Server-sent events: one poller asks the warehouse what changed and tells every connection."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import anyio.to_thread
from fastapi.encoders import jsonable_encoder
from sse_starlette import ServerSentEvent

from api.changes import Changes
from api.overview import Overview
from api.pages import milliseconds
from services.errors import PlatformError, RateLimitError
from services.metrics import Metrics

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
FAILED_POLL_SECONDS = 5.0
STATUS_SECONDS = 5.0
HEARTBEAT_SECONDS = 15
# An insert carries the time at which it began and is seen when it is done: a poll looks back this far and leaves out what it told before.
OVERLAP_MS = 3000
REMEMBERED = 20_000
BUFFERED = 5000
WAITING = 2000
MAX_LISTENERS = 200
EVENT_ID = re.compile(r"(\d{1,15})-(\d{1,9})")

EventId = tuple[int, int]


@dataclass(frozen=True)
class Event:
    """Something that changed; `public` is what callers without exact positions get."""

    event_id: EventId
    name: str
    data: str
    public: str

    def encode(self, *, sees_positions: bool) -> ServerSentEvent:
        """As the connection sends it."""
        milliseconds_, number = self.event_id
        return ServerSentEvent(self.data if sees_positions else self.public, event=self.name, id=f"{milliseconds_}-{number}")


@dataclass(eq=False)
class Listener:
    """One connection; a full queue closes it, and the client comes back with its Last-Event-ID."""

    queue: asyncio.Queue[Event | None] = field(default_factory=lambda: asyncio.Queue(WAITING))

    def tell(self, event: Event | None) -> bool:
        """Put an event (None: the end) into the queue; False when it is full."""
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            return False
        return True


class EventFeed:
    """All connections of /v1/events and the poller that serves them, which runs only while there is a connection."""

    def __init__(self, changes: Changes, overview: Overview, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._changes, self._overview, self._metrics, self._clock = changes, overview, metrics, clock
        self._listeners: set[Listener] = set()
        self._buffer: deque[Event] = deque(maxlen=BUFFERED)
        self._buffered_since: EventId = (0, 0)
        self._told: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._last_id: EventId = (0, 0)
        self._cursor_ms = 0
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    def close(self) -> None:
        """End all connections; may be called from any thread, and again."""
        self._is_closed = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._end_all)

    def _end_all(self) -> None:
        for listener in self._listeners:
            while not listener.tell(None):
                listener.queue.get_nowait()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def check_room(self) -> None:
        """RateLimitError when as many connections listen as one process can serve."""
        if len(self._listeners) >= MAX_LISTENERS:
            raise RateLimitError(f"{MAX_LISTENERS} connections listen already: try again in a minute.", retry_after=60)

    async def listen(
        self, last_event_id: str | None, *, sees_positions: bool, is_still_allowed: Callable[[], bool]
    ) -> AsyncIterator[ServerSentEvent]:
        """Events after the given one, or from now on; first of all the status. Ends when the caller may no longer listen."""
        if self._is_closed:
            return
        listener = Listener()
        self._add(listener)
        try:
            yield ServerSentEvent(json.dumps(jsonable_encoder(await self._status())), event="status", retry=2000)
            after = _event_id(last_event_id)
            for event in await self._missed(after) if after else []:
                after = event.event_id
                yield event.encode(sees_positions=sees_positions)
            async for event in self._while_allowed(listener, is_still_allowed):
                if after is None or event.event_id > after:
                    yield event.encode(sees_positions=sees_positions)
        finally:
            self._listeners.discard(listener)
            self._metrics.listeners.set(len(self._listeners))
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _while_allowed(self, listener: Listener, is_still_allowed: Callable[[], bool]) -> AsyncIterator[Event]:
        """A connection's events until its end, or until a check (one every 15 seconds, however much happens) says that it must end."""
        time = asyncio.get_running_loop().time
        check_at = time() + HEARTBEAT_SECONDS
        while True:
            event: Event | None
            try:
                event = await asyncio.wait_for(listener.queue.get(), max(0.0, check_at - time()))
                if event is None:
                    return
                yield event
            except TimeoutError:
                pass
            if time() >= check_at:
                if not await anyio.to_thread.run_sync(is_still_allowed):
                    return
                check_at = time() + HEARTBEAT_SECONDS

    def _add(self, listener: Listener) -> None:
        self._loop = asyncio.get_running_loop()
        self._listeners.add(listener)
        self._metrics.listeners.set(len(self._listeners))
        if self._task is None:
            # Nobody listened until now: what changed meanwhile is asked for by those who bring a Last-Event-ID.
            now = milliseconds(self._clock())
            self._cursor_ms = now
            self._buffer.clear()
            self._last_id = max(self._last_id, (now, 0))
            self._buffered_since = self._last_id
            self._task = asyncio.create_task(self._poll(), name="events")

    async def _status(self) -> dict[str, Any]:
        return await anyio.to_thread.run_sync(self._overview.now)

    async def _missed(self, after: EventId) -> list[Event]:
        """Events after an id: from the buffer where it reaches back far enough, else from the warehouse."""
        if after >= self._buffered_since:
            return [event for event in self._buffer if event.event_id > after]
        found = await anyio.to_thread.run_sync(self._changes.all_since, max(0, after[0] - OVERLAP_MS))
        last, events = after, []
        for change in found:
            last = _next_id(last, change.changed_ms)
            events.append(Event(last, change.name, _text(change.data), _text(change.public)))
        return events

    async def _poll(self) -> None:
        status_at = 0.0
        while True:
            try:
                told = await self._tell_changes()
                loop_time = asyncio.get_running_loop().time()
                if told or loop_time - status_at > STATUS_SECONDS:
                    status = await self._status()
                    self._tell("status", "", status, status, milliseconds(self._clock()), without=("at",))
                    status_at = loop_time
                await asyncio.sleep(POLL_SECONDS)
            except PlatformError as error:
                log.warning("Events wait for the stores: %s", error)
                await asyncio.sleep(FAILED_POLL_SECONDS)
            except Exception:
                # Nobody would start the poller again while connections listen: whatever went wrong, the next poll may go right.
                log.exception("A poll for events failed; the next one follows")
                await asyncio.sleep(FAILED_POLL_SECONDS)

    async def _tell_changes(self) -> int:
        unsettled = [key[1] for key, text in self._told.items() if key[0] == "letter" and '"state":"read"' in text]
        pages = self._changes.since(max(0, self._cursor_ms - OVERLAP_MS), unsettled)
        told = 0
        # Page by page, each told before the next is asked for: the connections take from their queues meanwhile.
        while (page := await anyio.to_thread.run_sync(next, pages, None)) is not None:
            for change in page:
                told += self._tell(change.name, change.subject_id, change.data, change.public, change.changed_ms, without=("at",))
                self._cursor_ms = max(self._cursor_ms, change.changed_ms)
        return told

    def _tell(
        self, name: str, subject_id: str, data: dict[str, Any], public: dict[str, Any], at_ms: int, *, without: Iterable[str]
    ) -> bool:
        """Tell all connections, unless the same was told about the subject before."""
        key, said = (name, subject_id), _text({key: value for key, value in data.items() if key not in without})
        if self._told.get(key) == said:
            self._told.move_to_end(key)
            return False
        self._told[key] = said
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        self._last_id = _next_id(self._last_id, at_ms)
        event = Event(self._last_id, name, _text(data), _text(public))
        if len(self._buffer) == self._buffer.maxlen:
            self._buffered_since = self._buffer[0].event_id
        self._buffer.append(event)
        for listener in list(self._listeners):
            if not listener.tell(event):
                self._listeners.discard(listener)
                listener.queue.get_nowait()
                listener.tell(None)
        return True


def _next_id(last: EventId, at_ms: int) -> EventId:
    """The id after the last one: its time, or the last one's time and the next number, so that ids only rise."""
    return (at_ms, 0) if at_ms > last[0] else (last[0], last[1] + 1)


def _event_id(text: str | None) -> EventId | None:
    found = EVENT_ID.fullmatch(text or "")
    return (int(found[1]), int(found[2])) if found else None


def _text(data: dict[str, Any]) -> str:
    return json.dumps(jsonable_encoder(data), ensure_ascii=False, separators=(",", ":"))
