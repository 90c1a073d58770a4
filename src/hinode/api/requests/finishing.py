"""Drafts of finished versions: the request of a draft again, in a better profile."""

from __future__ import annotations

import dataclasses

from hinode import directing
from hinode.api.failures import get_or_404
from hinode.api.requests.admission import Admission, Drafter, Files, Owner
from hinode.api.requests.inputs import SourceVideo
from hinode.api.requests.models import FinishVideo, VideoRequest
from hinode.errors import BadInput, quote
from hinode.jobs.job import Draft, Job
from hinode.jobs.library.storage import OUTPUTS
from hinode.jobs.rows import read_request
from hinode.jobs.states import Status
from hinode.parsing import parse
from hinode.request import MediaFile, Request

RELATION = "finish"
"""Operation of the step from a draft to its finished version in a lineage."""


def finish(admission: Admission, body: FinishVideo, owner: Owner, video_id: str) -> list[Draft]:
    """The draft of a job with the same prompt, seed, plan and references as another one, its draft.

    Raises:
        NotFound: the project has no such video.
        BadInput: the draft is not finished, its references are gone, or its model has no such profile.
        HinodeError: it cannot be checked now.
    """
    job = get_or_404(admission.inputs.store.job, owner.project_id, video_id, "video")
    if job.status is not Status.COMPLETED:
        message = f"video {quote(job.id)} {'has failed' if job.final else 'is not finished yet'}"
        remedy = "name another one" if job.final else "wait until its status is completed"
        raise BadInput(message, remedy, field="video_id")
    # The number of steps belongs to the profile.
    request = dataclasses.replace(read_request(job.request), profile=body.profile, steps=None)
    source = SourceVideo(MediaFile("", "", 0, request.size, job.seconds, prompt=request.prompt), job)
    values = {"model": name_of_model(admission, job), "seed": request.seed, "profile": body.profile}
    drafter = Drafter(admission, parse(VideoRequest, values | body.limits), owner, source)
    # A remix and an edit are as long as their source; how long that of an extension is is not known here.
    seconds = job.seconds if request.operation in ("remix", "edit") else None
    directing.check(request, drafter.model.engine_capabilities, seconds)
    drafts = drafter.drafts(request, _files(admission, request, job))
    return [dataclasses.replace(draft, relation=RELATION) for draft in drafts]


def name_of_model(admission: Admission, job: Job) -> str:
    """The name of the model that made a job: as it was asked for, unless that has come to mean another."""
    model = admission.catalogue.find(job.requested_model)
    same = (model.engine, model.model) == (job.engine, job.model)
    return job.requested_model if same else f"{job.engine}/{job.model}"


def _files(admission: Admission, request: Request, job: Job) -> Files:
    """The files that the request of a job refers to, which are still in the store."""
    stored = admission.inputs.store.artifacts(job.id)
    inputs = {file.digest: file for role, file in stored.items() if role not in OUTPUTS}
    files = []
    for reference in request.references:
        file = inputs.get(reference.digest)
        if file is None or not admission.inputs.objects.keep(file.digest):
            message = f"a file that video {quote(job.id)} was made from is not there any more"
            raise BadInput(message, "make a new video", field="video_id")
        files.append((reference, file))
    return files
