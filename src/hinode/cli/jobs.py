"""`hinode jobs`: list the jobs of the server, and cancel one."""

from __future__ import annotations

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
    from hinode.jobs.job import Job
    from hinode.jobs.store import Store
    from hinode.jobs.tenants.tenant import Project

jobs = typer.Typer(help="List and cancel the jobs of the server.", no_args_is_help=True)

PROMPT_CHARACTERS = 40
JSON_FIELDS = (
    *("id", "project_id", "stage", "progress", "engine", "model", "operation", "seconds"),
    *("created_at", "started_at", "completed_at"),
)


@jobs.command("list", cls=Command)
def list_jobs(
    project: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name or id of a project.", show_default="all projects")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Number of jobs at most.")] = 20,
    as_json: options.AsJson = False,
) -> None:
    """Print the newest jobs."""
    with _open_store() as (store, projects):
        names = {owner.id: owner.name for owner in projects if project in (None, owner.id, owner.name)}
        if project is not None and not names:
            remedy = "list the projects with `hinode projects list`"
            raise BadInput(f"there is no project {quote(project)}", remedy, field="project")
        jobs = [job for id in names for job in store.jobs(id, after=None, limit=limit, descending=True)[0]]
    newest = sorted(jobs, key=lambda job: job.id, reverse=True)[:limit]
    if as_json:
        print(json.dumps([_as_json(job) for job in newest]))
        return
    print_table(
        ("ID", "PROJECT", "STATUS", "DONE", "MODEL", "SECONDS", "CREATED", "PROMPT"),
        [
            (
                job.id,
                names[job.project_id],
                job.status.value,
                f"{job.progress} %",
                f"{job.engine}/{job.model}",
                f"{job.seconds:g}",
                moment(job.created_at),
                quote(str(job.request["prompt"]), PROMPT_CHARACTERS),
            )
            for job in newest
        ],
    )


@jobs.command("cancel", cls=Command)
def cancel_job(id: Annotated[str, typer.Argument(help="Id of the job, video_…")]) -> None:
    """Cancel a waiting job, or ask the worker of a running one to stop."""
    with _open_store() as (store, projects):
        for project in projects:
            job = store.cancel(project.id, id)
            if job is not None:
                stopping = job.cancel_requested_at is not None and not job.final
                print(f"{job.id} is {'stopping' if stopping else job.status.value}")
                return
    raise BadInput(f"there is no job {quote(id)}", "list the jobs with `hinode jobs list`", field="id")


@contextmanager
def _open_store() -> Iterator[tuple[Store, list[Project]]]:
    from hinode.jobs.store import Store
    from hinode.jobs.tenants.tenants import Tenants

    with open_database() as database:
        yield Store(database), Tenants(database, time.time).projects()


def _as_json(job: Job) -> dict[str, object]:
    return {
        **{name: getattr(job, name) for name in JSON_FIELDS},
        "status": job.status.value,
        "priority": job.priority.name.lower(),
        "error": job.error_message,
        "prompt": job.request["prompt"],
    }
