"""One file as the whole body of a request, handed on piece by piece like the files of a form."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from functools import partial

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect

from api.errors import TooLargeError
from api.upload_stream import PIECE_BYTES, CutOffError, Handover, Result
from services.errors import PlatformError

# Whoever sends nothing for so long is gone, also when nobody said so.
SILENT_SECONDS = 60.0


async def one_file(request: Request, work: Callable[[Iterator[bytes]], Result], *, max_bytes: int) -> Result:
    """Run `work` in a thread over the body while it comes in; what it returned.

    Raises TooLargeError for more than `max_bytes`, CutOffError when the body ends early or nothing comes for a minute, and what `work`
    raises. When `work` has seen enough the rest of the body is not waited for.
    """
    if int(request.headers.get("content-length") or 0) > max_bytes:
        raise _too_large(max_bytes)
    results: list[Result] = []
    failure: PlatformError | None = None
    handover = Handover()
    async with anyio.create_task_group() as group, aclosing(_pieces(request, max_bytes)) as pieces:
        group.start_soon(handover.consume, partial(work, handover.pieces()), results)
        try:
            async for piece in pieces:
                await handover.put(piece)
                if handover.is_consumed:
                    break
            handover.complete()
            await handover.wait()
        except PlatformError as error:  # raised after the group, which would wrap it
            failure = error
        finally:
            handover.cut_off()
    if failure is not None:
        raise failure
    return results[0]


async def _pieces(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body in pieces of a megabyte: to hand over each of the network's own would cost more than to read it."""
    piece, count = bytearray(), 0
    chunks = request.stream()
    async with aclosing(chunks):
        try:
            while True:
                with anyio.fail_after(SILENT_SECONDS):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                count += len(chunk)
                if count > max_bytes:
                    raise _too_large(max_bytes)
                piece += chunk
                if len(piece) >= PIECE_BYTES:
                    yield bytes(piece)
                    piece.clear()
        except (ClientDisconnect, TimeoutError) as cause:
            raise CutOffError("The connection ended in the middle of the upload: send the file again.") from cause
    if piece:
        yield bytes(piece)


def _too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(f"The file is larger than {max_bytes:,} bytes, the limit here: split it.")
