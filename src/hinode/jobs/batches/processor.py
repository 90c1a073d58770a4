"""Moving batches on: reading their input, turning lines into jobs, and writing their results.

Each step is a transaction that first checks that the batch still is where the step begins. So steps may be
cut off anywhere, be repeated, or be tried by two processes at once: a line never becomes two videos, and a
batch never ends twice."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import HinodeError
from hinode.jobs.batches import lines, results
from hinode.jobs.batches.background import BackgroundCalls, StillRunning
from hinode.jobs.batches.batch import Batch, ConcurrentUpdate, end_jobs, transition
from hinode.jobs.batches.lines import Line
from hinode.jobs.files.objects import Objects, StoreError
from hinode.jobs.files.uploads import BATCH_SECONDS, UNFINISHED, Uploads
from hinode.jobs.job import Draft, Job, OverQuota
from hinode.jobs.states import FINAL, Priority, Status
from hinode.jobs.store import Store
from hinode.jobs.webhooks import outbox
from hinode.money.books.entries import MissingPrice
from hinode.money.budgets import OverBudget
from hinode.money.ledger.holds import InsufficientCredit
from hinode.money.quoting.offers import OfferRefused
from hinode.records.database import DatabaseError
from hinode.records.rows import count_rows, only_row
from hinode.records.tables import batch_lines, batches, jobs

log = logging.getLogger(__name__)

CHUNK = 100  # lines that become jobs in one transaction
CHUNK_SECONDS = 2.0  # for reading and checking the lines of a chunk
LINE_SECONDS = 1.0  # to wait for one line; with a picture on the web it may take longer
MAX_BACKGROUND_CALLS, MAX_BACKGROUND_CALLS_PER_PROJECT = 4, 1
"""Lines that are taking longer, in all and of one project; each may hold a place among those that fetch."""
ROUND_SECONDS = 0.5


class Wire(Protocol):
    """The wire format, which this package does not know."""

    def draft(self, project_id: str, key_id: str | None, body: Mapping[str, Any]) -> Draft:
        """Read the body of a request for a video.

        Raises:
            HinodeError: it is not right.
        """
        ...

    def video(self, job: Job) -> dict[str, Any]:
        """A job as clients see it."""
        ...

    def refusal(self, error: HinodeError) -> tuple[int, dict[str, Any]]:
        """Status code and body of the answer to a request that raised `error`."""
        ...


class ReadLine(NamedTuple):
    """A line with the draft that it gave, or the answer that refuses it."""

    line: Line
    draft: Draft | None
    refusal: dict[str, Any] | None


class BatchProcessor:
    """Moves the batches of one database on. Any number of processes may do it at once."""

    def __init__(self, store: Store, objects: Objects, uploads: Uploads, wire: Wire) -> None:
        self.store = store
        self.database = store.database
        self.objects = objects
        self.uploads = uploads
        self.wire = wire
        # Where the first line that is no job yet begins: number of the line, and place in the file in bytes.
        self._places: dict[str, tuple[int, int]] = {}
        self._calls = BackgroundCalls[ReadLine](MAX_BACKGROUND_CALLS, MAX_BACKGROUND_CALLS_PER_PROJECT)
        self._last: dict[str, str] = {}  # batch that had the last turn of its project

    def advance(self, now: float) -> int:
        """Take steps as long as there are any, but for about half a second only; returns how many.

        The projects take turns, and none gets more than two seconds, however many batches it has and however
        long their lines take. `now` is in seconds since 1970.
        """
        self.uploads.expire(now)
        steps, until = 0, time.monotonic() + ROUND_SECONDS
        spent: defaultdict[str, float] = defaultdict(float)
        waiting = self._turns()
        while waiting and (steps == 0 or time.monotonic() < until):
            moving = []
            for project_id, batch_id in waiting:
                start = time.monotonic()
                if spent[project_id] < CHUNK_SECONDS:
                    self._last[project_id] = batch_id
                    if self._step_safely(batch_id, now):
                        moving.append((project_id, batch_id))
                    spent[project_id] += time.monotonic() - start
            waiting, steps = moving, steps + len(moving)
        return steps

    def _turns(self) -> list[tuple[str, str]]:
        """Projects and batches that have not ended, one of each project before the second of any."""
        query = sa.select(batches.c.project_id, batches.c.id).where(batches.c.status.in_(UNFINISHED))
        with self.database.read() as connection:
            unfinished = [tuple(row) for row in connection.execute(query.order_by(batches.c.id))]
        ended = (self._calls.owners() | set(self._places)) - {batch_id for _, batch_id in unfinished}
        self._calls.drop(ended)
        for batch_id in ended:
            self._places.pop(batch_id, None)
        self._last = {project_id: self._last.get(project_id, "") for project_id, _ in unfinished}
        # Within a project, the batch that follows the last one that had a turn comes first.
        unfinished.sort(key=lambda turn: (turn[1] <= self._last[turn[0]], turn[1]))
        positions: Counter[str] = Counter()
        turns = []
        for project_id, batch_id in unfinished:
            positions[project_id] += 1
            # A project whose lines take long comes after those whose lines may not.
            turns.append((positions[project_id], self._calls.busy(project_id), project_id, batch_id))
        return [(project_id, batch_id) for *_, project_id, batch_id in sorted(turns)]

    def _step_safely(self, batch_id: str, now: float) -> bool:
        """One step of one batch, whose error must not keep the others waiting; whether there was one."""
        try:
            return self.step(batch_id, now)
        except ConcurrentUpdate:
            return False  # another process has taken it
        except HinodeError as error:
            log.error("batch %s could not be moved on: %s", batch_id, error)
        except Exception:
            log.exception("batch %s could not be moved on", batch_id)
        return False

    def step(self, batch_id: str, now: float) -> bool:
        """Take the next step of a batch; returns False if there is none at present.

        Raises:
            ConcurrentUpdate: another process has moved it on in the meantime.
        """
        with self.database.read() as connection:
            row = only_row(connection, sa.select(batches).where(batches.c.id == batch_id))
            batch = Batch.of(row, {})
            is_open = jobs.c.status.not_in([status.value for status in FINAL])
            open_jobs = count_rows(connection, jobs.c.batch_id == batch_id, is_open)
        over = batch.expires_at is not None and now >= batch.expires_at
        if batch.status == "validating":
            self._validate(batch, now)
        elif batch.status == "in_progress" and (over or (batch.admitted >= batch.lines and not open_jobs)):
            self._transition(batch, "finalizing", finalizing_at=now)
        elif batch.status == "in_progress" and batch.admitted < batch.lines:
            return self._admit(batch)
        elif batch.status in ("finalizing", "cancelling") and open_jobs:
            # A running job may have gone back into its queue; one that still runs is waited for.
            status = Status.EXPIRED if batch.status == "finalizing" else Status.CANCELLED
            with self.database.write() as connection:
                return end_jobs(connection, batch_id, status, now) > 0
        elif batch.status in ("finalizing", "cancelling"):
            self._finalize(batch, now)
        else:
            return False
        return True

    def _validate(self, batch: Batch, now: float) -> None:
        try:
            count, errors = lines.check(self._input(batch))
        except FileNotFoundError:
            count, errors = 0, [lines.fault("missing_file", "the input file is gone", None, "input_file_id")]
        if errors:
            with self.database.write() as connection:
                self._emit(connection, batch, "batch.failed", now)
                transition(connection, batch, status="failed", failed_at=now, errors=errors, lines=count)
        else:
            self._transition(batch, "in_progress", in_progress_at=now, lines=count)

    def _input(self, batch: Batch) -> Path:
        """The input of a batch.

        Raises:
            FileNotFoundError: it is gone, which happens only if somebody removes files by hand.
        """
        upload = self.uploads.find(batch.input_file_id)
        if upload is None or not self.objects.has(upload.digest):
            raise FileNotFoundError(batch.input_file_id)
        return self.objects.fetch(upload.digest)

    def _admit(self, batch: Batch) -> bool:
        """Turn the next lines into jobs, and enter how many were admitted, in one transaction."""
        number, place = self._places.get(batch.id, (0, 0))
        if number != batch.admitted:
            number, place = 0, 0
        until = time.monotonic() + CHUNK_SECONDS
        chunk: list[ReadLine] = []
        for line in lines.read(self._input(batch), number, place):
            if line.number < batch.admitted:
                continue
            read = partial(self._read, batch, line)
            try:
                chunk.append(self._calls.result(batch.project_id, batch.id, line.number, read, LINE_SECONDS))
            except (OverQuota, StillRunning):
                break  # too much is being fetched from other servers at present, or this line takes long
            if len(chunk) == CHUNK or time.monotonic() > until:
                break
        admitted = self._submit(batch, chunk)
        if not admitted:
            return False  # for the present
        self._places[batch.id] = (batch.admitted + admitted, chunk[admitted - 1].line.end)
        return True

    def _submit(self, batch: Batch, chunk: Sequence[ReadLine]) -> int:
        """Submit a chunk, or as much of its beginning as the project's limits allow; returns how much."""
        while chunk:
            drafts = [read.draft for read in chunk if read.draft is not None]
            try:
                if drafts:
                    self.store.submit(drafts, also=partial(_enter_lines, batch, chunk))
                else:
                    with self.database.write() as connection:
                        _enter_lines(batch, chunk, connection, ())
                return len(chunk)
            except OverQuota:
                chunk = chunk[: len(chunk) // 2]
            except (InsufficientCredit, OverBudget, MissingPrice, OfferRefused) as error:
                # Half of them may be paid for; a line that cannot be is refused, as it would be alone.
                refusal = ReadLine(chunk[0].line, None, self._refusal(error))
                chunk = chunk[: len(chunk) // 2] if len(chunk) > 1 else [refusal]
        return 0

    def _read(self, batch: Batch, line: Line) -> ReadLine:
        """The draft of a line, or why there is none."""
        bare = replace(line, body={})  # without pictures of many megabytes that may be in it
        try:
            draft = self.wire.draft(batch.project_id, batch.key_id, line.body)
        except (DatabaseError, StoreError, OverQuota):
            raise  # not the line's fault: it is read again
        except HinodeError as error:
            return ReadLine(bare, None, self._refusal(error))
        except Exception:
            log.exception("line %d of batch %s could not be read", line.number, batch.id)
            return ReadLine(bare, None, self._refusal(HinodeError("internal server error")))
        # Without the hash by which a retry finds its first try: no client was answered with this job.
        draft = replace(
            draft, priority=Priority.BATCH, batch_id=batch.id, key_id=batch.key_id, request_hash=None
        )
        return ReadLine(bare, draft, None)

    def _refusal(self, error: HinodeError) -> dict[str, Any]:
        status, content = self.wire.refusal(error)
        return {"status_code": status, "body": content}

    def _finalize(self, batch: Batch, now: float) -> None:
        """Write the files of results and end the batch; until the last transaction nobody sees them."""
        source = partial(self._input, batch)
        output = results.write(self.database, self.objects, self.wire.video, batch, source)
        completed = "expired" if output.expired else "completed"
        status = "cancelled" if batch.status == "cancelling" else completed
        retention = batch.output_seconds if batch.output_seconds is not None else BATCH_SECONDS
        with self.database.write() as connection:
            self._emit(connection, batch, f"batch.{status}", now)
            files = {
                f"{name}_file_id": results.enter(connection, batch, name, file, now, retention)
                for name, file in (("output", output.output), ("error", output.errors))
                if file is not None
            }
            transition(connection, batch, **{"status": status, f"{status}_at": now, **files})

    def _emit(self, connection: Connection, batch: Batch, type: str, now: float) -> None:
        # Before the batch's row is locked, because a submission locks the project first, too.
        data = {"id": batch.id}
        outbox.emit(connection, batch.project_id, type, data, once=f"{batch.id}:ended", now=now)

    def _transition(self, batch: Batch, status: str, **values: Any) -> None:
        with self.database.write() as connection:
            transition(connection, batch, status=status, **values)


def _enter_lines(
    batch: Batch, chunk: Sequence[ReadLine], connection: Connection, job_ids: Sequence[str]
) -> None:
    """Enter what the lines of a chunk became, in the transaction that makes their jobs."""
    transition(connection, batch, admitted=batch.admitted + len(chunk))
    new_ids = iter(job_ids)
    admitted, refused = [], []
    for line, draft, refusal in chunk:
        row = {"batch_id": batch.id, "line": line.number, "custom_id": line.custom_id}
        if draft is not None:
            admitted.append({**row, "job_id": next(new_ids)})
        else:
            refused.append({**row, "error": refusal})
    for rows in (admitted, refused):
        if rows:
            connection.execute(batch_lines.insert(), rows)
