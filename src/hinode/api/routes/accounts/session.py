"""Sessions: who is signed in, signing in and out, and the list of a person's sessions.

Signing in takes the token of a one-time link, or an email address and a password. The session is a cookie
that scripts cannot read; they send `csrf_token` of the answer with what changes something.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import Field, model_validator

from hinode.api import wire
from hinode.api.context import AppContext, Caller
from hinode.api.cookies import delete_cookie, read_cookie
from hinode.api.failures import Refusal, not_found
from hinode.api.queries import Id, PageQuery
from hinode.api.sign_in import (
    NO_STORE,
    Email,
    Password,
    SessionObject,
    Token,
    agent,
    answer,
    attempt,
    begin,
    no_session,
    small_body,
)
from hinode.errors import BadInput
from hinode.jobs.tenants.sessions import Session
from hinode.jobs.tenants.tenant import MANAGE, Identity, Role
from hinode.parsing import Input

router = APIRouter(prefix="/v1", tags=["Session"])


class SignIn(Input):
    """The token of a one-time link, or an email address and a password."""

    token: Token | None = None
    email: Email | None = None
    password: Password | None = None
    project: str | None = Field(
        None, max_length=100, description="Id or name; by default the oldest project of the person."
    )

    @model_validator(mode="after")
    def _is_complete(self) -> SignIn:
        if (self.token is None) == (self.email is None) or (self.email is None) != (self.password is None):
            message = "there is no token, and no email address with a password"
            raise BadInput(message, "give one or the other", field="token")
        return self


class SessionEntry(wire.Answer):
    """A session that is open."""

    id: str
    object: Literal["session.entry"] = "session.entry"
    current: bool = Field(description="Whether it is that of this request.")
    user_id: str | None
    user_name: str | None
    email: str | None
    role: Role
    agent: str = Field(description="What the browser calls itself.")
    created_at: int
    last_used_at: int | None
    expires_at: int


class SessionEntryList(wire.Page[SessionEntry]):
    """A page of sessions."""


SignInBody = Annotated[SignIn, small_body(SignIn)]


@router.get("/session", response_model=SessionObject)
def get_session(request: Request, context: AppContext) -> Response:
    """Who is signed in. It needs no credentials."""
    identity = getattr(request.state, "identity", None)
    if identity is None:
        return no_session(request, context).response(NO_STORE)
    if identity.role is None:
        return no_session(request, context, identity.project_id).response(NO_STORE)
    token = read_cookie(request.scope, context.sessions.instance) or ""
    login = context.sessions.authenticate(token)
    if login is None:  # it has just ended
        return no_session(request, context).response(NO_STORE)
    return answer(request, context, login[1], token).response(NO_STORE)


@router.post("/session", response_model=SessionObject)
async def sign_in(body: SignInBody, request: Request, context: AppContext) -> Response:
    """Sign in; the answer sets the cookie of the session. Attempts are counted."""
    sessions, browser = context.sessions, agent(request)
    if body.token is not None:
        opened = await attempt(request, context, "", partial(sessions.open_with_token, body.token, browser))
    else:
        email, password = body.email or "", body.password or ""
        open_session = partial(sessions.open_with_password, email.strip(), password, browser, body.project)
        opened = await attempt(request, context, email.strip().lower(), open_session)
    return await anyio.to_thread.run_sync(begin, request, context, opened)


@router.delete("/session", response_model=SessionObject)
def sign_out(request: Request, context: AppContext) -> Response:
    """End the session of the request, and remove its cookie."""
    identity: Identity | None = getattr(request.state, "identity", None)
    if identity is None and request.state.refusal.error.error.code == "csrf":
        raise request.state.refusal
    if identity is not None and identity.role is not None:
        context.sessions.end(identity.project_id, identity.key_id)
    response = no_session(request, context).response(NO_STORE)
    delete_cookie(response, request.scope, context.sessions.instance)
    return response


@router.get("/sessions", response_model=SessionEntryList)
def list_sessions(context: AppContext, caller: Caller, page: PageQuery) -> Response:
    """The open sessions of the person, or for an owner those of the project."""
    entries = context.sessions.page(caller.project_id, _user_of(caller), **page)

    def entry(session: Session) -> SessionEntry:
        return SessionEntry.of(session, current=session.id == caller.key_id)

    return SessionEntryList.from_entries(entry, entries).response()


@router.delete("/sessions/{session_id}", response_model=wire.Deleted)
def end_session(session_id: Id, context: AppContext, caller: Caller) -> Response:
    """End a session of one's own, or for an owner any of the project."""
    if not context.sessions.end(caller.project_id, session_id, _user_of(caller)):
        raise not_found("session", session_id, "session_id")
    return wire.Deleted(id=session_id, object="session.deleted").response()


def _user_of(caller: Identity) -> str | None:
    """Whose sessions a request may see: None for all of the project."""
    if MANAGE in caller.scopes:
        return None
    if caller.user_id is None:
        message = f"this API key may not do that; use one with the scope {MANAGE}"
        raise Refusal(403, message, code="insufficient_scope")
    return caller.user_id
