"""Cost and revenue of a period by day."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hinode.money.books.margins import Margin
from hinode.money.economics.cohorts import DAY
from hinode.money.economics.records import Books, Payment


@dataclass(frozen=True)
class Day:
    """What the clips that were asked for in 24 hours have cost, and what came in, in USD; `date` is that of
    the first hour, UTC."""

    date: str
    cost: float
    revenue: float


def by_day(books: Books, each: Mapping[str, Margin], payments: Sequence[Payment]) -> list[Day]:
    """The days of a period. `each`: the margin of each clip, by its id."""
    count = max(1, math.ceil((books.until - books.since) / DAY))
    spent, received = [0.0] * count, [0.0] * count

    def place(at: float) -> int:
        return min(count - 1, int((at - books.since) / DAY))

    for clip in books.clips:
        spent[place(clip.created_at)] += each[clip.id].cost
    for payment in payments:
        received[place(payment.at)] += payment.usd
    return [
        Day(str(datetime.fromtimestamp(books.since + number * DAY, UTC).date()), *amounts)
        for number, amounts in enumerate(zip(spent, received, strict=True))
    ]
