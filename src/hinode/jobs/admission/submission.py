"""Accepting jobs: an earlier request that this one repeats, the project's limits, and the rows."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode import engines
from hinode.jobs import billing
from hinode.jobs.admission import free_use, idempotency
from hinode.jobs.job import Draft, Idempotency, OverQuota, Submitted
from hinode.jobs.library import rows as library_rows
from hinode.jobs.library import storage
from hinode.jobs.moves import LocalOnly
from hinode.jobs.rows import new_row
from hinode.jobs.states import Status
from hinode.jobs.tenants.tenant import lock_project
from hinode.jobs.transitions import artifact_row, jobs_by_id
from hinode.money.pricing import Tariff
from hinode.records import hints
from hinode.records.rows import count_rows, only_row
from hinode.records.tables import artifacts, jobs
from hinode.rights import consents
from hinode.rights.people import person_of

DAY = 86_400.0
FULL_QUEUE_RETRY = 10.0


def accept(
    connection: Connection,
    drafts: Sequence[Draft],
    promise: Idempotency | None,
    retry_count: int,
    since: float,
    now: float,
    tariff: Tariff | None = None,
) -> Submitted:
    """Turn drafts into jobs, in the caller's transaction; see `Store.submit`."""
    project_id = drafts[0].project_id
    # Locking the project keeps two submissions from both taking the last place.
    project = lock_project(connection, project_id)
    before = idempotency.find_result(
        connection,
        jobs,
        project_id=project_id,
        key_id=drafts[0].key_id,
        request_hash=drafts[0].request_hash,
        promise=promise,
        retry_count=retry_count,
        since=since,
        now=now,
    )
    if before is not None:
        return Submitted(jobs_by_id(connection, before), replayed=True)
    if project["local_only"] and any(engines.is_external(draft.request.engine) for draft in drafts):
        raise LocalOnly
    _check_quota(connection, project, drafts, now)
    visible_mark = False
    if tariff is not None and not project["billing"]:
        rules = tariff.free_use()
        drafts = free_use.admit(connection, project, drafts, rules, now)
        visible_mark = rules.visible_mark
    charges = billing.agree(connection, project, drafts, tariff, now)
    drafts = free_use.mark(drafts, visible_mark)  # a quote binds the request as it was written
    rows = [
        new_row(draft, now, retry_count) | {"price": charge.agreed}
        for draft, charge in zip(drafts, charges, strict=True)
    ]
    job_ids = sorted(row["id"] for row in rows)  # ids of one instant are in no order
    for row, job_id in zip(rows, job_ids, strict=True):
        row["id"] = job_id
    consents_of = [_consents(connection, draft, now) for draft in drafts]
    connection.execute(jobs.insert(), rows)
    billing.place_holds(connection, project_id, job_ids, charges, now)
    for job_id, consent_ids in zip(job_ids, consents_of, strict=True):
        consents.enter_uses(connection, job_id, consent_ids)
    inputs = [
        artifact_row(job_id, role, file)
        for job_id, draft in zip(job_ids, drafts, strict=True)
        for role, file in draft.inputs.items()
    ]
    if inputs:
        connection.execute(artifacts.insert(), inputs)
    library_rows.insert(connection, job_ids, drafts, now)
    hints.note(connection, project_id)
    if promise:
        idempotency.keep(connection, project_id, promise, job_ids, now)
    return Submitted(jobs_by_id(connection, job_ids))


def _consents(connection: Connection, draft: Draft, now: float) -> list[str]:
    """The consents of people that a draft needs; a revocation waits until the job is there."""
    digests = {file.digest for file in draft.inputs.values()}
    parents = {*draft.parents, *((draft.source_id,) if draft.source_id else ())}
    person = person_of(connection, draft.project_id, draft.key_id)
    return consents.required(connection, digests, parents, person, now)


def _check_quota(connection: Connection, project: sa.RowMapping, drafts: Sequence[Draft], now: float) -> None:
    storage.check(connection, project["id"], project["storage_limit_bytes"])
    maximum, budget = project["max_queued"], project["daily_seconds"]
    mine = jobs.c.project_id == project["id"]
    # The lines of a batch wait for as long as the batch allows; they do not fill the project's queue.
    if maximum is not None and drafts[0].batch_id is None:
        open_jobs = jobs.c.status.in_((Status.QUEUED.value, Status.RUNNING.value))
        waiting = count_rows(connection, mine, open_jobs, jobs.c.batch_id.is_(None))
        if waiting + len(drafts) > maximum:
            raise OverQuota(
                f"the project has {waiting} videos waiting or running of at most {maximum}",
                "wait until some of them are finished",
                retry_after=FULL_QUEUE_RETRY,
            )
    if budget is not None:
        begun = jobs.c.started_at.is_not(None)
        total = sa.select(
            sa.func.sum(jobs.c.seconds).label("seconds"), sa.func.min(jobs.c.created_at).label("first")
        ).where(
            mine,
            jobs.c.id > f"video_{int((now - DAY) * 1000):012x}",  # ids sort by time
            jobs.c.status != Status.FAILED.value,
            # A cancelled job counts if a worker had begun it: else a project could use the workers for
            # nothing by cancelling in time.
            sa.or_(jobs.c.status.not_in((Status.CANCELLED.value, Status.EXPIRED.value)), begun),
        )
        row = only_row(connection, total)
        accepted = row["seconds"] or 0.0
        requested = sum(draft.request.seconds for draft in drafts)
        if accepted + requested > budget:
            raise OverQuota(
                f"the project has had {accepted:g} of its {budget:g} seconds of video "
                f"in 24 hours, and {requested:g} more are too many",
                "ask for less, or wait until the oldest of them are a day old",
                retry_after=max(1.0, (row["first"] or now) + DAY - now),
            )
