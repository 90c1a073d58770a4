"""Everything that the status page shows, read from the database in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.jobs.status.budget import (
    HOUR,
    MINUTE,
    WINDOWS,
    AlertRule,
    Bucket,
    Budget,
    Tally,
    alerts,
    burn_rates,
    error_budget,
)
from hinode.jobs.status.incidents import Impact
from hinode.jobs.status.objectives import DAY, WINDOW_DAYS, Objective, objective_of, sort_key, title_of
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.rows import first_row
from hinode.records.tables import (
    status_buckets,
    status_components,
    status_incidents,
    status_notes,
    status_probers,
)

SILENT_SECONDS = 120.0
"""Without a sample of a component, after which its state is unknown; longer than the longest probe and the
pauses around it."""
SILENT_PROBER_SECONDS = 60.0
"""Without any sample, after which the prober counts as down; the probe of the API alone gives more."""
MAX_INCIDENTS = 50
MAX_NOTE_LENGTH = 2000

OPERATIONAL, FAILING, UNKNOWN = "operational", "failing", "unknown"
"""States of a component without an open incident. With one, its state is the impact of that."""
_RANK = (OPERATIONAL, UNKNOWN, FAILING, Impact.DEGRADED.value, Impact.OUTAGE.value)


@dataclass(frozen=True)
class Day:
    """A day of a component: its start in seconds since 1970, its tally, and the seconds of it that are not
    measured."""

    start: float
    tally: Tally
    unknown: float


@dataclass(frozen=True)
class Component:
    """A component, as its last samples and its history show it.

    Attributes:
        name: such as "clips/native".
        state: `OPERATIONAL`, `FAILING`, `UNKNOWN`, or an impact.
        at: the last sample, seconds since 1970; `seconds` is what it took, and `message` why it failed.
        tally: of the window of 90 days; `days` are those days, the oldest first.
        burn_rates: by the names of `budget.WINDOWS`.
    """

    name: str
    title: str
    objective: Objective
    state: str
    at: float
    seconds: float
    message: str
    tally: Tally
    budget: Budget
    burn_rates: Mapping[str, float]
    alerts: Sequence[AlertRule]
    days: Sequence[Day]


@dataclass(frozen=True)
class Note:
    """What an operator wrote about an incident."""

    text: str
    created_at: float


@dataclass(frozen=True)
class Incident:
    """An incident; `closed_at` is None while it is open."""

    id: str
    component: str
    title: str
    impact: Impact
    cause: str
    opened_at: float
    escalated_at: float | None
    closed_at: float | None
    notes: Sequence[Note]


@dataclass(frozen=True)
class Report:
    """The status of the service at a time; times are seconds since 1970.

    Attributes:
        at: when it was read.
        state: the worst of the components.
        prober_runs: whether a prober has reported lately.
        reported_at: its last sample, or None if there was never one.
        interval: seconds between its probes.
        incidents: the open ones and then the last ones of the window, the newest first.
    """

    at: float
    state: str
    prober_runs: bool
    reported_at: float | None
    interval: float
    components: Sequence[Component]
    incidents: Sequence[Incident]

    def outdated(self) -> Report:
        """The same as history: nothing is known of the present."""
        components = [replace(component, state=UNKNOWN) for component in self.components]
        return replace(self, state=UNKNOWN, components=components)


class StatusRecords:
    """The status of one service, in its database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self.database = database
        self.clock = clock

    def report(self) -> Report:
        """The status at this moment.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        now = self.clock()
        with self.database.read() as connection:
            prober = first_row(connection, sa.select(status_probers))
            incidents = _incidents(connection, now)
            impacts = {entry.component: entry.impact for entry in incidents if entry.closed_at is None}
            buckets = _buckets(connection, now)
            rows = connection.execute(sa.select(status_components)).mappings().all()
        components = [
            _component(row, buckets[row["name"]], impacts.get(row["name"]), now)
            for row in sorted(rows, key=lambda row: sort_key(row["name"]))
        ]
        reported_at = None if prober is None else prober["reported_at"]
        runs = reported_at is not None and now - reported_at <= SILENT_PROBER_SECONDS
        states = [component.state for component in components] or [UNKNOWN]
        return Report(
            at=now,
            state=max(states, key=_RANK.index) if runs else UNKNOWN,
            prober_runs=runs,
            reported_at=reported_at,
            interval=0.0 if prober is None else prober["interval"],
            components=components,
            incidents=incidents,
        )

    def add_note(self, incident_id: str, text: str) -> None:
        """Add what an operator says about an incident.

        Raises:
            BadInput: there is no such incident, or the text is empty or too long.
        """
        now, text = self.clock(), text.strip()
        if not 1 <= len(text) <= MAX_NOTE_LENGTH:
            remedy = f"write 1 to {MAX_NOTE_LENGTH} characters"
            raise BadInput("the note is empty or too long", remedy, field="text")
        with self.database.write() as connection:
            query = sa.select(status_incidents.c.id).where(status_incidents.c.id == incident_id)
            if connection.scalar(query) is None:
                message = f"there is no incident {quote(incident_id)}"
                remedy = "list them with `hinode status incidents`"
                raise BadInput(message, remedy, field="incident")
            values = {"id": ids.make("note_", now), "incident_id": incident_id, "created_at": now}
            connection.execute(status_notes.insert().values(**values, text=text))


def _component(row: sa.RowMapping, buckets: Sequence[Bucket], impact: Impact | None, now: float) -> Component:
    objective = objective_of(row["name"])
    state = OPERATIONAL if row["ok"] else FAILING
    if now - row["at"] > SILENT_SECONDS:
        state = UNKNOWN
    elif impact is not None:
        state = impact.value
    recent = [bucket for bucket in buckets if bucket.resolution in (MINUTE, HOUR)]
    rates = burn_rates(recent, objective.target, now)
    days = _days([bucket for bucket in buckets if bucket.resolution == DAY], now)
    tally = sum((day.tally for day in days), Tally())
    return Component(
        name=row["name"],
        title=title_of(row["name"]),
        objective=objective,
        state=state,
        at=row["at"],
        seconds=row["seconds"],
        message=row["message"],
        tally=tally,
        budget=error_budget(tally, objective.target),
        burn_rates=rates,
        alerts=alerts(rates),
        days=days,
    )


def _days(buckets: Sequence[Bucket], now: float) -> list[Day]:
    """The days of the window, today last; of today only what has passed counts as not measured."""
    tallies = {bucket.start: bucket.tally for bucket in buckets}
    today = now // DAY * DAY
    days = []
    for back in range(WINDOW_DAYS - 1, -1, -1):
        start = today - back * DAY
        tally = tallies.get(start, Tally())
        passed = min(DAY, now - start)
        days.append(Day(start, tally, max(0.0, passed - tally.good - tally.bad)))
    return days


def _buckets(connection: Connection, now: float) -> Mapping[str, list[Bucket]]:
    """The tallies of every component that the report needs."""
    since = {MINUTE: now - WINDOWS["6h"], HOUR: now - WINDOWS["3d"], int(DAY): now - WINDOW_DAYS * DAY}
    table = status_buckets.c
    parts = (
        sa.and_(table.resolution == resolution, table.start > start - resolution)
        for resolution, start in since.items()
    )
    columns = table.component, table.resolution, table.start, table.good, table.bad
    buckets: dict[str, list[Bucket]] = defaultdict(list)
    for component, resolution, start, good, bad in connection.execute(
        sa.select(*columns).where(sa.or_(*parts))
    ):
        buckets[component].append(Bucket(start, resolution, Tally(good, bad)))
    return buckets


def _incidents(connection: Connection, now: float) -> list[Incident]:
    table = status_incidents.c
    query = (
        sa.select(status_incidents)
        .where(sa.or_(table.closed_at.is_(None), table.closed_at > now - WINDOW_DAYS * DAY))
        .order_by(table.closed_at.is_not(None), table.opened_at.desc())
        .limit(MAX_INCIDENTS)
    )
    rows = connection.execute(query).mappings().all()
    notes: dict[str, list[Note]] = {row["id"]: [] for row in rows}
    chosen = sa.select(status_notes).where(status_notes.c.incident_id.in_(notes)).order_by(status_notes.c.id)
    for note in connection.execute(chosen).mappings():
        notes[note["incident_id"]].append(Note(note["text"], note["created_at"]))
    return [
        Incident(
            id=row["id"],
            component=row["component"],
            title=title_of(row["component"]),
            impact=Impact(row["impact"]),
            cause=row["cause"],
            opened_at=row["opened_at"],
            escalated_at=row["escalated_at"],
            closed_at=row["closed_at"],
            notes=notes[row["id"]],
        )
        for row in rows
    ]
