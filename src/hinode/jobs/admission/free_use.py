"""Admission of jobs that nobody pays for, by the operator's policy of free use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.job import Draft, OverQuota
from hinode.jobs.states import Priority, Status
from hinode.money.budgets import Period
from hinode.money.free_use import FreeUse, NotFree
from hinode.records.rows import only_row
from hinode.records.tables import jobs, organisations, projects

DAY = 86_400.0
BUSY_RETRY = 60.0
_REMEDY = "wait until then, or ask whoever runs this server for credit"


def admit(
    connection: Connection, project: sa.RowMapping, drafts: Sequence[Draft], rules: FreeUse, now: float
) -> Sequence[Draft]:
    """The drafts as they may run: behind every job that is paid for, if the policy says so.

    Raises:
        NotFree: a profile or the priority is not free.
        OverQuota: the organisation has had its clips of the day, or other jobs wait.
    """
    for draft in drafts:
        rules.check_profile(draft.request)
        if draft.priority is Priority.RUSH:
            message = "the priority rush is paid for, and the clips of this project are free"
            raise NotFree(message, "leave priority out, or ask whoever runs this server for credit")
    if rules.clips_a_day is not None:
        _check_count(connection, project["organisation_id"], len(drafts), rules.clips_a_day, now)
    if not rules.idle_only:
        return drafts
    if connection.scalar(sa.select(jobs.c.id).where(jobs.c.status == Status.QUEUED.value).limit(1)):
        message = "all machines are busy, and free clips are made only when they are idle"
        raise OverQuota(
            message,
            "try again in a minute, or ask whoever runs this server for credit",
            retry_after=BUSY_RETRY,
        )
    return [replace(draft, priority=Priority.BATCH) for draft in drafts]


def mark(drafts: Sequence[Draft], visible: bool) -> Sequence[Draft]:
    """The drafts with a visible mark, or without. A clip that is made from another takes over its request,
    but not this part of it."""
    return [replace(draft, request=replace(draft.request, visible_mark=visible)) for draft in drafts]


def _check_count(connection: Connection, organisation_id: str, new: int, maximum: int, now: float) -> None:
    """Raise OverQuota if an organisation has had its free clips of the day. Its row is locked, so that two of
    its projects do not both take the last one."""
    owner = sa.select(organisations.c.id).where(organisations.c.id == organisation_id)
    only_row(connection, owner.with_for_update(key_share=True))
    begins = Period.DAY.begins_at(now)
    dropped = sa.and_(
        jobs.c.status.in_((Status.CANCELLED.value, Status.EXPIRED.value)), jobs.c.started_at.is_(None)
    )
    query = (
        sa.select(sa.func.count())
        .select_from(jobs.join(projects, projects.c.id == jobs.c.project_id))
        .where(
            projects.c.organisation_id == organisation_id,
            projects.c.billing.is_(False),
            jobs.c.id > f"video_{int(begins * 1000):012x}",  # ids sort by time
            jobs.c.status != Status.FAILED.value,
            sa.not_(dropped),
        )
    )
    had = connection.scalar(query) or 0
    if had + new > maximum:
        message = f"{maximum} clips a day are free, and {had} are made or waiting"
        raise OverQuota(message, f"{_REMEDY}; the day ends at midnight UTC", retry_after=begins + DAY - now)
