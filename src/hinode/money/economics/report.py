"""Cost, revenue, margins, utilisation, re-rolls and break-even of a period, from its books."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from hinode.money.books.costs import CostBook
from hinode.money.books.entries import Stale
from hinode.money.books.margins import Margin, margins, spread
from hinode.money.economics.cohorts import Cohort, cohorts
from hinode.money.economics.days import Day, by_day
from hinode.money.economics.records import CANCELLED, Books, ClipRecord, Payment
from hinode.money.economics.revenue import Revenue

HOUR = 3600.0
NOTHING = Revenue()
WORST = 10
TAKE_SECONDS = 86_400.0
"""A clip is a re-roll of one that was asked for in so many seconds before it, of the same idea."""


@dataclass(frozen=True)
class Report:
    """What a period cost and brought in, in USD.

    Attributes:
        total: of all clips; idle time is not in it.
        idle_cost: of the time in which workers had nothing to do.
        granted: granted credit that clips have cost; it is no revenue.
        delivered: clips.
        accepted: clips that somebody has shown a use for.
        cancelled: clips.
        stages: cost of clips by stage of the run, with "lost", "overhead" and "provider".
        utilisation: share of the workers' time that was work; None without workers.
        reroll_rate: share of the delivered clips of which another take was asked for within a day.
        break_even_price: for a second of delivered video, with idle time; None without any.
        break_even_conversion: share of the accounts with clips that would have to pay what those that paid
            have paid on average; None if nobody has paid.
        conversion: the share that has paid.
        days: cost and revenue by day.
        by: margins by "clip", "tenant", "model" and "hardware".
    """

    since: float
    until: float
    clips: int
    delivered: int
    accepted: int
    cancelled: int
    total: Margin
    idle_cost: float
    granted: float
    utilisation: float | None
    reroll_rate: float | None
    stages: dict[str, float]
    break_even_price: float | None
    conversion: float | None
    break_even_conversion: float | None
    days: Sequence[Day]
    by: dict[str, dict[str, Margin]]
    cohorts: Sequence[Cohort]
    stale: Sequence[Stale]

    @property
    def cost(self) -> float:
        """Of work and of idle time."""
        return self.total.cost + self.idle_cost

    @property
    def margin(self) -> float:
        """Revenue less every cost."""
        return self.total.revenue - self.cost

    def per(self, clips: int) -> tuple[float, float, float] | None:
        """Cost, revenue and margin for each of so many clips; None for none."""
        if not clips:
            return None
        return self.cost / clips, self.total.revenue / clips, self.margin / clips

    def worst(self, count: int = WORST) -> list[tuple[str, Margin]]:
        """The clips with the lowest margins, by id, the lowest first."""
        return heapq.nsmallest(count, self.by["clip"].items(), key=lambda entry: (entry[1].usd, entry[0]))

    def as_json(self) -> dict[str, Any]:
        """The report in plain JSON values; of single clips it has the `WORST` lowest margins."""
        groups = {
            kind: {name: {**vars(margin), "margin": margin.usd} for name, margin in group.items()}
            for kind, group in self.by.items()
            if kind != "clip"
        }
        names, rest = ("cost", "revenue", "margin"), ("by", "cohorts", "days", "stale", "total")
        each = {
            kind: dict(zip(names, values, strict=True)) if (values := self.per(clips)) else None
            for kind, clips in (("clip", self.delivered), ("accepted_clip", self.accepted))
        }
        return {
            "object": "economics.report",
            **{name: value for name, value in vars(self).items() if name not in rest},
            "cost": self.cost,
            "revenue": self.total.revenue,
            "margin": self.margin,
            "per": each,
            "by": groups,
            "worst": [
                {"id": name, "cost": margin.cost, "revenue": margin.revenue, "margin": margin.usd}
                for name, margin in self.worst()
            ],
            "days": [vars(day) for day in self.days],
            "cohorts": [
                {**vars(cohort), "returns": {str(day): list(pair) for day, pair in cohort.returns.items()}}
                for cohort in self.cohorts
            ],
            "stale": [str(entry) for entry in self.stale],
        }


def report(books: Books, costs: CostBook, revenue: Revenue = NOTHING) -> Report:
    """The report of a period.

    A payment for a clip is its revenue. One without a clip, such as credit that expired, is divided among the
    delivered clips of its tenant by their seconds, and stays with the tenant alone if there are none.

    Raises:
        MissingPrice: a host or a provider has no price in the cost book.
    """
    paid = [payment for payment in revenue.payments if books.since <= payment.at < books.until]
    shares = _revenue(books.clips, paid)
    each = {clip.id: Margin(clip_cost(clip, costs), shares.get(clip.id, 0.0), 1) for clip in books.clips}
    delivered = [clip for clip in books.clips if clip.delivered]
    total = sum(each.values(), Margin())
    received = float(sum(payment.usd for payment in paid))
    total = Margin(total.cost, received, total.clips)
    idle, utilisation = _idle(books, costs)
    cost = total.cost + idle
    video = sum(clip.seconds for clip in delivered)
    active = {clip.tenant for clip in books.clips}
    payers = {payment.tenant for payment in paid if payment.usd > 0}
    mean = received / len(payers) if payers else 0.0
    return Report(
        since=books.since,
        until=books.until,
        clips=len(books.clips),
        delivered=len(delivered),
        accepted=sum(clip.accepted for clip in delivered),
        cancelled=sum(clip.status == CANCELLED for clip in books.clips),
        total=total,
        idle_cost=idle,
        granted=revenue.granted,
        utilisation=utilisation,
        reroll_rate=reroll_rate(books.clips),
        stages=_stages(books.clips, each, costs),
        break_even_price=cost / video if video else None,
        conversion=len(payers & active) / len(active) if active else None,
        break_even_conversion=cost / (mean * len(active)) if mean and active else None,
        days=by_day(books, each, paid),
        by={
            "clip": {clip.id: each[clip.id] for clip in books.clips},
            "tenant": _by_tenant(books.clips, each, paid),
            "model": margins(books.clips, lambda clip: clip.model, lambda clip: each[clip.id]),
            "hardware": _by_hardware(books.clips, each, costs),
        },
        cohorts=cohorts(books, paid),
        stale=costs.stale(_day(books.until)),
    )


def clip_cost(clip: ClipRecord, costs: CostBook) -> float:
    """USD that were spent on a clip: every attempt, the provider if one delivered it, and those that may have
    made it in vain, as if they had.

    Raises:
        MissingPrice: a host or the provider has no price in the cost book.
    """
    day = _day(clip.created_at)
    usd = _own_cost(clip, costs)
    if clip.provider and clip.delivered:
        usd += clip.seconds * costs.provider(clip.provider, day).usd_per_second
    for provider, price in clip.losses:
        usd += clip.seconds * costs.provider(provider, day).usd_per_second if price is None else price
    return usd


def _own_cost(clip: ClipRecord, costs: CostBook) -> float:
    """USD of the hosts of a clip's attempts."""
    return sum(
        attempt.seconds / HOUR * costs.host(attempt.host, _day(attempt.started_at)).usual
        for attempt in clip.attempts
    )


def reroll_rate(clips: Sequence[ClipRecord]) -> float | None:
    """The share of the delivered clips of which another take was asked for within `TAKE_SECONDS`."""
    asked: dict[str, list[float]] = {}
    for clip in sorted(clips, key=lambda clip: clip.created_at):
        asked.setdefault(clip.idea, []).append(clip.created_at)
    delivered = [clip for clip in clips if clip.delivered]
    if not delivered:
        return None
    again = 0
    for clip in delivered:
        times = asked[clip.idea]
        later = bisect_right(times, clip.created_at)
        again += later < len(times) and times[later] <= clip.created_at + TAKE_SECONDS
    return again / len(delivered)


def _revenue(clips: Sequence[ClipRecord], payments: Sequence[Payment]) -> dict[str, float]:
    revenue: dict[str, float] = {}
    by_tenant: dict[str, dict[str, float]] = {}
    for clip in clips:
        if clip.delivered:
            by_tenant.setdefault(clip.tenant, {})[clip.id] = clip.seconds
    for payment in payments:
        weights = {payment.clip: 1.0} if payment.clip else by_tenant.get(payment.tenant, {})
        for name, usd in spread(payment.usd, weights).items():
            revenue[name] = revenue.get(name, 0.0) + usd
    return revenue


def _idle(books: Books, costs: CostBook) -> tuple[float, float | None]:
    """The cost of the time without work, and the share of the time with it."""
    usd = sum(
        (time.seconds - time.busy) / HOUR * costs.host(time.host, _day(books.until)).usual
        for time in books.workers
    )
    total = sum(time.seconds for time in books.workers)
    return usd, (sum(time.busy for time in books.workers) / total if total else None)


def _by_tenant(
    clips: Sequence[ClipRecord], each: dict[str, Margin], payments: Sequence[Payment]
) -> dict[str, Margin]:
    """Margins by tenant: the cost of its clips, and all that it has paid."""
    spent = [(clip.tenant, Margin(each[clip.id].cost, 0.0, 1)) for clip in clips]
    received = [(payment.tenant, Margin(0.0, payment.usd)) for payment in payments]
    return margins([*spent, *received], lambda entry: entry[0], lambda entry: entry[1])


def _stages(clips: Sequence[ClipRecord], each: dict[str, Margin], costs: CostBook) -> dict[str, float]:
    """The cost of clips by stage of the delivered run.

    "lost" is that of attempts which delivered nothing, "overhead" what the last attempt took beside its
    stages, and "provider" what providers are paid.
    """
    stages: dict[str, float] = {}

    def add(name: str, usd: float) -> None:
        stages[name] = stages.get(name, 0.0) + usd

    for clip in clips:
        cost, own = each[clip.id].cost, _own_cost(clip, costs)
        last = clip.attempts[-1].seconds if clip.delivered and clip.attempts else 0.0
        hour = own / clip.work_seconds if clip.work_seconds else 0.0
        known = sum(clip.stages.values())
        scale = hour * min(1.0, last / known) if known else 0.0  # stages may be measured by another clock
        for name, seconds in clip.stages.items() if last else ():
            add(name, seconds * scale)
        add("overhead", last * hour - (known * scale if last else 0.0))
        add("lost", own - last * hour)
        add("provider", cost - own)
    return dict(sorted(((n, u) for n, u in stages.items() if u > 1e-12), key=lambda entry: -entry[1]))


def _by_hardware(clips: Sequence[ClipRecord], each: dict[str, Margin], costs: CostBook) -> dict[str, Margin]:
    """Margins by class of hardware: a clip belongs to the class of its last attempt, or to its provider."""

    def name(clip: ClipRecord) -> str:
        if clip.provider or not clip.attempts:
            return clip.provider or "none"
        last = clip.attempts[-1]
        return costs.host(last.host, _day(last.started_at)).hardware

    return margins(clips, name, lambda clip: each[clip.id])


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()
