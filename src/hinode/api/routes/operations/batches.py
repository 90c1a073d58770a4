"""Batches: a file of up to 50,000 requests for videos, done within a day."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from hinode.api import failures, wire
from hinode.api.context import AppContext, Context, CurrentIdentity
from hinode.api.described import described
from hinode.api.middleware.retries import REPLAYED, RetryInfo
from hinode.api.requests import bodies
from hinode.api.requests.fields import Fields
from hinode.api.routes.library.files import ExpiresAfter, expiry
from hinode.api.wire import After, Id, Limit
from hinode.errors import BadInput
from hinode.jobs.batches.batch import Batch
from hinode.jobs.tenants.tenants import Identity

router = APIRouter(prefix="/v1/batches", tags=["Batches"])

MAX_TEXT_BYTES = 1 << 18


class BatchFault(BaseModel):
    """What is wrong with a line of the input."""

    code: str
    message: str
    param: str | None
    line: int | None = Field(description="Counted from 1.")


class BatchFaults(BaseModel):
    """What is wrong with the input."""

    object: Literal["list"]
    data: list[BatchFault]


class RequestCounts(BaseModel):
    """How many lines there are, and what became of them."""

    total: int
    completed: int = Field(description="Lines that became a finished video.")
    failed: int = Field(description="Lines that never will.")


class BatchObject(BaseModel):
    """Many requests in one."""

    id: str
    object: Literal["batch"]
    endpoint: Literal["/v1/videos"]
    model: str | None
    errors: BatchFaults | None
    input_file_id: str
    completion_window: Literal["24h"]
    status: Literal[
        "validating",
        "failed",
        "in_progress",
        "finalizing",
        "completed",
        "expired",
        "cancelling",
        "cancelled",
    ]
    output_file_id: str | None = Field(description="A line for each video, in its final state.")
    error_file_id: str | None = Field(description="A line for each request that became no video.")
    created_at: int
    in_progress_at: int | None
    expires_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    metadata: dict[str, str] | None


class BatchList(BaseModel):
    """A page of batches."""

    object: Literal["list"]
    data: list[BatchObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class CreateBatch(BaseModel):
    """A batch to be made. Each line of the file is a JSON object with custom_id, method, url and body."""

    input_file_id: str
    endpoint: Literal["/v1/videos"]
    completion_window: Literal["24h"]
    metadata: dict[str, str] | None = None
    output_expires_after: ExpiresAfter | None = None


@router.post("", response_model=BatchObject, openapi_extra=described(CreateBatch))
async def create_batch(request: Request, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Begin a batch; its lines are looked at afterwards, and errors in them are told in the batch itself."""
    attempt = RetryInfo.of(request)

    def accept() -> JSONResponse:
        batch, replayed = _create(here, caller, body.fields(), attempt)
        return JSONResponse(shape(batch), headers=REPLAYED if replayed else None)

    async with bodies.received(request, here.objects, most_text=MAX_TEXT_BYTES) as body:
        return await here.slowly(accept)


@router.get("", response_model=BatchList)
def list_batches(
    here: AppContext, caller: CurrentIdentity, after: After = None, limit: Limit = wire.DEFAULT_LIMIT
) -> JSONResponse:
    """The batches of the project that the API key belongs to, the newest first."""
    found, more = here.batches.page(caller.project_id, after=wire.after(after), limit=limit)
    return JSONResponse(wire.page(found, more, shape))


@router.get("/{batch_id}", response_model=BatchObject)
def get_batch(batch_id: Id, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """How far a batch is."""
    batch = here.batches.get(caller.project_id, batch_id) if wire.is_id(batch_id) else None
    if batch is None:
        raise failures.not_found("batch", batch_id, "batch_id")
    return JSONResponse(shape(batch))


@router.post("/{batch_id}/cancel", response_model=BatchObject)
def cancel_batch(batch_id: Id, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Stop a batch; videos that are finished stay, and the files of results tell of them."""
    batch = here.batches.cancel(caller.project_id, batch_id) if wire.is_id(batch_id) else None
    if batch is None:
        raise failures.not_found("batch", batch_id, "batch_id")
    return JSONResponse(shape(batch))


def shape(batch: Batch) -> dict[str, Any]:
    """A batch as an object."""
    moments = (
        *("created_at", "in_progress_at", "expires_at", "finalizing_at", "completed_at"),
        *("failed_at", "expired_at", "cancelling_at", "cancelled_at"),
    )
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": None,
        "errors": None if batch.errors is None else {"object": "list", "data": list(batch.errors)},
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        **{name: None if (at := getattr(batch, name)) is None else int(at) for name in moments},
        "request_counts": {"total": batch.lines, "completed": batch.completed, "failed": batch.failed},
        "metadata": batch.metadata,
    }


def _create(here: Context, caller: Identity, given: Fields, attempt: RetryInfo) -> tuple[Batch, bool]:
    values: dict[str, str] = {}
    for name in ("input_file_id", "endpoint", "completion_window"):
        text = given.text(name)
        if text is None:
            raise BadInput(f"{name} is missing", "see /docs for what a batch needs", field=name)
        values[name] = text
    if not wire.is_id(values["input_file_id"]):
        raise failures.not_found("file", values["input_file_id"], "input_file_id")
    metadata, output_seconds = _metadata(given), expiry(given, "output_expires_after")
    asked = {**values, "metadata": metadata, "output_seconds": output_seconds}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    return here.batches.create(
        caller.project_id,
        caller.key_id,
        **values,
        metadata=metadata,
        output_seconds=output_seconds,
        request_hash=digest,
        idempotency=attempt.promise(digest),
        retry_count=attempt.tries,
        since=attempt.since,
    )


def _metadata(given: Fields) -> dict[str, str] | None:
    metadata = given.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BadInput(
            "the metadata is not made of texts", 'give an object such as {"order": "12"}', field="metadata"
        )
    return metadata
