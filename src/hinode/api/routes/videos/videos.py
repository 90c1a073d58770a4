"""Videos: creation, status, lists, remixes, edits, extensions, cancellation and deletion."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.failures import get_or_404
from hinode.api.queries import Id, PageQuery
from hinode.api.requests import admission
from hinode.api.requests.bodies import BodyReader
from hinode.api.requests.models import CreateVideo, EditVideo, ExtendVideo, RemixVideo
from hinode.api.routes.videos.submission import Submit

router = APIRouter(prefix="/v1/videos", tags=["Videos"])

CreateBody = Annotated[CreateVideo, Depends(BodyReader(CreateVideo))]
EditBody = Annotated[EditVideo, Depends(BodyReader(EditVideo))]
ExtendBody = Annotated[ExtendVideo, Depends(BodyReader(ExtendVideo))]
RemixBody = Annotated[RemixVideo, Depends(BodyReader(RemixVideo))]

POLL_HEADERS = {"openai-poll-after-ms": "1000"}
"""The Python client uses the first value for the whole wait."""


@router.post("", response_model=wire.Video | wire.VideoGroup)
async def create_video(body: CreateBody, submit: Submit) -> Response:
    """Create a video, or up to ten: the answer is the first, and its `videos` has all of them."""
    return await submit(admission.create, body)


@router.get("", response_model=wire.VideoList)
def list_videos(context: AppContext, project_id: ProjectId, page: PageQuery) -> Response:
    """The videos of the project that the API key belongs to."""
    return wire.VideoList.from_entries(wire.Video.of_job, context.store.jobs(project_id, **page)).response()


@router.post("/edits", response_model=wire.Video)
async def edit_video(body: EditBody, submit: Submit) -> Response:
    """Change a video of this project or an uploaded one; its length and structure stay."""
    return await submit(admission.edit, body)


@router.post("/extensions", response_model=wire.Video)
async def extend_video(body: ExtendBody, submit: Submit) -> Response:
    """Continue a video; the result has the old and the new part."""
    return await submit(admission.extend, body)


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
async def remix_video(video_id: Id, body: RemixBody, submit: Submit) -> Response:
    """Render a video again with another prompt."""
    return await submit(partial(admission.remix, video_id=video_id), body)


@router.post("/{video_id}/cancel", response_model=wire.Video)
def cancel_video(video_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Cancel a video: at once if queued, within two steps if in progress; a finished one does not change."""
    return wire.Video.of_job(get_or_404(context.store.cancel, project_id, video_id, "video")).response()
