"""`hinode jobs`: what the server has to do, and stopping one of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli.exits import exit_on_error
from hinode.cli.table import moment, print_table
from hinode.errors import BadInput, quote
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.jobs.job import Job
    from hinode.jobs.store import Store
    from hinode.jobs.tenants.tenants import Project

jobs = typer.Typer(help="Jobs of the server: list, cancel.", no_args_is_help=True)

PROMPT_CHARACTERS = 40


@jobs.command("list")
def list_jobs(
    project: Annotated[
        str | None, typer.Option(help="Name or id of a project; by default every one.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the newest jobs."""
    with exit_on_error(), _store() as (store, projects):
        if project is not None:
            projects = [known for known in projects if project in (known.id, known.name)]
            if not projects:
                raise BadInput(
                    f"there is no project {quote(project)}",
                    "see which there are with `hinode projects list`",
                    field="project",
                )
        found = [
            job
            for owner in projects
            for job in store.jobs(owner.id, after=None, limit=limit, descending=True)[0]
        ]
        newest = sorted(found, key=lambda job: job.id, reverse=True)[:limit]
        if as_json:
            print(json.dumps([_told(job) for job in newest]))
            return
        names = {owner.id: owner.name for owner in projects}
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


@jobs.command("cancel")
def cancel_job(
    id: Annotated[str, typer.Argument(help="The job's id, video_…", show_default=False)],
) -> None:
    """End a waiting job, or ask its worker to stop."""
    with exit_on_error(), _store() as (store, projects):
        for project in projects:
            job = store.cancel(project.id, id)
            if job is not None:
                stopping = job.cancel_requested_at is not None and not job.final
                print(f"{job.id} is {'stopping' if stopping else job.status.value}")
                return
        raise BadInput(
            f"there is no job {quote(id)}", "see which there are with `hinode jobs list`", field="id"
        )


@contextmanager
def _store() -> Iterator[tuple[Store, list[Project]]]:
    from hinode.jobs.store import Store
    from hinode.jobs.tenants.tenants import Tenants
    from hinode.records.database import Database

    database = Database(Settings.from_environment(os.environ).database_url)
    try:
        database.upgrade()
        yield Store(database), Tenants(database, time.time).projects()
    finally:
        database.close()


def _told(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "project_id": job.project_id,
        "status": job.status.value,
        "stage": job.stage,
        "progress": job.progress,
        "engine": job.engine,
        "model": job.model,
        "operation": job.operation,
        "seconds": job.seconds,
        "priority": job.priority.name.lower(),
        "created_at": job.created_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "error": job.error_message,
        "prompt": job.request["prompt"],
    }
