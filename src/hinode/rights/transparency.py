"""The transparency report: how many notices there were in a time, and what came of them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.records.rows import count_rows
from hinode.records.tables import consents, rights_events, takedown_matches, takedowns, withheld
from hinode.rights.notices import DUE_SECONDS, KINDS, Status
from hinode.rights.people import CLOCK


@dataclass(frozen=True)
class Row:
    """The notices of one kind: how many there were, and where they are now."""

    kind: str
    received: int
    status: Mapping[str, int]


@dataclass(frozen=True)
class Report:
    """What happened from `begin` until `end`, seconds since 1970. It names nobody.

    Attributes:
        rows: the notices by kind.
        median_hours, longest_hours: from a notice to the decision; None if there was none.
        late: notices that were decided about after 48 hours, or are still open after them.
        automatic: notices that were carried out because nobody had decided.
        withheld: entries that were withheld because of notices, by how they matched.
        answered, restored: notices that a maker answered, and that were undone.
        consents, revoked: consents that were granted, and revoked.
    """

    begin: float
    end: float
    rows: tuple[Row, ...]
    median_hours: float | None
    longest_hours: float | None
    late: int
    automatic: int
    withheld: Mapping[str, int]
    answered: int
    restored: int
    consents: int
    revoked: int


def report(connection: Connection, begin: float, end: float) -> Report:
    """The report of the notices that arrived from `begin` until before `end`."""
    inside = takedowns.c.created_at >= begin, takedowns.c.created_at < end
    found = connection.execute(sa.select(takedowns).where(*inside)).all()
    rows = tuple(
        Row(kind, len(of_kind), dict(Counter(notice.status for notice in of_kind)))
        for kind in KINDS
        for of_kind in [[notice for notice in found if notice.kind == kind]]
    )
    hours = [
        (notice.decided_at - notice.created_at) / 3600 for notice in found if notice.decided_at is not None
    ]
    late = sum((notice.decided_at or end) - notice.created_at > DUE_SECONDS for notice in found)
    matched = sa.select(takedown_matches.c.match, sa.func.count()).join(
        withheld,
        sa.and_(
            withheld.c.entry_id == takedown_matches.c.entry_id,
            withheld.c.cause_id == takedown_matches.c.takedown_id,
        ),
    )
    matched = matched.where(withheld.c.at >= begin, withheld.c.at < end).group_by(takedown_matches.c.match)
    in_time = rights_events.c.at >= begin, rights_events.c.at < end
    return Report(
        begin=begin,
        end=end,
        rows=rows,
        median_hours=statistics.median(hours) if hours else None,
        longest_hours=max(hours, default=None),
        late=late,
        automatic=sum(notice.decided_by == CLOCK for notice in found),
        withheld={kind: int(count) for kind, count in connection.execute(matched)},
        answered=sum(notice.counter_at is not None for notice in found),
        restored=sum(notice.status == Status.RESTORED for notice in found),
        consents=count_rows(connection, consents.c.created_at >= begin, consents.c.created_at < end),
        revoked=count_rows(connection, rights_events.c.kind == "consent.revoked", *in_time),
    )
