"""When an incident opens, grows worse and closes: a pure decision from the last samples of a component.

One failure opens nothing and a single success closes nothing, so that a component that fails now and then
does not open an incident each time. One that fails again soon after its incident continues that incident.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OPENING_FAILURES = 2
"""In a row."""
CLOSING_SUCCESSES = 3
"""In a row."""
OUTAGE_SECONDS = 300.0
"""Without a single success, after which a degradation is an outage."""
REOPENING_SECONDS = 600.0
"""After the end of an incident, in which new failures continue it."""


class Impact(StrEnum):
    """How bad an incident is."""

    DEGRADED = "degraded"
    OUTAGE = "outage"


class Action(StrEnum):
    """What happens to the incident of a component."""

    NONE = "none"
    OPEN = "open"
    REOPEN = "reopen"
    ESCALATE = "escalate"
    CLOSE = "close"


@dataclass(frozen=True)
class Streak:
    """The last samples of a component that had the same outcome; times are seconds since 1970.

    Attributes:
        failures: in a row, 0 after a success.
        successes: in a row, 0 after a failure.
        failing_since: the first of those failures, or None.
        at: the last sample.
    """

    failures: int = 0
    successes: int = 0
    failing_since: float | None = None
    at: float = 0.0

    def after(self, ok: bool, at: float) -> Streak:
        """The streak after another sample."""
        if ok:
            return Streak(0, self.successes + 1, None, at)
        since = at if self.failing_since is None else self.failing_since
        return Streak(self.failures + 1, 0, since, at)


@dataclass(frozen=True)
class LastIncident:
    """The last incident of a component; `closed_at` is None while it is open."""

    id: str
    impact: Impact
    closed_at: float | None


def decide(streak: Streak, last: LastIncident | None, *, explained: bool = False) -> Action:
    """What happens to the incident of a component after a sample.

    Args:
        streak: with that sample.
        last: the last incident of the component, or None if it never had one.
        explained: whether the failure of another component explains this one; then no incident opens.
    """
    if last is None or last.closed_at is not None:
        if streak.failures < OPENING_FAILURES or explained:
            return Action.NONE
        is_recent = (
            last is not None
            and last.closed_at is not None
            and streak.at - last.closed_at <= REOPENING_SECONDS
        )
        return Action.REOPEN if is_recent else Action.OPEN
    if streak.successes >= CLOSING_SUCCESSES:
        return Action.CLOSE
    since = streak.at if streak.failing_since is None else streak.failing_since
    if last.impact is Impact.DEGRADED and streak.at - since >= OUTAGE_SECONDS:
        return Action.ESCALATE
    return Action.NONE
