"""Files: uploads for batches and videos, and the results of batches."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.downloads import RangeResponse
from hinode.api.failures import Refusal, get_or_404
from hinode.api.queries import Id, PageArguments, page_query
from hinode.api.requests.bodies import FORM, BodyReader
from hinode.api.requests.forms import Unpacked, UploadedFile
from hinode.api.requests.values import ExpiresAfter
from hinode.jobs.files import uploads
from hinode.parsing import Input

router = APIRouter(prefix="/v1/files", tags=["Files"])

MAX_PAGE = 10_000
LISTED_PURPOSES = frozenset({*uploads.PURPOSES, uploads.BATCH_OUTPUT})

Purpose = Annotated[str | None, Query(description="Only files that were uploaded for this.")]
FilePageQuery = Annotated[PageArguments, page_query(MAX_PAGE, MAX_PAGE)]


class CreateFile(Input):
    """A file to store."""

    file: UploadedFile
    purpose: Literal["assistants", "batch", "evals", "fine-tune", "user_data", "vision"]
    expires_after: Annotated[ExpiresAfter, Unpacked] | None = Field(
        None, description="30 days for batches, else never."
    )


class File(wire.Answer):
    """A file of the project."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None = Field(description="When it is deleted automatically.")
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    status_details: str | None = None


class FileList(wire.Page[File]):
    """A page of files."""


FILE_BODY = BodyReader(CreateFile, (FORM,), max_file_bytes=uploads.MAX_BYTES, max_text_bytes=1 << 16)
FileBody = Annotated[CreateFile, Depends(FILE_BODY)]


@router.post("", response_model=File)
async def create_file(body: FileBody, context: AppContext, project_id: ProjectId) -> Response:
    """Store a file: up to 200 MB for a batch, up to 512 MB for anything else."""
    upload = await context.run_slow(
        context.uploads.create,
        project_id,
        purpose=body.purpose,
        filename=body.file.filename,
        media_type=body.file.media_type,
        path=body.file.path,
        expires_after=body.expires_after.seconds if body.expires_after else None,
    )
    return File.of(upload).response()


@router.get("", response_model=FileList)
def list_files(
    context: AppContext, project_id: ProjectId, page: FilePageQuery, purpose: Purpose = None
) -> Response:
    """The files of the project that the API key belongs to."""
    if purpose is not None and purpose not in LISTED_PURPOSES:
        return FileList.from_entries(File.of, ([], False)).response()
    entries = context.uploads.page(project_id, **page, purpose=purpose)
    return FileList.from_entries(File.of, entries).response()


@router.get("/{file_id}", response_model=File)
def get_file(file_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """A file, without its content."""
    return File.of(get_or_404(context.uploads.get, project_id, file_id, "file")).response()


@router.delete("/{file_id}", response_model=wire.Deleted)
def delete_file(file_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Delete a file; the input of an unfinished batch cannot be deleted."""
    get_or_404(context.uploads.delete, project_id, file_id, "file")
    return wire.Deleted(id=file_id, object="file").response()


@router.get(
    "/{file_id}/content",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        206: {"description": "The range of the Range header."},
        416: {"description": "The range is outside the file."},
    },
)
def get_file_content(file_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Download a file, or a range of it."""
    upload = get_or_404(context.uploads.get, project_id, file_id, "file")
    if not context.objects.has(upload.digest):
        raise Refusal(404, "this file is lost; upload it again", code="not_found", param="file_id")
    path = context.objects.fetch(upload.digest)
    return RangeResponse(
        path,
        # Whatever the type of the upload: a browser must not run it.
        media_type="application/octet-stream",
        headers=wire.file_headers(upload.digest),
        filename=upload.filename,
        stat_result=path.stat(),
    )
