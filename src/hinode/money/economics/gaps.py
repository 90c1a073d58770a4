"""Prices that the cost book lacks for what was recorded."""

from __future__ import annotations

from datetime import UTC, date, datetime

from hinode.money.books.costs import CostBook
from hinode.money.books.entries import MissingPrice
from hinode.money.economics.records import Books


def gaps(books: Books, costs: CostBook) -> list[str]:
    """What has no price in the cost book, such as "an hour of the host gpu-7", each of it once."""
    hosts = {(attempt.host, _day(attempt.started_at)) for clip in books.clips for attempt in clip.attempts}
    hosts |= {(time.host, _day(books.until)) for time in books.workers}
    providers = {(clip.provider, _day(clip.created_at)) for clip in books.clips if clip.delivered}
    providers |= {
        (name, _day(clip.created_at)) for clip in books.clips for name, usd in clip.losses if usd is None
    }
    names: dict[str, None] = {}
    for find, keys in ((costs.host, hosts), (costs.provider, providers)):
        for name, day in sorted(keys):
            if name:
                try:
                    find(name, day)
                except MissingPrice as error:
                    names[error.name] = None
    return list(names)


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()
