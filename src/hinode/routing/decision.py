"""Which member of a pool makes a job: a pure function of prices, times, health and policy.

Candidates that the policy excludes, or that cannot carry out the request, are rejected. The others are in the
order of

1. **condition**: those that take jobs, before one that is on trial, before those that take none at present;
2. **cost**: the price of the clip, and what each second until it is there is worth;
3. the price alone, own workers before providers, and the name: there are no ties.

Nothing here reads a clock, a file or a random number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Condition(IntEnum):
    """Whether a candidate takes jobs; a lower number goes first."""

    READY = 0
    TRIAL = 1
    """It was drained, and a job may show that it is well again."""
    DRAINED = 2
    """Too many of its last requests failed."""
    ABSENT = 3
    """No live worker can run its engine."""


_CONDITIONS = {
    Condition.TRIAL: "on trial after failures",
    Condition.DRAINED: "drained after failures",
    Condition.ABSENT: "no live worker",
}


@dataclass(frozen=True)
class Candidate:
    """A model that may make a job.

    Attributes:
        engine: name of its engine.
        model: its name within the engine.
        provider: name of the server that makes the clip, or "" for own workers.
        price: of the clip, in US dollars, at least 0.
        wait: expected seconds before the work begins, at least 0.
        seconds: expected seconds of work, at least 0.
        obstacle: why it cannot carry out the request, or "" if it can.
    """

    engine: str
    model: str
    provider: str = ""
    price: float = 0.0
    wait: float = 0.0
    seconds: float = 0.0
    condition: Condition = Condition.READY
    obstacle: str = ""

    @property
    def name(self) -> str:
        """ENGINE/MODEL."""
        return f"{self.engine}/{self.model}"


@dataclass(frozen=True)
class Policy:
    """What the order follows.

    Attributes:
        local_only: whether the jobs of the project stay with own workers.
        second_price: what a second until the clip is there is worth, in US dollars, at least 0.
    """

    local_only: bool = False
    second_price: float = 0.0


@dataclass(frozen=True)
class Route:
    """A candidate and the reason for its position, or for its rejection."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True)
class Decision:
    """The candidates in the order in which they are tried, and those that are never tried."""

    routes: tuple[Route, ...]
    rejected: tuple[Route, ...]


def decide(candidates: Sequence[Candidate], policy: Policy) -> Decision:
    """Put candidates in order; the order of `candidates` has no influence on it."""
    routes, rejected = [], []
    for candidate in sorted(candidates, key=lambda candidate: _key(candidate, policy)):
        if policy.local_only and candidate.provider:
            rejected.append(Route(candidate, "the project is local-only"))
        elif candidate.obstacle:
            rejected.append(Route(candidate, candidate.obstacle))
        else:
            routes.append(Route(candidate, _reason(candidate, policy)))
    return Decision(tuple(routes), tuple(rejected))


def _cost(candidate: Candidate, policy: Policy) -> float:
    return candidate.price + policy.second_price * (candidate.wait + candidate.seconds)


def _key(candidate: Candidate, policy: Policy) -> tuple[int, float, float, bool, str]:
    cost, provider = _cost(candidate, policy), bool(candidate.provider)
    return candidate.condition, cost, candidate.price, provider, candidate.name


def _reason(candidate: Candidate, policy: Policy) -> str:
    time = candidate.wait + candidate.seconds
    parts = [f"costs {_cost(candidate, policy):.4f} USD: price {candidate.price:.4f}, and {time:.0f} s"]
    parts[0] += f" at {policy.second_price:g} each"
    if candidate.condition in _CONDITIONS:
        parts.append(_CONDITIONS[candidate.condition])
    return "; ".join(parts)
