"""What screening stopped: the queue of reviewers, and appeals of people who were refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import Actor, AppContext, Context, Reviewer
from hinode.api.downloads import RangeResponse
from hinode.api.failures import Refusal, is_id
from hinode.api.queries import Id, PageQuery
from hinode.api.requests.bodies import BodyReader
from hinode.jobs.screening.decisions import MAX_NOTE_LENGTH, Decision, Outcome
from hinode.jobs.storyboards.document import Text
from hinode.parsing import Input
from hinode.trust.screening.policy import title_of

router = APIRouter(prefix="/v1/review", tags=["Rights"])

OUTCOMES = {"approve": Outcome.APPROVED, "refuse": Outcome.REFUSED}
Note = Annotated[Text, Field(max_length=MAX_NOTE_LENGTH)]


class DecideStopped(Input):
    """A decision of a reviewer."""

    decision: Literal["approve", "refuse"]
    note: Note = Field("", description="Why; other reviewers read it, the person does not.")


class AppealStopped(Input):
    """An appeal against a decision of screening."""

    note: Note = Field(description="Why the request is in order; reviewers read it.")


class StoppedFinding(wire.Answer):
    """A rule or a guard that spoke against a request."""

    category: str
    rule: str = Field(description="Id of the rule, or name of the guard.")
    action: Literal["allow", "review", "block"]
    stage: str = Field(description="The gate, such as prompt or output frames.")
    reading: str = Field(description="How the text was read, such as plain or backwards.")
    field: str
    score: float
    seconds: float | None = Field(None, description="What a guard took; null of a rule.")


class Stopped(wire.Answer):
    """A request of your project that screening stopped."""

    id: str
    object: Literal["screening.decision"] = "screening.decision"
    video_id: str | None = Field(description="Of a video whose clip was stopped.")
    action: Literal["review", "block"]
    category: str | None
    title: str = Field(description="The category in words.")
    text: str | None = Field(description="null in the gravest category, of which no text is kept.")
    created_at: int
    appeal: str | None = Field(description="The note of the appeal.")
    appealed_at: int | None
    outcome: Literal["approved", "refused"] | None = Field(description="Of the review.")
    reviewed_at: int | None
    approvable: bool = Field(description="Whether a reviewer may let it pass.")


class StoppedDetails(Stopped):
    """A request that screening stopped, for reviewers."""

    project_id: str
    findings: list[StoppedFinding]
    policy: str = Field(description="Version of the policy.")
    has_frames: bool = Field(description="Whether there is a picture with frames of the clip.")
    reviewer: str | None
    note: str | None = Field(description="Of the reviewer.")


class StoppedList(wire.Page[Stopped]):
    """A page of requests of your project."""


class ReviewQueue(wire.Page[StoppedDetails]):
    """A page of requests of all projects."""


DecideBody = Annotated[DecideStopped, Depends(BodyReader(DecideStopped))]
AppealBody = Annotated[AppealStopped, Depends(BodyReader(AppealStopped))]


@router.get("", response_model=ReviewQueue)
def list_stopped(
    context: AppContext,
    reviewer: Reviewer,
    page: PageQuery,
    waiting: Annotated[bool, Query(description="Only those that nobody has reviewed.")] = True,
    appealed: Annotated[bool, Query(description="Only those with an appeal.")] = False,
) -> Response:
    """Requests of all projects that screening stopped, for reviewers."""
    entries = context.decisions.page(waiting=waiting, appealed=appealed, **page)
    titles = _titles(context)
    return ReviewQueue.from_entries(lambda entry: _details(entry, titles), entries).response()


@router.get("/own", response_model=StoppedList)
def list_own_stopped(context: AppContext, actor: Actor, page: PageQuery) -> Response:
    """Requests of your project that screening stopped."""
    entries = context.decisions.of_project(actor.project_id, **page)
    titles = _titles(context)
    return StoppedList.from_entries(lambda entry: _own(entry, titles), entries).response()


@router.get("/{decision_id}", response_model=StoppedDetails)
def get_stopped(decision_id: Id, context: AppContext, reviewer: Reviewer) -> Response:
    """A request that screening stopped, for reviewers."""
    return _details(context.decisions.get(decision_id), _titles(context)).response()


@router.post("/{decision_id}", response_model=StoppedDetails)
def decide_stopped(decision_id: Id, body: DecideBody, context: AppContext, reviewer: Reviewer) -> Response:
    """Approve a request, so that it passes when it is sent again, or refuse it."""
    outcome = OUTCOMES[body.decision]
    decision = context.decisions.review(decision_id, outcome, reviewer.id, body.note)
    return _details(decision, _titles(context)).response()


@router.get("/{decision_id}/frames", response_class=Response, responses=wire.FILE)
def get_stopped_frames(decision_id: Id, context: AppContext, reviewer: Reviewer) -> Response:
    """A picture with frames of a clip that was stopped, for reviewers, until they have decided."""
    file = context.decisions.frames(decision_id) if is_id(decision_id) else None
    if file is None or not context.objects.has(file.digest):
        message = "there are no frames of this decision; it is about words, or a reviewer has decided"
        raise Refusal(404, message, code="not_found", param="decision_id")
    path = context.objects.fetch(file.digest)
    headers = wire.file_headers(file.digest) | {"cache-control": "no-store"}
    return RangeResponse(path, headers=headers, media_type=file.media_type, stat_result=path.stat())


@router.post("/{decision_id}/appeal", response_model=Stopped)
def appeal_stopped(decision_id: Id, body: AppealBody, context: AppContext, actor: Actor) -> Response:
    """Ask reviewers to look at a request of your project that screening stopped."""
    decision = context.decisions.appeal(actor.project_id, decision_id, body.note, actor.id)
    return _own(decision, _titles(context)).response()


def _titles(context: Context) -> Mapping[str, str]:
    policy = context.policies.in_force()
    return {name: category.title for name, category in policy.categories.items()} if policy else {}


def _own(decision: Decision, titles: Mapping[str, str]) -> Stopped:
    return Stopped.of(decision, video_id=decision.job_id, title=title_of(titles, decision.category))


def _details(decision: Decision, titles: Mapping[str, str]) -> StoppedDetails:
    return StoppedDetails.of(
        decision,
        video_id=decision.job_id,
        title=title_of(titles, decision.category),
        findings=[StoppedFinding.model_construct(**finding) for finding in decision.findings],
        has_frames=decision.frames is not None,
    )
