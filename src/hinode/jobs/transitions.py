"""The steps of which transactions on jobs are made; each works inside the transaction of its caller.

A status changes here and nowhere else, so this module can be compared with `states.TRANSITIONS`.

PostgreSQL runs several of these transactions at once. They take locks in one order, so that no two wait for
each other: the project, then rows of jobs, then lots of credit, then the lock on claims. With that lock a
claim waits for nothing more: a job whose row another transaction has locked is not claimed this time.

What a worker writes raises `LeaseLost` if another worker may have the job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.background import backoff
from hinode.jobs import billing, metering
from hinode.jobs.job import Job, Lease, LeaseLost
from hinode.jobs.rows import read_job
from hinode.jobs.scheduling.schedule import POLICY, Tenant, attained
from hinode.jobs.states import MAX_CRASHES, Outcome, Status
from hinode.jobs.tenants.tenant import is_session
from hinode.jobs.webhooks import outbox
from hinode.records import hints
from hinode.records.prepared import Prepared, Row
from hinode.records.tables import jobs
from hinode.request import MediaFile

MAX_BACKOFF = 60.0
MAX_BACKOFF_AFTER_CRASH = 8.0  # the lease that has to expire first comes on top

JOB = sa.select(jobs).where(
    jobs.c.id == sa.bindparam("job"),
    jobs.c.project_id == sa.bindparam("project"),
    jobs.c.deleted_at.is_(None),
)
_LEASED = "id = :job AND epoch = :token AND status = 'running'"
_COLUMNS = ", ".join(column.name for column in jobs.c)

_CLAIM = Prepared(
    f"""
    UPDATE jobs SET status = 'running', epoch = epoch + 1, worker_id = :worker, lease_until = :until,
        started_at = coalesce(started_at, :now), stage = 'start', give_way_at = NULL
    WHERE id = (SELECT id FROM jobs WHERE id = :job AND status = 'queued' FOR UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}
    """,
    columns=jobs.c,
)
_RENEW = Prepared(
    f"""
    UPDATE jobs SET lease_until = :until, stage = :stage, preview = :preview,
        progress = CASE WHEN progress > :progress THEN progress ELSE :progress END
    WHERE {_LEASED} RETURNING cancel_requested_at
    """
)
_PREEMPT = Prepared(f"UPDATE jobs SET give_way_at = :now WHERE {_LEASED}")
# A run that got further than before is no poison.
_CHECKPOINT = Prepared(
    f"""
    UPDATE jobs SET checkpoint = :digest, checkpoint_step = :step,
        crashes = CASE WHEN checkpoint_step < :step THEN 0 ELSE crashes END
    WHERE {_LEASED} RETURNING id
    """
)
_RELEASE = Prepared(
    f"""
    UPDATE jobs SET worker_id = NULL, lease_until = NULL, compute_seconds = compute_seconds + :spent,
        crashes = crashes + :crash
    WHERE {_LEASED} RETURNING {_COLUMNS}
    """,
    columns=jobs.c,
)
_FINISH = Prepared(
    f"""
    UPDATE jobs SET status = 'completed', worker_id = NULL, lease_until = NULL, stage = NULL,
        checkpoint = NULL, progress = 100, completed_at = :now, expires_at = :until, making = :provenance,
        compute_seconds = compute_seconds + :spent
    WHERE {_LEASED} RETURNING id
    """,
    json_values=("provenance",),
)
_REQUEUE = Prepared(
    "UPDATE jobs SET status = 'queued', not_before = :earliest WHERE id = :job AND status = 'running'"
)
_END = Prepared(
    """
    UPDATE jobs SET status = :new_status, completed_at = :now, stage = NULL, checkpoint = NULL,
        error_code = :code, error_message = :message
    WHERE id = :job AND status = :old_status RETURNING id
    """
)
_ATTEMPT = Prepared(
    """
    INSERT INTO attempts (job_id, epoch, worker_id, host, started_at)
    VALUES (:job, :epoch, :worker, :host, :now)
    """
)
_END_ATTEMPT = Prepared(
    """
    UPDATE attempts SET ended_at = :now, outcome = :outcome, error = :error
    WHERE job_id = :job AND epoch = :token RETURNING started_at
    """
)
_ACCOUNT = Prepared(
    "SELECT id, attained, attained_at, weight FROM projects WHERE id = :project FOR NO KEY UPDATE"
)
_EXPIRY = Prepared("SELECT expiry FROM projects WHERE id = :project")
_ATTAINED = Prepared("UPDATE projects SET attained = :compute, attained_at = :now WHERE id = :project")
_ARTIFACT = Prepared(
    """
    INSERT INTO artifacts (job_id, role, digest, media_type, bytes)
    VALUES (:job_id, :role, :digest, :media_type, :bytes)
    """
)


def claim(
    connection: Connection, job_id: str, worker_id: str, host: str, now: float, until: float
) -> Job | None:
    """queued -> running, with a new epoch; None if the job is not waiting or its row is locked."""
    rows = _CLAIM.run(connection, job=job_id, worker=worker_id, now=now, until=until)
    if not rows:
        return None
    job = _job(_CLAIM, rows[0])
    _ATTEMPT.run(connection, job=job.id, epoch=job.epoch, worker=worker_id, host=host, now=now)
    return job


def renew(
    connection: Connection, lease: Lease, until: float, stage: str, progress: int, preview: int
) -> bool:
    """Renew a lease and enter the progress of the job; True if the job is to be cancelled."""
    progress = max(0, min(progress, 99))  # 100 is entered together with the file
    values = {"until": until, "stage": stage, "progress": progress, "preview": preview}
    (cancel_requested_at,) = _write(_RENEW, connection, lease.job, **values)
    return cancel_requested_at is not None


def enter_preemption(connection: Connection, lease: Lease, now: float) -> None:
    """Enter that the worker was told to give the job back in favour of another."""
    _PREEMPT.run(connection, **_token(lease.job), now=now)


def checkpoint(connection: Connection, lease: Lease, digest: str, step: int) -> None:
    """Enter the saved state of a run."""
    _write(_CHECKPOINT, connection, lease.job, digest=digest, step=step)


def release(connection: Connection, job: Job, outcome: Outcome, now: float, error: str | None = None) -> Job:
    """End an attempt; the caller then decides about the job, which is still "running"."""
    spent = _settle(connection, job, outcome, now, error)
    row = _write(_RELEASE, connection, job, spent=spent, crash=int(outcome is Outcome.LOST))
    return _job(_RELEASE, row)


def complete(
    connection: Connection,
    lease: Lease,
    files: Mapping[str, MediaFile],
    provenance: Mapping[str, Any],
    now: float,
    expires_at: float,
) -> None:
    """running -> completed, with its files, its account and its event.

    A job that a signed-in person made has no `expires_at` if its project keeps those.
    """
    job = lease.job
    spent = _settle(connection, job, Outcome.COMPLETED, now)
    until = None if _has_no_expiry(connection, job) else expires_at
    used, account = metering.separate(provenance)
    values = {"now": now, "until": until, "provenance": account, "spent": spent}
    _write(_FINISH, connection, job, **values)
    for role, file in files.items():
        _ARTIFACT.run(connection, **artifact_row(job.id, role, file))
    charged = billing.settle_delivered(connection, job, now)
    metering.enter(connection, job, Status.COMPLETED, now, charged=charged, used=used, files=files.values())
    _emit_end(connection, job, "video.completed", now)


def requeue(connection: Connection, job: Job, *, not_before: float = 0.0) -> None:
    """running -> queued, at its old place."""
    _REQUEUE.run(connection, job=job.id, earliest=not_before)


def give_back(connection: Connection, job: Job, outcome: Outcome, now: float) -> None:
    """running -> queued, at its old place, or cancelled if it is to be; nobody is to blame."""
    job = release(connection, job, outcome, now)
    if job.cancel_requested_at is not None:
        cancel(connection, job, now)
    else:
        requeue(connection, job)


def end(connection: Connection, job: Job, status: Status, now: float, code: str, message: str) -> None:
    """Into a final state without a video, with its event; `message` is one sentence for the person.

    Raises:
        RuntimeError: the job is not as it was read, because the caller did not lock its row.
    """
    values = {"old_status": job.status.value, "new_status": status.value, "code": code, "message": message}
    if not _END.run(connection, job=job.id, now=now, **values):
        raise RuntimeError(f"video {job.id} is not {job.status.value} any more")
    charged = billing.settle_ended(connection, job, status, now)
    metering.enter(connection, job, status, now, charged=charged)
    _emit_end(connection, job, "video.failed", now)


def cancel(connection: Connection, job: Job, now: float) -> None:
    """Into the state cancelled."""
    end(connection, job, Status.CANCELLED, now, "cancelled", "the video was cancelled")


def lose(connection: Connection, job: Job, now: float) -> None:
    """Take a running job from a worker that went down, or whose lease expired.

    The caller has locked the job's project and then its row.
    """
    job = release(connection, job, Outcome.LOST, now)
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
    """Jobs in the order of their creation, without those that are not there or were deleted."""
    query = sa.select(jobs).where(jobs.c.id.in_(ids), jobs.c.deleted_at.is_(None)).order_by(jobs.c.id)
    return tuple(map(read_job, connection.execute(query).mappings()))


def artifact_row(job_id: str, role: str, file: MediaFile) -> dict[str, Any]:
    """The row of a file of a job."""
    content = {"digest": file.digest, "media_type": file.media_type, "bytes": file.bytes}
    return {"job_id": job_id, "role": role, **content}


def lock_account(connection: Connection, project_id: str) -> Tenant:
    """The account of a project, locked."""
    ((project, compute, at, weight),) = _ACCOUNT.run(connection, project=project_id)
    return Tenant(project, compute, at, weight, running=0, max_running=None)


def _settle(
    connection: Connection, job: Job, outcome: Outcome, now: float, error: str | None = None
) -> float:
    """End the attempt of a running job and add its seconds, which are returned, to the project's account."""
    account = lock_account(connection, job.project_id)
    values = {"now": now, "outcome": outcome.value, "error": error}
    ((started,),) = _END_ATTEMPT.run(connection, **_token(job), **values)
    spent: float = max(0.0, now - started)  # a clock may be set back
    compute = attained(account, now, POLICY) + spent
    _ATTAINED.run(connection, project=account.project_id, compute=compute, now=now)
    return spent


def _has_no_expiry(connection: Connection, job: Job) -> bool:
    if not is_session(job.key_id):
        return False
    ((expiry,),) = _EXPIRY.run(connection, project=job.project_id)
    return bool(expiry == "never")


def _emit_end(connection: Connection, job: Job, type: str, now: float) -> None:
    hints.note(connection, job.project_id)
    outbox.emit(connection, job.project_id, type, {"id": job.id}, once=f"{job.id}:ended", now=now)


def _job(statement: Prepared, row: Row) -> Job:
    """The job in a row that a statement gave."""
    return read_job(dict(zip(statement.columns, row, strict=True)))


def _token(job: Job) -> dict[str, Any]:
    """The bound parameters of `_LEASED`."""
    return {"job": job.id, "token": job.epoch}


def _write(statement: Prepared, connection: Connection, job: Job, **values: Any) -> Row:
    """Run a statement on the row of a leased job, and return the row that it gives.

    Raises:
        LeaseLost: another worker may have the job.
    """
    rows = statement.run(connection, **_token(job), **values)
    if not rows:
        raise LeaseLost(f"the lease on video {job.id} is lost", "this attempt is discarded")
    return rows[0]
