"""The progress of a video as a stream of server-sent events, with previews."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hinode.api import wire
from hinode.api.context import AppContext, Context, ProjectId
from hinode.api.failures import RATE_LIMIT, Refusal, get_or_404
from hinode.api.queries import Id
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Job, OverQuota
from hinode.jobs.states import Status
from hinode.records.database import DatabaseError

router = APIRouter(prefix="/v1/videos", tags=["Videos"])

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE_SECONDS = 15.0
"""A stream sends something at least that often, so that no proxy closes it as idle."""
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
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    if request.method == "HEAD":
        return Response(media_type=MEDIA_TYPE, headers=headers)
    events = _events(context, job, request.state.key_is_valid)
    return EventStream(events, context.streams.acquire(project_id), headers)


class EventStream(StreamingResponse):
    """A stream of events, counted from before its first byte to its end, whatever ends it."""

    def __init__(
        self, events: AsyncIterator[str], slot: AbstractContextManager[None], headers: dict[str, str]
    ) -> None:
        super().__init__(events, media_type=MEDIA_TYPE, headers=headers)
        self.slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as stack:
            try:
                stack.enter_context(self.slot)
            except OverQuota as error:
                headers = {"retry-after": "10"}
                raise Refusal(
                    429, str(error), code="too_many_streams", type=RATE_LIMIT, headers=headers
                ) from error
            await super().__call__(scope, receive, send)


async def _events(
    context: Context, job: Job, key_is_valid: Callable[[], Awaitable[bool]]
) -> AsyncIterator[str]:
    last: dict[str, Any] = {}
    previews, silence = 0, 0.0
    while True:
        if job.final:
            kind = "video.completed" if job.status is Status.COMPLETED else "video.failed"
            yield _event(kind, wire.Video.of_job(job).model_dump_json())
            return
        status = wire.STATUS[job.status]
        progress = {"id": job.id, "status": status, "progress": job.progress, "stage": job.stage}
        if progress != last:
            last, silence = progress, 0.0
            yield _event("video.progress", json.dumps(progress))
        if job.preview > previews:
            previews = job.preview
            url = await anyio.to_thread.run_sync(_preview_url, context.objects, job.id)
            if url:
                silence = 0.0
                preview = {"id": job.id, "number": previews, "image_url": url}
                yield _event("video.preview", json.dumps(preview))
        if silence >= KEEP_ALIVE_SECONDS:
            silence = 0.0
            yield ": keep-alive\n\n"
        await anyio.sleep(context.event_seconds)
        silence += context.event_seconds
        if context.stopping.is_set():
            return
        with suppress(DatabaseError):  # the next read may succeed
            if not await key_is_valid():
                return
            latest = await anyio.to_thread.run_sync(context.store.job, job.project_id, job.id)
            if latest is None:  # deleted
                return
            job = latest


def _preview_url(objects: Objects, job_id: str) -> str | None:
    """The preview of a job as a data URL, if there is one."""
    with suppress(OSError):
        body = objects.preview(job_id).read_bytes()
        if len(body) <= MAX_PREVIEW_BYTES:
            return f"data:image/webp;base64,{base64.b64encode(body).decode()}"
    return None


def _event(kind: str, data: str) -> str:
    return f"event: {kind}\ndata: {data}\n\n"
