"""`hinode keys` and `hinode projects`: who may use the server, and how much of it."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hinode.cli.exits import exit_on_error
from hinode.cli.table import amount, moment, print_table
from hinode.errors import BadInput, quote
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.jobs.tenants.tenants import Limits, Tenants

keys = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)
projects = typer.Typer(help="Projects and their limits: create, list, set.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Weight = Annotated[
    float | None,
    typer.Option(help="Share of the machines; 2 gets twice as much as 1.", show_default=False),
]
MostRunning = Annotated[
    str | None, typer.Option(help='Most jobs at once, or "none" for no limit.', show_default=False)
]
MostQueued = Annotated[
    str | None,
    typer.Option(help='Most jobs waiting or running, or "none" for no limit.', show_default=False),
]
DailySeconds = Annotated[
    str | None,
    typer.Option(help='Most seconds of video in 24 hours, or "none" for no limit.', show_default=False),
]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="What you call it.", show_default=False)],
    project: Annotated[
        str | None, typer.Option(help="Name or id of its project; by default the first.", show_default=False)
    ] = None,
    scopes: Annotated[str, typer.Option(help="What it is good for.")] = "read,write",
    rpm: Annotated[
        int | None, typer.Option(help="Most requests a minute; by default any number.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once."""
    with exit_on_error(), _tenants() as tenants:
        made = tenants.create_key(
            name,
            project=project,
            scopes=[scope.strip() for scope in scopes.split(",") if scope.strip()],
            requests_per_minute=rpm,
        )
        if as_json:
            print(json.dumps({"id": made.id, "key": made.key}))
        else:
            print(f"{made.id}; keep the key, it is not shown again:", file=sys.stderr)
            print(made.key)


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """Print every key, without the secret part."""
    with exit_on_error(), _tenants() as tenants:
        known = tenants.all_keys()
        if as_json:
            print(json.dumps([dataclasses.asdict(key) for key in known]))
            return
        names = {project.id: project.name for project in tenants.projects()}
        print_table(
            ("ID", "NAME", "KEY", "PROJECT", "SCOPES", "PER MINUTE", "CREATED", "LAST USED", "REVOKED"),
            [
                (
                    key.id,
                    key.name,
                    key.hint,
                    names[key.project_id],
                    ",".join(key.scopes),
                    amount(key.requests_per_minute),
                    *map(moment, (key.created_at, key.last_used_at, key.revoked_at)),
                )
                for key in known
            ],
        )


@keys.command("revoke")
def revoke_key(
    id: Annotated[str, typer.Argument(help="The key's id, key_…", show_default=False)],
) -> None:
    """Make a key good for nothing, at once."""
    with exit_on_error(), _tenants() as tenants:
        print(f"revoked {tenants.revoke(id).id}")


@projects.command("create")
def create_project(
    name: Annotated[str, typer.Option(help="What you call it.", show_default=False)],
    weight: Weight = None,
    most_running: MostRunning = None,
    most_queued: MostQueued = None,
    daily_seconds: DailySeconds = None,
    as_json: AsJson = False,
) -> None:
    """Make a project: jobs belong to it, and limits hold for it."""
    with exit_on_error(), _tenants() as tenants:
        from hinode.jobs.tenants.tenants import Limits

        limits = _changed(Limits(), weight, most_running, most_queued, daily_seconds)
        made = tenants.create_project(name, limits)
        print(json.dumps(dataclasses.asdict(made)) if as_json else made.id)


@projects.command("list")
def list_projects(as_json: AsJson = False) -> None:
    """Print every project and its limits."""
    with exit_on_error(), _tenants() as tenants:
        known = tenants.projects()
        if as_json:
            print(json.dumps([dataclasses.asdict(project) for project in known]))
            return
        print_table(
            ("ID", "NAME", "WEIGHT", "MOST RUNNING", "MOST QUEUED", "DAILY SECONDS", "CREATED"),
            [
                (
                    project.id,
                    project.name,
                    *map(amount, dataclasses.astuple(project.limits)),
                    moment(project.created_at),
                )
                for project in known
            ],
        )


@projects.command("set")
def set_project(
    project: Annotated[str, typer.Argument(help="Its name or id.", show_default=False)],
    weight: Weight = None,
    most_running: MostRunning = None,
    most_queued: MostQueued = None,
    daily_seconds: DailySeconds = None,
    as_json: AsJson = False,
) -> None:
    """Change the limits that you name, and leave the others."""
    with exit_on_error(), _tenants() as tenants:
        changed = tenants.change_limits(
            project, lambda limits: _changed(limits, weight, most_running, most_queued, daily_seconds)
        )
        print(json.dumps(dataclasses.asdict(changed)) if as_json else f"changed {changed.id}")


@contextmanager
def _tenants() -> Iterator[Tenants]:
    from hinode.jobs.tenants.tenants import Tenants
    from hinode.records.database import Database

    database = Database(Settings.from_environment(os.environ).database_url)
    try:
        database.upgrade()
        yield Tenants(database, time.time)
    finally:
        database.close()


def _changed(
    limits: Limits,
    weight: float | None,
    most_running: str | None,
    most_queued: str | None,
    daily_seconds: str | None,
) -> Limits:
    """`limits` with those replaced that the command line names."""
    given: dict[str, Any] = {} if weight is None else {"weight": weight}
    for name, text, read in (
        ("most_running", most_running, int),
        ("most_queued", most_queued, int),
        ("daily_seconds", daily_seconds, float),
    ):
        if text is not None:
            given[name] = _number(name, text, read)
    return dataclasses.replace(limits, **given)


def _number(name: str, text: str, read: type[int] | type[float]) -> float | None:
    if text.strip().lower() == "none":
        return None
    try:
        return read(text)
    except ValueError:
        raise BadInput(
            f"{quote(text)} cannot be a limit for {name.replace('_', ' ')}",
            'give a number, or "none" for no limit',
            field=name,
        ) from None
