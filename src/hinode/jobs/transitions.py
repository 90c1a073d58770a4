"""The steps of which transactions on jobs are made; each works inside the transaction of its caller.

A change of status is made here and nowhere else, so this page can be held against `states.STEPS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs import outbox, queue
from hinode.jobs.job import Artifact, Job, Lease, LeaseLost
from hinode.jobs.schedule import Policy, Tenant, attained
from hinode.jobs.states import MOST_CRASHES, Outcome, Status
from hinode.records.tables import artifacts, attempts, jobs, projects

LONGEST_BACKOFF = 60.0

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
_REQUEUE = (
    jobs.update()
    .where(jobs.c.id == sa.bindparam("job"))
    .values(status=Status.QUEUED.value, not_before=sa.bindparam("earliest"))
)
_END = (
    jobs.update()
    .where(jobs.c.id == sa.bindparam("job"))
    .values(
        status=sa.bindparam("new"),
        completed_at=sa.bindparam("now"),
        stage=None,
        checkpoint=None,
        progress=sa.bindparam("how_far"),
        error_code=sa.bindparam("code"),
        error_message=sa.bindparam("message"),
        making=sa.bindparam("made", type_=sa.JSON(none_as_null=True)),
        expires_at=sa.bindparam("until"),
    )
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
_PROJECT = queue.PROJECT.where(projects.c.id == sa.bindparam("project")).with_for_update()
_ATTAINED = (
    projects.update()
    .where(projects.c.id == sa.bindparam("project"))
    .values(attained=sa.bindparam("had"), attained_at=sa.bindparam("now"))
)
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
        attempts.insert(),
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


def tell(connection: Connection, lease: Lease, now: float) -> None:
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
    row = connection.execute(_RELEASE, {"job": lease.job.id, "token": lease.epoch}).mappings().first()
    if row is None:
        raise _lost(lease)
    job = Job.of(row)
    _account(connection, job, outcome, now, policy, error)
    return job


def requeue(connection: Connection, job: Job, *, not_before: float = 0.0) -> None:
    """running -> queued, at its old place."""
    connection.execute(_REQUEUE, {"job": job.id, "earliest": not_before})


def end(
    connection: Connection,
    job: Job,
    status: Status,
    now: float,
    code: str | None = None,
    message: str | None = None,
    *,
    making: Mapping[str, Any] | None = None,
    expires_at: float | None = None,
) -> None:
    """Into a final state, and tell of it.

    Args:
        connection: in the caller's transaction.
        job: queued, or running and released.
        status: the final one.
        now: seconds since 1970.
        code: short name of the error, if it is one.
        message: one sentence for the person.
        making: how the clip came to be, if there is one.
        expires_at: when its files go.
    """
    completed = status is Status.COMPLETED
    connection.execute(
        _END,
        {
            "job": job.id,
            "new": status.value,
            "now": now,
            "how_far": 100 if completed else job.progress,
            "code": code,
            "message": message,
            "made": None if making is None else dict(making),
            "until": expires_at,
        },
    )
    outbox.emit(
        connection,
        project_id=job.project_id,
        type="video.completed" if completed else "video.failed",
        data={"id": job.id},
        once=f"{job.id}:ended",
        now=now,
    )


def cancel(connection: Connection, job: Job, now: float) -> None:
    """Into the state cancelled."""
    end(connection, job, Status.CANCELLED, now, "cancelled", "the video was cancelled")


def lose(connection: Connection, job: Job, now: float, policy: Policy) -> None:
    """The worker of a running job went down, or was not heard of for too long."""
    _account(connection, job, Outcome.LOST, now, policy, None)
    crashes = job.crashes + 1
    connection.execute(
        jobs.update().where(jobs.c.id == job.id).values(worker_id=None, lease_until=None, crashes=crashes)
    )
    if job.cancel_requested_at is not None:
        cancel(connection, job, now)
    elif crashes >= MOST_CRASHES:
        sentence = f"{crashes} workers in a row went down over this video, so it is not tried again"
        end(connection, job, Status.FAILED, now, "quarantined", sentence)
    else:
        # Most often it was not the job's fault, so the first time it waits for nothing.
        requeue(connection, job, not_before=now + (backoff(crashes - 1) if crashes > 1 else 0.0))


def backoff(count: int) -> float:
    """Seconds to wait after so many failures: 2, 4, 8, … up to a minute."""
    return min(2.0**count, LONGEST_BACKOFF)


def by_id(connection: Connection, names: Sequence[str]) -> tuple[Job, ...]:
    """Jobs in the order of their creation; those that are not there are left out."""
    rows = connection.execute(sa.select(jobs).where(jobs.c.id.in_(names)).order_by(jobs.c.id)).mappings()
    return tuple(Job.of(row) for row in rows)


def artifacts_of(connection: Connection, job_id: str) -> dict[str, Artifact]:
    """The files of a job by role."""
    rows = connection.execute(_ARTIFACTS, {"job": job_id})
    return {row.role: Artifact(row.role, row.digest, row.media_type, row.bytes) for row in rows}


def columns(artifact: Artifact) -> dict[str, Any]:
    """The row of an artifact without its job."""
    return {
        "role": artifact.role,
        "digest": artifact.digest,
        "media_type": artifact.media_type,
        "bytes": artifact.bytes,
    }


def _account(
    connection: Connection, job: Job, outcome: Outcome, now: float, policy: Policy, error: str | None
) -> None:
    """Close the attempt of the job's epoch and put its time on the job's and the project's account."""
    started = connection.execute(
        _END_ATTEMPT,
        {"job": job.id, "token": job.epoch, "now": now, "how": outcome.value, "why": error},
    ).scalar_one()
    spent = max(0.0, now - started)  # a clock may be set back
    connection.execute(_SPENT, {"job": job.id, "spent": spent})
    project = connection.execute(_PROJECT, {"project": job.project_id}).one()
    account = Tenant(project.id, project.attained, project.attained_at, project.weight, 0, None)
    had = attained(account, now, policy)
    connection.execute(_ATTAINED, {"project": job.project_id, "had": had + spent, "now": now})


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"video {lease.job.id} was taken from this worker", "its work on it is dropped")
