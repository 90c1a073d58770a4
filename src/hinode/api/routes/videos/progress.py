"""The progress of a video: a stream of server-sent events, and the latest picture of the run."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from hinode.api.context import AppContext, Context, ProjectId
from hinode.api.failures import Refusal, get_or_404
from hinode.api.queries import Id
from hinode.api.streams import stream
from hinode.api.streams.events import Event, progress, whole
from hinode.api.streams.feed import Subscription
from hinode.jobs.files.objects import Objects, StoreError
from hinode.jobs.job import Job
from hinode.jobs.states import Status

router = APIRouter(prefix="/v1/videos", tags=["Videos"])

PREVIEW = "image/webp"
MAX_PREVIEW_BYTES = 2 << 20
_EXAMPLE = 'event: video.progress\ndata: {"id": "video_…", "status": "in_progress", "progress": 40}\n\n'


@router.get(
    "/{video_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Events video.progress and video.preview until video.completed or video.failed, "
            "whose data is the Video.",
            "content": {"text/event-stream": {"example": _EXAMPLE}},
        }
    },
)
async def stream_events(
    video_id: Id, request: Request, context: AppContext, project_id: ProjectId
) -> Response:
    """Follow a video until it ends, instead of polling its status."""
    job = await anyio.to_thread.run_sync(get_or_404, context.store.job, project_id, video_id, "video")

    def events(subscription: Subscription) -> AsyncGenerator[str]:
        return _events(context, request, job, subscription)

    return stream.respond(request, context, project_id, events)


@router.get(
    "/{video_id}/preview",
    response_class=Response,
    responses={200: {"description": "A small WebP.", "content": {PREVIEW: {}}}},
)
def get_preview(
    video_id: Id,
    context: AppContext,
    project_id: ProjectId,
    number: Annotated[int | None, Query(description="Not read: it makes each preview's address new.")] = None,
) -> Response:
    """The latest picture of a video that is being made; once it is completed, its thumbnail."""
    job = get_or_404(context.store.job, project_id, video_id, "video")
    picture = None if job.final else _preview(context.objects, job.id)
    if job.status is Status.COMPLETED:  # a page may ask in the moment in which it ends
        picture = _thumbnail(context, job)
    if picture is None:
        message = "this video has no preview at present; ask for its thumbnail once it is completed"
        raise Refusal(404, message, code="no_preview", param="video_id")
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(picture, media_type=PREVIEW, headers=headers)


async def _events(
    context: Context, request: Request, job: Job, subscription: Subscription
) -> AsyncGenerator[str]:
    await context.feed.begin(subscription)
    latest: Job | None = await _read(context, job)
    last_progress: dict[str, Any] = {}
    previews = 0
    batches = stream.follow(context, request, subscription)
    while latest is not None:
        for event in await anyio.to_thread.run_sync(
            _new_events, context.objects, latest, last_progress, previews
        ):
            yield event.text()
        if latest.final:
            return
        last_progress, previews = progress(latest), latest.preview
        job, latest = latest, None
        async for batch in batches:
            if batch is None:
                yield stream.KEEP_ALIVE
            elif batch.jobs is None or job.id in batch.jobs:
                latest = await _read(context, job)  # None if it was deleted
                break


async def _read(context: Context, job: Job) -> Job | None:
    return await anyio.to_thread.run_sync(context.store.job, job.project_id, job.id)


def _new_events(objects: Objects, job: Job, last_progress: dict[str, Any], previews: int) -> list[Event]:
    """The events of a job, whose progress and number of previews were told before."""
    if job.final:
        return [whole(job)]
    events = []
    if progress(job) != last_progress:
        events.append(Event("video.progress", json.dumps(progress(job))))
    if job.preview > previews and (picture := _preview(objects, job.id)):
        address = f"data:{PREVIEW};base64,{base64.b64encode(picture).decode()}"
        values = {"id": job.id, "number": job.preview, "image_url": address}
        events.append(Event("video.preview", json.dumps(values)))
    return events


def _thumbnail(context: Context, job: Job) -> bytes | None:
    file = context.store.artifacts(job.id).get("thumbnail")
    there = file is not None and context.objects.has(file.digest)
    return context.objects.read(file.digest) if file is not None and there else None


def _preview(objects: Objects, job_id: str) -> bytes | None:
    """The preview of a job, if there is one."""
    with suppress(OSError, StoreError):
        picture = objects.read_preview(job_id)
        if picture is not None and len(picture) <= MAX_PREVIEW_BYTES:
            return picture
    return None
