"""`hinode link` and `hinode users`: people who sign in with a browser."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.command import Command
from hinode.cli.table import moment, print_table
from hinode.cli.tenants import open_database
from hinode.errors import BadInput, quote

if TYPE_CHECKING:
    from hinode.jobs.tenants.members import Members
    from hinode.jobs.tenants.sessions import Sessions
    from hinode.jobs.tenants.tenants import Tenants

DEFAULT_URL = "http://localhost:8000"

users = typer.Typer(help="Add, list and remove people who sign in.", no_args_is_help=True)

ProjectName = Annotated[
    str | None,
    typer.Option("--project", metavar="NAME", help="Name or id.", show_default="the first project"),
]
Url = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Address of the server.", show_default="as the server was started"),
]


def link(project: ProjectName = None, url: Url = None) -> None:
    """Print a link with which one person can sign in once, as an owner, within an hour."""
    with _open() as (tenants, sessions, _):
        base = _base(sessions, url)
        print(f"{base}/#token={sessions.create_link(tenants.project(project).id)}")


@users.command("add", cls=Command)
def add_user(
    email: Annotated[str, typer.Argument(help="Email address of the person.")],
    name: Annotated[
        str, typer.Option(help="Name of the person.", show_default="the first part of the address")
    ] = "",
    role: Annotated[str, typer.Option(help="owner, editor, viewer or reviewer.")] = "editor",
    project: ProjectName = None,
    url: Url = None,
    as_json: options.AsJson = False,
) -> None:
    """Add a person, and print the link with which the person sets a password, once within a week."""
    with _open() as (tenants, sessions, members):
        base = _base(sessions, url)
        member, token = members.invite(tenants.project(project).id, email, name, role)
    invitation = f"{base}/#invitation={token}"
    print(json.dumps({"id": member.id, "invitation_url": invitation}) if as_json else invitation)


@users.command("list", cls=Command)
def list_users(as_json: options.AsJson = False) -> None:
    """Print everybody who may sign in."""
    with _open() as (tenants, _, members):
        everybody = members.all()
        names = {project.id: project.name for project in tenants.projects()}
    if as_json:
        print(json.dumps([dataclasses.asdict(member) for member in everybody]))
        return
    print_table(
        ("ID", "EMAIL", "NAME", "ROLE", "PROJECT", "PASSWORD", "ADDED"),
        [
            (
                member.id,
                member.email,
                member.name,
                member.role,
                names[member.project_id],
                "set" if member.accepted else "not yet",
                moment(member.created_at),
            )
            for member in everybody
        ],
    )


@users.command("remove", cls=Command)
def remove_user(
    user: Annotated[str, typer.Argument(help="Id, user_…, or email address.")],
    project: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name or id.", show_default="every project")
    ] = None,
) -> None:
    """Remove a person. Open sessions of the person end."""
    with _open() as (tenants, _, members):
        project_id = None if project is None else tenants.project(project).id
        matches = [
            member
            for member in members.all()
            if user.lower() in (member.id, member.email) and project_id in (None, member.project_id)
        ]
        for member in matches:
            members.remove(member.project_id, member.id)
            print(f"removed {member.id}")
    if not matches:
        raise BadInput(f"there is no user {quote(user)}", "list them with `hinode users list`", field="user")


@contextmanager
def _open() -> Iterator[tuple[Tenants, Sessions, Members]]:
    from hinode.jobs.tenants.members import Members
    from hinode.jobs.tenants.sessions import Sessions
    from hinode.jobs.tenants.tenants import Tenants

    with open_database() as database:
        sessions = Sessions(database, time.time)
        yield Tenants(database, time.time), sessions, Members(database, sessions, time.time)


def _base(sessions: Sessions, url: str | None) -> str:
    """The address before the token of a link."""
    base = (url or sessions.url or DEFAULT_URL).rstrip("/")
    if not base.startswith(("http://", "https://")) or "#" in base or not base.isprintable():
        raise BadInput(f"{quote(base)} is no address", f"write it like {DEFAULT_URL}", field="url")
    return base
