"""The wire format as the jobs room uses it for batches, whose lines are requests in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hinode.api import failures, wire
from hinode.api.requests.admission import Admission
from hinode.api.requests.fields import Fields
from hinode.errors import BadInput, HinodeError
from hinode.jobs.admit import Draft
from hinode.jobs.job import Job


class BatchWire:
    """See `jobs.batches.Wire`."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission

    def draft(self, project_id: str, key_id: str | None, body: Mapping[str, Any]) -> Draft:
        """The draft of the one video that a line asks for.

        Raises:
            HinodeError: the line is not right.
        """
        drafts = self.admission.create(Fields(body), project_id, key_id)
        if len(drafts) != 1:
            raise BadInput(
                f"a line of a batch asks for {len(drafts)} videos", "write a line for each video", field="n"
            )
        return drafts[0]

    def video(self, job: Job) -> dict[str, Any]:
        """A job as people see it."""
        return wire.video(job)

    def refusal(self, error: HinodeError) -> tuple[int, dict[str, Any]]:
        """Status code and body of the answer to a request that raised `error`."""
        failure = failures.of(error)
        return failure.status, failure.body
