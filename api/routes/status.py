"""Where everything stands: counts, outstanding work, the newest build."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.dependencies import needs
from api.documentation import answers
from api.overview import Overview

router = APIRouter(prefix="/v1/status", tags=["status"], dependencies=[needs("read")])


class Build(BaseModel):
    """A build of gold; a failed one left gold as it was."""

    generation: int
    state: str
    is_full_refresh: bool
    model_count: int
    test_count: int
    message: str
    started_at: datetime
    finished_at: datetime


class FailedWork(BaseModel):
    """Work that was given up after several attempts."""

    kind: str
    key: str
    error: str
    attempts: int


class Status(BaseModel):
    """Counts of this moment, at most a few seconds old."""

    letters: dict[str, int] = Field(description="letters per state: stored, read, located, approximate, review, rejected, refused")
    submissions: int
    corrections: int
    uploads: int
    outstanding: dict[str, dict[str, int]] = Field(description="work items per kind and state, those that are done left out")
    failed: list[FailedWork]
    published: Build | None = Field(description="the build that gold is as of")
    newest_build: Build | None = Field(description="the last build, failed or published")
    at: datetime


BUILD_EXAMPLE: dict[str, Any] = {
    "generation": 4,
    "state": "published",
    "is_full_refresh": False,
    "model_count": 41,
    "test_count": 63,
    "message": "",
    "started_at": "2026-03-01T12:00:10Z",
    "finished_at": "2026-03-01T12:00:14Z",
}
EXAMPLE: dict[str, Any] = {
    "letters": {"stored": 3, "read": 1, "located": 36, "approximate": 2, "review": 4, "rejected": 0, "refused": 1},
    "submissions": 12,
    "corrections": 2,
    "uploads": 49,
    "outstanding": {"extract": {"pending": 3, "claimed": 1}},
    "failed": [],
    "published": BUILD_EXAMPLE,
    "newest_build": BUILD_EXAMPLE,
    "at": "2026-03-01T12:00:15Z",
}


@router.get("", response_model=Status, responses=answers(EXAMPLE))
def get_status(request: Request) -> Status:
    """Letters per state, outstanding work and the newest build."""
    overview: Overview = request.app.state.overview
    return Status.model_validate(overview.now())
