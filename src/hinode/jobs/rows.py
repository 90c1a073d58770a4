"""Requests and jobs as rows of the jobs table: what `new_row` writes, `read_job` and `read_request` read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa

from hinode import tracing
from hinode.errors import HinodeError, join_names
from hinode.jobs.job import Draft, Job
from hinode.jobs.scheduling.schedule import lane_key
from hinode.jobs.states import Priority, Status
from hinode.records import ids
from hinode.records.rows import from_row
from hinode.request import Reference, Request, Segment

T = TypeVar("T")

# Every other field is stored only where it is not at its default, which must not change therefore. So a
# worker of an older version can run every request that uses no field of a later version, and refuses the
# others.
_ALWAYS_STORED = ("width", "height", "seconds", "seed", "engine", "curve")

_FORMER = ("expand", "expanded_prompt", "guide_prompt")
"""Fields of earlier versions that change no video of this one."""


class UnknownRequestField(HinodeError):
    """A stored request uses a field that a later version added; to drop it would change the video."""

    code = "unknown_request_field"


def new_row(draft: Draft, now: float, retry_count: int = 0) -> dict[str, Any]:
    """The row of a job that is submitted at `now` (seconds since 1970)."""
    request = draft.request
    assert request.model is not None, "a job names its model"
    return {
        "id": ids.make("video_", now),
        "project_id": draft.project_id,
        "key_id": draft.key_id,
        "request": stored_request(request),
        "operation": request.operation,
        "engine": request.engine,
        "model": request.model,
        "requested_model": draft.requested_model,
        "seconds": request.seconds,
        "priority": int(draft.priority.queue),
        "rush": draft.priority is Priority.RUSH,
        "lane": lane_key(draft.project_id, draft.priority, request.engine, request.model),
        "status": Status.QUEUED.value,
        "created_at": now,
        "queued_at": now,
        "source_id": draft.source_id,
        "batch_id": draft.batch_id,
        "request_hash": draft.request_hash,
        "retry_count": retry_count,
        "routing": draft.routing,
        "trace": tracing.traceparent(),
    }


def read_job(row: Mapping[str, Any] | sa.RowMapping) -> Job:
    """The job in a row."""
    priority = Priority.RUSH if row["rush"] else Priority(row["priority"])
    return from_row(Job, row, status=Status(row["status"]), priority=priority)


def stored_request(request: Request) -> dict[str, Any]:
    """A request in JSON values. Paths of references are left out: they belong to one machine."""
    values = _stored(request)
    if request.references:
        references = [dataclasses.replace(reference, path="") for reference in request.references]
        values["references"] = list(map(_stored, references))
    if request.segments:
        values["segments"] = list(map(_stored, request.segments))
    return values


def read_request(values: Mapping[str, Any]) -> Request:
    """The request that `stored_request` wrote.

    Raises:
        UnknownRequestField: it uses a field that this version does not know.
    """
    references = tuple(_read(reference, Reference) for reference in values.get("references", ()))
    segments = tuple(
        _read({**segment, "curve": _points(segment.get("curve", ()))}, Segment)
        for segment in values.get("segments", ())
    )
    tracks = {name: _points(values.get(name, ())) for name in ("path", "camera")}
    return _read({**values, **tracks, "references": references, "segments": segments}, Request)


def _stored(value: Request | Reference | Segment) -> dict[str, Any]:
    values = {field.name: (getattr(value, field.name), field.default) for field in dataclasses.fields(value)}
    return {
        name: stored
        for name, (stored, default) in values.items()
        if stored != default or name in _ALWAYS_STORED
    }


def _read(values: Mapping[str, Any], cls: type[T]) -> T:
    values = {name: value for name, value in values.items() if name not in _FORMER}
    unknown = values.keys() - {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if unknown:
        raise UnknownRequestField(
            f"the request uses {join_names(tuple(sorted(unknown)))}, which this version does not know",
            "upgrade this worker",
        )
    return cls(**values)


def _points(values: Iterable[Iterable[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(point) for point in values)
