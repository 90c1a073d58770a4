"""The steps of which transactions on jobs are made; each works inside the transaction of its caller.

A change of status is made here and nowhere else, so this page can be held against `states.STEPS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs import queue
from hinode.jobs.job import Job, Lease, LeaseLost
from hinode.jobs.schedule import Policy, Tenant, attained
from hinode.jobs.states import MAX_CRASHES, Outcome, Status
from hinode.jobs.webhooks import outbox
from hinode.records.tables import artifacts, attempts, jobs, projects
from hinode.request import MediaFile
from hinode.retry import backoff

MAX_BACKOFF = 60.0
MAX_BACKOFF_AFTER_CRASH = 8.0  # a lease that has to run out first comes on top

# Statements are built once, here, and given their values when they run: building one costs more than SQLite
# needs to carry it out.

ONE = sa.select(jobs).where(
    jobs.c.id == sa.bindparam("job"),
    jobs.c.project_id == sa.bindparam("project"),
    jobs.c.deleted_at.is_(None),
)
_HELD = sa.and_(
    jobs.c.id == sa.bindparam("job"),
    jobs.c.epoch == sa.bindparam("token"),
    jobs.c.status == Status.RUNNING.value,
)
_CLAIM = (
    jobs.update()
    .where(jobs.c.id == sa.bindparam("job"), jobs.c.status == Status.QUEUED.value)
    .values(
        status=Status.RUNNING.value,
        epoch=jobs.c.epoch + 1,
        worker_id=sa.bindparam("worker"),
        lease_until=sa.bindparam("until"),
        started_at=sa.func.coalesce(jobs.c.started_at, sa.bindparam("now")),
        stage="start",
        give_way_at=None,
    )
    .returning(jobs)
)
_RENEW = (
    jobs.update()
    .where(_HELD)
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
_TELL = jobs.update().where(_HELD).values(give_way_at=sa.bindparam("now"))
_CHECKPOINT = (
    jobs.update()
    .where(_HELD)
    .values(
        # A run that got further than before is no poison.
        crashes=sa.case((jobs.c.checkpoint_step < sa.bindparam("step"), 0), else_=jobs.c.crashes),
        checkpoint=sa.bindparam("digest"),
        checkpoint_step=sa.bindparam("step"),
    )
    .returning(jobs.c.id)
)
_RELEASE = jobs.update().where(_HELD).values(worker_id=None, lease_until=None).returning(jobs)
_FINISH = (
    jobs.update()
    .where(_HELD)
    .values(
        status=Status.COMPLETED.value,
        worker_id=None,
        lease_until=None,
        stage=None,
        checkpoint=None,
        progress=100,
        completed_at=sa.bindparam("now"),
        expires_at=sa.bindparam("until"),
        making=sa.bindparam("made", type_=sa.JSON(none_as_null=True)),
        compute_seconds=jobs.c.compute_seconds + sa.bindparam("spent"),
    )
    .returning(jobs.c.project_id)
)
_REQUEUE = (
    jobs.update()
    .where(jobs.c.id == sa.bindparam("job"), jobs.c.status == Status.RUNNING.value)
    .values(status=Status.QUEUED.value, not_before=sa.bindparam("earliest"))
)
_END = (
    jobs.update()
    .where(jobs.c.id == sa.bindparam("job"), jobs.c.status == sa.bindparam("was"))
    .values(
        status=sa.bindparam("new"),
        completed_at=sa.bindparam("now"),
        stage=None,
        checkpoint=None,
        error_code=sa.bindparam("code"),
        error_message=sa.bindparam("message"),
    )
    .returning(jobs.c.id)
)
_SPENT = (
    jobs.update()
    .where(jobs.c.id == sa.bindparam("job"))
    .values(compute_seconds=jobs.c.compute_seconds + sa.bindparam("spent"))
)
_END_ATTEMPT = (
    attempts.update()
    .where(attempts.c.job_id == sa.bindparam("job"), attempts.c.epoch == sa.bindparam("token"))
    .values(ended_at=sa.bindparam("now"), outcome=sa.bindparam("how"), error=sa.bindparam("why"))
    .returning(attempts.c.started_at)
)
_PROJECT = queue.PROJECT.where(projects.c.id == sa.bindparam("project")).with_for_update(key_share=True)
_ATTAINED = (
    projects.update()
    .where(projects.c.id == sa.bindparam("project"))
    .values(attained=sa.bindparam("had"), attained_at=sa.bindparam("now"))
)
_ATTEMPT = attempts.insert()
_KEEP = artifacts.insert()
_ARTIFACTS = sa.select(artifacts).where(artifacts.c.job_id == sa.bindparam("job"))


def claim(
    connection: Connection, job_id: str, worker_id: str, host: str, now: float, until: float
) -> Job | None:
    """queued -> running, with a new epoch; None if the job is not waiting any more."""
    row = (
        connection.execute(_CLAIM, {"job": job_id, "worker": worker_id, "now": now, "until": until})
        .mappings()
        .first()
    )
    if row is None:
        return None
    job = Job.of(row)
    connection.execute(
        _ATTEMPT,
        {"job_id": job.id, "epoch": job.epoch, "worker_id": worker_id, "host": host, "started_at": now},
    )
    return job


def renew(
    connection: Connection, lease: Lease, *, until: float, stage: str, progress: int, preview: int
) -> bool:
    """Keep a lease and tell how far the job is; True if the person has asked for it to be cancelled.

    Raises:
        LeaseLost: the job was taken away.
    """
    row = connection.execute(
        _RENEW,
        {
            "job": lease.job.id,
            "token": lease.epoch,
            "until": until,
            "new_stage": stage,
            "new_progress": max(0, min(progress, 99)),  # 100 is said together with the file
            "new_preview": preview,
        },
    ).first()
    if row is None:
        raise _lost(lease)
    return row.cancel_requested_at is not None


def report(connection: Connection, lease: Lease, now: float) -> None:
    """Enter that the worker was told to give way."""
    connection.execute(_TELL, {"job": lease.job.id, "token": lease.epoch, "now": now})


def save(connection: Connection, lease: Lease, digest: str, step: int) -> None:
    """Enter the saved state of a run.

    Raises:
        LeaseLost: the job was taken away.
    """
    values = {"job": lease.job.id, "token": lease.epoch, "digest": digest, "step": step}
    if connection.execute(_CHECKPOINT, values).first() is None:
        raise _lost(lease)


def release(
    connection: Connection,
    lease: Lease,
    outcome: Outcome,
    now: float,
    policy: Policy,
    error: str | None = None,
) -> Job:
    """End an attempt; the caller says what becomes of the job, which is still "running".

    Raises:
        LeaseLost: the job was taken away.
    """
    account = account_of(connection, lease.job.project_id)
    row = connection.execute(_RELEASE, {"job": lease.job.id, "token": lease.epoch}).mappings().first()
    if row is None:
        raise _lost(lease)
    job = Job.of(row)
    spent = _account(connection, account, job.id, job.epoch, outcome, now, policy, error)
    connection.execute(_SPENT, {"job": job.id, "spent": spent})
    return job


def complete(
    connection: Connection,
    lease: Lease,
    files: Mapping[str, MediaFile],
    making: Mapping[str, Any],
    now: float,
    expires_at: float,
    policy: Policy,
) -> None:
    """running -> completed, with its files, its account and its event.

    Raises:
        LeaseLost: the job was taken away.
    """
    job_id = lease.job.id
    values = {
        "job": job_id,
        "token": lease.epoch,
        "now": now,
        "until": expires_at,
        "made": dict(making),
        "spent": max(0.0, now - lease.claimed_at),
    }
    account = account_of(connection, lease.job.project_id)
    project_id = connection.execute(_FINISH, values).scalar_one_or_none()
    if project_id is None:
        raise _lost(lease)
    if files:
        connection.execute(_KEEP, [artifact_row(job_id, role, file) for role, file in files.items()])
    _account(connection, account, job_id, lease.epoch, Outcome.COMPLETED, now, policy)
    _tell_of_end(connection, project_id, job_id, "video.completed", now)


def requeue(connection: Connection, job: Job, *, not_before: float = 0.0) -> None:
    """running -> queued, at its old place."""
    connection.execute(_REQUEUE, {"job": job.id, "earliest": not_before})


def end(connection: Connection, job: Job, status: Status, now: float, code: str, message: str) -> None:
    """Into a final state without a video, and tell of it.

    Args:
        connection: in the caller's transaction, which has locked the job's row.
        job: queued, or running and released.
        status: the final one.
        now: seconds since 1970.
        code: short name of what went wrong.
        message: one sentence for the person.

    Raises:
        RuntimeError: the job is not as it was read, because the caller did not lock it.
    """
    values = {"job": job.id, "was": job.status.value, "new": status.value, "now": now}
    if connection.execute(_END, {**values, "code": code, "message": message}).first() is None:
        raise RuntimeError(f"video {job.id} is not {job.status.value} any more")
    _tell_of_end(connection, job.project_id, job.id, "video.failed", now)


def cancel(connection: Connection, job: Job, now: float) -> None:
    """Into the state cancelled."""
    end(connection, job, Status.CANCELLED, now, "cancelled", "the video was cancelled")


def lose(connection: Connection, job: Job, now: float, policy: Policy) -> None:
    """The worker of a running job went down, or was not heard of for too long.

    Args:
        connection: in the caller's transaction, which has locked the job's project and then its row.
        job: running.
        now: seconds since 1970.
        policy: by which accounts fade.
    """
    account = account_of(connection, job.project_id)
    spent = _account(connection, account, job.id, job.epoch, Outcome.LOST, now, policy)
    connection.execute(_SPENT, {"job": job.id, "spent": spent})
    crashes = job.crashes + 1
    connection.execute(
        jobs.update().where(jobs.c.id == job.id).values(worker_id=None, lease_until=None, crashes=crashes)
    )
    if job.cancel_requested_at is not None:
        cancel(connection, job, now)
    elif crashes >= MAX_CRASHES:
        sentence = f"{crashes} workers in a row went down over this video, so it is not tried again"
        end(connection, job, Status.FAILED, now, "quarantined", sentence)
    else:
        # Most often it was not the job's fault, so the first time it waits for nothing.
        wait = backoff(crashes - 1, first=2.0, maximum=MAX_BACKOFF_AFTER_CRASH) if crashes > 1 else 0.0
        requeue(connection, job, not_before=now + wait)


def by_id(connection: Connection, names: Sequence[str]) -> tuple[Job, ...]:
    """Jobs in the order of their creation; those that are not there are left out."""
    rows = connection.execute(sa.select(jobs).where(jobs.c.id.in_(names)).order_by(jobs.c.id)).mappings()
    return tuple(Job.of(row) for row in rows)


def artifacts_of(connection: Connection, job_id: str) -> dict[str, MediaFile]:
    """The files of a job by role."""
    rows = connection.execute(_ARTIFACTS, {"job": job_id})
    return {row.role: MediaFile(row.digest, row.media_type, row.bytes) for row in rows}


def artifact_row(job_id: str, role: str, file: MediaFile) -> dict[str, Any]:
    """The row of a file of a job."""
    return {
        "job_id": job_id,
        "role": role,
        "digest": file.digest,
        "media_type": file.media_type,
        "bytes": file.bytes,
    }


def account_of(connection: Connection, project_id: str) -> Tenant:
    """A project's account, locked. Whoever needs a job's row too locks that afterwards, as submitting does:
    two that lock the same rows in different orders would wait for each other."""
    row = connection.execute(_PROJECT, {"project": project_id}).one()
    return Tenant(row.id, row.attained, row.attained_at, row.weight, 0, None)


def _account(
    connection: Connection,
    account: Tenant,
    job_id: str,
    epoch: int,
    outcome: Outcome,
    now: float,
    policy: Policy,
    error: str | None = None,
) -> float:
    """Close an attempt and put its time on the project's account; how many seconds it was."""
    started = connection.execute(
        _END_ATTEMPT,
        {"job": job_id, "token": epoch, "now": now, "how": outcome.value, "why": error},
    ).scalar_one()
    spent = max(0.0, now - started)  # a clock may be set back
    had = attained(account, now, policy)
    connection.execute(_ATTAINED, {"project": account.project_id, "had": had + spent, "now": now})
    return float(spent)


def _tell_of_end(connection: Connection, project_id: str, job_id: str, type: str, now: float) -> None:
    outbox.emit(
        connection,
        project_id=project_id,
        type=type,
        data={"id": job_id},
        once=f"{job_id}:ended",
        now=now,
    )


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"video {lease.job.id} was taken from this worker", "its work on it is dropped")
