"""The load of workers, from the work that came in each of the last minutes.

The load is the work that arrives in a second, in seconds of one worker. Chance moves it, so a change counts
only if it is larger than chance would explain.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

BIN_SECONDS = 60.0
WINDOWS = (30, 15, 5, 2)
"""Minutes over which the load is averaged, the longest first."""
CHANCE = 2.5
"""Standard deviations beyond which a difference is no chance."""
LUMP = 8.0
"""Standard deviations above both neighbours beyond which a minute is a lump."""
DAMPING = 0.8
"""The share of a trend that is left in the next minute (Gardner and McKenzie 1985, a damped trend)."""


class Sample(NamedTuple):
    """The backlog at a time and the work that was done until then, in seconds."""

    at: float
    backlog: float
    done: float  # work of all time, in seconds


def extend(samples: tuple[Sample, ...], sample: Sample) -> tuple[Sample, ...]:
    """The samples of the longest window with another one, if the last of them is a minute old."""
    if samples and sample.at - samples[-1].at < BIN_SECONDS:
        return samples
    return (*samples, sample)[-WINDOWS[0] - 1 :]


def loads(samples: Sequence[Sample]) -> list[float]:
    """The load of each interval between samples, in workers."""
    return [
        (after.backlog - before.backlog + after.done - before.done) / (after.at - before.at)
        for before, after in itertools.pairwise(samples)
    ]


def offered_load(bins: Sequence[float], job_seconds: float) -> float:
    """The load that goes on, from the work that came in each of the last minutes.

    Args:
        bins: load of each minute in workers, the oldest first.
        job_seconds: as in `Observation`, the mean over time.
    """
    if not bins:
        return 0.0
    steady = without_lumps(bins, job_seconds)
    window = steady[-WINDOWS[0] :]
    rate = sum(window) / len(window)
    for length in WINDOWS[1:]:
        if len(steady) > length:
            recent = sum(steady[-length:]) / length
            if abs(recent - rate) > CHANCE * _deviation(max(rate, recent), job_seconds, length):
                rate = recent
    return max(0.0, rate)


def growth(bins: Sequence[float], job_seconds: float, seconds: float) -> float:
    """How much the load will have grown in so many seconds, by the trend of the last four minutes.

    0 unless the last two minutes are above the two before them by more than chance. The trend fades: the load
    is not expected to grow for ever. See `offered_load` for the other arguments.
    """
    steady = without_lumps(bins, job_seconds)
    if len(steady) < 4:
        return 0.0
    recent, before = sum(steady[-2:]) / 2, sum(steady[-4:-2]) / 2
    if recent - before <= CHANCE * math.sqrt(2) * _deviation(recent, job_seconds, 2):
        return 0.0
    minutes = 1 + seconds / BIN_SECONDS  # the mean of the last two is the load of a minute ago
    damped_minutes: float = DAMPING * (1 - DAMPING**minutes) / (1 - DAMPING)
    return (recent - before) / 2 * damped_minutes


def without_lumps(bins: Sequence[float], job_seconds: float) -> list[float]:
    """The bins, with those that are far above both neighbours cut down to the higher neighbour."""
    steady = []
    for index, value in enumerate(bins):
        near = max((0.0, *bins[max(0, index - 1) : index], *bins[index + 1 : index + 2]))
        lump = value - near > LUMP * _deviation(max(near, 1.0), job_seconds, 1)
        steady.append(near if lump else value)
    return steady


def _deviation(rate: float, job_seconds: float, minutes: int) -> float:
    """Standard deviation of the load over some minutes if jobs come at random at a steady rate."""
    return math.sqrt(max(rate, 0.0) * job_seconds / (minutes * BIN_SECONDS))
