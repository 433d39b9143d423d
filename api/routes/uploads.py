"""Uploads: many files in one request, streamed straight to the object store, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Path, Query, Request, Response

from api.browsing import browse_uploads, one_upload
from api.dependencies import IntakeCaller, NowOf, ServicesOf, needs
from api.documentation import answers, listed
from api.errors import RequestError
from api.formats import Format, FormatOf
from api.lists import ListOf, live_answer
from api.models.live import RECEIPT_EXAMPLE, UPLOAD_EXAMPLE, UPLOAD_ID, ReceiptOut, Receipts, UploadOut
from api.pages import PageOf
from api.upload_stream import FileEnd, FileStart, Form, Handover, read_events
from services.errors import ContractError, IntakeError, NotFoundError, PlatformError
from services.intake.receipts import Receipt
from services.intake.sniff import HEAD_BYTES, sniff
from services.wiring import Services

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])

MAX_FILES = 10_000
CSV_COLUMNS = (
    "upload_id",
    "letter_id",
    "purpose",
    "dataset",
    "file_name",
    "media_type",
    "byte_count",
    "state",
    "reason",
    "received_at",
    "landed_rows",
    "rejected_rows",
)
FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "purpose": {
                            "type": "string",
                            "enum": ["auto", "letter", "dataset"],
                            "default": "auto",
                            "description": "auto looks at the content. Fields count for the files after them.",
                        },
                        "dataset": {"type": "string", "description": "for data files: which dataset", "example": "facilities"},
                        "mode": {"type": "string", "description": "for data files: another mode than the contract's", "example": "replace"},
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                },
                "example": {"purpose": "letter", "files": ["(letter-07.jpg)", "(letter-08.pdf)"]},
            }
        },
    }
}


@dataclass
class Incoming:
    """One file on its way in, and what became of it."""

    start: FileStart
    handover: Handover
    done: anyio.Event
    receipt: Receipt | None = None
    error: PlatformError | None = None

    def receive(self, services: Services, door: str, now: datetime) -> None:
        """In a thread: decide by the fields or the first piece what the file is, and hand it to the intake."""
        pieces = self.handover.pieces()
        fields = self.start.fields
        try:
            first = next(pieces, b"")
            whole = chain([first] if first else [], pieces)
            if _is_dataset(fields, first):
                self.receipt = _receive_dataset(services, whole, self.start, door, now)
            else:
                self.receipt = services.intake.receive_letter(whole, self.start.name, door, now)
        except PlatformError as error:
            self.error = error


def _is_dataset(fields: dict[str, str], first: bytes) -> bool:
    purpose = fields.get("purpose") or "auto"
    if purpose not in ("auto", "letter", "dataset"):
        raise IntakeError(f"purpose is {purpose!r}, but must be auto, letter or dataset.")
    if purpose != "auto":
        return purpose == "dataset"
    found = sniff(first[:HEAD_BYTES]).purpose
    # What is neither is refused at either door, with a reason that names what that door takes.
    return found == "dataset" or (not found and bool(fields.get("dataset")))


def _receive_dataset(services: Services, whole: Iterator[bytes], start: FileStart, door: str, now: datetime) -> Receipt:
    dataset = start.fields.get("dataset", "")
    known = ", ".join(sorted(services.contracts))
    if not dataset:
        raise IntakeError(f"{start.name} is a data file: say with the field dataset, before the file, which one it is ({known}).")
    if dataset not in services.contracts:
        raise NotFoundError(f"There is no dataset {dataset}: there are {known}.")
    return services.intake.receive_dataset(whole, start.name, dataset, start.fields.get("mode") or None, door, now)


@router.post(
    "",
    status_code=202,
    response_model=Receipts,
    responses=answers({"items": [RECEIPT_EXAMPLE]}, status=202, description="One receipt per file; refused files say why"),
    openapi_extra=FORM,
)
async def add_uploads(
    request: Request,
    services: ServicesOf,
    caller: IntakeCaller,
    now: NowOf,
    purpose: Annotated[Literal["auto", "letter", "dataset"], Query(description="As the form field", examples=["auto"])] = "auto",
    dataset: Annotated[str, Query(description="As the form field", examples=["facilities"], max_length=200)] = "",
    mode: Annotated[str, Query(description="As the form field", examples=["replace"], max_length=50)] = "",
) -> Receipts:
    """Hand in letters and data files, any number in one request. A refused file does not fail the others; the same bytes again are the same upload."""
    form = Form({"purpose": purpose, "dataset": dataset, "mode": mode})
    items: list[ReceiptOut] = []
    door = "portal" if caller.is_session else "api"
    incoming: Incoming | None = None
    failure: PlatformError | None = None
    async with anyio.create_task_group() as group:
        try:
            async for event in read_events(request, form):
                if isinstance(event, FileStart):
                    if form.file_count > MAX_FILES:
                        raise RequestError(f"One request takes at most {MAX_FILES} files: send the rest in another.")
                    incoming = Incoming(event, Handover(), anyio.Event())
                    group.start_soon(_consume, incoming, services, door, now)
                elif incoming is not None and isinstance(event, FileEnd):
                    incoming.handover.complete()
                    await incoming.done.wait()
                    items.append(_item(request, incoming))
                    incoming = None
                elif incoming is not None and isinstance(event, bytes):
                    await incoming.handover.put(event)
        except PlatformError as error:  # raised after the group, which would wrap it
            failure = error
        finally:
            if incoming is not None:
                incoming.handover.cut_off()
    if failure is not None:
        request.app.state.wake()
        raise failure
    if not items:
        raise RequestError("The form holds no file: send each as a part named files.")
    if form.is_field_unused:
        error = RequestError("A form field came after the last file and counted for none: send fields before the files they are for.")
        error.members = {"items": [item.model_dump() for item in items]}
        raise error
    request.app.state.wake()
    return Receipts(items=items)


async def _consume(incoming: Incoming, services: Services, door: str, now: datetime) -> None:
    try:
        await incoming.handover.consume(lambda: incoming.receive(services, door, now))
    finally:
        incoming.done.set()


def _item(request: Request, incoming: Incoming) -> ReceiptOut:
    metrics = request.app.state.metrics
    receipt, error = incoming.receipt, incoming.error
    kind = "dataset" if receipt is not None and receipt.kind == "dataset" else "letter"
    if receipt is None:
        if not isinstance(error, (IntakeError, NotFoundError, ContractError)):
            raise error or PlatformError(f"{incoming.start.name} was neither stored nor refused.")
        metrics.observe_receipt(kind, "refused")
        return ReceiptOut(
            kind="dataset", id="", upload_id="", file_name=incoming.start.name, state="refused", reason=str(error), is_new=False, links={}
        )
    metrics.observe_receipt(kind, receipt.state)
    return ReceiptOut.model_validate(
        {
            "kind": kind,
            "id": receipt.id,
            "upload_id": receipt.upload_id,
            "file_name": receipt.file_name,
            "state": receipt.state,
            "reason": receipt.reason,
            "is_new": receipt.is_new,
            "links": _links(kind, receipt),
        }
    )


def _links(kind: str, receipt: Receipt) -> dict[str, str]:
    upload = f"/v1/uploads/{receipt.upload_id}"
    if kind == "letter" and receipt.state == "stored":
        return {"self": f"/v1/letters/{receipt.id}", "upload": upload}
    return {"self": upload}


@router.get("", response_model=ListOf[UploadOut], responses=listed(UPLOAD_EXAMPLE, Format.csv), dependencies=[needs("read")])
def list_uploads(
    request: Request,
    services: ServicesOf,
    page: PageOf,
    purpose: Annotated[Literal["", "letter", "dataset"], Query(description="Only letters or only data", examples=["letter"])] = "",
    dataset: Annotated[str, Query(description="Only this dataset", examples=["facilities"], max_length=200)] = "",
    wanted: FormatOf = None,
) -> Response:
    """Files received, the newest first, refused ones too, each in its state of this moment."""
    filters: dict[str, Any] = {"purpose": purpose, "dataset": dataset}
    limit = services.settings.api.page_limit
    return live_answer(
        request, ListOf[UploadOut], CSV_COLUMNS, lambda asked: browse_uploads(services.warehouse, filters, asked, limit), page, wanted
    )


@router.get("/{upload_id}", response_model=UploadOut, responses=answers(UPLOAD_EXAMPLE, 404), dependencies=[needs("read")])
def get_upload(
    services: ServicesOf,
    upload_id: Annotated[str, Path(description="SHA-256 of the file's bytes, hexadecimal", examples=[UPLOAD_ID], pattern="^[0-9a-f]{64}$")],
) -> UploadOut:
    """One file received and where it stands."""
    return UploadOut.model_validate(one_upload(services.warehouse, upload_id))
