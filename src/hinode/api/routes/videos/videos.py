"""Videos: asked for, looked at, listed, remixed, edited, extended, cancelled and deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from hinode.api import failures, schema, wire
from hinode.api.context import AppContext, Context, CurrentIdentity
from hinode.api.described import described
from hinode.api.failures import Refusal
from hinode.api.middleware.retries import IDEMPOTENCY_KEY, REPLAYED, RetryInfo
from hinode.api.requests import bodies
from hinode.api.requests.fields import Fields
from hinode.api.wire import After, Id, Limit, Order
from hinode.jobs.admit import Draft
from hinode.jobs.job import Job
from hinode.jobs.tenants.tenants import Identity

router = APIRouter(prefix="/v1/videos", tags=["Videos"])

POLL_HEADER = "openai-poll-after-ms"
POLL_MILLISECONDS = "1000"
"""The Python client takes the first value it is told for the whole of its waiting."""


@router.post(
    "", response_model=wire.Video, openapi_extra=described(schema.CreateVideo, schema.JSON, schema.FORM)
)
async def create_video(request: Request, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Ask for a video, or up to ten of them; the answer is the first one, and `videos` has all of them."""
    return await submit(request, here, caller, here.admission.create)


@router.get("", response_model=wire.VideoList)
def list_videos(
    here: AppContext,
    caller: CurrentIdentity,
    after: After = None,
    limit: Limit = wire.DEFAULT_LIMIT,
    order: Order = "desc",
) -> JSONResponse:
    """The videos of the project that the API key belongs to."""
    jobs, more = here.store.jobs(
        caller.project_id, after=wire.after(after), limit=limit, descending=order == "desc"
    )
    return JSONResponse(wire.page(jobs, more, wire.video))


@router.post(
    "/edits", response_model=wire.Video, openapi_extra=described(schema.EditVideo, schema.JSON, schema.FORM)
)
async def edit_video(request: Request, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Change a video that was made here or is sent along; length and structure stay."""
    return await submit(request, here, caller, here.admission.edit)


@router.post(
    "/extensions",
    response_model=wire.Video,
    openapi_extra=described(schema.ExtendVideo, schema.JSON, schema.FORM),
)
async def extend_video(request: Request, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Go on from the end of a video; the result is the whole, old and new part together."""
    return await submit(request, here, caller, here.admission.extend)


@router.get("/{video_id}", response_model=wire.Video)
def get_video(video_id: Id, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """How far a video is."""
    job = get_job_or_404(here, caller, video_id)
    headers = None if job.final else {POLL_HEADER: POLL_MILLISECONDS}
    return JSONResponse(wire.video(job), headers=headers)


@router.delete("/{video_id}", response_model=wire.DeletedVideo)
def delete_video(video_id: Id, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Forget a video that has ended, and remove its files."""
    if not wire.is_id(video_id) or here.store.delete(caller.project_id, video_id) is None:
        raise failures.not_found("video", video_id, "video_id")
    return JSONResponse(wire.deleted("video", video_id))


@router.post(
    "/{video_id}/remix",
    response_model=wire.Video,
    openapi_extra=described(schema.RemixVideo, schema.JSON, schema.FORM),
)
async def remix_video(
    video_id: Id, request: Request, here: AppContext, caller: CurrentIdentity
) -> JSONResponse:
    """Make a video again with another prompt."""

    def drafts(given: Fields, project_id: str, key_id: str | None) -> list[Draft]:
        return here.admission.remix(given, video_id, project_id, key_id)

    return await submit(request, here, caller, drafts)


@router.post("/{video_id}/cancel", response_model=wire.Video)
def cancel_video(video_id: Id, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Give a video up: at once if it waits, within two steps if it is being made; an ended one stays."""
    job = here.store.cancel(caller.project_id, video_id) if wire.is_id(video_id) else None
    if job is None:
        raise failures.not_found("video", video_id, "video_id")
    return JSONResponse(wire.video(job))


def get_job_or_404(here: Context, caller: Identity, video_id: str) -> Job:
    """The job with this id.

    Raises:
        NotFound: there is none in the caller's project.
    """
    job = here.store.job(caller.project_id, video_id) if wire.is_id(video_id) else None
    if job is None:
        raise failures.not_found("video", video_id, "video_id")
    return job


Drafts = Callable[[Fields, str, str | None], Sequence[Draft]]


async def submit(request: Request, here: Context, caller: Identity, drafts: Drafts) -> JSONResponse:
    """Read a body, look at it, and accept what it asks for."""
    attempt = RetryInfo.of(request)

    def accept() -> JSONResponse:
        asked = list(drafts(body.fields(), caller.project_id, caller.key_id))
        accepted = here.store.submit(
            asked,
            idempotency=attempt.promise(asked[0].request_hash or ""),
            retry_count=attempt.tries,
            since=attempt.since,
        )
        if not accepted.jobs:
            raise Refusal(
                404,
                "the video that this request made before has been deleted; "
                "send a new idempotency key to make another",
                code="not_found",
                param=IDEMPOTENCY_KEY,
            )
        answer: dict[str, Any] = wire.videos(accepted.jobs)
        return JSONResponse(answer, headers=REPLAYED if accepted.replayed else None)

    async with bodies.received(request, here.objects) as body:
        return await here.slowly(accept)
