"""Classes of hardware, machines that may be taken away, and what a mix of them can do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hinode.money.capacity.queueing import Wait, waits

HOUR = 3600.0
MAX_MACHINES = 10_000
SPOT_RISK = 0.05
"""A plan counts on as many spot machines as are there in all but this share of the time."""


@dataclass(frozen=True)
class Hardware:
    """Machines that are alike.

    Attributes:
        seconds: that a clip takes on one, on average.
        usd_per_hour: of one; None if it does not matter, because there is one class only.
        maximum: how many there are.
        interruptions: how often in an hour one is taken away; 0 for machines that stay.
        restart: seconds that are paid until another one works in its place.
    """

    name: str
    seconds: float
    usd_per_hour: float | None = None
    maximum: int = MAX_MACHINES
    interruptions: float = 0.0
    restart: float = 300.0

    @property
    def spot(self) -> bool:
        """Whether its machines may be taken away."""
        return self.interruptions > 0

    @property
    def availability(self) -> float:
        """The share of the time that is paid in which a machine works."""
        return 1.0 / (1.0 + self.interruptions * self.restart / HOUR)

    @property
    def usd_per_clip(self) -> float:
        """Of a machine that always has work; without a price the machine-hours of a clip."""
        price = 1.0 if self.usd_per_hour is None else self.usd_per_hour
        return price * self.seconds / HOUR / self.availability


@dataclass(frozen=True)
class Load:
    """Clips that come at random.

    Attributes:
        per_hour: how many, on average.
        variation: squared coefficient of variation of their seconds on one class of hardware.
    """

    per_hour: float
    variation: float = 1.0


@dataclass(frozen=True)
class Target:
    """What a share of the clips, such as 0.95, may wait at most.

    Attributes:
        seconds: of the wait.
        steady_seconds: for so long clips come at the same rate. A queue that needs longer to settle is too
            near its limit: its waits would grow with every busy quarter of an hour.
    """

    seconds: float
    share: float = 0.95
    steady_seconds: float = HOUR

    def met(self, wait: Wait) -> bool:
        return wait.quantile(self.share) <= self.seconds and wait.relaxation <= self.steady_seconds


@dataclass(frozen=True)
class Fleet:
    """Machines by class, and what clips wait for them.

    Attributes:
        counts: machines of each class, by its name; those that are there at all.
        usd_per_hour: of all; None without prices.
        usd_per_clip: the same for each clip that comes.
    """

    counts: Mapping[str, int]
    wait: Wait
    usd_per_hour: float | None
    usd_per_clip: float | None

    @property
    def machines(self) -> int:
        return sum(self.counts.values())


def forecast(classes: Sequence[Hardware], counts: Sequence[int], load: Load) -> Fleet:
    """What clips wait for so many machines of each class.

    A mix counts as machines of one speed that do as much together. Of spot machines those count that are
    there in all but `SPOT_RISK` of the time.
    """
    wait = mix_wait(classes, counts, load)
    named = {kind.name: count for kind, count in zip(classes, counts, strict=True) if count}
    prices = [kind.usd_per_hour for kind in classes]
    if any(price is None for price in prices):
        return Fleet(named, wait, None, None)
    usd = sum(count * (price or 0.0) for count, price in zip(counts, prices, strict=True))
    return Fleet(named, wait, usd, usd / load.per_hour if load.per_hour else None)


def mix_wait(classes: Sequence[Hardware], counts: Sequence[int], load: Load) -> Wait:
    """The waits of `forecast` alone."""
    there = [
        _spot_machines(count, kind.availability) if kind.spot else count
        for kind, count in zip(classes, counts, strict=True)
    ]
    pace = sum(count / kind.seconds for kind, count in zip(classes, there, strict=True))
    machines = sum(there)
    seconds = machines / pace if pace else 0.0
    return waits(machines, load.per_hour / HOUR, seconds, load.variation)


@lru_cache(maxsize=4096)
def _spot_machines(count: int, availability: float) -> int:
    """How many of them are there in all but `SPOT_RISK` of the time, if each is taken away by itself."""
    if count == 0:
        return 0
    numbers = np.arange(count + 1, dtype=np.float64)
    logs = np.concatenate(([0.0], np.cumsum(np.log(np.maximum(numbers[1:], 1.0)))))
    terms = logs[-1] - logs - logs[::-1]
    terms += numbers * math.log(availability) + (count - numbers) * math.log1p(-availability)
    return int(np.searchsorted(np.cumsum(np.exp(terms)), SPOT_RISK, side="right"))
