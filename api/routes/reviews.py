"""The review desk: what a person must decide, the decisions, and their history."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Request, Response

from api.browsing import browse, one_subject
from api.dependencies import NowOf, ReviewCaller, ServicesOf, needs
from api.documentation import answers, listed
from api.formats import Format, FormatOf
from api.gold import Rows
from api.lists import ListOf, live_answer
from api.models.live import CORRECTION_EXAMPLE, LETTER_ID, REVIEW_EXAMPLE, CorrectionReceipt, Review, ReviewHistory
from api.pages import Page, PageOf
from api.presentation import review, review_history
from services.intake.corrections import CorrectionFields, CorrectionIn

router = APIRouter(prefix="/v1/reviews", tags=["reviews"], dependencies=[needs("review")])

SubjectId = Annotated[str, Path(description="letter_id or submission_id", examples=[LETTER_ID], pattern="^[0-9a-zA-Z_-]{1,64}$")]
CSV_COLUMNS = ("subject_kind", "subject_id", "file_name", "reason_code", "reason", "received_at")


DECISIONS = {
    "accept": {"summary": "The machine's place is right", "value": {"action": "accept"}},
    "correct": {
        "summary": "Correct what was read; it is placed again",
        "value": {"action": "correct", "street": "Main street", "housenumber": "12a", "postcode": "7001", "city": "Lindenau"},
    },
    "place": {"summary": "Place by hand", "value": {"action": "place", "longitude": 9.5209, "latitude": 47.141}},
    "reject": {"summary": "Not a request", "value": {"action": "reject", "note": "an advertisement"}},
    "reopen": {"summary": "Undo the last decision", "value": {"action": "reopen"}},
}


@router.get("", response_model=ListOf[Review], responses=listed(REVIEW_EXAMPLE, Format.csv))
def list_reviews(request: Request, services: ServicesOf, page: PageOf, wanted: FormatOf = None) -> Response:
    """Letters and submissions that wait for a person, the newest first. A page may be short: go on while next_cursor is not null."""

    def read(asked: Page) -> Rows:
        found, cursor = browse(services.warehouse, "", ["review"], asked, services.settings.api.page_limit)
        return Rows([review(subject).model_dump() for subject in found], cursor)

    return live_answer(request, ListOf[Review], CSV_COLUMNS, read, page, wanted)


@router.get("/{subject_id}", response_model=ReviewHistory, responses=answers({**REVIEW_EXAMPLE, "corrections": [CORRECTION_EXAMPLE]}, 404))
def get_review(services: ServicesOf, subject_id: SubjectId) -> ReviewHistory:
    """One letter or submission with every decision about it, the oldest first."""
    return review_history(one_subject(services.warehouse, subject_id))


@router.post(
    "/{subject_id}/corrections",
    status_code=201,
    response_model=CorrectionReceipt,
    responses=answers(
        {
            "correction_id": "7d0d",
            "subject_id": LETTER_ID,
            "action": "place",
            "state": "located",
            "links": {"self": f"/v1/reviews/{LETTER_ID}"},
        },
        404,
        status=201,
    ),
)
def add_correction(
    request: Request,
    response: Response,
    services: ServicesOf,
    caller: ReviewCaller,
    now: NowOf,
    subject_id: SubjectId,
    decision: Annotated[CorrectionFields, Body(openapi_examples=DECISIONS)],
) -> CorrectionReceipt:
    """Decide: append-only, wins over the machine, and is undone only by another decision."""
    subject = one_subject(services.warehouse, subject_id)
    correction = CorrectionIn.model_validate({**decision.model_dump(), "subject_kind": subject.kind, "subject_id": subject_id})
    receipt = services.intake.receive_correction(correction, caller.name, now, door=caller.door)
    request.app.state.metrics.observe_receipt("correction", receipt.state)
    request.app.state.wake()
    response.headers["Location"] = f"/v1/reviews/{subject_id}"
    return CorrectionReceipt.model_validate(
        {
            "correction_id": receipt.id,
            "subject_id": subject_id,
            "action": decision.action,
            "state": one_subject(services.warehouse, subject_id).decision.state,
            "links": {"self": f"/v1/reviews/{subject_id}"},
        }
    )
