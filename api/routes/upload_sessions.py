"""Upload sessions: a link that takes one file of any size, past every limit of a gateway, without a key and once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, Field

from api.addresses import public_address
from api.dependencies import IntakeCaller, MetricsOf, NowOf, ServicesOf, clock_of
from api.documentation import answers, problems
from api.door import Door, Purpose
from api.models.live import RECEIPT_EXAMPLE, ReceiptOut, Receipts
from api.raw_stream import one_file
from api.upload_stream import CutOffError, FileStart
from services.errors import PlatformError
from services.intake.receipts import plain_file_name
from services.metrics import Metrics
from services.state.upload_sessions import Announced, Transfer, UploadSessions
from services.wiring import Services

log = logging.getLogger(__name__)

router = APIRouter(tags=["uploads"])

# Three times within the lease: one that is lost does no harm.
CONFIRM_SECONDS = 20.0
SESSION_EXAMPLE = {
    "id": "9f3c6f0a4b0c4f5d8d2f7a61c0b1e2d3",
    "upload_url": "https://example.org/intake/Zk3mQ8…",
    "expires_at": "2026-03-01T13:00:00Z",
    "max_bytes": 20_000_000_000,
}
EXAMPLES: dict[str, Any] = {
    "data": {
        "summary": "A large data file",
        "value": {"file_name": "addresses.csv", "purpose": "dataset", "dataset": "address_points", "mode": ""},
    },
    "letter": {"summary": "A large letter", "value": {"file_name": "letter-07.pdf", "purpose": "letter"}},
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}, "example": "(the file)"}},
    }
}
RECEIVED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "The receipt; a refused file says why",
        "content": {"application/json": {"example": {"items": [RECEIPT_EXAMPLE]}}},
    },
    **problems(404, 409, 410, 413, 422, 503),
}
Token = Annotated[
    str,
    Path(
        description="The last part of the link",
        examples=["Zk3mQ8vN0cK2rT5yW7uA1sD4fG6hJ9lP3oI8eB0nM2x"],
        pattern="^[0-9a-zA-Z_-]{20,100}$",
    ),
]


class UploadSessionIn(BaseModel):
    """The file that will be sent, and what it is."""

    file_name: str = Field(min_length=1, max_length=1000, examples=["addresses.csv"])
    purpose: Purpose = Field(default="auto", description="auto looks at the content", examples=["dataset"])
    dataset: str = Field(default="", max_length=200, description="for data files: which dataset", examples=["address_points"])
    mode: str = Field(default="", max_length=50, description="for data files: another mode than the contract's", examples=[""])


class UploadSessionOut(BaseModel):
    """Where to send the file: PUT or POST its bytes as they are, without a key."""

    id: str
    upload_url: str
    expires_at: datetime
    max_bytes: int


@router.post(
    "/v1/upload-sessions",
    status_code=201,
    response_model=UploadSessionOut,
    responses=answers(SESSION_EXAMPLE, 404, status=201, description="The link, for one file and one hour"),
)
def add_upload_session(
    request: Request,
    services: ServicesOf,
    caller: IntakeCaller,
    now: NowOf,
    wanted: Annotated[UploadSessionIn, Body(openapi_examples=EXAMPLES)],
) -> UploadSessionOut:
    """Ask for a link to upload one large file.

    Bodies above 32 MB go this way where a gateway stands before the API. The link works once; after a transfer that broke it works again,
    until it expires.
    """
    if wanted.purpose == "dataset" or (wanted.purpose == "auto" and wanted.dataset):
        services.intake.check_dataset(wanted.dataset, wanted.mode or None)
    limits = services.settings.intake
    file = Announced(
        file_name=plain_file_name(wanted.file_name),
        purpose=wanted.purpose,
        dataset=wanted.dataset,
        mode=wanted.mode,
        door=caller.door,
        max_bytes=limits.max_letter_bytes if wanted.purpose == "letter" else limits.max_file_bytes,
    )
    made = services.state.upload_sessions.create(file, now)
    return UploadSessionOut(
        id=made.session_id,
        upload_url=f"{public_address(request, caller)}/intake/{made.token}",
        expires_at=made.expires_at,
        max_bytes=file.max_bytes,
    )


@router.put("/intake/{token}", status_code=202, response_model=Receipts, responses=RECEIVED, openapi_extra=BODY)
async def put_session_file(request: Request, services: ServicesOf, metrics: MetricsOf, token: Token) -> Receipts:
    """Send the file of an upload session: its bytes are the body."""
    return await _take(request, services, metrics, token)


@router.post("/intake/{token}", status_code=202, response_model=Receipts, responses=RECEIVED, openapi_extra=BODY)
async def post_session_file(request: Request, services: ServicesOf, metrics: MetricsOf, token: Token) -> Receipts:
    """The same as PUT, for clients that can only POST."""
    return await _take(request, services, metrics, token)


async def _take(request: Request, services: Services, metrics: Metrics, token: str) -> Receipts:
    sessions, clock = services.state.upload_sessions, clock_of(request)
    try:
        async with _transfer(sessions, token, clock) as transfer:
            file = transfer.file
            start = FileStart(file.file_name, {"purpose": file.purpose, "dataset": file.dataset, "mode": file.mode})
            door = Door(services, metrics, file.door, clock())

            def work(pieces: Iterator[bytes]) -> ReceiptOut:
                return door.receive(start, _still_ours(pieces, lambda: sessions.confirm(transfer, clock())))

            item = await one_file(request, work, max_bytes=file.max_bytes)
    finally:
        request.app.state.wake()
    return Receipts(items=[item])


@asynccontextmanager
async def _transfer(sessions: UploadSessions, token: str, clock: Callable[[], datetime]) -> AsyncIterator[Transfer]:
    """The link for us alone: used up when the block ends well, free again when it does not."""
    transfer = await anyio.to_thread.run_sync(sessions.begin, token, clock())
    confirming = asyncio.create_task(_confirm(sessions, transfer, clock), name="upload session")
    try:
        yield transfer
    except BaseException:
        with anyio.CancelScope(shield=True):
            await _release(sessions, transfer)
        raise
    else:
        await anyio.to_thread.run_sync(sessions.finish, transfer, clock())
    finally:
        confirming.cancel()


async def _release(sessions: UploadSessions, transfer: Transfer) -> None:
    try:
        await anyio.to_thread.run_sync(sessions.release, transfer)
    except PlatformError as error:  # it is free a minute later all the same
        log.warning("The upload session %s is free when its lease ends: %s", transfer.session_id, error)


async def _confirm(sessions: UploadSessions, transfer: Transfer, clock: Callable[[], datetime]) -> None:
    """Keep the link for as long as this runs, however long the transfer and the writing to the store take."""
    while True:
        await asyncio.sleep(CONFIRM_SECONDS)
        try:
            await anyio.to_thread.run_sync(sessions.confirm, transfer, clock())
        except PlatformError as error:
            log.warning("The upload session %s could not be kept: %s", transfer.session_id, error)


def _still_ours(pieces: Iterator[bytes], confirm: Callable[[], bool]) -> Iterator[bytes]:
    """All pieces, and no end of the file when the link was meanwhile given to another: of two transfers one is accepted."""
    yield from pieces
    if not confirm():
        raise CutOffError("This transfer stood still for so long that another one took its link: nothing of it is kept.")
