"""Which loads were asked for, as the object store knows it: a file's first one in its manifest, each later one in an object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.object_store.base import Manifest

LOADS = "loads/"


class LoadRequest(BaseModel):
    """A dataset's file is to be loaded, after what was asked for before; without a mode under the dataset's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    upload_id: str
    dataset: str
    mode: str | None
    asked_at: AwareDatetime


def load_request_key(request: LoadRequest) -> str:
    """Where a load request is kept: one object for each moment."""
    return f"{LOADS}{request.upload_id}/{request.asked_at.strftime('%Y%m%dT%H%M%S%fZ')}.json"


def first_request(manifest: Manifest) -> LoadRequest:
    """What was asked for when the file came for the first time."""
    return LoadRequest(
        upload_id=manifest.sha256, dataset=manifest.dataset, mode=manifest.details.get("mode"), asked_at=manifest.received_at
    )


def without_result(
    requests: Iterable[LoadRequest], loaded: Iterable[Mapping[str, object]], default_modes: Mapping[str, str]
) -> list[LoadRequest]:
    """The last request for each file, dataset and mode that was never loaded so, in the order in which they were asked for.

    Replacements must come in this order: the newest file is the whole truth. `loaded` has rows of upload_id, dataset and mode.
    """
    done = {(row["upload_id"], row["dataset"], row["mode"]) for row in loaded}
    # Where the dataset's own mode is not known (its contract is gone), a load in any mode is taken for the one asked for.
    done |= {(upload_id, dataset, None) for upload_id, dataset, _ in done}
    last: dict[tuple[str, str, str | None], LoadRequest] = {}
    for request in sorted(requests, key=_asked_at):
        last[request.upload_id, request.dataset, request.mode or default_modes.get(request.dataset)] = request
    return sorted((request for key, request in last.items() if key not in done), key=_asked_at)


def _asked_at(request: LoadRequest) -> datetime:
    return request.asked_at
