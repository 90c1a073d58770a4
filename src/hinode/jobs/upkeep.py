"""What goes with time: files that nobody may ask for any more, and what is still referred to."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.records.tables import artifacts, characters, idempotency, jobs, uploads

INPUT_SECONDS = 86_400.0  # for which the inputs of a job that made no video are kept
KEY_SECONDS = 30 * 86_400.0  # for which idempotency keys are remembered


def expire(connection: Connection, now: float, most: int) -> list[str]:
    """Forget the files of jobs whose time is over, and old idempotency keys.

    Args:
        connection: in a writing transaction.
        now: seconds since 1970.
        most: at most so many jobs.

    Returns: the jobs.
    """
    made_none = sa.and_(jobs.c.expires_at.is_(None), jobs.c.completed_at <= now - INPUT_SECONDS)
    over = list(
        connection.scalars(
            sa.select(artifacts.c.job_id)
            .distinct()
            .join(jobs, jobs.c.id == artifacts.c.job_id)
            .where(sa.or_(jobs.c.expires_at <= now, made_none))
            .limit(most)
        )
    )
    if over:
        connection.execute(artifacts.delete().where(artifacts.c.job_id.in_(over)))
    connection.execute(idempotency.delete().where(idempotency.c.created_at < now - KEY_SECONDS))
    return over


def digests(connection: Connection) -> set[str]:
    """Every file that something still refers to."""
    wanted = sa.union(
        sa.select(artifacts.c.digest),
        sa.select(jobs.c.checkpoint).where(jobs.c.checkpoint.is_not(None)),
        sa.select(uploads.c.digest).where(uploads.c.deleted_at.is_(None)),
        sa.select(characters.c.digest).where(characters.c.deleted_at.is_(None)),
    )
    return set(connection.scalars(wanted))
