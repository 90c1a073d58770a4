"""The files of a job that a worker on another machine reads and sends; see `workers`."""

from __future__ import annotations

import hashlib
from typing import IO, Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from hinode.api import wire
from hinode.api.context import AppContext
from hinode.api.downloads import RangeResponse
from hinode.api.failures import Refusal
from hinode.api.requests.multipart import pieces, too_large
from hinode.api.routes.operations.workers import Leased, body_reader
from hinode.jobs.job import Lease
from hinode.jobs.worker.remote import protocol

MAX_PREVIEW_BYTES = 4 << 20
BLOCK = 1 << 20

router = APIRouter(prefix="/v1/workers/{worker_id}/jobs/{job_id}/{epoch}", include_in_schema=False)

Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


@router.get("/objects/{digest}")
def get_object(digest: Digest, lease: Leased, context: AppContext) -> Response:
    """A file of the job, or a range of it. HEAD gives its size, and its age starts again."""
    # The answer does not tell a file of another job from one that is not there.
    if digest not in context.leases.readable(lease) or not context.objects.keep(digest):
        raise Refusal(404, "this job has no such file; send it first", code="no_object", param="digest")
    path = context.objects.fetch(digest)
    return RangeResponse(
        path,
        media_type="application/octet-stream",
        headers=wire.file_headers(digest),
        stat_result=path.stat(),
    )


@router.put("/objects/{digest}")
async def put_object(digest: Digest, lease: Leased, request: Request, context: AppContext) -> Response:
    """Store a file for the job, if it is the one that its digest names."""
    with context.objects.temporary() as path:
        actual = hashlib.sha256()
        with path.open("wb") as file:
            buffer = bytearray()
            async for piece in pieces(request):
                buffer += piece
                if len(buffer) >= BLOCK:
                    await context.run_slow(_write, file, actual, buffer)
                    buffer = bytearray()
            await context.run_slow(_write, file, actual, buffer)
        if actual.hexdigest() != digest:
            message = "what arrived is not the file that the address names; send it again"
            raise Refusal(400, message, code="wrong_digest", param="digest")
        _, size = await context.run_slow(context.objects.put, path)
    # First stored and then entered: what is entered counts as there.
    await context.run_slow(context.leases.enter_object, lease, digest, size)
    return JSONResponse({})


@router.post("/objects/{digest}/address")
def upload_address(
    digest: Digest,
    body: Annotated[protocol.Part, body_reader(protocol.Part)],
    lease: Leased,
    context: AppContext,
) -> Response:
    """Where to send a part of a file; null if the store takes none from workers."""
    url = context.objects.upload_url(_upload(lease, digest), body.part)
    return JSONResponse({"url": url}, headers={"cache-control": "no-store"})


@router.post("/objects/{digest}/adopt")
def adopt_object(
    digest: Digest,
    body: Annotated[protocol.Parts, body_reader(protocol.Parts)],
    lease: Leased,
    context: AppContext,
) -> Response:
    """Store a file for the job whose parts were sent to the store, if it is the one that its digest names."""
    size = context.objects.adopt(
        _upload(lease, digest), body.parts, digest, max_bytes=protocol.MAX_FILE_BYTES
    )
    if size is not None:
        context.leases.enter_object(lease, digest, size)
    return JSONResponse({"stored": size is not None})


@router.put("/preview")
async def put_preview(lease: Leased, request: Request, context: AppContext) -> Response:
    """Replace the preview of the job."""
    picture = bytearray()
    async for piece in pieces(request):
        picture += piece
        if len(picture) > MAX_PREVIEW_BYTES:
            raise too_large("the preview", MAX_PREVIEW_BYTES)
    await context.run_slow(context.objects.put_preview, lease.job.id, bytes(picture))
    return JSONResponse({})


def _upload(lease: Lease, digest: str) -> str:
    """The name of an upload. With the epoch in it, what a worker sends that has lost its lease is of another
    upload than that of its successor."""
    return f"{lease.job.id}/{lease.epoch}/{digest}"


def _write(file: IO[bytes], digest: Any, block: bytearray) -> None:
    file.write(block)
    digest.update(block)
