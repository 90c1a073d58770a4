"""Transactions on jobs. Each method is one of them: it happens whole or not at all.

Every write of a worker carries the epoch of its lease, the fencing token. Once the job has been claimed
again, or has ended, such a write finds no row and raises `LeaseLost`. The token decides and not the clock: a
machine that slept past its lease can go on if no other worker took its job in the meantime."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.background import backoff
from hinode.errors import quote
from hinode.jobs import moves, transitions
from hinode.jobs.admission import submission
from hinode.jobs.job import Draft, HeartbeatReply, Idempotency, Job, Lease, Submitted, Unfinished
from hinode.jobs.library import trash
from hinode.jobs.rights import copies, enforcement
from hinode.jobs.rows import read_job
from hinode.jobs.scheduling import live_workers, queue
from hinode.jobs.scheduling.schedule import POLICY
from hinode.jobs.screening.gate import Gate
from hinode.jobs.states import MAX_FAILURES, MAX_POSTPONEMENTS, Outcome, Status
from hinode.jobs.upkeep import Upkeep
from hinode.money.pricing import Pricing
from hinode.money.quoting import runs
from hinode.records import hints, ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import count_rows, first_row
from hinode.records.tables import artifacts, attempts, jobs, workers
from hinode.request import MediaFile, Request
from hinode.rights.fingerprint import Fingerprint
from hinode.trust.provenance import marks
from hinode.trust.provenance.authority import Authority
from hinode.trust.screening.policy import Policy
from hinode.trust.screening.samples import ClipBlocked
from hinode.trust.screening.verdict import Verdict


class Store(Upkeep):
    """The jobs of one database. Safe to use from several threads and, with the same database, processes.

    The methods with a lease raise `LeaseLost` if another worker may have the job.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        lease_seconds: float = 15.0,
        pricing: Pricing | None = None,
        gate: Gate | None = None,
    ) -> None:
        """See `Upkeep`.

        Args:
            database: open.
            clock: seconds since 1970.
            lease_seconds: see `Upkeep`.
            pricing: the operator's prices, which a store that accepts jobs of billed projects needs.
            gate: screens what is submitted, by default with the policy that Hinode ships.
        """
        super().__init__(database, clock, lease_seconds)
        self.pricing = pricing
        self.gate = gate or Gate(database, clock)

    # What clients do

    def submit(
        self,
        drafts: Sequence[Draft],
        *,
        idempotency: Idempotency | None = None,
        retry_count: int = 0,
        since: float = 0.0,
        also: Callable[[Connection, Sequence[str]], None] | None = None,
    ) -> Submitted:
        """Accept jobs of one project, all of them or none.

        Args:
            drafts: at least one, all of one project.
            idempotency: what makes a repeated request the same request.
            retry_count: how often the client says that it has tried before; such a retry is answered with the
                jobs of its first try, if there are any from the last `idempotency.RETRY_WINDOW` seconds.
            since: jobs from before this time, in seconds since 1970, are no answer to a retry.
            also: called in the same transaction, with the ids of the new jobs in the order of `drafts`.

        Returns: the jobs; none if they were made before, under the same key, and have been deleted since.

        Raises:
            BadInput: the idempotency key was used for another request, or the project is local-only and a
                model is a provider's.
            OverQuota: the project's limits do not allow it at present.
            OfferRefused: the quote that a request accepts does not hold, or its price is above its maximum.
            InsufficientCredit: the project pays for its clips and has less credit than they cost.
            OverBudget: a budget of the project, of its owner or of the model does not allow it.
            NotFree: the project does not pay, and the policy of free use does not allow it.
            MissingPrice: it does, and the price book has no price for a model.
            ModerationBlocked: the policy does not allow one of the requests.
        """
        now = self.clock()
        verdicts = self._screen(drafts)
        tariff = self.pricing.tariff() if self.pricing else None
        with self.database.write() as connection:
            accepted = submission.accept(connection, drafts, idempotency, retry_count, since, now, tariff)
            if not accepted.replayed:
                self.gate.record(connection, drafts, verdicts, [job.id for job in accepted.jobs])
            if also and not accepted.replayed:
                also(connection, [job.id for job in accepted.jobs])
            return accepted

    def _screen(self, drafts: Sequence[Draft]) -> list[Verdict]:
        """Screen drafts, of which several often differ in nothing but the seed."""
        verdicts: dict[tuple[Request, frozenset[str]], Verdict] = {}
        result = []
        for draft in drafts:
            sources = frozenset(filter(None, (*draft.parents, draft.source_id)))
            key = replace(draft.request, seed=0), sources
            if key not in verdicts:
                verdicts[key] = self.gate.check(
                    draft.project_id, draft.key_id, draft.request, sources=sources
                )
            result.append(verdicts[key])
        return result

    def job(self, project_id: str, job_id: str) -> Job | None:
        """A job of a project, or None if there is none or it was deleted.

        Raises:
            Withheld: it is withheld because of the rights of somebody.
        """
        with self.database.read() as connection:
            row = first_row(connection, transitions.JOB, job=job_id, project=project_id)
            cause = None if row else enforcement.cause_of(connection, job_id, project_id)
        if cause is not None:
            raise enforcement.Withheld(job_id, cause)
        return read_job(row) if row else None

    def jobs(
        self, project_id: str, *, after: str | None, limit: int, descending: bool
    ) -> tuple[list[Job], bool]:
        """Jobs of a project in the order of creation, and whether there are more; see `page_of`."""
        owner = jobs.c.project_id == project_id
        query = sa.select(jobs).where(owner, jobs.c.deleted_at.is_(None), jobs.c.trashed_at.is_(None))
        with self.database.read() as connection:
            rows, more = page_of(connection, query, owner, "video", after, limit, descending)
        return [read_job(row) for row in rows], more

    def artifacts(self, job_id: str) -> dict[str, MediaFile]:
        """The files of a job by role."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(artifacts).where(artifacts.c.job_id == job_id))
            return {row.role: MediaFile(row.digest, row.media_type, row.bytes) for row in rows}

    def cancel(self, project_id: str, job_id: str) -> Job | None:
        """End a waiting job at once, or ask its worker to stop; an ended job stays as it is.

        Returns: the job afterwards, or None if there is none.
        """
        now = self.clock()
        with self.database.write() as connection:
            job = self._locked(connection, project_id, job_id)
            if job is None:
                return None
            if job.status is Status.QUEUED:
                transitions.cancel(connection, job, now)
            elif job.status is Status.RUNNING and job.cancel_requested_at is None:
                connection.execute(jobs.update().where(jobs.c.id == job_id).values(cancel_requested_at=now))
            return transitions.jobs_by_id(connection, [job_id])[0]

    def delete(self, project_id: str, job_id: str) -> Job | None:
        """Forget an ended job and its files.

        Returns: the job as it was, or None if there is none.

        Raises:
            Unfinished: it has not ended yet.
        """
        now = self.clock()
        with self.database.write() as connection:
            job = self._locked(connection, project_id, job_id)
            if job is None:
                return None
            if not job.final:
                message = f"video {quote(job_id)} is not finished yet"
                raise Unfinished(message, "cancel it first, or wait until it is")
            trash.forget(connection, [job_id], now)
            hints.note(connection, project_id)
            return job

    # What workers do

    def register_worker(
        self,
        host: str,
        pid: int,
        engines: Collection[str] | None = None,
        *,
        token_id: str | None = None,
        projects: Collection[str] | None = None,
    ) -> str:
        """Enter a worker process; returns its id, a new one every time.

        Args:
            host: workers of one host count as one when it comes to failures.
            pid: its process number.
            engines: names of the engines that it can run, or None for all.
            token_id: its token, if it works over HTTP.
            projects: ids of the projects whose jobs it may have, or None for all.
        """
        now = self.clock()
        worker_id = ids.make("worker_", now)
        values = {"id": worker_id, "host": host, "pid": pid, "resident": [], "token_id": token_id}
        for name, chosen in (("engines", engines), ("projects", projects)):
            values[name] = sa.null() if chosen is None else sorted(chosen)
        with self.database.write() as connection:
            connection.execute(workers.insert().values(**values, started_at=now, last_seen_at=now))
        return worker_id

    def touch_worker(self, worker_id: str, resident: Collection[str] = ()) -> None:
        """Enter that an idle worker is alive, and which models are in its memory ("engine/model")."""
        self._update_worker(worker_id, last_seen_at=self.clock(), resident=sorted(resident))

    def end_worker(self, worker_id: str) -> None:
        """Enter that a worker has ended."""
        self._update_worker(worker_id, stopped_at=self.clock())

    def _update_worker(self, worker_id: str, **values: Any) -> None:
        with self.database.write() as connection:
            connection.execute(workers.update().where(workers.c.id == worker_id).values(**values))

    def claim(
        self,
        worker_id: str,
        *,
        host: str,
        engines: Collection[str] | None = None,
        projects: Collection[str] | None = None,
        resident: Collection[str] = (),
    ) -> Lease | None:
        """Claim the job that is next, or return None if there is none for this worker.

        Args:
            worker_id: the worker.
            host: its host; jobs that have failed there are left to others.
            engines: names of the engines that it can run, or None for all.
            projects: ids of the projects whose jobs it may have, or None for all.
            resident: models in its memory, "engine/model".
        """
        now = self.clock()
        names = None if engines is None else frozenset(engines)
        owners = None if projects is None else frozenset(projects)
        with self.database.write() as connection:
            return self._claim(connection, now, worker_id, host, names, owners, resident)

    def heartbeat(
        self, lease: Lease, *, stage: str, progress: int, preview: int, slice_seconds: float, ran_for: float
    ) -> HeartbeatReply:
        """Renew the lease and enter the progress; the reply says what the worker has to do.

        Args:
            lease: on the job.
            stage: name of the present stage.
            progress: 0 to 100; the progress of a job never falls.
            preview: number of previews so far.
            slice_seconds: time that a job runs before it can be preempted.
            ran_for: seconds since the first step of this attempt, 0 before it: loading a model or a saved
                state does not count.
        """
        now = self.clock()
        until, worker = now + self.lease_seconds, workers.c.id == lease.worker_id
        with self.database.write() as connection:
            cancel = transitions.renew(connection, lease, until, stage, progress, preview)
            connection.execute(workers.update().where(worker).values(last_seen_at=now))
            policy = replace(POLICY, time_slice=slice_seconds)
            preempt = queue.is_preempted(connection, lease, now, policy, ran_for, self.lease_seconds)
            if preempt:
                transitions.enter_preemption(connection, lease, now)
            return HeartbeatReply(cancel=cancel, preempt=preempt)

    def checkpoint(self, lease: Lease, digest: str, step: int) -> None:
        """Enter the saved state of a run, which is in the store already."""
        with self.database.write() as connection:
            transitions.checkpoint(connection, lease, digest, step)

    def give_back(self, lease: Lease, outcome: Outcome = Outcome.YIELDED) -> None:
        """Put the job back into its queue.

        With the outcome UNSUPPORTED it is left to other hosts for `queue.UNSUPPORTED_SECONDS`.
        """
        now = self.clock()
        with self.database.write() as connection:
            transitions.give_back(connection, lease.job, outcome, now)

    def authority(self, lease: Lease) -> Authority | None:
        """What signs the files of a leased job: None for the keys in the home of the worker."""
        return None

    def postpone(self, lease: Lease, message: str) -> None:
        """Put the job back into its queue for a while, because its files could not be written.

        After `MAX_POSTPONEMENTS` it fails, with the message.
        """
        now = self.clock()
        with self.database.write() as connection:
            job = transitions.release(connection, lease.job, Outcome.STORAGE, now)
            tried = attempts.c.job_id == job.id, attempts.c.outcome == Outcome.STORAGE
            count = count_rows(connection, *tried)
            if job.cancel_requested_at is not None:
                transitions.cancel(connection, job, now)
            elif count >= MAX_POSTPONEMENTS:
                transitions.end(connection, job, Status.FAILED, now, "output", message)
            else:
                wait = backoff(count, first=2.0, maximum=transitions.MAX_BACKOFF)
                transitions.requeue(connection, job, not_before=now + wait)

    def finish(
        self,
        lease: Lease,
        files: Mapping[str, MediaFile],
        provenance: Mapping[str, Any],
        retention: float,
        *,
        claim_next: bool = False,
        measured: runs.Measured | None = None,
        fingerprint: Fingerprint | None = None,
    ) -> Lease | None:
        """Complete the job, with its files, its event and its account, and claim the next in the same
        transaction.

        Two transactions would wait twice for the disk, which limits how many jobs per second go through.

        Args:
            lease: on the job.
            files: by role ("video", "thumbnail", "spritesheet"); they are in the store already.
            provenance: how the clip came to be, in JSON values.
            retention: seconds for which the files are kept.
            claim_next: whether to claim another job for the same worker.
            measured: the run, for the prediction of later ones.
            fingerprint: of the video. If it matches something that was taken down, the job fails.

        Returns: the lease on the next job, if there is one.
        """
        now = self.clock()
        with self.database.write() as connection:
            video, print_ = files.get("video"), fingerprint
            if video and print_ and copies.matching_staydown(connection, video.digest, print_) is not None:
                job = transitions.release(connection, lease.job, Outcome.FAILED, now, copies.BLOCKED)
                transitions.end(connection, job, Status.FAILED, now, *copies.BLOCKED_ERROR)
            else:
                transitions.complete(connection, lease, files, provenance, now, now + retention)
                operation = lease.job.request.get("operation")
                marks.record_job(connection, lease.job.id, files, provenance, operation, now)
                if video and print_:
                    copies.enter(connection, video.digest, print_, now)
            if measured is not None:
                runs.record(connection, measured, now)
            if not claim_next:
                return None
            resident = (f"{lease.job.engine}/{lease.job.model}",)
            worker = lease.worker_id, lease.host, lease.engines, lease.projects
            return self._claim(connection, now, *worker, resident)

    def fail(self, lease: Lease, code: str, message: str, *, final: bool) -> None:
        """Enter that the job failed on this worker; another one may try unless that is pointless.

        The job fails for good if the request itself is at fault (`final`), if three hosts have failed at it,
        or if no other live host can run its engine. The message is one sentence for the person. A job of a
        pool that no server has accepted goes to the next member instead.
        """
        now = self.clock()
        with self.database.write() as connection:
            if code in moves.CODES and moves.leave(connection, lease.job, now, code, message, refused=final):
                return
            error = f"{code}: {message}"
            job = transitions.release(connection, lease.job, Outcome.FAILED, now, error)
            if job.cancel_requested_at is not None:
                transitions.cancel(connection, job, now)
                return
            tried = live_workers.attempts_of(connection, [job.id])[job.id]
            live = live_workers.live(connection, now, job.project_id)
            hosts = live_workers.capable_hosts(live, job.engine, tried)
            failures = len(tried.failed)
            pooled = job.routing is not None and code in moves.CODES
            if final or pooled or failures >= MAX_FAILURES or hosts <= tried.failed.keys():
                transitions.end(connection, job, Status.FAILED, now, code, message)
            else:
                wait = backoff(failures, first=2.0, maximum=transitions.MAX_BACKOFF)
                transitions.requeue(connection, job, not_before=now + wait)

    def block(self, lease: Lease, blocked: ClipBlocked, pictures: MediaFile | None) -> None:
        """Enter that a guard has blocked the clip of a job, which fails for good, with a decision that the
        person can appeal against.

        Args:
            pictures: frames of the clip on one picture in the store, or None if none may be kept.
        """
        now = self.clock()
        with self.database.write() as connection:
            error = f"{blocked.code}: {blocked}"
            job = transitions.release(connection, lease.job, Outcome.FAILED, now, error)
            if job.cancel_requested_at is not None:
                transitions.cancel(connection, job, now)
                return

            def end(message: str) -> None:
                transitions.end(connection, job, Status.FAILED, now, blocked.code, message)

            self.gate.record_clip(connection, job, blocked, pictures, now, end)

    def policy(self, lease: Lease) -> Policy:
        """The policy that the clip of a job is screened by; raises PolicyError if it cannot be used."""
        return self.gate.present()

    def is_approved(self, lease: Lease) -> bool:
        """Whether a reviewer has approved the clip of exactly this request."""
        with self.database.read() as connection:
            return self.gate.is_clip_approved(connection, lease.job)

    def acknowledge_cancel(self, lease: Lease) -> None:
        """Enter that the worker has stopped because the job is to be cancelled."""
        now = self.clock()
        with self.database.write() as connection:
            job = transitions.release(connection, lease.job, Outcome.CANCELLED, now)
            transitions.cancel(connection, job, now)

    # Parts of transactions

    def _locked(self, connection: Connection, project_id: str, job_id: str) -> Job | None:
        query = transitions.JOB.with_for_update()
        row = first_row(connection, query, job=job_id, project=project_id)
        return read_job(row) if row else None

    def _claim(
        self,
        connection: Connection,
        now: float,
        worker_id: str,
        host: str,
        engines: frozenset[str] | None,
        projects: frozenset[str] | None,
        resident: Collection[str],
    ) -> Lease | None:
        job_id = queue.pick(connection, now, host=host, engines=engines, projects=projects, resident=resident)
        if job_id is None:
            return None
        job = transitions.claim(connection, job_id, worker_id, host, now, now + self.lease_seconds)
        return Lease(job, worker_id, now, host, engines, projects) if job else None
