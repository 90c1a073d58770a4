"""What the routes share that sign a person in: the counted attempt, the answer with its cookie, and links."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, Request, Response
from pydantic import Field

from hinode import __version__
from hinode.api import wire
from hinode.api.context import Context
from hinode.api.cookies import csrf_token, read_cookie, set_cookie
from hinode.api.middleware.addresses import external_prefix
from hinode.api.requests.bodies import JSON, BodyReader
from hinode.errors import HinodeError
from hinode.jobs.tenants.members import Member
from hinode.jobs.tenants.passwords import MAX_LENGTH
from hinode.jobs.tenants.sessions import SESSION_SECONDS, NewSession, Session
from hinode.jobs.tenants.tenant import Role
from hinode.jobs.tenants.tokens import MAX_SECRET_LENGTH
from hinode.parsing import Input
from hinode.studio.files import web_files

T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_TEXT_BYTES = 1 << 14
MAX_EMAIL_LENGTH = 254
NO_STORE = {"cache-control": "no-store"}

Token = Annotated[str, Field(max_length=MAX_SECRET_LENGTH)]
Email = Annotated[str, Field(max_length=MAX_EMAIL_LENGTH)]
Password = Annotated[str, Field(max_length=MAX_LENGTH)]


class SessionProject(wire.Answer):
    """The project of a session."""

    id: str
    name: str
    feed_enabled: bool
    billing: bool = Field(description="Whether its videos are paid for from its credit.")
    is_operator: bool = Field(description="Whether it is the first project, whose owners run the server.")


class SessionUser(wire.Answer):
    """The person of a session."""

    id: str
    name: str
    email: str
    role: Role


class SessionServer(wire.Answer):
    """The server that was asked."""

    version: str
    instance: str = Field(description="Of its database.")
    studio: str = Field(description="Version of the studio's files.")
    secure: bool = Field(description="Whether the request came by https.")


class SessionObject(wire.Answer):
    """Who sends the request, if anybody is signed in."""

    object: Literal["session"] = "session"
    signed_in: bool
    project: SessionProject | None
    user: SessionUser | None = Field(description="null by a one-time link, or with an API key.")
    role: Role | None = Field(description="null with an API key.")
    csrf_token: str | None = Field(description="For the header X-CSRF-Token; null with an API key.")
    expires_at: int | None
    server: SessionServer


def small_body(model: type[Input], *, required: bool = True) -> Any:
    """A FastAPI dependency: a JSON body of a few fields."""
    return Depends(BodyReader(model, (JSON,), required=required, max_text_bytes=MAX_TEXT_BYTES))


def external_url(request: Request) -> str:
    """The address of this server as the sender of a request knows it; its host is on the list of `Hosts`."""
    scope = request.scope
    return f"{scope['scheme']}://{request.headers['host']}{external_prefix(scope)}"


def send_link(context: Context, member: Member, url: str, *, reset: bool) -> bool:
    """Mail a member the link for a password; returns whether the mail server took it."""
    if context.mailer is None:
        return False
    project = context.tenants.project(member.project_id).name
    subject = f"A new password for {project}" if reset else f"Invitation to {project}"
    text = "Choose a password with this link, which works once" + (", within an hour:" if reset else ":")
    try:
        context.mailer.send(member.email, subject, f"{text}\n\n{url}\n")
    except HinodeError as error:
        log.error("a mail to a member was not sent: %s", error)
        return False
    return True


async def attempt(request: Request, context: Context, account: str, sign_in: Callable[[], T]) -> T:
    """The result of an attempt to sign in, which is counted unless its result is true."""

    def count() -> T:
        client = address(request)
        with context.sign_ins.acquire(client):
            succeed = context.attempts.begin(client, account)
            if result := sign_in():
                succeed()
            return result

    return await context.run_slow(count)


def begin(request: Request, context: Context, opened: NewSession) -> Response:
    """The answer to a request that signed in, with the cookie; the session before it in the browser ends."""
    before = context.sessions.authenticate(read_cookie(request.scope, context.sessions.instance) or "")
    if before is not None:
        context.sessions.end(before[1].project_id, before[1].id)
    response = answer(request, context, opened.session, opened.token).response(NO_STORE)
    set_cookie(response, request.scope, context.sessions.instance, opened.token, SESSION_SECONDS)
    log.info("signed in", extra={"session_id": opened.session.id, "project_id": opened.session.project_id})
    return response


def answer(request: Request, context: Context, session: Session, token: str) -> SessionObject:
    """The answer to a request in a session."""
    user = None
    if session.user_id is not None:
        user = SessionUser.of(session, id=session.user_id, name=session.user_name)
    return SessionObject(
        signed_in=True,
        project=_project(context, session.project_id),
        user=user,
        role=session.role,
        csrf_token=csrf_token(token),
        expires_at=int(session.expires_at),
        server=_server(request, context),
    )


def no_session(request: Request, context: Context, project_id: str | None = None) -> SessionObject:
    """The answer to a request that is nobody's, or with a key of a project."""
    return SessionObject(
        signed_in=project_id is not None,
        project=None if project_id is None else _project(context, project_id),
        user=None,
        role=None,
        csrf_token=None,
        expires_at=None,
        server=_server(request, context),
    )


def _project(context: Context, project_id: str) -> SessionProject:
    is_operator = context.tenants.project(None).id == project_id
    return SessionProject.of(context.tenants.project(project_id), is_operator=is_operator)


def _server(request: Request, context: Context) -> SessionServer:
    secure = request.scope["scheme"] == "https"
    studio, _ = web_files()
    instance = context.sessions.instance
    return SessionServer(version=__version__, instance=instance, studio=studio, secure=secure)


def address(request: Request) -> str:
    """The address of a client, as a proxy on this machine reports it."""
    return request.client.host if request.client else ""


def agent(request: Request) -> str:
    """What a browser calls itself."""
    return request.headers.get("user-agent", "")
