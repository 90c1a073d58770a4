"""Notices of takedown: from strangers, for reviewers, and answers of the makers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from hinode.api import failures, wire
from hinode.api.context import Actor, AppContext, Context, Reviewer
from hinode.api.downloads import RangeResponse
from hinode.api.failures import Refusal, is_id
from hinode.api.queries import Id, PageQuery
from hinode.api.requests.bodies import BodyReader
from hinode.jobs.rights.copies import Match
from hinode.jobs.storyboards.document import Text
from hinode.parsing import Boolean, Input
from hinode.rights.notices import (
    GOOD_FAITH,
    MAX_NAME_LENGTH,
    MAX_TEXT_LENGTH,
    Claim,
    Kind,
    Notice,
)
from hinode.rights.notices import Status as NoticeStatus

router = APIRouter(prefix="/v1/takedowns", tags=["Rights"])
open_router = APIRouter(prefix="/takedowns", tags=["Rights"])
"""For people without a key, beside /v1."""

MAX_SPARED = 500
MAX_BODY_BYTES = 64 << 10
MAX_YEARS_REPORTED = 10
_LIMIT: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": failures.Error, "description": "The notice lacks something, or there were too many."}
}


class SendNotice(Input):
    """A notice of takedown. Everything in it is required by law."""

    kind: Kind
    locator: Annotated[Text, Field(min_length=1, max_length=MAX_TEXT_LENGTH)] = Field(
        description="Addresses or ids of the content on this server."
    )
    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH, description="Your name.")
    contact: Annotated[Text, Field(min_length=3, max_length=320)] = Field(description="Your address of mail.")
    statement: Annotated[Text, Field(min_length=1, max_length=MAX_TEXT_LENGTH)] = Field(
        description="Why the content has to go."
    )
    signature: str = Field(min_length=1, max_length=MAX_NAME_LENGTH, description="Your name again.")
    good_faith: Boolean = Field(description=GOOD_FAITH)


class DecideNotice(Input):
    """A decision about a notice."""

    decision: Literal["uphold", "reject", "restore", "close"]
    reason: Annotated[Text, Field(max_length=MAX_TEXT_LENGTH)] = ""
    spare: Annotated[list[str], Field(max_length=MAX_SPARED)] = Field(
        [], description="Ids of matches that stay when a notice is upheld."
    )


class AnswerNotice(Input):
    """A counter-notice."""

    statement: Annotated[Text, Field(min_length=1, max_length=MAX_TEXT_LENGTH)]
    signature: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)


class NoticeReceipt(wire.Answer):
    """What the sender of a notice sees of it."""

    id: str
    object: Literal["takedown"] = "takedown"
    status: str
    created_at: int
    due_at: int
    reason: str


class NewNotice(NoticeReceipt):
    """A notice that was just received."""

    token: str = Field(description="With it you can ask for the status; it is shown this once.")


class MatchObject(wire.Answer):
    """Something that a notice is about."""

    entry_id: str
    kind: Literal["named", "identical", "near", "derived"]
    similarity: float = Field(description="Share of the frames that match.")
    files: tuple[str, ...] = Field(description="Roles of the files that reviewers can see.")


class TakedownObject(NoticeReceipt):
    """A notice, for reviewers."""

    kind: str
    locator: str
    name: str
    contact: str
    statement: str
    signature: str
    decided_at: int | None
    decided_by: str | None
    appeal_ends_at: int | None
    counter_statement: str | None
    counter_signature: str | None
    counter_at: int | None
    closed_at: int | None


class TakedownDetails(TakedownObject):
    """A notice with everything that it is about."""

    matches: list[MatchObject]


class TakedownList(wire.Page[TakedownObject]):
    """A page of notices."""


class OwnTakedown(NoticeReceipt):
    """A notice because of which something of your project is withheld."""

    kind: str
    statement: str
    appeal_ends_at: int | None
    counter_at: int | None
    entries: tuple[str, ...]


class OwnList(wire.Answer):
    """Those notices, the newest first."""

    object: Literal["list"] = "list"
    data: list[OwnTakedown]


class ReportRow(wire.Answer):
    """The notices of one kind."""

    kind: str
    received: int
    status: dict[str, int]


class TransparencyReport(wire.Answer):
    """How many notices there were in a time, and what came of them. It names nobody."""

    object: Literal["takedown.report"] = "takedown.report"
    begin: float
    end: float
    rows: list[ReportRow]
    median_hours: float | None
    longest_hours: float | None
    late: int
    automatic: int
    withheld: dict[str, int]
    answered: int
    restored: int
    consents: int
    revoked: int


SendBody = Annotated[
    SendNotice, Depends(BodyReader(SendNotice, max_file_bytes=1, max_text_bytes=MAX_BODY_BYTES))
]
DecideBody = Annotated[DecideNotice, Depends(BodyReader(DecideNotice))]
AnswerBody = Annotated[AnswerNotice, Depends(BodyReader(AnswerNotice))]


async def _check_rate(request: Request, context: AppContext) -> None:
    context.strangers.check(request.scope)


RATE = [Depends(_check_rate)]


@open_router.post("", response_model=NewNotice, dependencies=RATE, responses=_LIMIT)
async def send_notice(body: SendBody, request: Request, context: AppContext) -> Response:
    """Ask for the removal of content; it needs no key. Nobody has to decide before 48 hours are over."""
    claim = Claim(**body.model_dump())
    address = request.client.host if request.client else ""
    received = await context.strangers.run(lambda: context.takedowns.receive(claim, address))
    return NewNotice.of(received.notice, token=received.token).response({"cache-control": "no-store"})


@open_router.get("/{takedown_id}", response_model=NoticeReceipt, dependencies=RATE, responses=_LIMIT)
async def get_notice(
    takedown_id: Id,
    context: AppContext,
    token: Annotated[str, Query(max_length=100, description="That of the notice.")],
) -> Response:
    """The status of a notice, for whoever has its token."""
    notice = await context.strangers.run(lambda: context.takedowns.status(takedown_id, token))
    return NoticeReceipt.of(notice).response({"cache-control": "no-store"})


@router.get("", response_model=TakedownList)
def list_notices(
    context: AppContext, reviewer: Reviewer, page: PageQuery, status: NoticeStatus | None = None
) -> Response:
    """Notices, for reviewers."""
    entries = context.takedowns.page(status=status, **page)
    return TakedownList.from_entries(TakedownObject.of, entries).response()


@router.get("/own", response_model=OwnList)
def list_own(context: AppContext, actor: Actor) -> Response:
    """The notices because of which something of your project is withheld."""
    own = context.takedowns.of_project(actor.project_id)
    return OwnList(data=[OwnTakedown.of(notice, entries=tuple(names)) for notice, names in own]).response()


@router.get("/report", response_model=TransparencyReport)
def get_report(
    context: AppContext,
    reviewer: Reviewer,
    days: Annotated[int, Query(ge=1, le=366 * MAX_YEARS_REPORTED, description="Until now.")] = 365,
) -> Response:
    """The transparency report of the last days."""
    now = context.clock()
    report = context.takedowns.report(now - 86_400.0 * days, now)
    rows = [ReportRow.of(row, status=dict(row.status)) for row in report.rows]
    return TransparencyReport.of(report, rows=rows, withheld=dict(report.withheld)).response()


@router.get("/{takedown_id}", response_model=TakedownDetails)
def get_takedown(takedown_id: Id, context: AppContext, reviewer: Reviewer) -> Response:
    """A notice, for reviewers."""
    return _details(context, context.takedowns.get(takedown_id)).response()


@router.post("/{takedown_id}/decision", response_model=TakedownDetails)
def decide(takedown_id: Id, body: DecideBody, context: AppContext, reviewer: Reviewer) -> Response:
    """Uphold a notice, with all copies of what it names; reject it; restore everything; or end its appeals,
    which deletes the evidence for good."""
    takedowns, actor = context.takedowns, reviewer.id
    match body.decision:
        case "uphold":
            notice = takedowns.uphold(takedown_id, actor, body.reason, spare=body.spare)[0]
        case "reject":
            notice = takedowns.reject(takedown_id, actor, body.reason)
        case "restore":
            notice = takedowns.restore(takedown_id, actor, body.reason)[0]
        case "close":
            notice = takedowns.close(takedown_id, actor, body.reason)
    return _details(context, notice).response()


@router.get("/{takedown_id}/evidence/{entry_id}", response_class=Response, responses=wire.FILE)
def get_evidence(
    takedown_id: Id,
    entry_id: Id,
    context: AppContext,
    reviewer: Reviewer,
    role: Annotated[str, Query(max_length=32, description="Such as video, thumbnail or file.")] = "video",
) -> Response:
    """A file of something withheld, for reviewers, until appeals have ended."""
    file = context.takedowns.evidence(takedown_id, entry_id).get(role) if is_id(entry_id) else None
    if file is None or not context.objects.has(file.digest):
        message = "there is no such evidence; it was never withheld, was restored, or appeals have ended"
        raise Refusal(404, message, code="not_found", param="entry_id")
    path = context.objects.fetch(file.digest)
    headers = wire.file_headers(file.digest) | {"cache-control": "no-store"}
    return RangeResponse(path, headers=headers, media_type=file.media_type, stat_result=path.stat())


@router.post("/{takedown_id}/counter", response_model=NoticeReceipt)
def counter_notice(takedown_id: Id, body: AnswerBody, context: AppContext, actor: Actor) -> Response:
    """Answer a notice because of which something of your project is withheld."""
    notice = context.takedowns.counter(
        actor.project_id, takedown_id, body.statement, body.signature, actor.id
    )
    return NoticeReceipt.of(notice).response()


def _details(context: Context, notice: Notice) -> TakedownDetails:
    matches = [_match(context, notice, match) for match in context.takedowns.matches(notice.id)]
    return TakedownDetails.of(notice, matches=matches)


def _match(context: Context, notice: Notice, match: Match) -> MatchObject:
    roles = context.takedowns.files(notice, match.entry_id)
    return MatchObject.of(match, files=tuple(sorted(roles)))
