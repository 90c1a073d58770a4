"""The request of a job that failed, once more."""

from __future__ import annotations

import dataclasses
import hashlib

from hinode.api.failures import Refusal, get_or_404
from hinode.api.requests.admission import Admission, Owner
from hinode.api.requests.finishing import name_of_model
from hinode.api.requests.models import RetryVideo
from hinode.api.requests.terms import terms_of
from hinode.errors import quote
from hinode.jobs.job import Draft, NotFailed
from hinode.jobs.rows import read_request
from hinode.jobs.states import Status
from hinode.routing import record


def retry(admission: Admission, body: RetryVideo, owner: Owner, video_id: str) -> list[Draft]:
    """The draft of a new job with the request of a failed one, its seed included.

    Raises:
        NotFailed: the job has not failed.
        BadInput: its model is not there any more.
        Refusal: a file that it was to be made from is not there any more.
    """
    inputs = admission.inputs
    job = get_or_404(inputs.store.job, owner.project_id, video_id, "video")
    if not job.final or job.status is Status.COMPLETED:
        raise NotFailed(f"video {quote(video_id)} has not failed", "send its request again for another one")
    request = read_request(job.request)
    if job.routing is not None:
        first = job.routing["routes"][0]
        request = dataclasses.replace(request, engine=first["engine"], model=first["model"])
    files = inputs.store.artifacts(job.id)
    stored = {file.digest for file in files.values()}
    for reference in request.references:
        # `keep`: the files of a job that failed go after a day, and the new one is about to refer to them.
        if reference.digest not in stored or not inputs.objects.keep(reference.digest):
            message = f"the {reference.role.replace('_', ' ')} of this video has expired; send it again"
            raise Refusal(404, message, code="video_expired", param="video_id")
    name = job.requested_model if job.routing is not None else name_of_model(admission, job)
    model, priority = admission.catalogue.find(name), job.priority
    digest = hashlib.sha256(f"retry of {job.id}".encode()).hexdigest()
    return [
        Draft(
            project_id=job.project_id,
            key_id=owner.key_id,
            request=request,
            requested_model=job.requested_model,
            priority=priority,
            inputs=files,
            source_id=job.source_id,
            request_hash=digest,
            terms=terms_of(body, request, model, seed=request.seed, n=1, priority=priority),
            routing=None if job.routing is None else record.restart(job.routing),
        )
    ]
