"""Waits of many servers with one queue, first in, first out, by formula.

- **M/M/c**: Erlang's C, the chance of a wait (Erlang 1917). Its waits are exponential.
- **M/G/c**: the mean wait of M/M/c times (1 + v) / 2, v the squared coefficient of variation of the service
  times (Allen and Cunneen; Whitt 1993, Approximations for the GI/G/m queue).
- **M/D/c**: many servers with equal service times wait longer than that says, because several of them are
  seldom about to be free at once. Cosmetatos (1976) corrects for it, and for v between 0 and 1 the wait is
  between those of M/D/c and M/M/c in proportion to v. For v from 1 on, the formula of Allen and Cunneen is
  used as it is.

For the quantiles, waits of those who wait are taken to be exponential; the chance of a wait is that of M/M/c.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def erlang_c(servers: int, load: ArrayLike) -> Array:
    """The chance that a job waits. `load`: share of the servers that is busy, below 1."""
    share = np.asarray(load, np.float64)
    offered = share * servers
    inverse = np.ones_like(offered)  # of Erlang's B, by its recursion
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        for count in range(1, servers + 1):
            inverse = 1.0 + inverse * count / offered
        blocked = np.where(offered > 0, 1.0 / inverse, 0.0)
    return np.asarray(blocked / (1.0 - share * (1.0 - blocked)), np.float64)


def allen_cunneen(servers: int, load: ArrayLike, seconds: float, variation: float) -> Array:
    """Mean wait in seconds of M/G/c, without the correction for many servers.

    Args:
        servers: that share one queue.
        load: share of them that is busy, below 1.
        seconds: mean service time.
        variation: its squared coefficient of variation.
    """
    share = np.asarray(load, np.float64)
    return erlang_c(servers, share) * seconds / (servers * (1.0 - share)) * (1.0 + variation) / 2.0


@dataclass(frozen=True)
class Wait:
    """Waits of a queue in seconds; infinite if more comes than can be done.

    Attributes:
        load: share of the servers that is busy.
        chance: that a job waits at all.
        relaxation: seconds in which a queue comes near its steady state, for which all this holds.
    """

    load: float
    chance: float
    mean: float
    relaxation: float = 0.0

    def quantile(self, share: float) -> float:
        """The wait that a share of the jobs, from 0 to below 1, does not exceed."""
        if math.isinf(self.mean):
            return math.inf
        if self.chance <= 1.0 - share:
            return 0.0
        return self.mean / self.chance * math.log(self.chance / (1.0 - share))

    @property
    def p50(self) -> float:
        return self.quantile(0.5)

    @property
    def p95(self) -> float:
        return self.quantile(0.95)


def waits(servers: int, arrivals: float, seconds: float, variation: float = 1.0) -> Wait:
    """The waits of jobs that come at random.

    Args:
        servers: that share one queue; with 0 the wait is infinite.
        arrivals: jobs a second.
        seconds: mean service time.
        variation: its squared coefficient of variation.
    """
    load = arrivals * seconds / servers if servers else math.inf
    if arrivals <= 0:
        return Wait(0.0, 0.0, 0.0)
    if load >= 1.0:
        return Wait(load, 1.0, math.inf, math.inf)
    chance = _erlang_c(servers, load)
    relaxation = (1.0 + variation) * seconds / (servers * (1.0 - load) ** 2)  # as of a diffusion
    exponential = chance * seconds / (servers * (1.0 - load))
    if variation >= 1.0:
        return Wait(load, chance, exponential * (1.0 + variation) / 2.0, relaxation)
    equal = exponential * _equal_service(servers, load)
    return Wait(load, chance, variation * exponential + (1.0 - variation) * equal, relaxation)


def _equal_service(servers: int, load: float) -> float:
    """The mean wait of M/D/c over that of M/M/c, by Cosmetatos. It never exceeds the limit of a load near 0,
    c / (c + 1), beyond which the correction would go."""
    more = (1.0 - load) * (servers - 1) * (math.sqrt(4.0 + 5.0 * servers) - 2.0) / (16.0 * load * servers)
    return min((1.0 + more) / 2.0, servers / (servers + 1.0))


def _erlang_c(servers: int, load: float) -> float:
    """As `erlang_c`, of one load; terms below the smallest number that counts are left out."""
    offered, inverse = load * servers, 1.0
    for count in range(1, servers + 1):
        inverse = 1.0 + inverse * count / offered
        if inverse > 1e300:  # nobody waits
            return 0.0 if count == servers else _large(servers, load)
    blocked = 1.0 / inverse
    return blocked / (1.0 - load * (1.0 - blocked))


def _large(servers: int, load: float) -> float:
    """For so many servers that the terms overflow: the same in logarithms (Erlang's B by Poisson's law)."""
    offered = load * servers
    counts = np.arange(servers + 1, dtype=np.float64)
    logs = np.cumsum(np.log(np.maximum(counts, 1.0)))
    terms = counts * math.log(offered) - logs
    blocked = float(math.exp(terms[-1] - terms.max()) / np.exp(terms - terms.max()).sum())
    return blocked / (1.0 - load * (1.0 - blocked))
