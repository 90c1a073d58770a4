"""Members of the project: people who sign in, each with a role."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, Context, Manager, ProjectId
from hinode.api.failures import get_or_404
from hinode.api.queries import Id, PageQuery
from hinode.api.sign_in import Email, external_url, send_link, small_body
from hinode.jobs.tenants.members import Member
from hinode.jobs.tenants.tenant import MAX_NAME_LENGTH, Role
from hinode.parsing import Input

router = APIRouter(prefix="/v1/members", tags=["Members"])

KIND = "member"


class InviteMember(Input):
    """A person to invite."""

    email: Email
    name: Annotated[str, Field(max_length=MAX_NAME_LENGTH)] | None = Field(
        None, description="By default the first part of the address."
    )
    role: Role = "editor"


class ChangeMember(Input):
    """The new role."""

    role: Role


class InviteAgain(Input):
    """Nothing: the member is in the address."""


class MemberObject(wire.Answer):
    """A person who may sign in."""

    id: str
    object: Literal["member"] = "member"
    email: str
    name: str
    role: Role
    accepted: bool = Field(description="Whether the person has set a password.")
    created_at: int
    invitation_url: str | None = Field(
        None, description="The link for a password, only in the answer that made it and if no mail was sent."
    )


class MemberList(wire.Page[MemberObject]):
    """A page of members."""


InviteBody = Annotated[InviteMember, small_body(InviteMember)]
AgainBody = Annotated[InviteAgain, small_body(InviteAgain, required=False)]
ChangeBody = Annotated[ChangeMember, small_body(ChangeMember)]


@router.get("", response_model=MemberList)
def list_members(context: AppContext, project_id: ProjectId, page: PageQuery) -> Response:
    """The members of the project."""
    return MemberList.from_entries(MemberObject.of, context.members.page(project_id, **page)).response()


@router.post("", response_model=MemberObject)
async def invite_member(body: InviteBody, request: Request, context: AppContext, caller: Manager) -> Response:
    """Invite a person, by mail if a mail server is set."""

    def invite() -> Response:
        invited = context.members.invite(caller.project_id, body.email, body.name or "", body.role)
        return _with_link(context, *invited, external_url(request))

    return await context.run_slow(invite)


@router.get("/{member_id}", response_model=MemberObject)
def get_member(member_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """A member."""
    return MemberObject.of(get_or_404(context.members.get, project_id, member_id, KIND)).response()


@router.post("/{member_id}", response_model=MemberObject)
def change_member(member_id: Id, body: ChangeBody, context: AppContext, caller: Manager) -> Response:
    """Give a member another role, also in sessions that are open."""
    change = partial(context.members.change_role, role=body.role)
    return MemberObject.of(get_or_404(change, caller.project_id, member_id, KIND)).response()


@router.delete("/{member_id}", response_model=wire.Deleted)
def remove_member(member_id: Id, context: AppContext, caller: Manager) -> Response:
    """Remove a member and end the sessions of the person."""
    get_or_404(context.members.remove, caller.project_id, member_id, KIND)
    return wire.Deleted(id=member_id, object="member.deleted").response()


@router.post("/{member_id}/invitation", response_model=MemberObject)
async def invite_again(
    member_id: Id, body: AgainBody, request: Request, context: AppContext, caller: Manager
) -> Response:
    """Send a member another link for a password; links before it stop to work."""

    def invite() -> Response:
        invited = get_or_404(context.members.invitation, caller.project_id, member_id, KIND)
        return _with_link(context, *invited, external_url(request))

    return await context.run_slow(invite)


def _with_link(context: Context, member: Member, token: str, base: str) -> Response:
    url = f"{base}/#invitation={token}"
    if send_link(context, member, url, reset=False):
        return MemberObject.of(member).response()
    context.members.notify_invitation(member)
    return MemberObject.of(member, invitation_url=url).response({"cache-control": "no-store"})
