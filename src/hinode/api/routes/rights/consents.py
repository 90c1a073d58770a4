"""Consents of people to be shown as characters, and everything that was made with them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import Actor, AppContext
from hinode.api.failures import Refusal, get_or_404
from hinode.api.queries import Id, PageQuery
from hinode.api.requests.bodies import BodyReader
from hinode.api.routes.library.characters import CharacterObject
from hinode.api.routes.videos.content import Variant, send_file
from hinode.jobs.job import Job
from hinode.jobs.states import Status
from hinode.jobs.storyboards.document import Text
from hinode.parsing import INTEGER, Boolean, Input
from hinode.rights.consents import (
    MAX_NAME_LENGTH,
    MAX_PEOPLE,
    MAX_SCOPE_LENGTH,
    STATEMENT,
    USES,
    Access,
    Consent,
    Terms,
    Use,
)
from hinode.rights.receipts import Receipt

router = APIRouter(prefix="/v1/consents", tags=["Rights"])

MAX_USABLE = 100
People = Annotated[list[Annotated[str, Field(min_length=1, max_length=254)]], Field(max_length=MAX_PEOPLE)]
Uses = Annotated[list[Use], Field(min_length=1, max_length=len(USES))]
Seconds = Annotated[int, Field(ge=0, lt=2**33), INTEGER]
ACCESS = "Who may use the character besides whoever granted the consent."
PEOPLE = "For the access named: ids of members, keys or projects, and addresses of members."


class GrantConsent(Input):
    """A consent. `confirmed` says that the statement in the answer of a refusal, and in the docs, is true."""

    character_id: str
    person: str = Field(min_length=1, max_length=MAX_NAME_LENGTH, description="Name of who is shown.")
    scope: Annotated[Text, Field(max_length=MAX_SCOPE_LENGTH)] = ""
    uses: Uses = Field(list(USES), description="Of generate, remix and publish.")
    access: Access = Field("only_me", description=ACCESS)
    people: People = Field([], description=PEOPLE)
    expires_at: Seconds = Field(description="Seconds since 1970, within ten years.")
    confirmed: Boolean = Field(description=STATEMENT)


class ChangeConsent(Input):
    """What of a consent is to be another."""

    person: str | None = Field(None, min_length=1, max_length=MAX_NAME_LENGTH)
    scope: Annotated[Text, Field(max_length=MAX_SCOPE_LENGTH)] | None = None
    uses: Uses | None = None
    access: Access | None = Field(None, description=ACCESS)
    people: People | None = Field(None, description=PEOPLE)
    expires_at: Seconds | None = None


class RevokeConsent(Input):
    """How a consent is revoked."""

    everything: Boolean = Field(False, description="Whether drafts are withheld too, and not only posts.")


class ConsentObject(wire.Answer):
    """A consent."""

    id: str
    object: Literal["consent"] = "consent"
    character_id: str
    person: str
    scope: str
    uses: tuple[str, ...]
    access: str
    people: tuple[str, ...]
    version: int
    status: Literal["active", "expired", "revoked"]
    created_at: int
    expires_at: int
    revoked_at: int | None


class ConsentList(wire.Page[ConsentObject]):
    """A page of consents."""


class ReceiptObject(wire.Answer):
    """A signed version of a consent: an Ed25519 signature of the document, letter by letter."""

    version: int
    document: str
    signature: str
    public_key: str
    signed_at: int


class ReceiptList(wire.Answer):
    """The receipts of a consent, from version 1 on."""

    object: Literal["list"] = "list"
    data: list[ReceiptObject]


class UsableCharacter(wire.Answer):
    """A character of another project that the consent of a person lets you use."""

    character: CharacterObject
    person: str
    scope: str
    uses: tuple[str, ...]
    expires_at: int


class UsableList(wire.Answer):
    """The newest hundred of them."""

    object: Literal["list"] = "list"
    data: list[UsableCharacter]


class MadeVideo(wire.Video):
    """A video that was made with a consent, in any project."""

    project_id: str


class MadeList(wire.Page[MadeVideo]):
    """A page of videos."""


GrantBody = Annotated[GrantConsent, Depends(BodyReader(GrantConsent))]
ChangeBody = Annotated[ChangeConsent, Depends(BodyReader(ChangeConsent))]
RevokeBody = Annotated[RevokeConsent, Depends(BodyReader(RevokeConsent, required=False))]


@router.post("", response_model=ConsentObject)
def grant_consent(body: GrantBody, context: AppContext, actor: Actor) -> Response:
    """Enter the consent of a person to be shown as a character of your project."""
    if not body.confirmed:
        message = f"confirmed is false; confirm this statement: {STATEMENT}"
        raise Refusal(400, message, code="bad_input", param="confirmed")
    terms = Terms(
        body.person, body.scope, tuple(body.uses), body.access, tuple(body.people), float(body.expires_at)
    )
    return _answer(context, context.consents.grant(body.character_id, terms, actor))


@router.get("", response_model=ConsentList)
def list_consents(context: AppContext, actor: Actor, page: PageQuery) -> Response:
    """The consents that you decide about: those that you granted, and as an owner those of your project."""
    entries = context.consents.page(actor, **page)
    now = context.clock()
    return ConsentList.from_entries(lambda consent: _object(consent, now), entries).response()


@router.get("/usable", response_model=UsableList)
def list_usable(context: AppContext, actor: Actor) -> Response:
    """Characters of other projects that you may use."""
    data = [
        UsableCharacter.of(consent, character=CharacterObject.of(character))
        for character, consent in context.consents.usable(actor, MAX_USABLE)
    ]
    return UsableList(data=data).response()


@router.get("/{consent_id}", response_model=ConsentObject)
def get_consent(consent_id: Id, context: AppContext, actor: Actor) -> Response:
    """A consent."""
    return _answer(context, context.consents.get(consent_id, actor))


@router.patch("/{consent_id}", response_model=ConsentObject)
def change_consent(consent_id: Id, body: ChangeBody, context: AppContext, actor: Actor) -> Response:
    """Change a consent that holds: a new version with a receipt. What it does not allow any more stops."""
    changes: dict[str, Any] = body.model_dump(exclude_none=True)
    for name in ("uses", "people"):
        if name in changes:
            changes[name] = tuple(changes[name])
    if "expires_at" in changes:
        changes["expires_at"] = float(changes["expires_at"])
    return _answer(context, context.consents.amend(consent_id, changes, actor, actor.id))


@router.post("/{consent_id}/revoke", response_model=ConsentObject)
def revoke_consent(consent_id: Id, body: RevokeBody, context: AppContext, actor: Actor) -> Response:
    """Revoke a consent for ever: unfinished videos with it fail, and published ones are withheld, at once."""
    revoked = context.consents.revoke(consent_id, actor, actor.id, everything=body.everything)
    return _answer(context, revoked)


@router.get("/{consent_id}/receipts", response_model=ReceiptList)
def list_receipts(consent_id: Id, context: AppContext, actor: Actor) -> Response:
    """The signed receipts of a consent, which can be verified without this server."""
    receipts = context.consents.receipts(consent_id, actor)
    return ReceiptList(data=[_receipt(receipt) for receipt in receipts]).response()


@router.get("/{consent_id}/videos", response_model=MadeList)
def list_made(
    consent_id: Id,
    context: AppContext,
    actor: Actor,
    page: PageQuery,
) -> Response:
    """Everything that was made with a consent, in all projects, drafts too."""
    entries = context.consents.videos(consent_id, actor, after=page["after"], limit=page["limit"])
    return MadeList.from_entries(
        lambda job: MadeVideo.of_job(job, project_id=job.project_id), entries
    ).response()


@router.delete("/{consent_id}/videos/{video_id}", response_model=wire.Deleted)
def delete_made(consent_id: Id, video_id: Id, context: AppContext, actor: Actor) -> Response:
    """Delete a video that shows you, whoever made it and whether it is finished or not, for good."""

    def delete(_: str, name: str) -> bool:
        return context.consents.delete_video(consent_id, actor, name)

    get_or_404(delete, actor.project_id, video_id, "video")
    return wire.Deleted(id=video_id, object="video.deleted").response()


@router.get("/{consent_id}/videos/{video_id}/content", response_class=Response, responses=wire.FILE)
def get_made_content(
    consent_id: Id,
    video_id: Id,
    request: Request,
    context: AppContext,
    actor: Actor,
    variant: Variant = "video",
) -> Response:
    """The file of a video that shows you, or its thumbnail or spritesheet."""

    def find(_: str, name: str) -> Job | None:
        return context.consents.video(consent_id, actor, name)

    job = get_or_404(find, actor.project_id, video_id, "video")
    if job.status is not Status.COMPLETED:
        message = "this video has no file; it is not finished, or has failed"
        raise Refusal(404, message, code="no_file", param="video_id")
    return send_file(request, context, job, variant)


def _answer(context: Any, consent: Consent) -> Response:
    return _object(consent, context.clock()).response()


def _object(consent: Consent, now: float) -> ConsentObject:
    return ConsentObject.of(consent, status=consent.status(now))


def _receipt(receipt: Receipt) -> ReceiptObject:
    return ReceiptObject.of(receipt)
