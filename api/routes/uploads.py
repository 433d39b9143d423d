"""Uploads: many files in one request, streamed straight to the object store, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from api.browsing import browse_uploads, one_upload
from api.dependencies import IntakeCaller, MetricsOf, NowOf, ServicesOf, needs
from api.documentation import answers, listed, raw
from api.door import Door, Purpose
from api.errors import RequestError
from api.formats import Format, FormatOf
from api.lists import ListOf, live_answer
from api.models.live import RECEIPT_EXAMPLE, UPLOAD_EXAMPLE, UPLOAD_ID, Receipts, UploadOut
from api.pages import PageOf
from api.upload_stream import Form, each_file
from services.errors import NotFoundError
from services.intake.rebuild import upload_key
from services.object_store.base import CHUNK_BYTES, attachment
from services.wiring import Services

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])

UploadId = Annotated[str, Path(description="SHA-256 of the file's bytes, hexadecimal", examples=[UPLOAD_ID], pattern="^[0-9a-f]{64}$")]
FILE: dict[int | str, dict[str, Any]] = {
    **raw("application/octet-stream", "(the file)", "The file, with the media type that its bytes have", 401, 403, 404, 422, 429, 503),
    307: {"description": "A link of the object store, valid for five minutes"},
}
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
    metrics: MetricsOf,
    caller: IntakeCaller,
    now: NowOf,
    purpose: Annotated[Purpose, Query(description="As the form field", examples=["auto"])] = "auto",
    dataset: Annotated[str, Query(description="As the form field", examples=["facilities"], max_length=200)] = "",
    mode: Annotated[str, Query(description="As the form field", examples=["replace"], max_length=50)] = "",
) -> Receipts:
    """Hand in letters and data files, any number in one request.

    A refused file does not fail the others; the same bytes again are the same upload.
    """
    form = Form({"purpose": purpose, "dataset": dataset, "mode": mode})
    door = Door(services, metrics, caller.door, now)
    try:
        items = await each_file(request, form, door.receive)
    finally:
        request.app.state.wake()
    if not items:
        raise RequestError("The form holds no file: send each as a part named files.")
    if form.is_field_unused:
        misplaced = RequestError("A form field came after the last file and counted for none: send fields before the files they are for.")
        misplaced.members = {"items": [item.model_dump() for item in items]}
        raise misplaced
    return Receipts(items=items)


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
def get_upload(services: ServicesOf, upload_id: UploadId) -> UploadOut:
    """One file received and where it stands."""
    return UploadOut.model_validate(one_upload(services.warehouse, upload_id))


@router.get("/{upload_id}/file", response_class=Response, responses=FILE, dependencies=[needs("review")])
def get_upload_file(services: ServicesOf, upload_id: UploadId) -> Response:
    """The file as it was received, byte for byte, to be saved.

    Where the object store has a host for browsers (`CARTULARY_OBJECT_STORE__PUBLIC_URL`) the answer is 307 to a link there that is
    valid for five minutes.
    """
    key = upload_key(upload_id)
    if not services.objects.has_manifest(key):
        raise NotFoundError(f"There is no file of the upload {upload_id}: it is not known, was refused, or was erased.")
    manifest = services.objects.manifest(key)
    if url := services.objects.public_url(key, manifest.file_name, manifest.media_type):
        return RedirectResponse(url, 307, headers={"Cache-Control": "no-store"})
    pieces = _pieces(services, key)
    first = next(pieces, b"")  # a store that does not answer is an error before the answer has begun
    headers = {"Content-Disposition": attachment(manifest.file_name), "Content-Length": str(manifest.byte_count)}
    return StreamingResponse(chain([first], pieces), media_type=manifest.media_type, headers=headers)


def _pieces(services: Services, key: str) -> Iterator[bytes]:
    with services.objects.open(key) as stream:
        while piece := stream.read(CHUNK_BYTES):
            yield piece
