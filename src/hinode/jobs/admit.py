"""From a request to a job: what is written down when a job is accepted, and how it is read again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hinode.jobs import ids
from hinode.jobs.states import Priority, Status
from hinode.request import MediaFile, Reference, Request, Segment


@dataclass(frozen=True)
class Draft:
    """A checked request that is to become a job.

    Attributes:
        project_id: whose it is.
        key_id: API key that it came with, or None.
        request: what to make; `model` must be named, so that a later default changes nothing.
        asked_model: name of the model as the client wrote it.
        priority: class of work.
        inputs: files that the request's references name, by role and number; already in the store.
        source_id: video that this one is made from, or None.
        batch_id: batch that it is a line of, or None.
        request_hash: digest of the request in normal form, by which a retried one is recognised.
    """

    project_id: str
    key_id: str | None
    request: Request
    asked_model: str
    priority: Priority = Priority.INTERACTIVE
    inputs: Mapping[str, MediaFile] = field(default_factory=dict)
    source_id: str | None = None
    batch_id: str | None = None
    request_hash: str | None = None


def row(draft: Draft, now: float, retry_count: int = 0) -> dict[str, Any]:
    """The row of the jobs table that a draft becomes."""
    request = draft.request
    assert request.model is not None, "a job names its model"
    return {
        "id": ids.make("video_", now),
        "project_id": draft.project_id,
        "key_id": draft.key_id,
        "request": written(request),
        "operation": request.operation,
        "engine": request.engine,
        "model": request.model,
        "asked_model": draft.asked_model,
        "seconds": request.seconds,
        "priority": int(draft.priority),
        "lane": lane(draft.project_id, draft.priority, request.engine, request.model),
        "status": Status.QUEUED.value,
        "created_at": now,
        "queued_at": now,
        "source_id": draft.source_id,
        "batch_id": draft.batch_id,
        "request_hash": draft.request_hash,
        "retry_count": retry_count,
    }


def lane(project_id: str, priority: Priority, engine: str, model: str) -> str:
    """The queue that a job waits in; the jobs of one queue start in the order in which they came."""
    return f"{int(priority)}:{project_id}:{engine}/{model}"


def written(request: Request) -> dict[str, Any]:
    """A request in plain JSON values. Paths of references are left out: they belong to one machine."""
    values = dataclasses.asdict(request)
    for reference in values["references"]:
        del reference["path"]
    values["references"] = list(values["references"])
    return values


def read(values: Mapping[str, Any]) -> Request:
    """The request that `written` wrote; fields that this version does not know are passed over."""
    known = {field.name for field in dataclasses.fields(Request)}
    kept = {name: value for name, value in values.items() if name in known}
    kept["references"] = tuple(Reference(**reference) for reference in kept.get("references", ()))
    for track in ("path", "camera"):
        kept[track] = tuple(tuple(point) for point in kept.get(track, ()))
    kept["segments"] = tuple(
        Segment(**{**segment, "curve": tuple(tuple(point) for point in segment["curve"])})
        for segment in kept.get("segments", ())
    )
    return Request(**kept)
