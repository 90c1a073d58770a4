"""How a video comes along, as a stream of server-sent events, with pictures of what it looks like so far."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from hinode.api import wire
from hinode.api.context import AppContext, Context, CurrentIdentity
from hinode.api.failures import RATE_LIMIT, Refusal
from hinode.api.routes.videos.videos import get_job_or_404
from hinode.api.wire import Id
from hinode.jobs.job import Job
from hinode.jobs.states import Status
from hinode.jobs.tenants.tenants import Identity
from hinode.records.database import DatabaseError

router = APIRouter(prefix="/v1/videos", tags=["Videos"])

MAX_STREAMS = 500
QUIET_SECONDS = 15.0
"""A stream says something at least that often, lest a proxy takes it for dead."""
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
    video_id: Id, request: Request, here: AppContext, caller: CurrentIdentity
) -> StreamingResponse:
    """Follow a video until it ends, without asking again and again."""
    if here.streams.count >= MAX_STREAMS:
        raise Refusal(
            429,
            "too many videos are being followed at the moment; ask for this one's status instead",
            code="too_many_streams",
            type=RATE_LIMIT,
            headers={"retry-after": "10"},
        )
    job = await anyio.to_thread.run_sync(get_job_or_404, here, caller, video_id)
    return StreamingResponse(
        _events(here, caller, job, request.state.still_known),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _events(
    here: Context, caller: Identity, job: Job, still_known: Callable[[], Awaitable[bool]]
) -> AsyncIterator[str]:
    said: dict[str, Any] | None = None
    preview, quiet = 0, 0.0
    with here.streams.one():
        while True:
            if job.final:
                kind = "video.completed" if job.status is Status.COMPLETED else "video.failed"
                yield _event(kind, wire.video(job))
                return
            now = {
                "id": job.id,
                "status": wire.STATUS[job.status],
                "progress": job.progress,
                "stage": job.stage,
            }
            if now != said:
                said, quiet = now, 0.0
                yield _event("video.progress", now)
            if job.preview > preview:
                preview = job.preview
                picture = await anyio.to_thread.run_sync(_preview, here, job.id)
                if picture:
                    quiet = 0.0
                    yield _event("video.preview", {"id": job.id, "number": preview, "image_url": picture})
            if quiet >= QUIET_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
            await anyio.sleep(here.event_seconds)
            quiet += here.event_seconds
            if here.stopping.is_set():
                return
            with suppress(DatabaseError):  # it may be back at the next look
                if not await still_known():  # the key was revoked
                    return
                later = await anyio.to_thread.run_sync(here.store.job, caller.project_id, job.id)
                if later is None:  # deleted
                    return
                job = later


def _preview(here: Context, job_id: str) -> str | None:
    """The preview of a job as a data URL, if it is there."""
    try:
        body = here.objects.preview(job_id).read_bytes()
    except OSError:
        return None
    if len(body) > MAX_PREVIEW_BYTES:
        return None
    return f"data:image/webp;base64,{base64.b64encode(body).decode()}"


def _event(kind: str, data: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"
