"""The files of a video: as a whole, a range of bytes, or not modified; and single frames."""

from __future__ import annotations

import dataclasses
import io
import re
from functools import partial
from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from hinode.api import wire
from hinode.api.context import AppContext, Caller, Context, ProjectId
from hinode.api.downloads import RangeResponse
from hinode.api.failures import STORE_RETRY_SECONDS, Refusal, get_or_404, unavailable
from hinode.api.queries import Id
from hinode.errors import BadInput, join_names, quote
from hinode.jobs.files.conversions import ROLE, timeline_of
from hinode.jobs.job import Job
from hinode.jobs.rows import read_request
from hinode.jobs.states import Status
from hinode.media.writing import convert
from hinode.media.writing.formats import FORMATS
from hinode.media.writing.stills import PNG_LEVEL
from hinode.request import MediaFile
from hinode.trust.provenance.statement import state_copy

router = APIRouter(prefix="/v1/videos", tags=["Videos"])

VIDEO = "video/mp4"
EXTENSIONS = {
    VIDEO: "mp4",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/jpeg": "jpg",
    "image/png": "png",
    "application/zip": "zip",
}
MAX_NAME_LENGTH = 80

Variant = Annotated[
    Literal["video", "thumbnail", "spritesheet"],
    Query(description="The MP4, its middle frame, or a sheet of sixteen frames."),
]
Format = Annotated[
    str | None,
    Query(
        max_length=20,
        description="Of the video: MP4, or another one that it is converted to; png is a ZIP of frames.",
        json_schema_extra={"enum": list(FORMATS)},
    ),
]
_RESPONSES = {
    200: {
        "description": "The file.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in EXTENSIONS},
    },
    206: {"description": "The range of the Range header."},
    304: {"description": "If-None-Match has the current etag."},
    307: {"description": "The MP4 is at the address in Location, of the store, for some minutes."},
    416: {"description": "The range is outside the file."},
}


@router.get("/{video_id}/content", response_class=Response, responses=_RESPONSES)  # type: ignore[arg-type]
@router.head("/{video_id}/content", include_in_schema=False)
async def get_content(
    video_id: Id,
    request: Request,
    context: AppContext,
    project_id: ProjectId,
    caller: Caller,
    variant: Variant = "video",
    format: Format = None,
) -> Response:
    """Download a finished video, in MP4 or another format, its thumbnail or its spritesheet."""
    kind = format or FORMATS[0]
    if kind not in FORMATS:
        remedy = f"choose {join_names(FORMATS, 'or')}"
        raise BadInput(f"there is no format {quote(kind)}", remedy, field="format")
    if format and variant != "video":
        message = f"the {variant} has one format only"
        raise BadInput(message, "leave the format out", field="format")
    role = variant if kind == FORMATS[0] else f"{ROLE}{kind}"

    def find() -> tuple[Job, MediaFile, bool]:
        job = completed(context, project_id, video_id)
        conversion = context.store.artifacts(job.id).get(role) if role != variant else None
        if conversion is not None and context.objects.has(conversion.digest):
            return job, conversion, True
        return job, file_of(context, job, variant), role == variant

    job, file, ready = await anyio.to_thread.run_sync(find)
    if not ready:
        file = await context.convert(context.conversions.make, job, file, kind)
    # The studio's pages may load nothing from another origin, and a signed address is good for GET only.
    elsewhere = request.method == "GET" and caller.role is None and file.media_type == VIDEO
    send = partial(_send, request, context, job, file, variant, format is not None, elsewhere=elsewhere)
    return await anyio.to_thread.run_sync(send)


@router.get(
    "/{video_id}/frames/{number}",
    response_class=Response,
    responses={200: {"description": "The frame.", "content": {"image/png": {}}}},
)
async def get_frame(
    video_id: Id,
    number: Annotated[int, Path(ge=0, le=10**6, description="0 is the first.")],
    request: Request,
    context: AppContext,
    project_id: ProjectId,
) -> Response:
    """A frame of a finished video as a PNG."""

    def draw() -> Response:
        job = completed(context, project_id, video_id)
        file, timeline = file_of(context, job, "video"), timeline_of(job)
        if number >= timeline.frames:
            message = f"this video has no frame {number}; its last one is {timeline.frames - 1}"
            raise Refusal(404, message, code="not_found", param="number")
        headers = wire.file_headers(f"{file.digest}-{number}")
        if is_current(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        target = io.BytesIO()
        path = context.objects.fetch(file.digest)
        picture = convert.still(path, number, timeline)
        picture.save(target, "PNG", compress_level=PNG_LEVEL)
        clip = dataclasses.replace(file, path=str(path))
        statement = state_copy("still", clip, read_request(job.request))
        signed = context.marking.sign_bytes(target.getvalue(), statement)
        return Response(signed, media_type="image/png", headers=headers)

    return await context.run_slow(draw)


def completed(context: Context, project_id: str, video_id: str) -> Job:
    """A video of the project that is completed."""
    job = get_or_404(context.store.job, project_id, video_id, "video")
    if job.final and job.status is not Status.COMPLETED:
        message = "this video was not made, so it has no file; its error says why"
        raise Refusal(404, message, code="video_failed")
    if not job.final:
        message = "this video is not finished yet; wait until its status is completed"
        raise Refusal(409, message, code="video_in_progress", headers={"x-should-retry": "false"})
    return job


def file_of(context: Context, job: Job, role: str) -> MediaFile:
    """A file of a completed video, which is there."""
    file = context.store.artifacts(job.id).get(role)
    there = file is not None and context.objects.has(file.digest)
    over = job.expires_at is not None and context.clock() >= job.expires_at
    if file is None or (over and not there):
        message = f"the {role} of this video has expired; make the video again"
        raise Refusal(404, message, code="video_expired", param="video_id")
    if not there:
        message = f"the {role} of this video cannot be read at the moment; ask again later"
        raise unavailable(message, STORE_RETRY_SECONDS)
    return file


def send_file(request: Request, context: Context, job: Job, variant: str) -> Response:
    """The answer with a file of a completed video, whose project is not looked at."""
    return _send(request, context, job, file_of(context, job, variant), variant, False, elsewhere=False)


def _send(
    request: Request,
    context: Context,
    job: Job,
    file: MediaFile,
    variant: str,
    as_download: bool,
    *,
    elsewhere: bool,
) -> Response:
    headers = wire.file_headers(file.digest)
    if is_current(request, headers["etag"]):
        return Response(status_code=304, headers=headers)
    if elsewhere and (url := context.objects.url(file.digest)) is not None:
        return RedirectResponse(url, headers={"cache-control": "no-store"})
    path = context.objects.fetch(file.digest)
    name = file_name(job.id, job.request["prompt"])
    name += "" if variant == "video" else f" {variant}"
    return RangeResponse(
        path,
        headers=headers,
        media_type=file.media_type,
        filename=f"{name}.{EXTENSIONS.get(file.media_type, 'bin')}",
        stat_result=path.stat(),
        content_disposition_type="attachment" if as_download else "inline",
    )


def is_current(request: Request, etag: str) -> bool:
    """Whether the client has this file already."""
    tags = {name.strip().removeprefix("W/") for name in request.headers.get("if-none-match", "").split(",")}
    return bool(tags & {"*", etag})


def file_name(video_id: str, title: str) -> str:
    """A name for the file of a video, without an ending: words of its title, and the end of its id, so that
    two videos of one title have different names."""
    words = re.sub(r"[^\w' ,()-]+", " ", title)  # no name of a folder, no character that a system refuses
    words = " ".join(words.split())[:MAX_NAME_LENGTH].strip(" ,-'")
    return f"{words or 'video'} {video_id[-6:]}"
