"""Batches: a file of up to 50,000 requests for videos, to be completed within a day."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.failures import get_or_404, is_id, not_found
from hinode.api.middleware.retries import REPLAYED, RetryInfo
from hinode.api.queries import Id, PageQuery
from hinode.api.requests.bodies import JSON, BodyReader
from hinode.api.requests.forms import Unpacked
from hinode.api.requests.values import ExpiresAfter
from hinode.jobs.batches.batch import Batch
from hinode.parsing import Input

router = APIRouter(prefix="/v1/batches", tags=["Batches"])

MAX_TEXT_BYTES = 1 << 18


class CreateBatch(Input):
    """A batch. Each line of its file is a JSON object with custom_id, method, url and body."""

    input_file_id: str
    endpoint: Literal["/v1/videos"]
    completion_window: Literal["24h"]
    metadata: Annotated[dict[str, str], Unpacked] | None = None
    output_expires_after: Annotated[ExpiresAfter, Unpacked] | None = None


class BatchFault(wire.Answer):
    """An error in a line of the input."""

    code: str
    message: str
    param: str | None
    line: int | None = Field(description="Counted from 1.")


class BatchFaults(wire.Answer):
    """The errors in the input."""

    object: Literal["list"] = "list"
    data: list[BatchFault]


class RequestCounts(wire.Answer):
    """Counts of lines."""

    total: int
    completed: int = Field(description="Lines with a finished video.")
    failed: int = Field(description="Lines without one.")


class BatchObject(wire.Answer):
    """A batch of requests."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: Literal["/v1/videos"]
    model: str | None = None
    errors: BatchFaults | None
    input_file_id: str
    completion_window: Literal["24h"]
    status: Literal[
        "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
    ]
    output_file_id: str | None = Field(description="A line for each video.")
    error_file_id: str | None = Field(description="A line for each request without a video.")
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

    @classmethod
    def of_batch(cls, batch: Batch) -> Self:
        """The object of a batch."""
        faults = None
        if batch.errors is not None:
            faults = BatchFaults.model_construct(data=[BatchFault(**fault) for fault in batch.errors])
        return cls.of(batch, errors=faults, request_counts=RequestCounts.of(batch, total=batch.lines))


class BatchList(wire.Page[BatchObject]):
    """A page of batches."""


BatchBody = Annotated[CreateBatch, Depends(BodyReader(CreateBatch, (JSON,), max_text_bytes=MAX_TEXT_BYTES))]


@router.post("", response_model=BatchObject)
async def create_batch(
    body: BatchBody, request: Request, context: AppContext, project_id: ProjectId
) -> Response:
    """Create a batch; its lines are read later, and errors in them are shown in the batch."""
    if not is_id(body.input_file_id):
        raise not_found("file", body.input_file_id, "input_file_id")
    retry = RetryInfo.of(request.scope)
    seconds = body.output_expires_after.seconds if body.output_expires_after else None
    values = {**body.model_dump(exclude={"output_expires_after"}), "output_seconds": seconds}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def create() -> Response:
        batch, replayed = context.batches.create(
            project_id,
            request.state.identity.key_id,
            **values,
            request_hash=digest,
            idempotency=retry.idempotency(digest),
            retry_count=retry.count,
            since=retry.since(context.rejections),
        )
        return BatchObject.of_batch(batch).response(REPLAYED if replayed else None)

    return await context.run_slow(create)


@router.get("", response_model=BatchList)
def list_batches(context: AppContext, project_id: ProjectId, page: PageQuery) -> Response:
    """The batches of the project that the API key belongs to."""
    return BatchList.from_entries(BatchObject.of_batch, context.batches.page(project_id, **page)).response()


@router.get("/{batch_id}", response_model=BatchObject)
def get_batch(batch_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """The status of a batch."""
    return BatchObject.of_batch(get_or_404(context.batches.get, project_id, batch_id, "batch")).response()


@router.post("/{batch_id}/cancel", response_model=BatchObject)
def cancel_batch(batch_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Cancel a batch; finished videos stay, and the output file lists them."""
    return BatchObject.of_batch(get_or_404(context.batches.cancel, project_id, batch_id, "batch")).response()
