"""The queue of a fleet, clip by clip on a virtual clock: what the formulas are checked against.

Clips come at random and start in the order in which they come, each on the quickest machine that is free. The
seconds of a clip are lognormal, or equal if they do not vary.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hinode.money.capacity.queueing import Array

WARM_UP = 0.1
"""The share of the clips, from the first on, that finds a queue which is still building up."""


@dataclass(frozen=True)
class Simulated:
    """Waits in seconds, in the order in which the clips came, and the share of the machines that worked."""

    waits: Array
    utilisation: float

    @property
    def mean(self) -> float:
        return float(self.waits.mean())

    def quantile(self, share: float) -> float:
        """The wait that a share of the clips does not exceed."""
        return float(np.quantile(self.waits, share))

    def error(self) -> float:
        """Standard error of the mean, by 20 batches: waits that follow each other are alike."""
        batches = np.array([part.mean() for part in np.array_split(self.waits, 20)])
        return float(batches.std(ddof=1) / math.sqrt(len(batches)))


def simulate(
    speeds: Sequence[float], arrivals: float, seconds: float, variation: float, *, clips: int, seed: int
) -> Simulated:
    """Let so many clips come.

    Args:
        speeds: of each machine; on one of speed 2 a clip takes half as long.
        arrivals: clips a second.
        seconds: a clip takes on a machine of speed 1, on average.
        variation: squared coefficient of variation of these.
    """
    dice = np.random.default_rng(seed)
    times = np.cumsum(dice.exponential(1.0 / arrivals, clips)).tolist()
    spread = math.log1p(variation)
    work = (seconds * dice.lognormal(-spread / 2.0, math.sqrt(spread), clips)).tolist()
    order = sorted(range(len(speeds)), key=lambda machine: -speeds[machine])
    pace = [speeds[machine] for machine in order]
    free = list(range(len(pace)))  # a heap: the quickest first
    busy: list[tuple[float, int]] = []
    waits, worked = [0.0] * clips, 0.0
    for number, (at, amount) in enumerate(zip(times, work, strict=True)):
        while busy and busy[0][0] <= at:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            start, machine = at, heapq.heappop(free)
        else:
            start, machine = heapq.heappop(busy)
        length = amount / pace[machine]
        heapq.heappush(busy, (start + length, machine))
        waits[number] = start - at
        worked += length
    first = int(WARM_UP * clips)
    return Simulated(np.array(waits[first:]), worked / (len(pace) * max(times[-1], 1e-9)))
