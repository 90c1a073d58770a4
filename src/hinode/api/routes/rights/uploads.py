"""Whether uploads may be used: the confirmation of a project, and files that wait for a reviewer."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import Actor, AppContext, Context, Reviewer
from hinode.api.downloads import RangeResponse
from hinode.api.failures import Refusal, get_or_404
from hinode.api.queries import Id, PageQuery
from hinode.api.requests.bodies import BodyReader
from hinode.parsing import INTEGER, Boolean, Input
from hinode.rights.attestations import STATEMENT, VERSION

router = APIRouter(prefix="/v1/rights", tags=["Rights"])


class ConfirmRights(Input):
    """A confirmation. `statement` is the version of the statement that was read."""

    statement: Annotated[int, Field(ge=1), INTEGER]


class Confirmation(wire.Answer):
    """Whether somebody has confirmed that the project has the rights to what it uploads."""

    object: Literal["rights.confirmation"] = "rights.confirmation"
    policy: Literal["attest", "review"] = Field(description="What happens to pictures and videos of people.")
    statement: int = Field(description="Version of the text.")
    text: str
    confirmed_by: str | None
    confirmed_at: int | None


class DecideReview(Input):
    """A decision about a file."""

    accepted: Boolean


class ReviewObject(wire.Answer):
    """A picture or video that waits for a reviewer, or was decided about."""

    id: str
    object: Literal["upload.review"] = "upload.review"
    project_id: str
    media_type: str
    bytes: int
    accepted: bool | None
    created_at: int
    decided_at: int | None


class ReviewList(wire.Page[ReviewObject]):
    """A page of reviews."""


ConfirmBody = Annotated[ConfirmRights, Depends(BodyReader(ConfirmRights))]
DecideBody = Annotated[DecideReview, Depends(BodyReader(DecideReview))]


@router.get("/confirmation", response_model=Confirmation)
def get_confirmation(context: AppContext, actor: Actor) -> Response:
    """The statement about the rights to uploads, and who has confirmed it for the project."""
    return _confirmation(context, actor.project_id)


@router.post("/confirmation", response_model=Confirmation)
def confirm_rights(body: ConfirmBody, context: AppContext, actor: Actor) -> Response:
    """Confirm the statement, once for the project; the confirmation is logged."""
    if body.statement != VERSION:
        message = f"statement {body.statement} is not the present one; read and confirm statement {VERSION}"
        raise Refusal(400, message, code="bad_input", param="statement")
    context.consents.confirm(actor.project_id, actor.id)
    return _confirmation(context, actor.project_id)


@router.get("/reviews", response_model=ReviewList)
def list_reviews(context: AppContext, reviewer: Reviewer, page: PageQuery) -> Response:
    """Files that wait for a reviewer, the oldest first, of all projects."""
    entries = context.upload_policy.pending(after=page["after"], limit=page["limit"])
    return ReviewList.from_entries(ReviewObject.of, entries).response()


@router.post("/reviews/{review_id}", response_model=ReviewObject)
def decide_review(review_id: Id, body: DecideBody, context: AppContext, reviewer: Reviewer) -> Response:
    """Accept a file for its project, or not."""
    return ReviewObject.of(context.upload_policy.decide(review_id, body.accepted, reviewer.id)).response()


@router.get("/reviews/{review_id}/content", response_class=Response, responses=wire.FILE)
def get_review_content(review_id: Id, context: AppContext, reviewer: Reviewer) -> Response:
    """The file itself."""
    review = get_or_404(lambda _, name: context.upload_policy.review(name), "", review_id, "review")
    if not context.objects.has(review.digest):
        raise Refusal(404, "this file is gone; reject it", code="not_found", param="review_id")
    path = context.objects.fetch(review.digest)
    headers = wire.file_headers(review.digest) | {"cache-control": "no-store"}
    return RangeResponse(path, headers=headers, media_type=review.media_type, stat_result=path.stat())


def _confirmation(context: Context, project_id: str) -> Response:
    person, at = context.consents.confirmation(project_id) or (None, None)
    return Confirmation(
        policy=context.settings.likeness,
        statement=VERSION,
        text=STATEMENT,
        confirmed_by=person,
        confirmed_at=None if at is None else int(at),
    ).response()
