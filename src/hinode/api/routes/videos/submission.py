"""What the routes that create videos share: from a body to jobs, and from the jobs to the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response

from hinode.api.context import AppContext, Context, ProjectId
from hinode.api.failures import Refusal
from hinode.api.middleware.retries import IDEMPOTENCY_KEY, REPLAYED, RetryInfo
from hinode.api.requests.admission import Admission, Owner
from hinode.api.wire import VideoGroup
from hinode.jobs.admit import Draft

B = TypeVar("B")
DraftMaker = Callable[[Admission, B, Owner], list[Draft]]
"""Drafts the jobs of a body."""


@dataclass(frozen=True)
class Submission:
    """One request for videos."""

    context: Context
    owner: Owner
    retry: RetryInfo

    async def __call__(self, draft: DraftMaker[B], body: B) -> Response:
        """Submit the jobs of a body, or find those of an earlier try.

        Raises:
            HinodeError: the request is wrong, or cannot be accepted now.
            Refusal: the jobs of the earlier try have been deleted.
        """
        return await self.context.run_slow(self._submit, draft, body)

    def _submit(self, draft: DraftMaker[B], body: B) -> Response:
        drafts = draft(self.context.admission, body, self.owner)
        submitted = self.context.store.submit(
            drafts,
            idempotency=self.retry.idempotency(drafts[0].request_hash or ""),
            retry_count=self.retry.count,
            since=self.retry.since(self.context.rejections),
        )
        if not submitted.jobs:
            message = "the video that this request made before has been deleted"
            message += "; send a new idempotency key to make another"
            raise Refusal(404, message, code="not_found", param=IDEMPOTENCY_KEY)
        return VideoGroup.of_jobs(submitted.jobs).response(REPLAYED if submitted.replayed else None)


async def _submission(request: Request, context: AppContext, project_id: ProjectId) -> Submission:
    owner = Owner(project_id, request.state.identity.key_id)
    return Submission(context, owner, RetryInfo.of(request.scope))


Submit = Annotated[Submission, Depends(_submission)]
