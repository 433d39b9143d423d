"""Where the files of one request go in, however they came: what its sender got wrong becomes a refusal of that file alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from api.models.live import ReceiptOut
from api.upload_stream import FileStart
from services.errors import ConflictError, ContractError, IntakeError, NotFoundError
from services.intake.receipts import plain_file_name
from services.metrics import Metrics
from services.wiring import Services

Purpose = Literal["auto", "letter", "dataset"]
PURPOSES: tuple[Purpose, ...] = ("auto", "letter", "dataset")


@dataclass(frozen=True)
class Door:
    """The intake, for one request; `name` is the door through which the request came."""

    services: Services
    metrics: Metrics
    name: str
    now: datetime

    def receive(self, start: FileStart, pieces: Iterator[bytes]) -> ReceiptOut:
        """Hand one file to the intake; the fields `purpose`, `dataset` and `mode` say what it is."""
        fields = start.fields
        try:
            receipt = self.services.intake.receive_file(
                pieces,
                start.name,
                purpose=_purpose(fields),
                dataset=fields.get("dataset") or None,
                mode=fields.get("mode") or None,
                door=self.name,
                now=self.now,
            )
        except (IntakeError, NotFoundError, ContractError, ConflictError) as error:
            self.metrics.observe_receipt("dataset", "refused")
            name = plain_file_name(start.name)
            return ReceiptOut(
                kind="dataset", id="", upload_id="", file_name=name, state="refused", reason=str(error), is_new=False, links={}
            )
        self.metrics.observe_receipt(receipt.kind, receipt.state)
        own = f"/v1/uploads/{receipt.upload_id}"
        is_letter = receipt.kind == "letter" and receipt.state == "stored"
        return ReceiptOut(
            kind="letter" if receipt.kind == "letter" else "dataset",
            id=receipt.id,
            upload_id=receipt.upload_id,
            file_name=receipt.file_name,
            state=receipt.state,
            reason=receipt.reason,
            is_new=receipt.is_new,
            links={"self": f"/v1/letters/{receipt.id}", "upload": own} if is_letter else {"self": own},
        )


def _purpose(fields: dict[str, str]) -> Purpose:
    wanted = fields.get("purpose") or "auto"
    for known in PURPOSES:
        if wanted == known:
            return known
    raise IntakeError(f"purpose is {wanted!r}, but must be one of {', '.join(PURPOSES)}.")
