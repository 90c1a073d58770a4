"""The results of a batch: a file of the videos of its lines, and a file of the lines that became none.

Each line of the first is an answer 200 with the video in its final state, which is not always "completed":
see its `status` and `error`. The second has the requests that were refused, with the answer that says why,
and those that were never begun.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.batches import lines
from hinode.jobs.batches.batch import Batch
from hinode.jobs.files import uploads
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Job
from hinode.jobs.rows import read_job
from hinode.jobs.states import Status
from hinode.records.database import Database
from hinode.records.tables import batch_lines, jobs

PAGE = 500
NEVER_BEGUN = {
    "cancelling": ("batch_cancelled", "The batch was cancelled before this request was begun."),
    "finalizing": ("batch_expired", "The batch's window closed before this request was begun."),
}


@dataclass(frozen=True)
class Results:
    """Digest and size of each file, None for one without lines; and whether the window closed on any line."""

    output: tuple[str, int] | None
    errors: tuple[str, int] | None
    expired: bool


def write(
    database: Database,
    objects: Objects,
    video: Callable[[Job], Mapping[str, Any]],
    batch: Batch,
    source: Callable[[], Path],
) -> Results:
    """Put the files of an ended batch into the store. Doing it again gives the same files.

    Args:
        database: has its lines and jobs.
        objects: the store.
        video: a job as clients see it.
        batch: all of whose jobs have ended.
        source: gives its input, for the names of the lines that were never begun.

    Raises:
        FileNotFoundError: the input is gone.
    """
    expired = False
    counts = {"output": 0, "errors": 0}
    with ExitStack() as stack:
        paths = {name: stack.enter_context(objects.temporary(".jsonl")) for name in counts}
        files = {
            name: stack.enter_context(path.open("w", encoding="ascii", newline="\n"))
            for name, path in paths.items()
        }
        for name, line, late in _lines(database, video, batch, source):
            expired = expired or late
            counts[name] += 1
            files[name].write(json.dumps(line, separators=(",", ":")) + "\n")
        for file in files.values():
            file.close()
        stored = {name: objects.put(paths[name]) if counts[name] else None for name in counts}
    return Results(stored["output"], stored["errors"], expired)


def enter(
    connection: Connection, batch: Batch, name: str, file: tuple[str, int], now: float, retention: float
) -> str:
    """Make the "output" or "error" file (digest, size) one of the project's files; returns its id.

    It is kept for `retention` seconds.
    """
    path, media_type = f"{batch.id}_{name}.jsonl", "application/jsonl"
    owner = (batch.project_id, uploads.BATCH_OUTPUT)
    return uploads.insert(connection, *owner, path, media_type, file, now, retention).id


def _lines(
    database: Database, video: Callable[[Job], Mapping[str, Any]], batch: Batch, source: Callable[[], Path]
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Each line of the results: which file it goes to, its content, and whether the window closed on it."""
    batch_name = batch.id.removeprefix("batch_")
    for number, custom_id, job, refusal in _admitted(database, batch):
        answer = refusal if job is None else {"status_code": 200, "body": dict(video(job))}
        response = {"request_id": f"req_{batch_name}_{number}", **answer}
        line = {"id": f"batch_req_{batch_name}_{number}", "custom_id": custom_id, "response": response}
        late = job is not None and _late(batch, job)
        yield "errors" if job is None else "output", {**line, "error": None}, late
    if batch.admitted >= batch.lines:
        return
    code, message = NEVER_BEGUN[batch.status]
    for request in lines.read(source()):
        if request.number >= batch.admitted:
            line = {"id": f"batch_req_{batch_name}_{request.number}", "custom_id": request.custom_id}
            error = {"code": code, "message": message}
            yield "errors", {**line, "response": None, "error": error}, batch.status == "finalizing"


def _admitted(database: Database, batch: Batch) -> Iterator[tuple[int, str, Job | None, Mapping[str, Any]]]:
    """Number and name of each line that was admitted, with its job or the reason why it has none."""
    next_line = 0
    line = batch_lines.c
    columns = (line.line, line.custom_id, line.job_id, line.error.label("refusal"))
    while True:
        query = (
            sa.select(*columns, jobs)
            .join(jobs, jobs.c.id == line.job_id, isouter=True)
            .where(line.batch_id == batch.id, line.line >= next_line)
            .order_by(line.line)
            .limit(PAGE)
        )
        with database.read() as connection:
            rows = connection.execute(query).mappings().all()
        for row in rows:
            job = read_job(row) if row["job_id"] else None
            yield row["line"], row["custom_id"], job, row["refusal"] or {}
        if len(rows) < PAGE:
            return
        next_line = rows[-1]["line"] + 1


def _late(batch: Batch, job: Job) -> bool:
    """Whether a job did not finish because the batch's window closed."""
    if job.status is Status.EXPIRED:
        return True
    return (
        job.status is Status.CANCELLED
        and batch.expires_at is not None
        and (job.cancel_requested_at or 0.0) >= batch.expires_at
    )
