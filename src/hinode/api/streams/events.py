"""Events of a project, as its stream sends them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hinode.api import wire
from hinode.jobs.changes import Changes
from hinode.jobs.job import Job
from hinode.jobs.states import Status

JobStates = dict[str, tuple[Status, int]]
"""State and number of previews of the unfinished jobs of a project, by id, as they were last told."""


@dataclass(frozen=True)
class Event:
    """An event: its type, and its data as JSON."""

    kind: str
    data: str = "{}"

    def text(self, id: str | None = None) -> str:
        """The event as server-sent events are written."""
        name = "" if id is None else f"id: {id}\n"
        return f"{name}event: {self.kind}\ndata: {self.data}\n\n"


def describe(
    changes: Changes,
    versions: Mapping[str, int],
    states: JobStates,
    remaining: Callable[[Job, float], float | None],
    now: float,
) -> tuple[Event, ...]:
    """The events that tell of changes.

    Args:
        versions: those before the changes.
        states: as they were last told; those told now are entered.
        remaining: seconds that a job still takes.
        now: seconds since 1970.
    """
    if changes.jobs is None:
        states.clear()
        return (Event("resync"),)
    events: list[Event] = []
    others = {event for event, version in changes.versions.items() if versions.get(event) != version}
    for change in changes.jobs:
        job = change.job
        status, previews = states.get(job.id, (None, 0))
        if job.status is not status or job.status is Status.QUEUED:
            others.add("queue.changed")
        states[job.id] = job.status, job.preview
        if change.deleted or job.final:
            del states[job.id]
        if change.deleted:
            events.append(Event("video.deleted", json.dumps({"id": job.id})))
        elif job.final or job.status is Status.QUEUED:
            events.append(whole(job))
        else:
            values = {**progress(job), "eta_seconds": remaining(job, now)}
            events.append(Event("video.progress", json.dumps(values)))
            if job.preview > previews:
                address = f"/v1/videos/{job.id}/preview?number={job.preview}"
                preview = {"id": job.id, "number": job.preview, "url": address}
                events.append(Event("video.preview", json.dumps(preview)))
    return (*events, *map(Event, sorted(others)))


def progress(job: Job) -> dict[str, object]:
    """How far a job has come."""
    return {"id": job.id, "status": wire.STATUS[job.status], "progress": job.progress, "stage": job.stage}


def whole(job: Job) -> Event:
    """The event of a job that waits or has ended, with all that is known of it."""
    kinds = {Status.QUEUED: "video.queued", Status.COMPLETED: "video.completed"}
    return Event(kinds.get(job.status, "video.failed"), wire.Video.of_job(job).model_dump_json())
