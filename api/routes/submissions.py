"""Requests that were typed: on the web, or by whoever took a call."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Body, Header, Path, Request, Response
from fastapi.responses import JSONResponse

from api.browsing import one_subject
from api.dependencies import NowOf, ServicesOf, SubmitCaller, needs
from api.documentation import answers
from api.models.live import SUBMISSION_EXAMPLE, SUBMISSION_ID, SubmissionOut, SubmissionReceipt
from api.presentation import submission
from services.intake.submissions import SubmissionIn

router = APIRouter(prefix="/v1/submissions", tags=["submissions"])

RECEIPT_EXAMPLE = {"submission_id": SUBMISSION_ID, "state": "stored", "links": {"self": f"/v1/submissions/{SUBMISSION_ID}"}}
EXAMPLES = {
    "address": {
        "summary": "By address",
        "value": {
            "channel": "phone",
            "requester_name": "A. Caller",
            "contact": "+423 000 00 00",
            "street": "Main street",
            "housenumber": "12a",
            "postcode": "7001",
            "city": "Lindenau",
            "facility_kind": "pharmacy",
            "message": "The nearest pharmacy is too far on foot.",
        },
    },
    "position": {
        "summary": "By position",
        "value": {
            "channel": "web",
            "street": "",
            "housenumber": "",
            "postcode": "",
            "city": "",
            "facility_kind": "bus_stop",
            "longitude": 9.5209,
            "latitude": 47.141,
        },
    },
}


@router.post(
    "",
    status_code=202,
    response_model=SubmissionReceipt,
    responses=answers(RECEIPT_EXAMPLE, 409, status=202, description="Stored; it will be placed in a moment"),
)
def add_submission(
    request: Request,
    services: ServicesOf,
    caller: SubmitCaller,
    now: NowOf,
    body: Annotated[SubmissionIn, Body(openapi_examples=EXAMPLES)],
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            min_length=8,
            max_length=200,
            description="Any text of your own, new for each request: sent again with the same body, the first answer comes again",
            examples=["3f1c7a52-6a0e-4d0a-9d55-0c7e1d6f7b11"],
        ),
    ],
) -> Response:
    """Hand in a request. The same Idempotency-Key with the same body gives the same answer, with another body 409."""
    key = f"{caller.identity}:{idempotency_key}"
    text = body.model_dump_json()
    stored = services.state.idempotency.begin(key, hashlib.sha256(text.encode()).hexdigest(), now)
    if stored is not None:
        return Response(stored.body, stored.status, headers={"Idempotent-Replayed": "true"}, media_type="application/json")
    receipt = services.intake.receive_submission(body, body.channel, now, idempotency_key=key, door=caller.door)
    request.app.state.metrics.observe_receipt("submission", receipt.state)
    own = f"/v1/submissions/{receipt.id}"
    answer = JSONResponse({"submission_id": receipt.id, "state": receipt.state, "links": {"self": own}}, 202, headers={"Location": own})
    services.state.idempotency.finish(key, 202, bytes(answer.body).decode())
    request.app.state.wake()
    return answer


@router.get(
    "/{submission_id}",
    response_model=SubmissionOut,
    responses=answers(SUBMISSION_EXAMPLE, 404),
    dependencies=[needs("review")],
)
def get_submission(
    services: ServicesOf,
    submission_id: Annotated[str, Path(description="The submission's id", examples=[SUBMISSION_ID], pattern="^[0-9a-zA-Z_-]{1,64}$")],
) -> SubmissionOut:
    """One submission and where it stands."""
    return submission(one_subject(services.warehouse, submission_id, ("submission",)))
