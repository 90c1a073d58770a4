"""The files of a video: whole or in part, and not at all if the client has them already."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response

from hinode.api.context import AppContext, CurrentIdentity
from hinode.api.failures import Refusal
from hinode.api.routes.videos.videos import get_job_or_404
from hinode.api.wire import Id
from hinode.jobs.job import Job
from hinode.jobs.states import Status
from hinode.request import MediaFile

router = APIRouter(prefix="/v1/videos", tags=["Videos"])

ENDINGS = {"video/mp4": "mp4", "image/webp": "webp", "image/jpeg": "jpg", "image/png": "png"}
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)

Variant = Annotated[
    Literal["video", "thumbnail", "spritesheet"],
    Query(description="The MP4, a picture of its middle, or a sheet of sixteen of its frames."),
]
_FILES = {
    200: {
        "description": "The file.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in (*ENDINGS, "image/jpeg")
        },
    },
    206: {"description": "The part of it that the Range header names."},
    304: {"description": "The client has it already, as its If-None-Match says."},
    416: {"description": "The file has no such part."},
}


@router.get("/{video_id}/content", response_class=Response, responses=_FILES)  # type: ignore[arg-type]
@router.head("/{video_id}/content", include_in_schema=False)
def get_content(
    video_id: Id, request: Request, here: AppContext, caller: CurrentIdentity, variant: Variant = "video"
) -> Response:
    """Download a finished video, its thumbnail or its spritesheet."""
    job = get_job_or_404(here, caller, video_id)
    if job.status is not Status.COMPLETED:
        raise _no_file(job)
    artifact = here.store.artifacts(job.id).get(variant)
    if artifact is None or not here.objects.has(artifact.digest):
        raise Refusal(
            404,
            f"the {variant} of this video is not there any more, for its time is over; make the video again",
            code="video_expired",
            param="video_id",
        )
    etag = f'"{artifact.digest}"'
    headers = {"etag": etag, "cache-control": "private, no-cache", "x-content-type-options": "nosniff"}
    if _has(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    _settle_range(request, artifact)
    path = here.objects.path(artifact.digest)
    return FileResponse(
        path,
        headers=headers,
        media_type=artifact.media_type,
        filename=f"{job.id}{'' if variant == 'video' else f'-{variant}'}.{_ending(artifact)}",
        stat_result=path.stat(),
        content_disposition_type="inline",
    )


def _no_file(job: Job) -> Refusal:
    if job.final:
        return Refusal(
            404, "this video could not be made, so it has no file; its error says why", code="video_failed"
        )
    return Refusal(
        409,
        "this video is not finished yet; wait until its status is completed",
        code="video_in_progress",
        headers={"x-should-retry": "false"},
    )


def _ending(artifact: MediaFile) -> str:
    return ENDINGS.get(artifact.media_type, "bin")


def _has(said: str | None, etag: str) -> bool:
    """Whether `If-None-Match` names this file."""
    if said is None:
        return False
    names = {name.strip().removeprefix("W/") for name in said.split(",")}
    return "*" in names or etag in names


def _settle_range(request: Request, artifact: MediaFile) -> None:
    """Leave only a range that can be served. One that cannot be read, or several at once, mean the whole
    file, as HTTP allows.

    Raises:
        Refusal: the file has no such part.
    """
    said = request.headers.get("range")
    if said is None:
        return
    match = _RANGE.fullmatch(said.replace(" ", ""))
    first, last = (match[1], match[2]) if match else ("", "")
    if not (first or last) or (first and last and int(last) < int(first)):
        request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
        return
    condition = request.headers.get("if-range")
    if condition is not None and condition != f'"{artifact.digest}"':
        return  # the whole file is sent
    if (first and int(first) >= artifact.bytes) or (not first and int(last) == 0):
        raise Refusal(
            416,
            f"the file has {artifact.bytes:,} bytes, and the range begins behind them",
            code="range_not_satisfiable",
            headers={"content-range": f"bytes */{artifact.bytes}"},
        )
