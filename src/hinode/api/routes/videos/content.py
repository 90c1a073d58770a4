"""The files of a video: as a whole, a range of bytes, or not modified."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.downloads import RangeResponse
from hinode.api.failures import STORE_RETRY_SECONDS, Refusal, get_or_404, unavailable
from hinode.api.queries import Id
from hinode.jobs.states import Status

router = APIRouter(prefix="/v1/videos", tags=["Videos"])

EXTENSIONS = {"video/mp4": "mp4", "image/webp": "webp", "image/jpeg": "jpg", "image/png": "png"}

Variant = Annotated[
    Literal["video", "thumbnail", "spritesheet"],
    Query(description="The MP4, its middle frame, or a sheet of sixteen frames."),
]
_RESPONSES = {
    200: {
        "description": "The file.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in EXTENSIONS},
    },
    206: {"description": "The range of the Range header."},
    304: {"description": "If-None-Match has the current etag."},
    416: {"description": "The range is outside the file."},
}


@router.get("/{video_id}/content", response_class=Response, responses=_RESPONSES)  # type: ignore[arg-type]
@router.head("/{video_id}/content", include_in_schema=False)
def get_content(
    video_id: Id, request: Request, context: AppContext, project_id: ProjectId, variant: Variant = "video"
) -> Response:
    """Download a finished video, its thumbnail or its spritesheet."""
    job = get_or_404(context.store.job, project_id, video_id, "video")
    if job.final and job.status is not Status.COMPLETED:
        message = "this video was not made, so it has no file; its error says why"
        raise Refusal(404, message, code="video_failed")
    if not job.final:
        message = "this video is not finished yet; wait until its status is completed"
        raise Refusal(409, message, code="video_in_progress", headers={"x-should-retry": "false"})
    file = context.store.artifacts(job.id).get(variant)
    if (
        file is not None
        and not context.objects.has(file.digest)
        and context.clock() < (job.expires_at or 0.0)
    ):
        message = f"the {variant} of this video cannot be read at the moment; ask again later"
        raise unavailable(message, STORE_RETRY_SECONDS)
    if file is None or not context.objects.has(file.digest):
        message = f"the {variant} of this video has expired; make the video again"
        raise Refusal(404, message, code="video_expired", param="video_id")
    headers = wire.file_headers(file.digest)
    tags = {name.strip().removeprefix("W/") for name in request.headers.get("if-none-match", "").split(",")}
    if tags & {"*", headers["etag"]}:
        return Response(status_code=304, headers=headers)
    path = context.objects.path(file.digest)
    name = job.id if variant == "video" else f"{job.id}-{variant}"
    return RangeResponse(
        path,
        headers=headers,
        media_type=file.media_type,
        filename=f"{name}.{EXTENSIONS.get(file.media_type, 'bin')}",
        stat_result=path.stat(),
        content_disposition_type="inline",
    )
