"""What the accounts of each week went on to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hinode.money.economics.records import Books, ClipRecord, Payment

DAY = 86_400.0
DAYS = (1, 7, 30)


@dataclass(frozen=True)
class Cohort:
    """The accounts that were made in a week.

    Attributes:
        week: the Monday that it begins with, UTC.
        accounts: how many.
        activated: with a clip that was delivered.
        kept: with a clip that was accepted.
        paid: with a payment.
        returned: by day after it was made: how many of the accounts asked for a clip on it, and of how many
            that is known, because the day is over.
        revenue: in USD.
    """

    week: str
    accounts: int
    activated: int
    kept: int
    paid: int
    returned: dict[int, tuple[int, int]]
    revenue: float


def cohorts(books: Books, payments: Sequence[Payment]) -> list[Cohort]:
    """The cohorts of the accounts that were made in the period, the first week first."""
    made = {name: at for name, at in books.accounts.items() if books.since <= at < books.until}
    clips: dict[str, list[ClipRecord]] = {}
    for clip in books.clips:
        clips.setdefault(clip.tenant, []).append(clip)
    revenue: dict[str, float] = {}
    for payment in payments:
        revenue[payment.tenant] = revenue.get(payment.tenant, 0.0) + payment.usd
    weeks: dict[str, list[str]] = {}
    for name, at in sorted(made.items(), key=lambda entry: entry[1]):
        weeks.setdefault(_monday(at), []).append(name)

    def returned(names: Sequence[str], day: int) -> tuple[int, int]:
        return _returned(((made[name], clips.get(name, [])) for name in names), day, books.until)

    return [
        Cohort(
            week,
            len(names),
            sum(any(clip.delivered for clip in clips.get(name, ())) for name in names),
            sum(any(clip.accepted for clip in clips.get(name, ())) for name in names),
            sum(revenue.get(name, 0.0) > 0 for name in names),
            {
                day: _returned(((made[name], clips.get(name, [])) for name in names), day, books.until)
                for day in DAYS
            },
            sum(revenue.get(name, 0.0) for name in names),
        )
        for week, names in weeks.items()
    ]


def _returned(
    accounts: Iterable[tuple[float, Sequence[ClipRecord]]], day: int, until: float
) -> tuple[int, int]:
    """How many accounts asked for a clip in the 24 hours that begin so many days after they were made."""
    back = known = 0
    for made, clips in accounts:
        start = made + day * DAY
        if start + DAY <= until:
            known += 1
            back += any(start <= clip.created_at < start + DAY for clip in clips)
    return back, known


def _monday(at: float) -> str:
    day = datetime.fromtimestamp(at, UTC).date()
    return str(day - timedelta(days=day.weekday()))
