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
        activations: accounts with a clip that was delivered.
        acceptances: accounts with a clip that was accepted.
        payers: accounts with a payment.
        returns: by day after an account was made: how many accounts asked for a clip on it, and of how many
            that is known, because the day is over.
        revenue: in USD.
    """

    week: str
    accounts: int
    activations: int
    acceptances: int
    payers: int
    returns: dict[int, tuple[int, int]]
    revenue: float


def cohorts(books: Books, payments: Sequence[Payment]) -> list[Cohort]:
    """The cohorts of the accounts that were made in the period, the first week first."""
    made_at = {name: at for name, at in books.accounts.items() if books.since <= at < books.until}
    clips: dict[str, list[ClipRecord]] = {}
    for clip in books.clips:
        clips.setdefault(clip.tenant, []).append(clip)
    revenue: dict[str, float] = {}
    for payment in payments:
        revenue[payment.tenant] = revenue.get(payment.tenant, 0.0) + payment.usd
    weeks: dict[str, list[str]] = {}
    for name, at in sorted(made_at.items(), key=lambda entry: entry[1]):
        weeks.setdefault(_monday(at), []).append(name)
    return [
        Cohort(
            week,
            len(names),
            sum(any(clip.delivered for clip in clips.get(name, ())) for name in names),
            sum(any(clip.accepted for clip in clips.get(name, ())) for name in names),
            sum(revenue.get(name, 0.0) > 0 for name in names),
            {
                day: _returns(((made_at[name], clips.get(name, [])) for name in names), day, books.until)
                for day in DAYS
            },
            sum(revenue.get(name, 0.0) for name in names),
        )
        for week, names in weeks.items()
    ]


def _returns(
    accounts: Iterable[tuple[float, Sequence[ClipRecord]]], day: int, until: float
) -> tuple[int, int]:
    """How many accounts asked for a clip in the 24 hours that begin so many days after they were made."""
    active = complete = 0
    for made_at, clips in accounts:
        start = made_at + day * DAY
        if start + DAY <= until:
            complete += 1
            active += any(start <= clip.created_at < start + DAY for clip in clips)
    return active, complete


def _monday(at: float) -> str:
    day = datetime.fromtimestamp(at, UTC).date()
    return str(day - timedelta(days=day.weekday()))
