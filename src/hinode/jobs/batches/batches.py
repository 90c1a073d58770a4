"""Batches: a file of up to 50,000 requests that may take a day, and one or two files of what became of them.

    validating ──► in_progress ──► finalizing ──► completed, expired
        │  └───────────┴──► cancelling ─────────► cancelled
        └──► failed

What moves a batch on is `advance`, in small steps, each a transaction that first sees that the batch still is
where the step begins. So steps may be cut off anywhere, be repeated, or be tried by two processes at once: a
line never becomes two videos, and a batch never ends twice.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, HinodeError, quote
from hinode.jobs import idempotency as replay
from hinode.jobs import ids, submission
from hinode.jobs.admit import Draft
from hinode.jobs.batches import lines, results
from hinode.jobs.batches.background import BackgroundCalls, StillRunning
from hinode.jobs.batches.batch import Batch, ConcurrentUpdate, check_metadata, counts_of, fetch, transition
from hinode.jobs.batches.lines import ENDPOINT, Line
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.uploads import BATCH, BATCH_SECONDS, UNFINISHED, Uploads, check_expiry
from hinode.jobs.job import Idempotency, Job, OverQuota
from hinode.jobs.states import FINAL, Priority, Status
from hinode.jobs.store import Store
from hinode.jobs.webhooks import outbox
from hinode.records.database import Database, DatabaseError
from hinode.records.paging import page_of
from hinode.records.tables import batch_lines, batches, jobs

log = logging.getLogger(__name__)

WINDOW = "24h"
WINDOW_SECONDS = 24 * 3600.0
CHUNK = 100  # lines that become jobs in one transaction
CHUNK_SECONDS = 2.0  # for reading and checking the lines of a chunk
LINE_SECONDS = 1.0  # that one line is waited for; with a picture on the web it may take longer
MAX_BACKGROUND_CALLS, MAX_BACKGROUND_CALLS_PER_PROJECT = 4, 1
"""Lines that are taking longer, in all and of one project; each may hold a place among those that fetch."""
ROUND_SECONDS = 0.5


class Wire(Protocol):
    """The wire format, which this room does not know."""

    def draft(self, project_id: str, key_id: str | None, body: Mapping[str, Any]) -> Draft:
        """Read the body of a request for a video.

        Raises:
            HinodeError: it is not right.
        """
        ...

    def video(self, job: Job) -> dict[str, Any]:
        """A job as people see it."""
        ...

    def refusal(self, error: HinodeError) -> tuple[int, dict[str, Any]]:
        """Status code and body of the answer to a request that raised `error`."""
        ...


Read = tuple[Draft | None, dict[str, Any] | None]
"""The draft that a line gave, or the answer that refuses it."""
Looked = tuple[Line, Draft | None, dict[str, Any] | None]
"""A line, and one or the other."""


class Batches:
    """The batches in one database. Any number of processes may move them on side by side."""

    def __init__(
        self,
        store: Store,
        objects: Objects,
        uploads: Uploads,
        wire: Wire,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.database: Database = store.database
        self.store = store
        self.objects = objects
        self.uploads = uploads
        self.wire = wire
        self.clock = clock
        # Where the first line that is no job yet begins: number of the line and place in the file.
        self._places: dict[str, tuple[int, int]] = {}
        self._errands = BackgroundCalls[Read](MAX_BACKGROUND_CALLS, MAX_BACKGROUND_CALLS_PER_PROJECT)
        self._last: dict[str, str] = {}  # batch that had the last turn of its project

    # What people ask for

    def create(
        self,
        project_id: str,
        key_id: str | None,
        *,
        input_file_id: str,
        endpoint: str,
        completion_window: str,
        metadata: Mapping[str, str] | None = None,
        output_seconds: float | None = None,
        request_hash: str | None = None,
        idempotency: Idempotency | None = None,
        retry_count: int = 0,
        since: float = 0.0,
    ) -> tuple[Batch, bool]:
        """Accept a batch; its lines are looked at later.

        Args:
            project_id: whose.
            key_id: API key that it came with, or None.
            input_file_id: a file put in for "batch".
            endpoint: only "/v1/videos".
            completion_window: only "24h".
            metadata: up to 16 pairs that are given back as they are.
            output_seconds: how long the files of results are kept, an hour to 30 days.
            request_hash: digest of the request in normal form, by which a retried one is recognised.
            idempotency: what makes a repeated request the same request.
            retry_count: how often the client says that it has tried before; see `Store.submit`.
            since: batches from before this time, in seconds since 1970, are no answer to a retry.

        Returns: the batch, and whether it had been there before.

        Raises:
            BadInput: a field is not right, or the idempotency key was used for another request.
        """
        if endpoint != ENDPOINT:
            raise BadInput(
                f"batches for {quote(endpoint)} are not made here", f"give {ENDPOINT}", field="endpoint"
            )
        if completion_window != WINDOW:
            raise BadInput(
                f"the completion window {quote(completion_window)} is not possible",
                f"give {WINDOW}",
                field="completion_window",
            )
        check_metadata(metadata)
        if output_seconds is not None:
            check_expiry(output_seconds, "output_expires_after")
        now = self.clock()
        row: dict[str, Any] = {
            "id": ids.make("batch_", now),
            "project_id": project_id,
            "key_id": key_id,
            "input_file_id": input_file_id,
            "endpoint": endpoint,
            "completion_window": completion_window,
            "status": "validating",
            "metadata": dict(metadata) if metadata is not None else sa.null(),
            "output_seconds": output_seconds,
            "created_at": now,
            "expires_at": now + WINDOW_SECONDS,
            "request_hash": request_hash,
            "retry_count": retry_count,
        }
        with self.database.write() as connection:
            connection.execute(submission.locked(project_id))
            if idempotency:
                before = replay.promised(connection, project_id, idempotency)
            else:
                asked = {key: row[key] for key in ("project_id", "key_id", "request_hash", "retry_count")}
                before = replay.retried(connection, batches, **asked, since=since, now=now)
            if before and (batch := fetch(connection, project_id, before[0])):
                return batch, True
            self._check_input(connection, project_id, input_file_id)
            connection.execute(batches.insert().values(**row))
            if idempotency:
                replay.keep(connection, project_id, idempotency, [row["id"]], now)
            made = fetch(connection, project_id, row["id"])
            assert made is not None, "it was made above"
            return made, False

    def _check_input(self, connection: Connection, project_id: str, upload_id: str) -> None:
        """See that a file is there for a batch, and lock it, so that it is not deleted in this instant."""
        purpose = self.uploads.locked(connection, project_id, upload_id)
        if purpose is None:
            raise BadInput(f"there is no file {quote(upload_id)}", "upload it first", field="input_file_id")
        if purpose != BATCH:
            raise BadInput(
                f"file {upload_id} was uploaded for {quote(purpose)}",
                f"upload it for {BATCH!r}",
                field="input_file_id",
            )

    def get(self, project_id: str, batch_id: str) -> Batch | None:
        """A batch of a project, or None if there is no such one."""
        with self.database.read() as connection:
            return fetch(connection, project_id, batch_id)

    def page(
        self, project_id: str, *, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Batch], bool]:
        """Batches of a project in the order of their creation, and whether there are more.

        Raises:
            BadInput: there is no batch `after`.
        """
        owner = batches.c.project_id == project_id
        query = sa.select(batches).where(owner)
        with self.database.read() as connection:
            rows, more = page_of(
                connection,
                query,
                batches.c.id,
                owner,
                "batch",
                after=after,
                limit=limit,
                descending=descending,
            )
            counts = counts_of(connection, [row["id"] for row in rows])
        return [Batch.of(row, counts.get(row["id"], {})) for row in rows], more

    def cancel(self, project_id: str, batch_id: str) -> Batch | None:
        """Stop a batch: what waits is cancelled, what runs is asked to stop, what is finished stays.

        Returns: the batch afterwards, or None if there is no such one.

        Raises:
            BadInput: it has ended.
        """
        now = self.clock()
        with self.database.write() as connection:
            row = (
                connection.execute(
                    batches.update()
                    .where(
                        batches.c.id == batch_id,
                        batches.c.project_id == project_id,
                        batches.c.status.in_(("validating", "in_progress")),
                    )
                    .values(status="cancelling", cancelling_at=now)
                    .returning(batches.c.id)
                )
            ).first()
            batch = fetch(connection, project_id, batch_id)
        if row is not None:
            self.store.close_batch(batch_id, Status.CANCELLED)  # the first of them; `advance` ends the rest
            return self.get(project_id, batch_id)
        if batch is not None and batch.status in ("completed", "failed", "expired"):
            raise BadInput(
                f"batch {batch_id} has {batch.status} already",
                "it cannot be cancelled any more",
                field="batch_id",
            )
        return batch

    # What the house does by itself

    def advance(self, now: float) -> int:
        """Move the batches on by a step, as often as there is one to take, but for about half a second only.

        The projects take turns, and none gets more than two seconds: whoever has many batches, or lines that
        take long, keeps nobody else waiting for more.

        Args:
            now: seconds since 1970.

        Returns: number of steps taken.
        """
        self.uploads.expire(now)
        steps, until = 0, time.monotonic() + ROUND_SECONDS
        spent: defaultdict[str, float] = defaultdict(float)
        waiting = self._turns()
        while waiting and (steps == 0 or time.monotonic() < until):
            moving = []
            for project_id, batch_id in waiting:
                began = time.monotonic()
                if spent[project_id] < CHUNK_SECONDS:
                    self._last[project_id] = batch_id
                    if self._step_safely(batch_id, now):
                        moving.append((project_id, batch_id))
                    spent[project_id] += time.monotonic() - began
            waiting, steps = moving, steps + len(moving)
        return steps

    def _turns(self) -> list[tuple[str, str]]:
        """Projects and batches that have not ended, one of each project before the second of any."""
        query = sa.select(batches.c.project_id, batches.c.id).where(batches.c.status.in_(UNFINISHED))
        with self.database.read() as connection:
            found = [(row.project_id, row.id) for row in connection.execute(query.order_by(batches.c.id))]
        ended = (self._errands.names() | set(self._places)) - {batch_id for _, batch_id in found}
        self._errands.drop(ended)
        for batch_id in ended:
            self._places.pop(batch_id, None)
        self._last = {project_id: self._last.get(project_id, "") for project_id, _ in found}
        # Within a project, from the one that follows the last that had a turn.
        found.sort(key=lambda one: (one[1] <= self._last[one[0]], one[1]))
        places: Counter[str] = Counter()
        ranked = []
        for project_id, batch_id in found:
            places[project_id] += 1
            ranked.append((places[project_id], self._errands.busy(project_id), project_id, batch_id))
        # Those whose lines take long come after those whose lines may not.
        return [(project_id, batch_id) for *_, project_id, batch_id in sorted(ranked)]

    def _step_safely(self, batch_id: str, now: float) -> bool:
        """One step of one batch, whose fault must not keep the others waiting; returns whether it got on."""
        try:
            return self.step(batch_id, now)
        except ConcurrentUpdate:
            return False  # another process is at it
        except HinodeError as fault:
            log.error("batch %s could not be moved on: %s", batch_id, fault)
        except Exception:
            log.exception("batch %s could not be moved on", batch_id)
        return False

    def step(self, batch_id: str, now: float) -> bool:
        """Take the next step of a batch.

        Args:
            batch_id: which.
            now: seconds since 1970.

        Returns: False if there is nothing to do for it at present.

        Raises:
            Overtaken: someone else has moved it on in the meantime.
        """
        with self.database.read() as connection:
            row = connection.execute(sa.select(batches).where(batches.c.id == batch_id)).mappings().one()
            batch = Batch.of(row, {})
            open_jobs = connection.scalar(
                sa.select(sa.func.count())
                .select_from(jobs)
                .where(jobs.c.batch_id == batch_id, jobs.c.status.not_in([status.value for status in FINAL]))
            )
        over = batch.expires_at is not None and now >= batch.expires_at
        if batch.status == "validating":
            self._validate(batch, now)
        elif batch.status == "in_progress" and over:
            self._move(batch, "finalizing", finalizing_at=now)
        elif batch.status == "in_progress" and batch.admitted < batch.lines:
            return self._admit(batch)
        elif batch.status == "in_progress" and not open_jobs:
            self._move(batch, "finalizing", finalizing_at=now)
        elif batch.status in ("finalizing", "cancelling") and open_jobs:
            # A job that was running may have come back to its queue; one that still runs is waited for.
            closing = Status.EXPIRED if batch.status == "finalizing" else Status.CANCELLED
            return self.store.close_batch(batch_id, closing) > 0
        elif batch.status in ("finalizing", "cancelling"):
            self._finalize(batch, now)
        else:
            return False
        return True

    def _validate(self, batch: Batch, now: float) -> None:
        try:
            count, errors = lines.check(self._source(batch))
        except FileNotFoundError:
            count, errors = 0, [lines.fault("missing_file", "the input file is gone", None, "input_file_id")]
        if errors:
            with self.database.write() as connection:
                self._tell(connection, batch, "batch.failed", now)
                transition(connection, batch, status="failed", failed_at=now, errors=errors, lines=count)
        else:
            self._move(batch, "in_progress", in_progress_at=now, lines=count)

    def _source(self, batch: Batch) -> Path:
        """The input of a batch.

        Raises:
            FileNotFoundError: it is gone, which takes someone who removes files by hand.
        """
        upload = self.uploads.held(batch.input_file_id)
        if upload is None or not self.objects.has(upload.digest):
            raise FileNotFoundError(batch.input_file_id)
        return self.objects.path(upload.digest)

    def _admit(self, batch: Batch) -> bool:
        """Turn the next lines into jobs, with the note of how far it has come, in one transaction."""
        number, place = self._places.get(batch.id, (0, 0))
        if number != batch.admitted:
            number, place = 0, 0
        until = time.monotonic() + CHUNK_SECONDS
        chunk: list[Looked] = []
        for line in lines.read(self._source(batch), number, place):
            if line.number < batch.admitted:
                continue
            try:
                looked = self._errands.done(
                    *(batch.project_id, batch.id, line.number),
                    partial(self._drafted, batch, line),
                    LINE_SECONDS,
                )
            except (OverQuota, StillRunning):
                break  # too much is being fetched from elsewhere at present, or this line takes long
            # Without the body, which may have a picture of many megabytes in it.
            chunk.append((replace(line, body={}), *looked))
            if len(chunk) == CHUNK or time.monotonic() > until:
                break
        taken = self._submitted(batch, chunk)
        if not taken:
            return False  # for the present
        self._places[batch.id] = (batch.admitted + taken, chunk[taken - 1][0].end)
        return True

    def _submitted(self, batch: Batch, chunk: Sequence[Looked]) -> int:
        """Submit a chunk, or as much of its beginning as the project's quota allows; returns how much."""
        while chunk:
            drafts = [draft for _, draft, _ in chunk if draft is not None]
            try:
                if drafts:
                    self.store.submit(drafts, also=partial(_admitted, batch, chunk))
                else:
                    with self.database.write() as connection:
                        _admitted(batch, chunk, connection, ())
                return len(chunk)
            except OverQuota:
                chunk = chunk[: len(chunk) // 2]
        return 0

    def _drafted(self, batch: Batch, line: Line) -> Read:
        """The draft of a line, or why there is none."""
        try:
            draft = self.wire.draft(batch.project_id, batch.key_id, line.body)
        except (DatabaseError, OverQuota):
            raise  # not the line's fault: it is looked at again
        except HinodeError as error:
            return None, self._refused(error)
        except Exception:
            log.exception("line %d of batch %s could not be read", line.number, batch.id)
            return None, self._refused(HinodeError("the request met a fault inside this server"))
        # Without the hash by which retries find their first try: none was ever answered with this job.
        return replace(
            draft, priority=Priority.BATCH, batch_id=batch.id, key_id=batch.key_id, request_hash=None
        ), None

    def _refused(self, error: HinodeError) -> dict[str, Any]:
        status, content = self.wire.refusal(error)
        return {"status_code": status, "body": content}

    def _finalize(self, batch: Batch, now: float) -> None:
        """Write the files of results and end the batch; until the last transaction nobody sees them."""
        made = results.write(
            self.database, self.objects, self.wire.video, batch, partial(self._source, batch)
        )
        completed = "expired" if made.expired else "completed"
        end = "cancelled" if batch.status == "cancelling" else completed
        keep = batch.output_seconds if batch.output_seconds is not None else BATCH_SECONDS
        with self.database.write() as connection:
            self._tell(connection, batch, f"batch.{end}", now)
            files = {
                column: results.enter(connection, batch, name, file, now, keep)
                for column, name, file in (
                    ("output_file_id", "output", made.output),
                    ("error_file_id", "error", made.errors),
                )
                if file is not None
            }
            transition(connection, batch, **{"status": end, f"{end}_at": now, **files})

    def _tell(self, connection: Connection, batch: Batch, type: str, now: float) -> None:
        # Before the batch's row is locked: whoever submits its lines locks the project first, too.
        outbox.emit(
            connection,
            project_id=batch.project_id,
            type=type,
            data={"id": batch.id},
            once=f"{batch.id}:ended",
            now=now,
        )

    def _move(self, batch: Batch, status: str, **values: Any) -> None:
        with self.database.write() as connection:
            transition(connection, batch, status=status, **values)


def _admitted(batch: Batch, chunk: Sequence[Looked], connection: Connection, names: Sequence[str]) -> None:
    """Note what the lines of a chunk became, in the transaction that makes their jobs."""
    transition(connection, batch, admitted=batch.admitted + len(chunk))
    fresh = iter(names)
    made, refused = [], []
    for line, draft, refusal in chunk:
        row = {"batch_id": batch.id, "line": line.number, "custom_id": line.custom_id}
        if draft is not None:
            made.append({**row, "job_id": next(fresh)})
        else:
            refused.append({**row, "error": refusal})
    for rows in (made, refused):
        if rows:
            connection.execute(batch_lines.insert(), rows)
