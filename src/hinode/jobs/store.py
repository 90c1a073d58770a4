"""Transactions on jobs. Each method is one of them: it happens whole or not at all.

Every write of a worker carries the epoch of its lease, the fencing token: once the job has been claimed
again, or has ended, such a write finds no row and raises `LeaseLost`. The token decides and not the clock, so
a machine that slept past its lease can go on if nobody took its job in the meantime.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from hinode.errors import BadInput, quote
from hinode.jobs import live_workers, queue, submission, transitions, upkeep
from hinode.jobs.admit import Draft
from hinode.jobs.job import (
    Artifact,
    Counts,
    HeartbeatReply,
    Idempotency,
    Job,
    Lease,
    Submitted,
    Unfinished,
)
from hinode.jobs.schedule import Policy, should_preempt
from hinode.jobs.states import MAX_FAILURES, Outcome, Status
from hinode.records.database import Database
from hinode.records.tables import artifacts, attempts, jobs, workers
from hinode.retry import backoff

Clock = Callable[[], float]
"""Seconds since 1970."""


class Store:
    """The jobs of one database. Safe to use from several threads and, with the same database, processes."""

    def __init__(
        self,
        database: Database,
        clock: Clock = time.time,
        policy: Policy = Policy(),  # noqa: B008 (frozen)
        lease_seconds: float = 15.0,
    ) -> None:
        self.database = database
        self.clock = clock
        self.policy = policy
        self.lease_seconds = lease_seconds

    # What people ask for

    def submit(
        self,
        drafts: Sequence[Draft],
        *,
        idempotency: Idempotency | None = None,
        retry_count: int = 0,
        since: float = 0.0,
        also: Callable[[sa.Connection, Sequence[str]], None] | None = None,
    ) -> Submitted:
        """Accept jobs of one project, all of them or none.

        Args:
            drafts: at least one, all of one project.
            idempotency: what makes a repeated request the same request.
            retry_count: how often the client says that it has tried before; such a retry is answered with the
                jobs that its first try made, if there are any from the last `replay.RETRY_WINDOW` seconds.
            since: jobs from before this time, in seconds since 1970, are no answer to a retry.
            also: done in the same transaction, with the ids of the new jobs in the order of `drafts`.

        Returns: the jobs; none if they were made before, under the same key, and have been deleted since.

        Raises:
            BadInput: the idempotency key was used for another request.
            OverQuota: the project may not have more at present.
        """
        now = self.clock()
        with self.database.write() as connection:
            accepted = submission.accept(connection, drafts, idempotency, retry_count, since, now)
            if also and not accepted.replayed:
                also(connection, [job.id for job in accepted.jobs])
            return accepted

    def job(self, project_id: str, job_id: str) -> Job | None:
        """A job of a project, or None if there is no such one or it was deleted."""
        with self.database.read() as connection:
            row = (
                connection.execute(transitions.ONE, {"job": job_id, "project": project_id}).mappings().first()
            )
        return Job.of(row) if row else None

    def jobs(
        self, project_id: str, *, after: str | None, limit: int, descending: bool
    ) -> tuple[list[Job], bool]:
        """Jobs of a project in the order of their creation, and whether there are more.

        Args:
            project_id: whose.
            after: start behind this job, or None for the beginning.
            limit: at most so many.
            descending: newest first.

        Raises:
            BadInput: there is no job `after`.
        """
        query = sa.select(jobs).where(jobs.c.project_id == project_id, jobs.c.deleted_at.is_(None))
        if after is not None:
            query = query.where(jobs.c.id < after if descending else jobs.c.id > after)
        query = query.order_by(jobs.c.id.desc() if descending else jobs.c.id).limit(limit + 1)
        with self.database.read() as connection:
            if after is not None:
                # A deleted one is still a place in the list, so that deleting while paging works.
                there = connection.scalar(
                    sa.select(jobs.c.id).where(jobs.c.id == after, jobs.c.project_id == project_id)
                )
                if there is None:
                    raise BadInput(
                        f"there is no video {quote(after)}",
                        "give the id of a video of this list",
                        field="after",
                    )
            rows = connection.execute(query).mappings().all()
        return [Job.of(row) for row in rows[:limit]], len(rows) > limit

    def artifacts(self, job_id: str) -> dict[str, Artifact]:
        """The files of a job by role."""
        with self.database.read() as connection:
            return transitions.artifacts_of(connection, job_id)

    def cancel(self, project_id: str, job_id: str) -> Job | None:
        """End a waiting job at once, or ask its worker to stop; an ended one stays as it is.

        Returns: the job afterwards, or None if there is no such one.
        """
        now = self.clock()
        with self.database.write() as connection:
            row = (
                connection.execute(transitions.ONE.with_for_update(), {"job": job_id, "project": project_id})
                .mappings()
                .first()
            )
            if row is None:
                return None
            job = Job.of(row)
            if job.status is Status.QUEUED:
                transitions.cancel(connection, job, now)
            elif job.status is Status.RUNNING and job.cancel_requested_at is None:
                connection.execute(jobs.update().where(jobs.c.id == job_id).values(cancel_requested_at=now))
            return transitions.by_id(connection, [job_id])[0]

    def delete(self, project_id: str, job_id: str) -> Job | None:
        """Forget an ended job and its files.

        Returns: the job as it was, or None if there is no such one.

        Raises:
            Unfinished: it has not ended yet.
        """
        now = self.clock()
        with self.database.write() as connection:
            row = (
                connection.execute(transitions.ONE.with_for_update(), {"job": job_id, "project": project_id})
                .mappings()
                .first()
            )
            if row is None:
                return None
            job = Job.of(row)
            if not job.final:
                raise Unfinished(
                    f"video {quote(job_id)} is not finished yet", "cancel it first, or wait until it is"
                )
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(deleted_at=now))
            connection.execute(artifacts.delete().where(artifacts.c.job_id == job_id))
            return job

    def close_batch(self, batch_id: str, status: Status, most: int = 250) -> int:
        """End the waiting jobs of a batch as cancelled or expired, and ask the running ones to stop.

        Args:
            batch_id: which.
            status: what the waiting ones become.
            most: waiting ones that are ended at once, so that others get their turn at the database.

        Returns: how many were ended; if any, there may be more of them.
        """
        now = self.clock()
        code, message = {
            Status.CANCELLED: ("cancelled", "the batch was cancelled"),
            Status.EXPIRED: ("batch_expired", "the batch's window closed before this video was begun"),
        }[status]
        with self.database.write() as connection:
            rows = connection.execute(
                sa.select(jobs)
                .where(jobs.c.batch_id == batch_id, jobs.c.status == "queued")
                .order_by(jobs.c.id)
                .limit(most)
                .with_for_update()
            ).mappings()
            waiting = [Job.of(row) for row in rows]
            for job in waiting:
                transitions.end(connection, job, status, now, code, message)
            connection.execute(
                jobs.update()
                .where(
                    jobs.c.batch_id == batch_id,
                    jobs.c.status == "running",
                    jobs.c.cancel_requested_at.is_(None),
                )
                .values(cancel_requested_at=now)
            )
            return len(waiting)

    # What workers do

    def enrol(self, host: str, pid: int, engines: Collection[str] | None = None) -> str:
        """Enter a worker process.

        Args:
            host: what it runs on; workers with the same one count as one when it comes to failures.
            pid: its process number.
            engines: names of the engines that it can run, or None for all.

        Returns: its identity, a new one every time.
        """
        with self.database.write() as connection:
            return live_workers.register(connection, host, pid, engines, self.clock())

    def stopped(self, worker_id: str) -> None:
        """Enter that a worker has ended."""
        with self.database.write() as connection:
            connection.execute(
                workers.update().where(workers.c.id == worker_id).values(stopped_at=self.clock())
            )

    def seen(self, worker_id: str, resident: Collection[str] = ()) -> None:
        """Enter that an idle worker is still there, and which models it has in memory ("engine/model")."""
        with self.database.write() as connection:
            connection.execute(
                workers.update()
                .where(workers.c.id == worker_id)
                .values(seen_at=self.clock(), resident=sorted(resident))
            )

    def claim(
        self,
        worker_id: str,
        *,
        host: str,
        engines: Collection[str] | None = None,
        resident: Collection[str] = (),
    ) -> Lease | None:
        """Take the job that is most due, or None if there is none for this worker.

        Args:
            worker_id: who takes it.
            host: what the worker runs on; jobs that have failed there are left to others.
            engines: names of the engines that it can run, or None for all.
            resident: models that it has in memory, "engine/model".
        """
        now = self.clock()
        with self.database.write() as connection:
            job_id = queue.pick(connection, now, self.policy, host=host, engines=engines, resident=resident)
            if job_id is None:
                return None
            until = now + self.lease_seconds
            job = transitions.claim(connection, job_id, worker_id, host, now, until)
            if job is None:  # it was cancelled in this instant (PostgreSQL)
                return None
            inputs = transitions.artifacts_of(connection, job.id) if job.request.get("references") else {}
            engine_names = None if engines is None else frozenset(engines)
            return Lease(job, job.epoch, worker_id, now, inputs, host, engine_names)

    def heartbeat(
        self,
        lease: Lease,
        *,
        stage: str,
        progress: int,
        preview: int,
        slice_seconds: float,
        ran_for: float,
    ) -> HeartbeatReply:
        """Keep the lease, tell how far the job is, and learn what to do.

        Args:
            lease: the worker's.
            stage: name of the stage that it is in.
            progress: 0 to 100; what people see never falls.
            preview: how many previews there were so far.
            slice_seconds: how long a job runs before it may have to give way.
            ran_for: seconds since the first step of this attempt, 0 while there was none: loading a model or
                a saved state is no running.

        Raises:
            LeaseLost: the job was taken away.
        """
        now = self.clock()
        with self.database.write() as connection:
            cancel = transitions.renew(
                connection,
                lease,
                until=now + self.lease_seconds,
                stage=stage,
                progress=progress,
                preview=preview,
            )
            connection.execute(workers.update().where(workers.c.id == lease.worker_id).values(seen_at=now))
            gives_way = self._gives_way(connection, lease, now, slice_seconds, ran_for)
            if gives_way:
                transitions.report(connection, lease, now)
            return HeartbeatReply(cancel=cancel, give_way=gives_way)

    def checkpoint(self, lease: Lease, digest: str, step: int) -> None:
        """Enter the saved state of a run, which is in the store already.

        Raises:
            LeaseLost: the job was taken away.
        """
        with self.database.write() as connection:
            transitions.save(connection, lease, digest, step)

    def give_back(self, lease: Lease, *, digest: str | None, step: int) -> None:
        """Put the job back into its queue, with its state if there is one.

        Raises:
            LeaseLost: the job was taken away.
        """
        now = self.clock()
        with self.database.write() as connection:
            if digest is not None:
                transitions.save(connection, lease, digest, step)
            job = transitions.release(connection, lease, Outcome.YIELDED, now, self.policy)
            if job.cancel_requested_at is not None:
                transitions.cancel(connection, job, now)
            else:
                transitions.requeue(connection, job, not_before=0.0)

    def finish(
        self, lease: Lease, made: Sequence[Artifact], making: Mapping[str, Any], retention: float
    ) -> None:
        """Complete the job: its files, which are in the store already, its event and its account, at once.

        Args:
            lease: the worker's.
            made: the files.
            making: how the clip came to be, in JSON values.
            retention: seconds for which the files are kept.

        Raises:
            LeaseLost: the job was taken away.
        """
        now = self.clock()
        with self.database.write() as connection:
            transitions.complete(connection, lease, made, making, now, now + retention, self.policy)

    def fail(self, lease: Lease, code: str, message: str, *, final: bool) -> None:
        """Enter that the job failed on this worker; another one may try unless that is pointless.

        The job fails for good if `final`, if three hosts have failed at it, or if no other host that can run
        its engine is there to try.

        Args:
            lease: the worker's.
            code: short name of the error.
            message: one sentence for the person.
            final: the request itself is at fault.

        Raises:
            LeaseLost: the job was taken away.
        """
        now = self.clock()
        with self.database.write() as connection:
            job = transitions.release(
                connection, lease, Outcome.FAILED, now, self.policy, f"{code}: {message}"
            )
            if job.cancel_requested_at is not None:
                transitions.cancel(connection, job, now)
                return
            failed = set(
                connection.scalars(
                    sa.select(attempts.c.host).where(
                        attempts.c.job_id == job.id, attempts.c.outcome == Outcome.FAILED.value
                    )
                )
            )
            workers = live_workers.capable_workers(live_workers.live(connection, now), job.engine)
            if final or len(failed) >= MAX_FAILURES or not workers - failed:
                transitions.end(connection, job, Status.FAILED, now, code, message)
            else:
                transitions.requeue(
                    connection,
                    job,
                    not_before=now + backoff(len(failed), first=2.0, maximum=transitions.MAX_BACKOFF),
                )

    def cancelled(self, lease: Lease) -> None:
        """Enter that the worker has stopped as it was asked to.

        Raises:
            LeaseLost: the job was taken away.
        """
        now = self.clock()
        with self.database.write() as connection:
            job = transitions.release(connection, lease, Outcome.CANCELLED, now, self.policy)
            transitions.cancel(connection, job, now)

    # What the house does by itself

    def lost(self, worker_id: str) -> int:
        """Take the jobs of a worker whose process is known to be dead.

        Returns: how many there were.
        """
        return self._take(jobs.c.worker_id == worker_id, stopped=worker_id)

    def reap(self) -> int:
        """Take the jobs whose lease ran out.

        Returns: how many there were.
        """
        with self.database.read() as connection:  # nearly always there is nothing to write
            late = connection.scalar(
                sa.select(jobs.c.id)
                .where(jobs.c.status == "running", jobs.c.lease_until < self.clock())
                .limit(1)
            )
        return self._take(jobs.c.lease_until < self.clock()) if late else 0

    def give_up(self) -> int:
        """Fail the jobs that wait in vain, having failed on every worker that could run them.

        Returns: how many there were.
        """
        with self.database.write() as connection:
            return upkeep.give_up(connection, self.clock())

    def expire(self, most: int = 500) -> list[str]:
        """Forget the files of jobs whose time is over, and idempotency keys older than 30 days.

        Returns: the jobs.
        """
        with self.database.write() as connection:
            return upkeep.expire(connection, self.clock(), most)

    def digests(self) -> set[str]:
        """Every file that something still refers to."""
        with self.database.read() as connection:
            return upkeep.digests(connection)

    def checkpoints(self) -> set[str]:
        """The saved states that jobs continue from; the files that they name are not among `digests`."""
        with self.database.read() as connection:
            return upkeep.checkpoints(connection)

    def counts(self) -> Counts:
        """How things stand."""
        with self.database.read() as connection:
            return queue.counts(connection, self.clock() - live_workers.LIVE_SECONDS)

    def _take(self, which: sa.ColumnElement[bool], stopped: str | None = None) -> int:
        now = self.clock()
        with self.database.write() as connection:
            if stopped:
                connection.execute(workers.update().where(workers.c.id == stopped).values(stopped_at=now))
            running = (jobs.c.status == Status.RUNNING.value, which)
            owners = connection.scalars(sa.select(jobs.c.project_id).distinct().where(*running))
            locked = [transitions.account_of(connection, owner).project_id for owner in sorted(owners)]
            rows = connection.execute(
                sa.select(jobs)
                .where(*running, jobs.c.project_id.in_(locked))
                .order_by(jobs.c.id)
                .with_for_update(skip_locked=True)
            ).mappings()
            taken = [Job.of(row) for row in rows]
            for job in taken:
                transitions.lose(connection, job, now, self.policy)
            return len(taken)

    def _gives_way(
        self, connection: sa.Connection, lease: Lease, now: float, slice_seconds: float, ran_for: float
    ) -> bool:
        if ran_for < slice_seconds:
            return False
        job, policy = lease.job, replace(self.policy, slice=slice_seconds)
        # What this worker could not take it must not give way to: it would only be given its own job again.
        waiting, tenants = queue.waiting(
            connection, now, policy, job.project_id, host=lease.host, engines=lease.engines
        )
        return should_preempt(
            queue.lane(job.lane, job.queued_at, job.compute_seconds),
            waiting,
            tenants,
            now=now,
            policy=policy,
            ran_for=ran_for,
            # One that cannot stop, say because it is writing its file, does not hold up the others for ever.
            yielding=queue.leaving(connection, job.id, now - self.lease_seconds),
        )
