"""The steps of which transactions on jobs are made; each works inside the transaction of its caller.

A status changes here and nowhere else, so this module can be compared with `states.TRANSITIONS`.

PostgreSQL runs several of these transactions at once. They take locks in one order, so that no two wait for
each other: the project, then rows of jobs, then the lock on claims. With that lock a claim waits for nothing
more: a job whose row another transaction has locked is not claimed this time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.job import Artifact, Job, Lease, LeaseLost
from hinode.jobs.rows import read_job
from hinode.jobs.schedule import Policy, Tenant, attained
from hinode.jobs.states import MAX_CRASHES, Outcome, Status
from hinode.jobs.webhooks import outbox
from hinode.records.prepared import Prepared
from hinode.records.rows import from_row
from hinode.records.tables import artifacts, attempts, jobs, projects
from hinode.retry import backoff

MAX_BACKOFF = 60.0
MAX_BACKOFF_AFTER_CRASH = 8.0  # the lease that has to expire first comes on top

JOB = sa.select(jobs).where(
    jobs.c.id == sa.bindparam("job"),
    jobs.c.project_id == sa.bindparam("project"),
    jobs.c.deleted_at.is_(None),
)
_LEASED = sa.and_(
    jobs.c.id == sa.bindparam("job"),
    jobs.c.epoch == sa.bindparam("token"),
    jobs.c.status == Status.RUNNING.value,
)
_CLAIM = Prepared(
    jobs.update()
    .where(
        jobs.c.id
        == sa.select(jobs.c.id)
        .where(jobs.c.id == sa.bindparam("job"), jobs.c.status == Status.QUEUED.value)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    .values(
        status=Status.RUNNING.value,
        epoch=jobs.c.epoch + 1,
        worker_id=sa.bindparam("worker"),
        lease_until=sa.bindparam("until"),
        started_at=sa.func.coalesce(jobs.c.started_at, sa.bindparam("now")),
        stage="start",
        preempted_at=None,
    )
    .returning(jobs)
)
_RENEW = Prepared(
    jobs.update()
    .where(_LEASED)
    .values(
        lease_until=sa.bindparam("until"),
        stage=sa.bindparam("new_stage"),
        progress=sa.case(
            (jobs.c.progress > sa.bindparam("new_progress"), jobs.c.progress),
            else_=sa.bindparam("new_progress"),
        ),
        preview=sa.bindparam("new_preview"),
    )
    .returning(jobs.c.cancel_requested_at)
)
_PREEMPT = Prepared(jobs.update().where(_LEASED).values(preempted_at=sa.bindparam("now")))
_CHECKPOINT = Prepared(
    jobs.update()
    .where(_LEASED)
    .values(
        # A run that got further than before is no poison.
        crashes=sa.case((jobs.c.checkpoint_step < sa.bindparam("step"), 0), else_=jobs.c.crashes),
        checkpoint=sa.bindparam("digest"),
        checkpoint_step=sa.bindparam("step"),
    )
    .returning(jobs.c.id)
)
_RELEASE = Prepared(
    jobs.update()
    .where(_LEASED)
    .values(
        worker_id=None,
        lease_until=None,
        compute_seconds=jobs.c.compute_seconds + sa.bindparam("spent"),
        crashes=jobs.c.crashes + sa.bindparam("crash"),
    )
    .returning(jobs)
)
_FINISH = Prepared(
    jobs.update()
    .where(_LEASED)
    .values(
        status=Status.COMPLETED.value,
        worker_id=None,
        lease_until=None,
        stage=None,
        checkpoint=None,
        progress=100,
        completed_at=sa.bindparam("now"),
        expires_at=sa.bindparam("until"),
        making=sa.bindparam("provenance", type_=sa.JSON(none_as_null=True)),
        compute_seconds=jobs.c.compute_seconds + sa.bindparam("spent"),
    )
    .returning(jobs.c.id)
)
_REQUEUE = Prepared(
    jobs.update()
    .where(jobs.c.id == sa.bindparam("job"), jobs.c.status == Status.RUNNING.value)
    .values(status=Status.QUEUED.value, not_before=sa.bindparam("earliest"))
)
_END = Prepared(
    jobs.update()
    .where(jobs.c.id == sa.bindparam("job"), jobs.c.status == sa.bindparam("old_status"))
    .values(
        status=sa.bindparam("new_status"),
        completed_at=sa.bindparam("now"),
        stage=None,
        checkpoint=None,
        error_code=sa.bindparam("code"),
        error_message=sa.bindparam("message"),
    )
    .returning(jobs.c.id)
)
_END_ATTEMPT = Prepared(
    attempts.update()
    .where(attempts.c.job_id == sa.bindparam("job"), attempts.c.epoch == sa.bindparam("token"))
    .values(ended_at=sa.bindparam("now"), outcome=sa.bindparam("result"), error=sa.bindparam("reason"))
    .returning(attempts.c.started_at)
)
_ACCOUNT = Prepared(
    sa.select(projects.c.id, projects.c.attained, projects.c.attained_at, projects.c.weight)
    .where(projects.c.id == sa.bindparam("project"))
    .with_for_update(key_share=True)
)
_ATTAINED = Prepared(
    projects.update()
    .where(projects.c.id == sa.bindparam("project"))
    .values(attained=sa.bindparam("compute"), attained_at=sa.bindparam("now"))
)
_ATTEMPT = Prepared(attempts.insert())
_ARTIFACT = Prepared(artifacts.insert())


def claim(
    connection: Connection, job_id: str, worker_id: str, host: str, now: float, until: float
) -> Job | None:
    """queued -> running, with a new epoch; None if the job is not waiting or its row is locked."""
    rows = _CLAIM.run(connection, job=job_id, worker=worker_id, now=now, until=until)
    if not rows:
        return None
    job = _job(_CLAIM, rows)
    _ATTEMPT.run(connection, job_id=job.id, epoch=job.epoch, worker_id=worker_id, host=host, started_at=now)
    return job


def renew(
    connection: Connection, lease: Lease, *, until: float, stage: str, progress: int, preview: int
) -> bool:
    """Renew a lease and enter the progress of the job; True if the job is to be cancelled.

    Raises:
        LeaseLost: another worker may have the job.
    """
    rows = _RENEW.run(
        connection,
        **_token(lease.job),
        until=until,
        new_stage=stage,
        new_progress=max(0, min(progress, 99)),  # 100 is entered together with the file
        new_preview=preview,
    )
    if not rows:
        raise _lost(lease.job)
    return rows[0][0] is not None


def enter_preemption(connection: Connection, lease: Lease, now: float) -> None:
    """Enter that the worker was told to give the job back in favour of another."""
    _PREEMPT.run(connection, **_token(lease.job), now=now)


def checkpoint(connection: Connection, lease: Lease, digest: str, step: int) -> None:
    """Enter the saved state of a run.

    Raises:
        LeaseLost: another worker may have the job.
    """
    if not _CHECKPOINT.run(connection, **_token(lease.job), digest=digest, step=step):
        raise _lost(lease.job)


def release(
    connection: Connection,
    job: Job,
    outcome: Outcome,
    now: float,
    policy: Policy,
    error: str | None = None,
) -> Job:
    """End an attempt; the caller then decides about the job, which is still "running".

    Raises:
        LeaseLost: another worker may have the job.
    """
    account = lock_account(connection, job.project_id)
    spent = _settle(connection, account, job, outcome, now, policy, error)
    rows = _RELEASE.run(connection, **_token(job), spent=spent, crash=int(outcome is Outcome.LOST))
    if not rows:
        raise _lost(job)
    return _job(_RELEASE, rows)


def complete(
    connection: Connection,
    lease: Lease,
    files: Sequence[Artifact],
    provenance: Mapping[str, Any],
    now: float,
    expires_at: float,
    policy: Policy,
) -> None:
    """running -> completed, with its files, its account and its event.

    Raises:
        LeaseLost: another worker may have the job.
    """
    job = lease.job
    account = lock_account(connection, job.project_id)
    spent = _settle(connection, account, job, Outcome.COMPLETED, now, policy)
    values = {"now": now, "until": expires_at, "provenance": dict(provenance), "spent": spent}
    if not _FINISH.run(connection, **_token(job), **values):
        raise _lost(job)
    for file in files:
        _ARTIFACT.run(connection, **artifact_row(job.id, file))
    _emit_end(connection, job, "video.completed", now)


def requeue(connection: Connection, job: Job, *, not_before: float = 0.0) -> None:
    """running -> queued, at its old place."""
    _REQUEUE.run(connection, job=job.id, earliest=not_before)


def end(connection: Connection, job: Job, status: Status, now: float, code: str, message: str) -> None:
    """Into a final state without a video, with its event. The caller has locked the job's row.

    Args:
        connection: in a transaction.
        job: as it is.
        status: one of the final ones.
        now: seconds since 1970.
        code: short name of the reason.
        message: one sentence for the person.

    Raises:
        RuntimeError: the job is not as it was read, because the caller did not lock it.
    """
    values = {"old_status": job.status.value, "new_status": status.value, "code": code, "message": message}
    if not _END.run(connection, job=job.id, now=now, **values):
        raise RuntimeError(f"video {job.id} is not {job.status.value} any more")
    _emit_end(connection, job, "video.failed", now)


def cancel(connection: Connection, job: Job, now: float) -> None:
    """Into the state cancelled."""
    end(connection, job, Status.CANCELLED, now, "cancelled", "the video was cancelled")


def lose(connection: Connection, job: Job, now: float, policy: Policy) -> None:
    """Take a running job from a worker that went down, or whose lease expired.

    The caller has locked the job's project and then its row.
    """
    job = release(connection, job, Outcome.LOST, now, policy)
    if job.cancel_requested_at is not None:
        cancel(connection, job, now)
    elif job.crashes >= MAX_CRASHES:
        message = f"{job.crashes} workers in a row went down over this video, so it is not tried again"
        end(connection, job, Status.FAILED, now, "quarantined", message)
    else:
        # Usually the job is not at fault, so the first time it does not wait.
        again = job.crashes - 1
        wait = backoff(again, first=2.0, maximum=MAX_BACKOFF_AFTER_CRASH) if again else 0.0
        requeue(connection, job, not_before=now + wait)


def jobs_by_id(connection: Connection, ids: Sequence[str]) -> tuple[Job, ...]:
    """Jobs in the order of their creation, without those that are not there."""
    rows = connection.execute(sa.select(jobs).where(jobs.c.id.in_(ids)).order_by(jobs.c.id)).mappings()
    return tuple(map(read_job, rows))


def artifacts_of(connection: Connection, job_id: str) -> dict[str, Artifact]:
    """The files of a job by role."""
    rows = connection.execute(sa.select(artifacts).where(artifacts.c.job_id == job_id)).mappings()
    return {row["role"]: from_row(Artifact, row) for row in rows}


def artifact_row(job_id: str, file: Artifact) -> dict[str, Any]:
    """The row of a job's file."""
    return {
        "job_id": job_id,
        "role": file.role,
        "digest": file.digest,
        "media_type": file.media_type,
        "bytes": file.bytes,
    }


def lock_account(connection: Connection, project_id: str) -> Tenant:
    """The account of a project, locked."""
    ((project, compute, at, weight),) = _ACCOUNT.run(connection, project=project_id)
    return Tenant(project, compute, at, weight, running=0, max_running=None)


def _settle(
    connection: Connection,
    account: Tenant,
    job: Job,
    outcome: Outcome,
    now: float,
    policy: Policy,
    error: str | None = None,
) -> float:
    """End the attempt of a running job and add its seconds, which are returned, to the project's account."""
    values = {"now": now, "result": outcome.value, "reason": error}
    ((started,),) = _END_ATTEMPT.run(connection, **_token(job), **values)
    spent: float = max(0.0, now - started)  # a clock may be set back
    compute = attained(account, now, policy) + spent
    _ATTAINED.run(connection, project=account.project_id, compute=compute, now=now)
    return spent


def _emit_end(connection: Connection, job: Job, type: str, now: float) -> None:
    outbox.emit(connection, job.project_id, type, {"id": job.id}, once=f"{job.id}:ended", now=now)


def _job(statement: Prepared, rows: Sequence[Sequence[Any]]) -> Job:
    """The job in the only row that a statement gave."""
    return read_job(dict(zip(statement.columns, rows[0], strict=True)))


def _token(job: Job) -> dict[str, Any]:
    """The bound parameters of `_LEASED`."""
    return {"job": job.id, "token": job.epoch}


def _lost(job: Job) -> LeaseLost:
    return LeaseLost(f"the lease on video {job.id} is lost", "this attempt is discarded")
