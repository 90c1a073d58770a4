"""The requests and answers in the files of batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hinode.api import failures, wire
from hinode.api.requests.admission import Admission, Owner, create
from hinode.api.requests.models import CreateVideo
from hinode.errors import BadInput, HinodeError
from hinode.jobs.job import Draft, Job
from hinode.parsing import parse


@dataclass(frozen=True)
class BatchWire:
    """See `jobs.batches.batches.Wire`."""

    admission: Admission

    def draft(self, project_id: str, key_id: str | None, body: Mapping[str, Any]) -> Draft:
        """The draft of the one video of a line.

        Raises:
            HinodeError: the line is wrong.
        """
        request = parse(CreateVideo, body).model_copy(update={"priority": "batch"})
        if request.n != 1:
            raise BadInput(f"the line asks for {request.n} videos", "write a line for each video", field="n")
        return create(self.admission, request, Owner(project_id, key_id))[0]

    def video(self, job: Job) -> dict[str, Any]:
        """The video of a job."""
        return wire.Video.of_job(job).model_dump(mode="json")

    def refusal(self, error: HinodeError) -> tuple[int, dict[str, Any]]:
        """Status code and body of the answer to a request that raised `error`."""
        refusal = failures.of(error)
        return refusal.status_code, refusal.error.model_dump()
