"""What workers on other machines ask, one route for each question.

The routes are for `hinode.jobs.worker.remote` of the same version of the protocol, so OpenAPI does not show
them. What is decided is decided by the same transactions as for every other worker.
"""

from __future__ import annotations

import base64
import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.responses import JSONResponse

from hinode.api.context import AppContext
from hinode.api.queries import Id
from hinode.api.requests.bodies import JSON, BodyReader
from hinode.jobs.files.checkpoints import DISCARD_AGE
from hinode.jobs.fleet.leases import DistantWorker
from hinode.jobs.fleet.tokens import WorkerToken
from hinode.jobs.job import Lease
from hinode.jobs.states import Outcome
from hinode.jobs.worker.remote import protocol
from hinode.request import MediaFile

NO_REASON = "the worker could not make the video"

router = APIRouter(prefix="/v1/workers", include_in_schema=False)

Protocol = Annotated[str, Header(alias=protocol.VERSION_HEADER)]
Software = Annotated[str, Header(alias=protocol.SOFTWARE_HEADER)]
Epoch = Annotated[int, Path(ge=0, lt=1 << 31)]


async def _token(request: Request, version: Protocol = "", software: Software = "") -> WorkerToken:
    protocol.check_version(version, software)
    token: WorkerToken = request.state.worker_token  # set by `Authentication`
    return token


Token = Annotated[WorkerToken, Depends(_token)]


def _worker(worker_id: Id, token: Token, context: AppContext) -> DistantWorker:
    return context.leases.worker(token, worker_id)


Worker = Annotated[DistantWorker, Depends(_worker)]


def _lease(job_id: Id, epoch: Epoch, worker: Worker, context: AppContext) -> Lease:
    return context.leases.lease(worker, job_id, epoch)


Leased = Annotated[Lease, Depends(_lease)]


def body_reader(model: type[Any]) -> Any:
    return Depends(BodyReader(model, (JSON,), max_text_bytes=protocol.MAX_BODY_BYTES))


@router.post("")
def register(
    body: Annotated[protocol.Registration, body_reader(protocol.Registration)],
    token: Token,
    context: AppContext,
) -> Response:
    """Introduce a worker process."""
    worker_id = context.leases.register(token, body.host, body.pid, body.engines)
    answer = {
        "id": worker_id,
        "lease_seconds": context.store.lease_seconds,
        "takes_uploads": bool(context.settings.store_worker_endpoint),
    }
    return JSONResponse(answer)


@router.delete("/{worker_id}")
def end_worker(worker: Worker, context: AppContext) -> Response:
    """Say that a worker process has ended."""
    context.store.end_worker(worker.id)
    return JSONResponse({})


@router.post("/{worker_id}/touch")
def touch(
    body: Annotated[protocol.Residents, body_reader(protocol.Residents)], worker: Worker, context: AppContext
) -> Response:
    """Say that an idle worker is alive."""
    context.store.touch_worker(worker.id, body.resident)
    return JSONResponse({})


@router.post("/{worker_id}/claim")
def claim(
    body: Annotated[protocol.Residents, body_reader(protocol.Residents)], worker: Worker, context: AppContext
) -> Response:
    """Claim the next job, or get again the one that the worker has: its answer may have been lost."""
    return JSONResponse(protocol.assignment(context.leases.claim(worker, body.resident)))


@router.post("/{worker_id}/jobs/{job_id}/{epoch}/heartbeat")
def heartbeat(
    body: Annotated[protocol.Beat, body_reader(protocol.Beat)], lease: Leased, context: AppContext
) -> Response:
    """Renew a lease; the answer says what the worker has to do."""
    slice_seconds = context.settings.slice_seconds
    reply = context.store.heartbeat(lease, slice_seconds=slice_seconds, **dict(body))
    return JSONResponse(dataclasses.asdict(reply))


@router.post("/{worker_id}/jobs/{job_id}/{epoch}/checkpoint")
def checkpoint(
    body: Annotated[protocol.Checkpoint, body_reader(protocol.Checkpoint)], lease: Leased, context: AppContext
) -> Response:
    """Enter a saved state, which was sent before, and remove the one that it replaces."""
    context.leases.check_state(lease, body.digest)
    context.store.checkpoint(lease, body.digest, body.step)
    before = lease.job.checkpoint
    if before is not None and not context.store.is_referenced(before):
        context.objects.discard(before, older_than=DISCARD_AGE)
    return JSONResponse({})


@router.post("/{worker_id}/jobs/{job_id}/{epoch}/finish")
def finish(
    body: Annotated[protocol.Finish, body_reader(protocol.Finish)], lease: Leased, context: AppContext
) -> Response:
    """Complete a job, whose files were sent before, and claim the next one."""
    files = body.media_files()
    context.leases.check_files(lease, files.values())
    following = context.store.finish(
        lease,
        files,
        body.provenance,
        context.settings.retention_seconds,
        claim_next=body.claim_next,
        measured=body.measured.value() if body.measured else None,
        fingerprint=context.copies.of_finished(files.get("video")),
    )
    context.objects.delete_preview(lease.job.id)
    return JSONResponse(protocol.assignment(following))


@router.get("/{worker_id}/jobs/{job_id}/{epoch}/signer")
def signer(lease: Leased, context: AppContext) -> Response:
    """The certificates that the files of the job are signed with."""
    authority = context.marking.authority
    values = {"certificates": authority.certificates.decode(), "roots": authority.anchors().decode()}
    return JSONResponse({**values, "embed_prompt": context.marking.embed_prompt})


@router.post("/{worker_id}/jobs/{job_id}/{epoch}/sign")
def sign(
    body: Annotated[protocol.ToSign, body_reader(protocol.ToSign)], lease: Leased, context: AppContext
) -> Response:
    """Sign the manifest of a file of the job. The key stays here; only the holder of the lease may ask."""
    signature = context.marking.authority.sign(body.data)
    return JSONResponse({"signature": base64.b64encode(signature).decode()})


@router.get("/{worker_id}/jobs/{job_id}/{epoch}/policy")
def policy(lease: Leased, context: AppContext) -> Response:
    """The text of the policy that the clip of the job is screened by; an error if it cannot be used."""
    context.store.policy(lease)
    return JSONResponse({"text": context.policies.text()})


@router.get("/{worker_id}/jobs/{job_id}/{epoch}/approval")
def approval(lease: Leased, context: AppContext) -> Response:
    """Whether a reviewer has approved the clip of exactly this request."""
    return JSONResponse({"approved": context.store.is_approved(lease)})


@router.post("/{worker_id}/jobs/{job_id}/{epoch}/block")
def block(
    body: Annotated[protocol.Block, body_reader(protocol.Block)], lease: Leased, context: AppContext
) -> Response:
    """Enter that guards have blocked the clip of the job, with frames for reviewers, which were sent before;
    of the gravest category none are kept."""
    blocked = body.value(context.store.policy(lease))
    pictures = None
    if body.frames is not None and not blocked.is_grave:
        pictures = MediaFile(body.frames.digest, body.frames.media_type, body.frames.bytes)
        context.leases.check_files(lease, [pictures])
    context.store.block(lease, blocked, pictures)
    context.objects.delete_preview(lease.job.id)
    return JSONResponse({})


@router.post("/{worker_id}/jobs/{job_id}/{epoch}/end")
def end(
    body: Annotated[protocol.End, body_reader(protocol.End)], lease: Leased, context: AppContext
) -> Response:
    """End an attempt without a video."""
    store, outcome = context.store, Outcome(body.outcome)
    match outcome:
        case Outcome.FAILED:
            store.fail(lease, body.code, body.message or NO_REASON, final=body.final)
        case Outcome.CANCELLED:
            store.acknowledge_cancel(lease)
        case Outcome.STORAGE:
            store.postpone(lease, body.message or NO_REASON)
        case _:
            store.give_back(lease, outcome)
    if outcome in (Outcome.FAILED, Outcome.CANCELLED):
        context.objects.delete_preview(lease.job.id)
    return JSONResponse({})
