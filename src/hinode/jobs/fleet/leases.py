"""What a worker over HTTP may do: with its own jobs, and with their files only.

The transactions themselves are those of `Store`, and the epoch decides there as for every other worker.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from hinode.engines import saved_state
from hinode.engines.protocol import UnusableState
from hinode.errors import BadInput, HinodeError, join_names, quote
from hinode.jobs.files.checkpoints import MAX_HEAD_BYTES, part_digests
from hinode.jobs.files.objects import Objects
from hinode.jobs.fleet.tokens import WorkerToken
from hinode.jobs.job import Lease, LeaseLost
from hinode.jobs.rows import read_job
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.records.prepared import Prepared
from hinode.records.rows import first_row
from hinode.records.tables import artifacts, attempts, jobs, worker_objects, workers
from hinode.request import MediaFile

_SENT = Prepared(
    """
    INSERT INTO worker_objects (job_id, digest, bytes) VALUES (:job, :digest, :bytes) ON CONFLICT DO NOTHING
    """
)


class UnknownWorker(HinodeError):
    """There is no such worker of this token, or it has ended."""

    code = "unknown_worker"


@dataclass(frozen=True)
class DistantWorker:
    """A worker over HTTP, a row of `records.tables.workers`."""

    id: str
    host: str
    engines: frozenset[str] | None
    projects: frozenset[str] | None


class Leases:
    """The workers over HTTP of one database, and their leases. Safe to use from several threads."""

    def __init__(self, store: Store, objects: Objects) -> None:
        self.store = store
        self.objects = objects
        self.database = store.database

    def register(self, token: WorkerToken, host: str, pid: int, engines: Collection[str]) -> str:
        """Enter a worker process; returns its id.

        Raises:
            BadInput: it can run no engine that its token allows.
        """
        allowed = set(engines) if token.engines is None else set(engines) & set(token.engines)
        if not allowed:
            names = join_names(token.engines or ()) or "none"
            message = f"the worker has no engine that its token allows (allowed: {names})"
            raise BadInput(message, "install one of them there, or make another token", field="engines")
        return self.store.register_worker(host, pid, allowed, token_id=token.id, projects=token.projects)

    def worker(self, token: WorkerToken, worker_id: str) -> DistantWorker:
        """A worker of a token.

        Raises:
            UnknownWorker: there is none with this id, or it has ended.
        """
        own = workers.c.id == worker_id, workers.c.token_id == token.id, workers.c.stopped_at.is_(None)
        with self.database.read() as connection:
            row = first_row(connection, sa.select(workers).where(*own))
        if row is None:
            raise UnknownWorker(
                f"this server does not know the worker {quote(worker_id, 80)}", "start it again"
            )
        engines, projects = (
            None if row[name] is None else frozenset(row[name]) for name in ("engines", "projects")
        )
        return DistantWorker(row["id"], row["host"], engines, projects)

    def claim(self, worker: DistantWorker, resident: Collection[str]) -> Lease | None:
        """The job that a worker has already, as when the answer to its last claim was lost, or the next."""
        held = self._lease(worker)
        return held or self.store.claim(
            worker.id, host=worker.host, engines=worker.engines, projects=worker.projects, resident=resident
        )

    def lease(self, worker: DistantWorker, job_id: str, epoch: int) -> Lease:
        """The lease of a worker on a job.

        Raises:
            LeaseLost: it has none of this epoch.
        """
        lease = self._lease(worker, jobs.c.id == job_id, jobs.c.epoch == epoch)
        if lease is None:
            raise LeaseLost(f"the lease on video {quote(job_id, 80)} is lost", "this attempt is discarded")
        return lease

    def readable(self, lease: Lease) -> set[str]:
        """Digests of the files that the worker of a job may read: the inputs of the job, its saved state with
        its parts, and what workers have sent for it."""
        digests = set(self._sizes(lease))
        if (state := lease.job.checkpoint) is not None:
            digests |= {state} | part_digests(self.objects, [state])
        return digests

    def enter_object(self, lease: Lease, digest: str, size: int) -> None:
        """Enter that a worker has sent a file of so many bytes, which is in the store already."""
        with self.database.write() as connection:
            _SENT.run(connection, job=lease.job.id, digest=digest, bytes=size)

    def check_files(self, lease: Lease, files: Iterable[MediaFile]) -> None:
        """Check that a worker names no other files than it may, with their sizes: one that it did not send
        could be of another project.

        Raises:
            BadInput: it does.
        """
        sizes = self._sizes(lease)
        for file in files:
            self._check(file.digest, sizes.get(file.digest) == file.bytes, "files")

    def check_state(self, lease: Lease, digest: str) -> None:
        """Check a saved state, and that it names no other parts than its worker may.

        Raises:
            BadInput: the worker has not sent it, or it names others.
        """
        readable = self.readable(lease)
        self._check(digest, digest in readable, "digest")
        try:
            with self.objects.fetch(digest).open("rb") as file:
                parts = saved_state.part_locations(file.readline(MAX_HEAD_BYTES))
        except (OSError, UnusableState) as error:
            raise BadInput("the saved state is damaged", "send it again", field="digest") from error
        for part in parts.values():
            self._check(part, part in readable, "digest")

    def _check(self, digest: str, known: bool, field: str) -> None:
        # Its age starts again, so that no sweep removes it before it is referred to.
        if not known or not self.objects.keep(digest):
            message = f"the worker has not sent the file {quote(digest, 80)} for this video"
            raise BadInput(message, "send it first", field=field)

    def _sizes(self, lease: Lease) -> dict[str, int]:
        """The inputs of a job and what was sent for it, with the bytes of each."""
        queries = (
            sa.select(table.c.digest, table.c.bytes).where(table.c.job_id == lease.job.id)
            for table in (artifacts, worker_objects)
        )
        with self.database.read() as connection:
            return {digest: size for query in queries for digest, size in connection.execute(query)}

    def _lease(self, worker: DistantWorker, *conditions: sa.ColumnElement[bool]) -> Lease | None:
        running = jobs.c.worker_id == worker.id, jobs.c.status == Status.RUNNING.value, *conditions
        begun = sa.and_(attempts.c.job_id == jobs.c.id, attempts.c.epoch == jobs.c.epoch)
        query = (
            sa.select(jobs, attempts.c.started_at.label("claimed_at")).join(attempts, begun).where(*running)
        )
        with self.database.read() as connection:
            row = first_row(connection, query)
        if row is None:
            return None
        return Lease(
            read_job(row), worker.id, row["claimed_at"], worker.host, worker.engines, worker.projects
        )
