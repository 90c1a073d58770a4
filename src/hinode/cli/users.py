"""`hinode link` and `hinode users`: people who sign in with a browser."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.command import Command
from hinode.cli.table import moment, print_table
from hinode.cli.tenants import open_database
from hinode.errors import BadInput, quote

if TYPE_CHECKING:
    from hinode.jobs.persons.records import Account
    from hinode.jobs.tenants.members import Members
    from hinode.jobs.tenants.sessions import Sessions
    from hinode.jobs.tenants.tenants import Tenants

DEFAULT_URL = "http://localhost:8000"

users = typer.Typer(
    help="Add, list and remove people who sign in, and export and delete what there is of them.",
    no_args_is_help=True,
)

ProjectName = Annotated[
    str | None,
    typer.Option("--project", metavar="NAME", help="Name or id.", show_default="the first project"),
]
AnyProject = Annotated[
    str | None, typer.Option("--project", metavar="NAME", help="Name or id.", show_default="every project")
]
UserName = Annotated[str, typer.Argument(help="Id, user_…, or email address.")]
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
    user: UserName,
    project: AnyProject = None,
) -> None:
    """Remove a person, whose videos and prompts stay (see `hinode users delete`). Open sessions end."""
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


@users.command("export", cls=Command)
def export_user(
    user: UserName,
    file: Annotated[Path, typer.Argument(help="File to write, .zip")],
    project: AnyProject = None,
) -> None:
    """Write everything that there is of a person into one ZIP file, with an index.

    Videos and prompts of signed-in sessions, consents and receipts, notices, invoices that name the person,
    entries of the audit log.
    """
    from hinode.jobs.files.stores import open_store
    from hinode.jobs.persons.export import export
    from hinode.settings import Settings

    objects = open_store(Settings.from_environment(os.environ))
    with _open() as (tenants, _, members):
        accounts = _accounts(tenants, user, project)
        exported = export(members.database, objects, accounts, file, time.time())
    rows = sum(exported.rows.values())
    print(f"{file}: {rows:,} rows and {exported.files:,} files, {exported.bytes:,} bytes")
    if exported.missing:
        print(f"{len(exported.missing)} files are not in the store; the index names them", file=sys.stderr)


@users.command("delete", cls=Command)
def delete_user(
    user: UserName,
    project: AnyProject = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete everything that there is of a person, for good. An interrupted deletion goes on.

    Invoices stay, as the law asks; the audit log and decisions keep an id in place of the name.
    """
    from hinode.jobs.files.stores import open_store
    from hinode.jobs.persons.erasure import erase
    from hinode.jobs.rights.consents import Consents
    from hinode.rights.people import OPERATOR
    from hinode.rights.receipts import Signer
    from hinode.settings import Settings

    settings = Settings.from_environment(os.environ)
    objects = open_store(settings)
    with _open() as (tenants, _, members):
        accounts = _accounts(tenants, user, project)
        names = ", ".join(f"{account.email} ({account.id})" for account in accounts)
        if not yes and not typer.confirm(f"Delete {names} with all videos that the person made?"):
            raise typer.Exit(1)
        people = Consents(members.database, objects, Signer(settings.home), time.time)
        for account in accounts:
            erased = erase(members.database, objects, people, account, OPERATOR, time.time)
            print(
                f"deleted {account.id}: {erased.rows:,} rows; its files go with the next sweep of the server"
            )
            if erased.invoices:
                print(
                    f"{erased.invoices} invoices name the person and stay, as the law asks", file=sys.stderr
                )
            if not erased.is_complete:
                print(
                    f"{len(erased.exhibits)} videos and {erased.notices} notices stay until appeals have"
                    " ended; run the command again then",
                    file=sys.stderr,
                )


def _accounts(tenants: Tenants, user: str, project: str | None) -> list[Account]:
    from hinode.jobs.persons.records import find_accounts

    project_id = None if project is None else tenants.project(project).id
    with tenants.database.read() as connection:
        return find_accounts(connection, user, project_id)


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
