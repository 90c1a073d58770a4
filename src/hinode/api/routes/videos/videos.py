"""Videos: creation in all its ways, status, lists, cancellation and deletion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response

from hinode.api import wire
from hinode.api.context import AppContext, Context, ProjectId
from hinode.api.failures import Refusal, get_or_404
from hinode.api.middleware.retries import IDEMPOTENCY_KEY, REPLAYED, RetryInfo
from hinode.api.queries import Id, PageQuery
from hinode.api.requests import admission, directing, finishing, retrying
from hinode.api.requests.admission import Admission, Owner
from hinode.api.requests.bodies import BodyReader
from hinode.api.requests.models import (
    BlendVideos,
    CreateVideo,
    EditVideo,
    ExtendVideo,
    FinishVideo,
    LoopVideo,
    RecutVideo,
    ReframeVideo,
    RemixVideo,
    RetakeVideo,
    RetryVideo,
    Storyboard,
)
from hinode.jobs.job import Draft

router = APIRouter(prefix="/v1/videos", tags=["Videos"])
directing_router = APIRouter(prefix="/v1/videos", tags=["Directing"])
"""The routes that Sora's API does not have."""

CreateBody = Annotated[CreateVideo, Depends(BodyReader(CreateVideo))]
EditBody = Annotated[EditVideo, Depends(BodyReader(EditVideo))]
ExtendBody = Annotated[ExtendVideo, Depends(BodyReader(ExtendVideo))]
RemixBody = Annotated[RemixVideo, Depends(BodyReader(RemixVideo))]
LoopBody = Annotated[LoopVideo, Depends(BodyReader(LoopVideo))]
BlendBody = Annotated[BlendVideos, Depends(BodyReader(BlendVideos))]
RetakeBody = Annotated[RetakeVideo, Depends(BodyReader(RetakeVideo))]
ReframeBody = Annotated[ReframeVideo, Depends(BodyReader(ReframeVideo))]
RecutBody = Annotated[RecutVideo, Depends(BodyReader(RecutVideo))]
FinishBody = Annotated[FinishVideo, Depends(BodyReader(FinishVideo, required=False))]
RetryBody = Annotated[RetryVideo, Depends(BodyReader(RetryVideo, required=False))]
StoryboardBody = Annotated[Storyboard, Depends(BodyReader(Storyboard))]

POLL_HEADERS = {"openai-poll-after-ms": "1000"}
"""The Python client uses the first value for the whole wait."""

B = TypeVar("B")


async def submit(
    request: Request,
    draft: Callable[[Admission, B, Owner], list[Draft]],
    body: B,
    also: Callable[[Any, Sequence[str]], None] | None = None,
) -> Response:
    """Submit the jobs of a body, or find those of an earlier try; for `also` see `Store.submit`.

    Raises:
        HinodeError: the request is wrong, or cannot be accepted now.
        Refusal: the jobs of the earlier try have been deleted.
    """
    context: Context = request.app.state.context
    identity = request.state.identity
    owner = Owner(identity.project_id, identity.key_id)
    retry = RetryInfo.of(request.scope)

    def submit_drafts() -> Response:
        drafts = draft(context.admission, body, owner)
        submitted = context.store.submit(
            drafts,
            idempotency=retry.idempotency(drafts[0].request_hash or ""),
            retry_count=retry.count,
            since=retry.since(context.rejections),
            also=also,
        )
        if not submitted.jobs:
            message = "the video that this request made before has been deleted"
            message += "; send a new idempotency key to make another"
            raise Refusal(404, message, code="not_found", param=IDEMPOTENCY_KEY)
        return wire.VideoGroup.of_jobs(submitted.jobs).response(REPLAYED if submitted.replayed else None)

    return await context.run_slow(submit_drafts)


@router.post("", response_model=wire.Video | wire.VideoGroup)
async def create_video(body: CreateBody, request: Request) -> Response:
    """Create a video, or up to ten: the answer is the first, and its `videos` has all of them."""
    return await submit(request, admission.create, body)


@router.get("", response_model=wire.VideoList)
def list_videos(context: AppContext, project_id: ProjectId, page: PageQuery) -> Response:
    """The videos of the project that the API key belongs to."""
    return wire.VideoList.from_entries(wire.Video.of_job, context.store.jobs(project_id, **page)).response()


@router.post("/edits", response_model=wire.Video)
async def edit_video(body: EditBody, request: Request) -> Response:
    """Change a video of this project or an uploaded one; its length and structure stay."""
    return await submit(request, admission.edit, body)


@router.post("/extensions", response_model=wire.Video)
async def extend_video(body: ExtendBody, request: Request) -> Response:
    """Continue a video; the result has the old and the new part."""
    return await submit(request, admission.extend, body)


@router.get("/{video_id}", response_model=wire.Video)
def get_video(video_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """The status of a video."""
    job = get_or_404(context.store.job, project_id, video_id, "video")
    return wire.Video.of_job(job).response(None if job.final else POLL_HEADERS)


@router.delete("/{video_id}", response_model=wire.Deleted)
def delete_video(video_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Delete a finished or failed video, and its files."""
    get_or_404(context.store.delete, project_id, video_id, "video")
    return wire.Deleted(id=video_id, object="video.deleted").response()


@router.post("/{video_id}/remix", response_model=wire.Video)
async def remix_video(video_id: Id, body: RemixBody, request: Request) -> Response:
    """Render a video again with another prompt."""
    return await submit(request, partial(admission.remix, video_id=video_id), body)


@router.post("/{video_id}/cancel", response_model=wire.Video)
def cancel_video(video_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Cancel a video: at once if queued, within two steps if in progress; a finished one does not change."""
    return wire.Video.of_job(get_or_404(context.store.cancel, project_id, video_id, "video")).response()


@router.post("/{video_id}/retry", response_model=wire.Video)
async def retry_video(video_id: Id, body: RetryBody, request: Request) -> Response:
    """Render a failed or cancelled video again: a new video with the same request and seed."""
    return await submit(request, partial(retrying.retry, video_id=video_id), body)


@directing_router.post("/loops", response_model=wire.Video)
async def loop_video(body: LoopBody, request: Request) -> Response:
    """Make a video that can be played in a loop, from a prompt or a video."""
    return await submit(request, directing.loop, body)


@directing_router.post("/blends", response_model=wire.Video)
async def blend_videos(body: BlendBody, request: Request) -> Response:
    """Connect two videos by a rendered transition."""
    return await submit(request, directing.blend, body)


@directing_router.post("/retakes", response_model=wire.Video)
async def retake_video(body: RetakeBody, request: Request) -> Response:
    """Render a span of a video again."""
    return await submit(request, directing.retake, body)


@directing_router.post("/recuts", response_model=wire.Video)
async def recut_video(body: RecutBody, request: Request) -> Response:
    """Keep a span of a video, and render new parts before and after it."""
    return await submit(request, directing.recut, body)


@directing_router.post("/{video_id}/reframe", response_model=wire.Video)
async def reframe_video(video_id: Id, body: ReframeBody, request: Request) -> Response:
    """Show a video at another size: its scene composed anew with the same seed, or its frames cropped."""
    return await submit(request, partial(admission.reframe, video_id=video_id), body)


@directing_router.post("/storyboards", response_model=wire.Video)
async def make_storyboard(body: StoryboardBody, request: Request) -> Response:
    """Make a film of several shots."""
    return await submit(request, directing.storyboard, body)


@directing_router.post("/{video_id}/finish", response_model=wire.Video)
async def finish_video(video_id: Id, body: FinishBody, request: Request) -> Response:
    """Make a draft again with the same prompt, seed, plan and references, in a better profile."""
    return await submit(request, partial(finishing.finish, video_id=video_id), body)
