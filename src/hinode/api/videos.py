"""Videos: asked for, looked at, listed, remixed, edited, extended, cancelled and deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from hinode.api import bodies, failures, schema, wire
from hinode.api.context import Caller, Context, Here
from hinode.api.described import described
from hinode.api.failures import Refusal
from hinode.api.fields import Fields
from hinode.api.wire import After, Id, Limit, Order
from hinode.errors import BadInput
from hinode.jobs.admit import Draft
from hinode.jobs.job import Idempotency, Job
from hinode.jobs.tenants import Identity

router = APIRouter(prefix="/v1/videos", tags=["Videos"])

POLL_HEADER = "openai-poll-after-ms"
POLL_MILLISECONDS = "1000"
"""The Python client takes the first value it is told for the whole of its waiting."""
IDEMPOTENCY_KEY = "Idempotency-Key"
LONGEST_KEY = 255
MOST_TRIES = 1000


@dataclass(frozen=True)
class Attempt:
    """What a client says about a request that it may have made before.

    Attributes:
        route: method and path.
        key: its idempotency key, or None.
        tries: how often its library has tried before.
    """

    route: str
    key: str | None
    tries: int

    @classmethod
    def of(cls, request: Request) -> Attempt:
        """Read it from the headers.

        Raises:
            BadInput: the key is empty, too long, or not in plain letters.
        """
        key = request.headers.get(IDEMPOTENCY_KEY)
        if key is not None and not (1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
            raise BadInput(
                "the idempotency key cannot be used",
                f"send 1 to {LONGEST_KEY} plain letters",
                field=IDEMPOTENCY_KEY,
            )
        tries = request.headers.get("x-stainless-retry-count", "0")
        count = int(tries) if tries.isascii() and tries.isdigit() and len(tries) < 5 else 0
        return cls(f"{request.method} {request.url.path}"[:200], key, min(count, MOST_TRIES))


@router.post(
    "", response_model=wire.Video, openapi_extra=described(schema.CreateVideo, schema.JSON, schema.FORM)
)
async def create_video(request: Request, here: Here, caller: Caller) -> JSONResponse:
    """Ask for a video, or up to ten of them; the answer is the first one, and `videos` has all of them."""
    return await _ask(request, here, caller, here.admission.create)


@router.get("", response_model=wire.VideoList)
def list_videos(
    here: Here,
    caller: Caller,
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
async def edit_video(request: Request, here: Here, caller: Caller) -> JSONResponse:
    """Change a video that was made here or is sent along; length and structure stay."""
    return await _ask(request, here, caller, here.admission.edit)


@router.post(
    "/extensions",
    response_model=wire.Video,
    openapi_extra=described(schema.ExtendVideo, schema.JSON, schema.FORM),
)
async def extend_video(request: Request, here: Here, caller: Caller) -> JSONResponse:
    """Go on from the end of a video; the result is the whole, old and new part together."""
    return await _ask(request, here, caller, here.admission.extend)


@router.get("/{video_id}", response_model=wire.Video)
def get_video(video_id: Id, here: Here, caller: Caller) -> JSONResponse:
    """How far a video is."""
    job = found(here, caller, video_id)
    return JSONResponse(wire.video(job), headers={POLL_HEADER: POLL_MILLISECONDS})


@router.delete("/{video_id}", response_model=wire.DeletedVideo)
def delete_video(video_id: Id, here: Here, caller: Caller) -> JSONResponse:
    """Forget a video that has ended, and remove its files."""
    if not wire.is_id(video_id) or here.store.delete(caller.project_id, video_id) is None:
        raise failures.not_found("video", video_id, "video_id")
    return JSONResponse(wire.deleted("video", video_id))


@router.post(
    "/{video_id}/remix",
    response_model=wire.Video,
    openapi_extra=described(schema.RemixVideo, schema.JSON, schema.FORM),
)
async def remix_video(video_id: Id, request: Request, here: Here, caller: Caller) -> JSONResponse:
    """Make a video again with another prompt."""

    def drafts(given: Fields, project_id: str, key_id: str | None) -> list[Draft]:
        return here.admission.remix(given, video_id, project_id, key_id)

    return await _ask(request, here, caller, drafts)


@router.post("/{video_id}/cancel", response_model=wire.Video)
def cancel_video(video_id: Id, here: Here, caller: Caller) -> JSONResponse:
    """Give a video up: at once if it waits, within two steps if it is being made; an ended one stays."""
    job = here.store.cancel(caller.project_id, video_id) if wire.is_id(video_id) else None
    if job is None:
        raise failures.not_found("video", video_id, "video_id")
    return JSONResponse(wire.video(job))


def found(here: Context, caller: Identity, video_id: str) -> Job:
    """The job with this id.

    Raises:
        NotFound: there is none in the caller's project.
    """
    job = here.store.job(caller.project_id, video_id) if wire.is_id(video_id) else None
    if job is None:
        raise failures.not_found("video", video_id, "video_id")
    return job


Drafts = Callable[[Fields, str, str | None], Sequence[Draft]]


async def _ask(request: Request, here: Context, caller: Identity, drafts: Drafts) -> JSONResponse:
    """Read a body, look at it, and accept what it asks for."""
    attempt = Attempt.of(request)

    def accept() -> JSONResponse:
        asked = list(drafts(body.fields(), caller.project_id, caller.key_id))
        promise = None
        if attempt.key is not None:
            promise = Idempotency(attempt.route, attempt.key, asked[0].request_hash or "")
        accepted = here.store.submit(asked, idempotency=promise, retry_count=attempt.tries)
        if not accepted.jobs:
            raise Refusal(404, "the video that this request made before has been deleted", code="not_found")
        headers = {"idempotent-replayed": "true"} if accepted.replayed else None
        answer: dict[str, Any] = wire.videos(accepted.jobs)
        return JSONResponse(answer, headers=headers)

    async with bodies.received(request, here.objects) as body:
        return await here.slowly(accept)
