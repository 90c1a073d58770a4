"""What a job used, entered in the transaction that ends it, and told to who wants to know."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy.engine import Connection

from hinode.errors import BadInput
from hinode.jobs.job import Job
from hinode.jobs.states import Status
from hinode.jobs.webhooks import outbox
from hinode.money.meters import days, events, usage
from hinode.money.meters.usage import Record, Usage
from hinode.money.pricing import CURRENCY
from hinode.parsing import parse
from hinode.records.database import Database
from hinode.request import MediaFile

log = logging.getLogger(__name__)

RECORDED = "usage.recorded"
FIELD = "usage"
"""Of the account that a worker gives of a clip."""
DAY_SECONDS, LATE_SECONDS = 86_400.0, 300.0


class DayTeller:
    """Tells webhooks what projects used on days that are over."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self._database = database
        self._clock = clock

    def tell(self) -> None:
        """Enter the events of the last two days, once each."""
        # Another process may write what it counted before midnight some seconds after it.
        today = (self._clock() - LATE_SECONDS) // DAY_SECONDS * DAY_SECONDS
        with self._database.write() as connection:
            for record in list(days.records(connection, today - 2 * DAY_SECONDS, today)):
                if outbox.is_wanted(connection, record.project_id, RECORDED):
                    event = events.day_event(record)
                    data = {"id": event["id"], "events": [event]}
                    outbox.emit(
                        connection, record.project_id, RECORDED, data, once=event["id"], now=self._clock()
                    )


def read(account: Mapping[str, Any]) -> Usage | None:
    """What a worker says that a clip used; None if it says nothing that can be understood, for the clip is
    there."""
    if account.get(FIELD) is None:
        return None
    try:
        return parse(Usage, account[FIELD], what="the usage", field=FIELD)
    except BadInput as error:
        log.warning("the usage of a clip is not recorded: %s", error)
        return None


def separate(account: Mapping[str, Any]) -> tuple[Usage | None, dict[str, Any]]:
    """What `read` gives, and the account as it is kept: what was not understood is left out."""
    used = read(account)
    kept = {name: value for name, value in account.items() if name != FIELD}
    return used, kept if used is None else {**kept, FIELD: used.as_json()}


def enter(
    connection: Connection,
    job: Job,
    status: Status,
    now: float,
    *,
    charged: int | None,
    used: Usage | None = None,
    files: Iterable[MediaFile] = (),
) -> None:
    """Enter what a job used that ends at `now` (seconds since 1970); nothing if it never began.

    Args:
        charged: micro-units; None if its project does not pay.
        used: as the worker measured it; None is unknown.
        files: that it made.
    """
    if job.started_at is None:
        return
    record = Record.of(
        used,
        job_id=job.id,
        project_id=job.project_id,
        model=f"{job.engine}/{job.model}",
        operation=job.operation,
        status=status.value,
        began_at=job.started_at,
        ended_at=now,
        seconds=job.seconds if status is Status.COMPLETED else 0.0,
        stored_bytes=sum(file.bytes for file in files),
        charged=charged,
        currency=CURRENCY,
    )
    usage.enter(connection, record)
    if outbox.is_wanted(connection, job.project_id, RECORDED):
        data = {"id": job.id, "events": list(events.events(record))}
        outbox.emit(connection, job.project_id, RECORDED, data, once=f"{job.id}:usage", now=now)
