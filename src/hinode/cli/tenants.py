"""`hinode keys` and `hinode projects`: who may use the server, and how much of it."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hinode.cli import options
from hinode.cli.command import Command
from hinode.cli.table import amount, moment, print_table
from hinode.errors import BadInput, quote
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.jobs.tenants.tenant import Limits
    from hinode.jobs.tenants.tenants import Tenants
    from hinode.records.database import Database

keys = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)
projects = typer.Typer(
    help="Create, list, export and delete projects, and set their limits.", no_args_is_help=True
)

Weight = Annotated[
    float | None,
    typer.Option(help="Share of the machines: a project of weight 2 gets twice as much as one of weight 1."),
]
MaxRunning = Annotated[
    str | None, typer.Option(metavar="NUMBER", help='Running jobs at most, or "none" for no limit.')
]
MaxQueued = Annotated[
    str | None, typer.Option(metavar="NUMBER", help='Waiting and running jobs at most, or "none".')
]
DailySeconds = Annotated[
    str | None, typer.Option(metavar="NUMBER", help='Seconds of video in 24 hours at most, or "none".')
]


LocalOnly = Annotated[
    bool | None,
    typer.Option(
        "--local-only/--not-local-only",
        help="Whether its videos are made by own workers only, and never by a provider.",
        show_default=False,
    ),
]


Billing = Annotated[
    bool | None,
    typer.Option(
        "--billing/--no-billing",
        help="Whether its videos are paid for from its credit, at the prices of prices.yaml.",
        show_default=False,
    ),
]


@keys.command("create", cls=Command)
def create_key(
    name: Annotated[str, typer.Option(help="Name for the key.")],
    project: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name or id of its project.", show_default="the first project"),
    ] = None,
    scopes: Annotated[
        str, typer.Option(metavar="LIST", help="What the key permits, separated by commas.")
    ] = "read,write",
    rpm: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Requests per minute at most.", show_default="no limit"),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Create a key and print it. It cannot be printed again."""
    with open_tenants() as tenants:
        created = tenants.create_key(
            name,
            project=project,
            scopes=[scope.strip() for scope in scopes.split(",") if scope.strip()],
            requests_per_minute=rpm,
        )
    if as_json:
        print(json.dumps({"id": created.id, "key": created.key}))
    else:
        print(f"{created.id}; keep the key, it is not shown again:", file=sys.stderr)
        print(created.key)


@keys.command("list", cls=Command)
def list_keys(as_json: options.AsJson = False) -> None:
    """Print every key, without its secret part."""
    with open_tenants() as tenants:
        keys = tenants.all_keys()
        names = {project.id: project.name for project in tenants.projects()}
    if as_json:
        print(json.dumps([dataclasses.asdict(key) for key in keys]))
        return
    print_table(
        ("ID", "NAME", "KEY", "PROJECT", "SCOPES", "PER MINUTE", "CREATED", "LAST USED", "REVOKED"),
        [
            (
                key.id,
                key.name,
                key.hint,
                names.get(key.project_id, "-"),
                ",".join(key.scopes),
                amount(key.requests_per_minute),
                *map(moment, (key.created_at, key.last_used_at, key.revoked_at)),
            )
            for key in keys
        ],
    )


@keys.command("revoke", cls=Command)
def revoke_key(id: Annotated[str, typer.Argument(help="Id of the key, key_…")]) -> None:
    """Revoke a key. The server refuses it from now on."""
    with open_tenants() as tenants:
        print(f"revoked {tenants.revoke(id).id}")


@projects.command("create", cls=Command)
def create_project(
    name: Annotated[str, typer.Option(help="Name for the project.")],
    weight: Weight = None,
    max_running: MaxRunning = None,
    max_queued: MaxQueued = None,
    daily_seconds: DailySeconds = None,
    local_only: LocalOnly = None,
    as_json: options.AsJson = False,
) -> None:
    """Create a project: the owner of keys and jobs, with limits of its own."""
    with open_tenants() as tenants:
        from hinode.jobs.tenants.tenant import Limits

        limits = _replace_limits(Limits(), weight, max_running, max_queued, daily_seconds)
        created = tenants.create_project(name, limits, local_only=bool(local_only))
    print(json.dumps(dataclasses.asdict(created)) if as_json else created.id)


@projects.command("list", cls=Command)
def list_projects(as_json: options.AsJson = False) -> None:
    """Print every project and its limits."""
    with open_tenants() as tenants:
        projects = tenants.projects()
    if as_json:
        print(json.dumps([dataclasses.asdict(project) for project in projects]))
        return
    print_table(
        (
            "ID",
            "NAME",
            "WEIGHT",
            "MAX RUNNING",
            "MAX QUEUED",
            "DAILY SECONDS",
            "LOCAL ONLY",
            "BILLING",
            "CREATED",
        ),
        [
            (
                project.id,
                project.name,
                *map(amount, dataclasses.astuple(project.limits)),
                "yes" if project.local_only else "no",
                "yes" if project.billing else "no",
                moment(project.created_at),
            )
            for project in projects
        ],
    )


@projects.command("set", cls=Command)
def set_project(
    project: Annotated[str, typer.Argument(help="Name or id of the project.")],
    weight: Weight = None,
    max_running: MaxRunning = None,
    max_queued: MaxQueued = None,
    daily_seconds: DailySeconds = None,
    local_only: LocalOnly = None,
    billing: Billing = None,
    as_json: options.AsJson = False,
) -> None:
    """Change the limits and the policy that are named here, and no others."""
    with open_tenants() as tenants:
        changed = tenants.change_limits(
            project, lambda limits: _replace_limits(limits, weight, max_running, max_queued, daily_seconds)
        )
        policy = {"local_only": local_only, "billing": billing}
        changed = tenants.change_project(
            changed.id, **{name: value for name, value in policy.items() if value is not None}
        )
    print(json.dumps(dataclasses.asdict(changed)) if as_json else f"changed {changed.id}")


@projects.command("export", cls=Command)
def export_project(
    project: Annotated[str, typer.Argument(help="Name or id of the project.")],
    file: Annotated[Path, typer.Argument(help="File to write, .zip")],
) -> None:
    """Write everything of a project into one ZIP file: jobs, clips, prompts, consents and their receipts."""
    from hinode.jobs.files.stores import open_store
    from hinode.jobs.tenants.export import export

    objects = open_store(Settings.from_environment(os.environ), time.time)
    with open_tenants() as tenants:
        exported = export(tenants.database, objects, tenants.project(project).id, file, time.time())
    rows = sum(exported.rows.values())
    print(f"{file}: {rows:,} rows and {exported.files:,} files, {exported.bytes:,} bytes")
    if exported.missing:
        print(f"{len(exported.missing)} files are not in the store; the manifest names them", file=sys.stderr)


@projects.command("delete", cls=Command)
def delete_project(
    project: Annotated[str, typer.Argument(help="Name or id of the project.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a project with everything that belongs to it, for good. An interrupted deletion goes on."""
    from hinode.jobs.files.stores import open_store
    from hinode.jobs.rights.consents import Consents
    from hinode.jobs.tenants.erasure import erase
    from hinode.rights.people import OPERATOR
    from hinode.rights.receipts import Signer

    settings = Settings.from_environment(os.environ)
    objects = open_store(settings, time.time)
    with open_tenants() as tenants:
        found = tenants.project(project)
        if not yes and not typer.confirm(f"Delete {found.name} ({found.id}) with all its videos?"):
            raise typer.Exit(1)
        people = Consents(tenants.database, objects, Signer(settings.home), time.time)
        erased = erase(tenants.database, objects, people, found.id, OPERATOR, time.time)
    print(f"deleted {found.id}: {erased.rows:,} rows; its files go with the next sweep of the server")
    if erased.exhibits:
        print(f"{len(erased.exhibits)} videos stay as evidence until appeals have ended", file=sys.stderr)


@contextmanager
def open_database(settings: Settings | None = None) -> Iterator[Database]:
    """The database of the settings, by default those of the environment, upgraded to this version."""
    from hinode.records.database import Database

    database = Database((settings or Settings.from_environment(os.environ)).database_url)
    try:
        database.upgrade()
        yield database
    finally:
        database.close()


@contextmanager
def open_tenants() -> Iterator[Tenants]:
    """The projects and keys in that database."""
    from hinode.jobs.tenants.tenants import Tenants

    with open_database() as database:
        yield Tenants(database, time.time)


def _replace_limits(
    limits: Limits,
    weight: float | None,
    max_running: str | None,
    max_queued: str | None,
    daily_seconds: str | None,
) -> Limits:
    changes: dict[str, Any] = {} if weight is None else {"weight": weight}
    for name, text, parse in (
        ("max_running", max_running, int),
        ("max_queued", max_queued, int),
        ("daily_seconds", daily_seconds, float),
    ):
        if text is not None:
            changes[name] = _parse_limit(name, text, parse)
    return dataclasses.replace(limits, **changes)


def _parse_limit(name: str, text: str, parse: type[int] | type[float]) -> float | None:
    if text.strip().lower() == "none":
        return None
    try:
        return parse(text)
    except ValueError:
        message = f"{quote(text)} cannot be a limit for {name.replace('_', ' ')}"
        raise BadInput(message, 'give a number, or "none" for no limit', field=name) from None
