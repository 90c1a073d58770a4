"""Samples of probes as they are entered: tallies by minute, hour and day, and what becomes of incidents."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.status import notices
from hinode.jobs.status.budget import HOUR, MINUTE
from hinode.jobs.status.incidents import Action, Impact, LastIncident, Streak, decide
from hinode.jobs.status.objectives import DAY, WINDOW_DAYS, objective_of
from hinode.records import ids
from hinode.records.rows import first_row, insert_into
from hinode.records.tables import status_buckets, status_components, status_incidents

KEEPING_SECONDS = {MINUTE: 2 * DAY, HOUR: 8 * DAY, int(DAY): (WINDOW_DAYS + 10) * DAY}
"""How long tallies are stored, by the seconds that each of them covers."""
RETIRED = "It is not probed any more."


@dataclass(frozen=True)
class Sample:
    """What a probe measured.

    Attributes:
        component: such as "clips/native".
        at: when the probe ended, in seconds since 1970.
        ok: whether the promise of the component was met.
        seconds: what it took.
        message: why it failed, in one sentence for everybody; "" if it did not.
        span: seconds before `at` for which the sample can stand at most.
    """

    component: str
    at: float
    ok: bool
    seconds: float
    message: str
    span: float


def enter(connection: Connection, samples: Sequence[Sample]) -> list[notices.Notice]:
    """Enter samples in the order of their times.

    Args:
        connection: in a writing transaction in which no other process enters samples.

    Returns: the incidents that opened or closed, whose events are in the same transaction.
    """
    entered = []
    for sample in sorted(samples, key=lambda sample: sample.at):
        row = first_row(
            connection, sa.select(status_components).where(status_components.c.name == sample.component)
        )
        before = Streak() if row is None else _streak(row)
        if row is not None and sample.at <= before.at:
            continue  # an older process measured it, and lost its turn meanwhile
        _count(connection, sample, before.at if row is not None else None)
        streak = before.after(sample.ok, sample.at)
        _enter_component(connection, sample, streak)
        entered += _update_incident(connection, sample, streak)
    return entered


def retire(connection: Connection, components: Collection[str], now: float) -> list[notices.Notice]:
    """Forget the components that are not among those that are probed now, and close their incidents; their
    history stays."""
    outside = status_components.c.name.not_in(components)
    connection.execute(status_components.delete().where(outside))
    orphans = sa.select(status_incidents.c.id, status_incidents.c.component).where(
        status_incidents.c.closed_at.is_(None), status_incidents.c.component.not_in(components)
    )
    closed = []
    for incident_id, component in connection.execute(orphans).all():
        _change(connection, incident_id, closed_at=now)
        closed.append(notices.enter(connection, incident_id, component, RETIRED, now, is_open=False))
    return closed


def prune(connection: Connection, now: float) -> None:
    """Delete the tallies that are older than their window."""
    for resolution, seconds in KEEPING_SECONDS.items():
        old = status_buckets.c.resolution == resolution, status_buckets.c.start < now - seconds
        connection.execute(status_buckets.delete().where(*old))


def _streak(row: sa.RowMapping) -> Streak:
    return Streak(row["failures"], row["successes"], row["failing_since"], row["at"])


def _count(connection: Connection, sample: Sample, last_at: float | None) -> None:
    """Add the time for which a sample stands to its minute, its hour and its day: the time since the sample
    before, but only as long as a prober that runs leaves between two."""
    stood = sample.seconds if last_at is None else min(sample.at - last_at, sample.span)
    good, bad = (stood, 0.0) if sample.ok else (0.0, stood)
    rows = [
        {
            "component": sample.component,
            "resolution": resolution,
            "start": sample.at // resolution * resolution,
            "good": good,
            "bad": bad,
            "samples": 1,
        }
        for resolution in KEEPING_SECONDS
    ]
    insert = insert_into(connection, status_buckets)
    columns = status_buckets.c
    more = {name: columns[name] + insert.excluded[name] for name in ("good", "bad", "samples")}
    key = ("component", "resolution", "start")
    connection.execute(insert.on_conflict_do_update(index_elements=key, set_=more), rows)


def _enter_component(connection: Connection, sample: Sample, streak: Streak) -> None:
    values = {
        "name": sample.component,
        "at": sample.at,
        "ok": sample.ok,
        "seconds": sample.seconds,
        "message": sample.message,
        "failures": streak.failures,
        "successes": streak.successes,
        "failing_since": streak.failing_since,
    }
    insert = insert_into(connection, status_components).values(**values)
    connection.execute(insert.on_conflict_do_update(index_elements=("name",), set_=values))


def _update_incident(connection: Connection, sample: Sample, streak: Streak) -> list[notices.Notice]:
    query = (
        sa.select(status_incidents)
        .where(status_incidents.c.component == sample.component)
        .order_by(status_incidents.c.opened_at.desc())
        .limit(1)
    )
    row = first_row(connection, query)
    last = None if row is None else LastIncident(row["id"], Impact(row["impact"]), row["closed_at"])
    explained = _fails(connection, objective_of(sample.component).explained_by)
    action = decide(streak, last, explained=explained)
    since = sample.at if streak.failing_since is None else streak.failing_since
    if action is Action.OPEN:
        incident_id = ids.make("incident_", sample.at)
        values = {"id": incident_id, "component": sample.component, "impact": Impact.DEGRADED.value}
        connection.execute(status_incidents.insert().values(**values, cause=sample.message, opened_at=since))
    elif last is None or action is Action.NONE:
        return []
    else:
        incident_id = last.id
    if action is Action.ESCALATE:
        _change(connection, incident_id, impact=Impact.OUTAGE.value, escalated_at=sample.at)
        return []
    if action is Action.REOPEN:
        _change(connection, incident_id, closed_at=None)
    if action is Action.CLOSE:
        _change(connection, incident_id, closed_at=sample.at)
    is_open = action is not Action.CLOSE
    return [
        notices.enter(connection, incident_id, sample.component, sample.message, sample.at, is_open=is_open)
    ]


def _fails(connection: Connection, kinds: Collection[str]) -> bool:
    """Whether the last sample of a component of these kinds was bad."""
    query = sa.select(status_components.c.name).where(status_components.c.failures > 0)
    return any(objective_of(name).kind in kinds for name in connection.scalars(query))


def _change(connection: Connection, incident_id: str, **values: object) -> None:
    update = status_incidents.update().where(status_incidents.c.id == incident_id)
    connection.execute(update.values(**values))
