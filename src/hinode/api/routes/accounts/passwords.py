"""Passwords of members: with the token of an invitation or a reset, or the present one."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import model_validator
from starlette.background import BackgroundTask

from hinode.api import wire
from hinode.api.context import AppContext, Context
from hinode.api.failures import Refusal
from hinode.api.routes.accounts.session import get_session
from hinode.api.sign_in import (
    NO_STORE,
    Email,
    Password,
    SessionObject,
    Token,
    address,
    agent,
    attempt,
    begin,
    external_url,
    send_link,
    small_body,
)
from hinode.errors import BadInput
from hinode.jobs.tenants.tenant import Identity
from hinode.parsing import Input

router = APIRouter(prefix="/v1/password", tags=["Session"])


class NewPassword(Input):
    """The new password, and the token of an invitation or reset, or the present password."""

    password: Password
    token: Token | None = None
    current_password: Password | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> NewPassword:
        if (self.token is None) == (self.current_password is None):
            message = "there is no token, and no current_password"
            raise BadInput(message, "give one or the other", field="token")
        return self


class PasswordReset(Input):
    """Whose password is forgotten."""

    email: Email


class PasswordResetAccepted(wire.Answer):
    """The same answer whether there is such a member or not."""

    object: Literal["password_reset"] = "password_reset"
    accepted: Literal[True] = True


PasswordBody = Annotated[NewPassword, small_body(NewPassword)]
ResetBody = Annotated[PasswordReset, small_body(PasswordReset)]


@router.post("", response_model=SessionObject)
async def set_password(body: PasswordBody, request: Request, context: AppContext) -> Response:
    """Set a password with the token of an invitation or reset, which signs in, or change one's own. It ends
    the other sessions of the person."""
    if body.token is not None:
        change = partial(context.members.set_password, body.token, body.password, agent(request))
        opened = await attempt(request, context, "", change)
        return await anyio.to_thread.run_sync(begin, request, context, opened)
    identity: Identity | None = getattr(request.state, "identity", None)
    if identity is None:
        raise request.state.refusal
    if identity.user_id is None:
        raise Refusal(403, "only a member who signed in has a password", code="insufficient_role")
    own = identity.user_id, identity.key_id, body.current_password or "", body.password
    if not await attempt(request, context, identity.user_id, partial(context.members.change_password, *own)):
        raise Refusal(400, "current_password is wrong; check it", code="bad_input", param="current_password")
    return await anyio.to_thread.run_sync(get_session, request, context)


@router.post("/reset", response_model=PasswordResetAccepted)
async def reset_password(body: ResetBody, request: Request, context: AppContext) -> Response:
    """Send a link for a new password to a member, by mail, or as an event to webhooks where none is set."""
    await context.run_slow(context.attempts.begin, address(request), f"reset {body.email.strip().lower()}")
    response = PasswordResetAccepted().response(NO_STORE)
    # Afterwards, so that the time of the answer does not say whether there is such a member.
    base = external_url(request)
    response.background = BackgroundTask(context.run_slow, _send_resets, context, body.email.strip(), base)
    return response


def _send_resets(context: Context, email: str, base: str) -> None:
    for member, token in context.members.request_reset(email, notify=context.mailer is None):
        send_link(context, member, f"{base}/#reset={token}", reset=True)
