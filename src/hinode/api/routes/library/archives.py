"""Archives: many videos as one ZIP file."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field
from starlette.responses import StreamingResponse

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.failures import get_or_404
from hinode.api.queries import Id
from hinode.api.requests.bodies import JSON, BodyReader
from hinode.api.routes.library.values import Videos

router = APIRouter(prefix="/v1/library/archives", tags=["Library"])

MEDIA_TYPE = "application/zip"


class CreateArchive(Videos):
    """Videos to download together."""

    format: Literal["mp4"] = Field("mp4", description="Of the videos in it.")


class ArchiveObject(wire.Answer):
    """Videos as one ZIP file, which can be downloaded at `url` for a day."""

    id: str
    object: Literal["archive"] = "archive"
    url: str
    clips: int
    bytes: int = Field(description="Of the videos.")


ArchiveBody = Annotated[CreateArchive, Depends(BodyReader(CreateArchive, (JSON,)))]


@router.post("", response_model=ArchiveObject)
def create_archive(body: ArchiveBody, context: AppContext, project_id: ProjectId) -> Response:
    """Put up to 1000 finished videos together for a download."""
    archive = context.archives.create(project_id, body.ids)
    return ArchiveObject.of(archive, url=f"{router.prefix}/{archive.id}").response()


@router.get(
    "/{archive_id}",
    response_class=Response,
    responses={
        200: {
            "description": "A ZIP64 file, not compressed; its files are named by title.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def download_archive(
    archive_id: Id, request: Request, context: AppContext, project_id: ProjectId
) -> Response:
    """Download an archive."""
    stream = get_or_404(context.archives.open, project_id, archive_id, "archive")
    headers = {
        "content-length": str(len(stream)),
        "content-disposition": f'attachment; filename="{archive_id}.zip"',
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    if request.method == "HEAD":
        return Response(media_type=MEDIA_TYPE, headers=headers)
    return StreamingResponse(iter(stream), media_type=MEDIA_TYPE, headers=headers)
