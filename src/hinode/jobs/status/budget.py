"""Availability, error budgets and burn rates, from seconds that were good, bad, or not measured.

Time without samples is neither good nor bad: it costs no budget, and it is never counted as up. The windows
and thresholds are those of the SRE workbook, "Alerting on SLOs", for multiple windows and burn rates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hinode.jobs.status.objectives import DAY, WINDOW_DAYS

MINUTE, HOUR = 60, 3600
WINDOWS = {"5m": 5 * 60.0, "30m": 30 * 60.0, "1h": 3600.0, "6h": 6 * 3600.0, "3d": 3 * DAY}
"""Seconds over which burn rates are taken."""


@dataclass(frozen=True)
class Tally:
    """Seconds for which good and bad samples stand."""

    good: float = 0.0
    bad: float = 0.0

    @property
    def availability(self) -> float | None:
        """Share of the measured time that was good, 0 to 1; None if nothing was measured."""
        measured = self.good + self.bad
        return self.good / measured if measured > 0 else None

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.good + other.good, self.bad + other.bad)


@dataclass(frozen=True)
class Bucket:
    """A stretch of time: its start in seconds since 1970, its length in seconds, and its tally."""

    start: float
    resolution: int
    tally: Tally


@dataclass(frozen=True)
class AlertRule:
    """Burn rates, over a long and a short window, at which people should notice.

    The long window shows that the loss matters, the short one that it goes on.
    """

    severity: str
    burn_rate: float
    long: str
    short: str


ALERT_RULES = (
    AlertRule("page", 14.4, "1h", "5m"),
    AlertRule("page", 6.0, "6h", "30m"),
    AlertRule("ticket", 1.0, "3d", "6h"),
)


@dataclass(frozen=True)
class Budget:
    """An error budget: seconds that may be bad in the window, and those that were."""

    allowed: float
    spent: float

    @property
    def left(self) -> float:
        """Share of the budget that is left; negative once it is overspent."""
        return 1.0 - self.spent / self.allowed


def sum_since(buckets: Iterable[Bucket], start: float) -> Tally:
    """The tally of the buckets that end after a time, in seconds since 1970."""
    total = Tally()
    for bucket in buckets:
        if bucket.start + bucket.resolution > start:
            total += bucket.tally
    return total


def error_budget(tally: Tally, target: float, seconds: float = WINDOW_DAYS * DAY) -> Budget:
    """The error budget of a window of `seconds`.

    Args:
        tally: of the window.
        target: share of the time that is to be good, 0 <= target < 1.
    """
    return Budget((1.0 - target) * seconds, tally.bad)


def burn_rate(tally: Tally, target: float, seconds: float) -> float:
    """How fast a budget is spent: at 1, exactly all of it is spent if it goes on so for the whole window.

    It is taken from the whole of `seconds`, measured or not: a prober that has just started, and whose first
    sample is bad, does not raise an alert about days.
    """
    return min(tally.bad, seconds) / (seconds * (1.0 - target))


def burn_rates(buckets: Iterable[Bucket], target: float, now: float) -> dict[str, float]:
    """The burn rate over each of `WINDOWS`, from buckets of minutes and of hours.

    Windows of up to six hours are taken from minutes, longer ones from hours.
    """
    by_resolution: dict[int, list[Bucket]] = {MINUTE: [], HOUR: []}
    for bucket in buckets:
        by_resolution[bucket.resolution].append(bucket)
    return {
        name: burn_rate(
            sum_since(by_resolution[MINUTE if seconds <= WINDOWS["6h"] else HOUR], now - seconds),
            target,
            seconds,
        )
        for name, seconds in WINDOWS.items()
    }


def alerts(rates: dict[str, float]) -> list[AlertRule]:
    """The rules whose two windows both burn faster than allowed."""
    return [rule for rule in ALERT_RULES if min(rates[rule.long], rates[rule.short]) > rule.burn_rate]
