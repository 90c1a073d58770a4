"""Files that clients put in, for batches and to start videos from, and the files that batches put out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, Field

from hinode.api import failures, wire
from hinode.api.context import AppContext, Context, CurrentIdentity
from hinode.api.described import described
from hinode.api.failures import Refusal
from hinode.api.requests import bodies, fields
from hinode.api.requests.fields import Fields, Part
from hinode.api.wire import After, Id, Order
from hinode.errors import BadInput
from hinode.jobs.files import uploads
from hinode.jobs.files.uploads import Upload
from hinode.jobs.tenants.tenants import Identity

router = APIRouter(prefix="/v1/files", tags=["Files"])

MAX_PAGE = 10_000
MAX_TEXT_BYTES = 1 << 16
SHOWN_PURPOSES = frozenset({*uploads.PURPOSES, uploads.BATCH_OUTPUT})


class File(BaseModel):
    """A file of the project."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None = Field(description="When it is removed by itself.")
    filename: str
    purpose: str
    status: Literal["processed"]
    status_details: str | None


class FileList(BaseModel):
    """A page of files."""

    object: Literal["list"]
    data: list[File]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(BaseModel):
    """That a file is gone."""

    id: str
    object: Literal["file"]
    deleted: Literal[True]


class ExpiresAfter(BaseModel):
    """When files are removed by themselves."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=2_592_000)


class CreateFile(BaseModel):
    """A file to be kept."""

    file: str = Field(json_schema_extra={"format": "binary"})
    purpose: Literal["assistants", "batch", "evals", "fine-tune", "user_data", "vision"]
    expires_after: ExpiresAfter | None = Field(None, description="30 days for batches, else never.")


Purpose = Annotated[str | None, Query(description="Only files that were put in for this.")]
Most = Annotated[int, Query(ge=0, le=MAX_PAGE, description="Most entries of a page.")]


@router.post("", response_model=File, openapi_extra=described(CreateFile, "multipart/form-data"))
async def create_file(request: Request, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Keep a file: up to 200 MB for a batch, up to 512 MB for anything else."""
    async with bodies.received(
        request, here.objects, most_file=uploads.MAX_BYTES, most_text=MAX_TEXT_BYTES
    ) as body:
        return await here.slowly(lambda: JSONResponse(shape(_keep(here, caller, body.fields()))))


@router.get("", response_model=FileList)
def list_files(
    here: AppContext,
    caller: CurrentIdentity,
    after: After = None,
    limit: Most = MAX_PAGE,
    order: Order = "desc",
    purpose: Purpose = None,
) -> JSONResponse:
    """The files of the project that the API key belongs to."""
    if purpose is not None and purpose not in SHOWN_PURPOSES:
        return JSONResponse(wire.page([], False, shape))
    found, more = here.uploads.page(
        caller.project_id,
        after=wire.after(after),
        limit=limit,
        descending=order == "desc",
        purpose=purpose,
    )
    return JSONResponse(wire.page(found, more, shape))


@router.get("/{file_id}", response_model=File)
def get_file(file_id: Id, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """What is known of a file."""
    return JSONResponse(shape(_found(here, caller, file_id)))


@router.delete("/{file_id}", response_model=DeletedFile)
def delete_file(file_id: Id, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Forget a file that no unfinished batch is made from."""
    if not wire.is_id(file_id) or not here.uploads.delete(caller.project_id, file_id):
        raise failures.not_found("file", file_id, "file_id")
    return JSONResponse({"id": file_id, "object": "file", "deleted": True})


@router.get(
    "/{file_id}/content",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def get_file_content(file_id: Id, request: Request, here: AppContext, caller: CurrentIdentity) -> Response:
    """Download a file, always the whole of it."""
    upload = _found(here, caller, file_id)
    path = here.objects.path(upload.digest)
    if not path.is_file():
        raise Refusal(
            404, "this file is not there any more; upload it again", code="not_found", param="file_id"
        )
    request.scope["headers"] = [
        pair for pair in request.scope["headers"] if pair[0] not in (b"range", b"if-range")
    ]
    return FileResponse(
        path,
        # Whatever its owner calls it: a browser must not run what somebody put in.
        media_type="application/octet-stream",
        headers={
            "etag": f'"{upload.digest}"',
            "cache-control": "private, no-cache",
            "x-content-type-options": "nosniff",
        },
        filename=upload.filename,
        stat_result=path.stat(),
    )


def shape(upload: Upload) -> dict[str, Any]:
    """A file as an object."""
    return {
        "id": upload.id,
        "object": "file",
        "bytes": upload.bytes,
        "created_at": int(upload.created_at),
        "expires_at": None if upload.expires_at is None else int(upload.expires_at),
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": "processed",
        "status_details": None,
    }


def expiry(given: Fields, name: str) -> float | None:
    """The seconds of an `expires_after`, or None if it is not given.

    Raises:
        BadInput: it is not an object with the anchor "created_at" and a number of seconds.
    """
    value = fields.unpacked(given.get(name))
    if value is None:
        return None
    inner = Fields(value) if isinstance(value, dict) else Fields({})
    seconds = inner.number("seconds")
    if inner.get("anchor") != "created_at" or seconds is None:
        raise BadInput(
            f"{name} cannot be read", 'give {"anchor": "created_at", "seconds": 86400}, say', field=name
        )
    return seconds


def _keep(here: Context, caller: Identity, given: Fields) -> Upload:
    part = given.get("file")
    if not isinstance(part, Part):
        raise BadInput("there is no file", "send one as the part called file", field="file")
    purpose = given.text("purpose")
    if purpose is None:
        raise BadInput(
            "it is not said what the file is for", "give a purpose, such as batch", field="purpose"
        )
    return here.uploads.create(
        caller.project_id,
        purpose=purpose,
        filename=part.filename,
        media_type=part.media_type,
        path=part.path,
        expires_after=expiry(given, "expires_after"),
    )


def _found(here: Context, caller: Identity, file_id: str) -> Upload:
    upload = here.uploads.get(caller.project_id, file_id) if wire.is_id(file_id) else None
    if upload is None:
        raise failures.not_found("file", file_id, "file_id")
    return upload
