"""Letters: their live state, their way so far, and their pages as pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import APIRouter, Path, Query, Request, Response

from api.browsing import browse, one_subject
from api.dependencies import ReadCaller, ServicesOf, needs
from api.documentation import answers, listed, raw
from api.formats import Format, FormatOf
from api.gold import Rows
from api.lists import ListOf, live_answer
from api.models.live import LETTER_EXAMPLE, LETTER_ID, LETTER_ITEM_EXAMPLE, Letter, LetterItem, LetterState
from api.pages import Page, PageOf
from api.presentation import letter, letter_item
from api.subjects import Subject
from services.errors import NotFoundError
from services.extraction.pages import crop, render_page
from services.wiring import Services

router = APIRouter(prefix="/v1/letters", tags=["letters"])

LetterId = Annotated[str, Path(description="The letter's id", examples=[LETTER_ID], pattern="^[0-9a-zA-Z_-]{1,64}$")]
CSV_COLUMNS = ("letter_id", "file_name", "state", "reason", "received_at", "facility_kind", "longitude", "latitude", "precision")
JPEG = raw("image/jpeg", "(JPEG)", "A picture", 401, 403, 404, 422, 429, 503)


@router.get("", response_model=ListOf[LetterItem], responses=listed(LETTER_ITEM_EXAMPLE, Format.csv))
def list_letters(
    request: Request,
    services: ServicesOf,
    caller: ReadCaller,
    page: PageOf,
    state: Annotated[LetterState | None, Query(description="Only letters in this state", examples=["review"])] = None,
    wanted: FormatOf = None,
) -> Response:
    """Letters, the newest first, each in its state of this moment; positions only with the scope review or exact.

    With `state` a page may be short: go on while next_cursor is not null.
    """

    def read(asked: Page) -> Rows:
        found, cursor = browse(services.warehouse, "letter", [state] if state else [], asked, services.settings.api.page_limit)
        items = [letter_item(subject, with_position=caller.sees_positions).model_dump() for subject in found]
        return Rows([{**item, **(item["position"] or {})} for item in items], cursor)

    return live_answer(request, ListOf[LetterItem], CSV_COLUMNS, read, page, wanted)


@router.get("/{letter_id}", response_model=Letter, responses=answers(LETTER_EXAMPLE, 404), dependencies=[needs("review")])
def get_letter(services: ServicesOf, letter_id: LetterId) -> Letter:
    """One letter: what was read, what speaks for it, where it lies, who decided what, and when each step was done."""
    return letter(services.warehouse, one_subject(services.warehouse, letter_id, ("letter",)))


@router.get(
    "/{letter_id}/pages/{number}.jpg",
    response_class=Response,
    responses=JPEG,
    dependencies=[needs("review")],
)
async def get_letter_page(
    request: Request,
    services: ServicesOf,
    letter_id: LetterId,
    number: Annotated[int, Path(ge=1, le=10_000, description="Page of the letter, from 1", examples=[1])],
    max_side: Annotated[int, Query(ge=64, le=3000, description="Longest side in pixels", examples=[1600])] = 1600,
) -> Response:
    """One page as an upright JPEG."""

    def draw() -> bytes:
        source = _page_source(services, one_subject(services.warehouse, letter_id, ("letter",)), number)
        return source(lambda path, media_type, page, turned: render_page(path, media_type, page, max_side=max_side, rotation=turned))

    return await _drawn(request, draw)


@router.get(
    "/{letter_id}/crop.jpg",
    response_class=Response,
    responses=JPEG,
    dependencies=[needs("review")],
)
async def get_letter_crop(
    request: Request,
    services: ServicesOf,
    letter_id: LetterId,
    part: Annotated[Literal["address"], Query(description="What to cut out", examples=["address"])] = "address",
) -> Response:
    """The block with the sender's address, cut out of its page."""

    def draw() -> bytes:
        subject = one_subject(services.warehouse, letter_id, ("letter",))
        found = subject.extraction
        if found is None or len(found["address_box"]) != 4:
            raise NotFoundError(f"No {part} block was found on letter {letter_id}: show its page instead.")
        source = _page_source(services, subject, found["address_page"] or 1)
        return source(lambda path, media_type, page, turned: crop(path, media_type, page, found["address_box"], rotation=turned))

    return await _drawn(request, draw)


async def _drawn(request: Request, draw: Callable[[], bytes]) -> Response:
    """Draw in a thread. A page of 600 dpi needs 100 MB while it is drawn: no more than two at once, the others wait without a thread."""
    limiter: CapacityLimiter = request.app.state.drawing
    content = await anyio.to_thread.run_sync(draw, limiter=limiter)
    # The same letter always gives the same picture until it is read again: an hour spares the review desk most of the drawing.
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _page_source(services: Services, subject: Subject, number: int) -> Callable[[Callable[..., bytes]], bytes]:
    """Something that hands a page's file, type, page within the file and rotation (degrees) to a drawing function."""
    received = subject.received
    if number > len(received["page_numbers"]):
        raise NotFoundError(f"Letter {subject.subject_id} has {len(received['page_numbers'])} pages, not {number}.")
    upload_id, page = received["upload_ids"][number - 1], received["page_numbers"][number - 1]
    rotations = subject.extraction["page_rotations"] if subject.extraction else []
    turned = rotations[number - 1] if number <= len(rotations) else 0
    key = f"uploads/{upload_id[:2]}/{upload_id}"
    media_type = services.objects.manifest(key).media_type

    def draw(drawing: Callable[..., bytes]) -> bytes:
        with services.objects.local_path(key) as path:
            return drawing(path, media_type, page, turned)

    return draw
